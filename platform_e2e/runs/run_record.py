"""Record of an earlier run: what a replay needs of it, in the form in which it needs it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.errors import ExitCode, WrongUsage
from platform_e2e.git.repository import COMMIT
from platform_e2e.runs.find_run import FoundRun
from platform_e2e.runs.history.record import OF_HISTORY
from platform_e2e.runs.run_json import Content, SavedRun
from platform_e2e.runs.verdict import BAD, Outcome, Result

BLOCKED = Outcome.BLOCKED
"""The outcome of a test that hung on another; run again only where nothing else failed."""

TAKEN = (
    "provider",
    "nodes",
    "servers",
    "images",
    "deadline",
    "strict_versions",
    "root",
)
"""Options that are part of the state of a run. Whether and as what a cluster is kept is the caller's business."""

ASKED = ("registry_mirror", "charts_dir", "store", "sealing_key")
"""Options that are part of it too, and name places: files of this machine, or where images come from. What a run says of them is
shown and never taken; who replays it gives them."""

LONGEST_VALUE = 200
"""Characters of an option's value; a path may have more, and is cut where it is shown."""

LONGEST_ROOT = 20 * LONGEST_VALUE
"""Characters of --root, which may be several paths: cut, it would name another directory."""


@dataclass(frozen=True)
class Then:
    """How a test ended in the earlier run.

    Attributes:
        test: its id.
        outcome: as in platform_e2e/runs/verdict.py.
        causes: ids of the causes of its findings, in order, each once.
        reason: first line of an error that no finding explains, or what blocked it.
    """

    test: str
    outcome: str
    causes: tuple[str, ...] = ()
    reason: str = ""

    @classmethod
    def of(cls, result: Result) -> Then:
        """Return how a test ended."""
        return cls(result.test, result.outcome.value, result.causes, result.reason)


@dataclass(frozen=True)
class RunRecord:
    """An earlier run.

    Attributes:
        kept: its files.
        options: what it was run with, by name, as a person would write it; only those of `TAKEN` and `ASKED` that it had.
        layer: what it says of its layer.
        harness: what it says of the harness that ran it.
        tests: how each test ended; none of the comparison with earlier runs.
        exit_code: of the run.
        state: cluster, releases and images as they were.
        sealing_key: SHA-256 of the file with the key of Sealed Secrets, or an empty string.
        unjudged: object and reason of everything that was not judged.
    """

    kept: FoundRun
    options: Mapping[str, str]
    layer: Content
    harness: Content
    tests: tuple[Then, ...]
    exit_code: int
    state: Mapping[str, Any] = field(default_factory=dict)
    sealing_key: str = ""
    unjudged: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Then, ...]:
        """Return the tests that failed; where none did, those that something blocked which no test shows."""
        return to_run_again(self.tests)

    @property
    def commit(self) -> str:
        """Return the layer's commit, or an empty string."""
        return _commit(self.layer)

    @property
    def withheld(self) -> list[Mapping[str, Any]]:
        """Return one entry for each file of the layer's copy from which something was taken out."""
        return [entry for entry in self.layer.get("withheld", ()) if "path" in entry]

    @property
    def title(self) -> str:
        """Return what the layer was, in a few words."""
        at = self.commit[:12] + (" with uncommitted changes" if self.layer.get("uncommitted") else "")
        return f"layer of {self.kept.name}" + (f" at {at}" if at.strip() else "")


def ended(tests: Iterable[Result]) -> tuple[Then, ...]:
    """Return how the tests ended, without the results of the comparison with earlier runs: no test has their ids."""
    return tuple(Then.of(result) for result in tests if not result.test.startswith(OF_HISTORY))


def to_run_again(tests: Iterable[Then]) -> tuple[Then, ...]:
    """Return the tests that failed; where none did, those that something blocked which no test shows."""
    then = tuple(tests)
    return tuple(test for test in then if test.outcome in BAD) or tuple(
        test for test in then if test.outcome == BLOCKED
    )


def read(kept: FoundRun) -> RunRecord:
    """Return what an earlier run says of itself.

    Raises:
        WrongUsage: its run.json was not written by this harness.
    """
    data = kept.run
    if not isinstance(data, dict) or not all(isinstance(data.get(name), dict) for name in ("verdict", "options")):
        raise WrongUsage(
            f"--replay: run.json of {kept.where} is not one of platform-e2e: it lacks options or verdict",
            "name the directory of a run",
        )
    run, _ = SavedRun.from_json(data)
    return RunRecord(
        kept=kept,
        options={name: text for name in (*TAKEN, *ASKED) if (text := _written(name, run.options.get(name)))},
        layer=run.layer,
        harness=run.harness,
        tests=ended(run.verdict.tests),
        exit_code=ExitCode.BROKEN_HARNESS if run.exit_code is None else run.exit_code,
        state=state(run.state),
        sealing_key=run.sealing_key_sha256,
        unjudged={unknown.object: unknown.reason for unknown in run.verdict.unknown},
    )


def _written(name: str, value: Any) -> str:
    """Return an option's value in the form of a command line; empty where it was not chosen."""
    if value is True:
        return "yes"
    if value is None or value is False:
        return ""
    if name == "deadline" and isinstance(value, int | float) and value < sys.maxsize:
        return f"{max(value, 1):.0f}s"
    return str(value)[: LONGEST_ROOT if name == "root" else LONGEST_VALUE]


def _commit(content: Content) -> str:
    """Return the commit that run.json states, an empty string where it does not have the form of one."""
    commit = content.get("commit", "")
    return commit if COMMIT.fullmatch(commit) else ""


def harness_commit(recorded: RunRecord) -> str:
    """Return the harness's commit, or an empty string."""
    return _commit(recorded.harness)


def state(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the cluster was: single values, `pool` by range, `images` and `releases` and `charts` by name.

    Args:
        said: of the form of runs/run_json.py's SavedState.
    """
    releases = said.get("releases", ())
    return {
        **{name: value for name, value in said.items() if isinstance(value, str | int)},
        "pool": dict(said.get("pool", {})),
        "images": {image.get("image", ""): image.get("digest", "") for image in said.get("images", ())},
        "releases": {release.get("release", ""): release.get("running", "") for release in releases},
        "charts": {release.get("release", ""): release.get("chart", "").partition(" ")[0] for release in releases},
    }
