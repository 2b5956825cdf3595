"""Record of an earlier run: the part of run.json that a replay needs, with no type taken for granted."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.errors import WrongUsage
from platform_e2e.runs.find_run import FoundRun
from platform_e2e.runs.history.record import OF_HISTORY

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""A commit, which becomes an argument of git."""

BAD = ("failed", "error")
"""Outcomes of a test that are run again."""

BLOCKED = "blocked"
"""The outcome of a test that hung on another; run again only where nothing else failed."""

TAKEN = (
    "provider",
    "nodes",
    "servers",
    "images",
    "deadline",
    "strict_versions",
)
"""Options that are part of the state of a run. Whether and as what a cluster is kept is the caller's business."""

ASKED = ("registry_mirror", "charts_dir", "sealing_key")
"""Options that are part of it too, and name places: files of this machine, or where images come from. What a run says of them is
shown and never taken; who replays it gives them."""

LONGEST_VALUE = 200
"""Characters of an option's value; a path may have more, and is cut where it is shown."""


@dataclass(frozen=True)
class Then:
    """How a test ended in the earlier run.

    Attributes:
        test: its id.
        outcome: as in platform_e2e/report/verdict.py.
        causes: ids of the causes of its findings, in order, each once.
        reason: first line of an error that no finding explains, or what blocked it.
    """

    test: str
    outcome: str
    causes: tuple[str, ...] = ()
    reason: str = ""

    @classmethod
    def of(cls, test: Mapping[str, Any]) -> Then:
        """Return what a test's entry in run.json says."""
        causes = [
            _text(_mapping(finding.get("cause")).get("id"))
            for finding in _list(test.get("findings"))
            if isinstance(finding, dict)
        ]
        return cls(
            test=_text(test.get("test")),
            outcome=_text(test.get("outcome")),
            causes=tuple(dict.fromkeys(causes)),
            reason=_text(test.get("reason")),
        )


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
    """

    kept: FoundRun
    options: Mapping[str, str]
    layer: Mapping[str, Any]
    harness: Mapping[str, Any]
    tests: tuple[Then, ...]
    exit_code: int
    state: Mapping[str, Any] = field(default_factory=dict)
    sealing_key: str = ""

    @property
    def failed(self) -> tuple[Then, ...]:
        """Return the tests that failed; where none did, those that something blocked which no test shows."""
        return to_run_again(self.tests)

    @property
    def commit(self) -> str:
        """Return the layer's commit, or an empty string."""
        return _commit(self.layer)

    @property
    def title(self) -> str:
        """Return what the layer was, in a few words."""
        at = self.commit[:12] + (" with uncommitted changes" if self.layer.get("uncommitted") else "")
        return f"layer of {self.kept.name}" + (f" at {at}" if at.strip() else "")


def ended(tests: Iterable[Mapping[str, Any]]) -> tuple[Then, ...]:
    """Return how the tests ended, without the results of the comparison with earlier runs: no test has their ids.

    Args:
        tests: entries of run.json's verdict.
    """
    found = (Then.of(test) for test in tests)
    return tuple(one for one in found if not one.test.startswith(OF_HISTORY))


def to_run_again(tests: Iterable[Then]) -> tuple[Then, ...]:
    """Return the tests that failed; where none did, those that something blocked which no test shows."""
    then = tuple(tests)
    return tuple(test for test in then if test.outcome in BAD) or tuple(
        test for test in then if test.outcome == BLOCKED
    )


def read(kept: FoundRun) -> RunRecord:
    """Return what an earlier run says of itself.

    Raises:
        WrongUsage: its run.json is none of this harness.
    """
    data = kept.run
    verdict = data.get("verdict") if isinstance(data, dict) else None
    if not isinstance(verdict, dict) or not isinstance(data.get("options"), dict):
        raise WrongUsage(
            f"--replay: run.json of {kept.where} is not one of platform-e2e: it lacks options or verdict",
            "name the directory of a run",
        )
    tests = ended(test for test in _list(verdict.get("tests")) if isinstance(test, dict))
    return RunRecord(
        kept=kept,
        options={name: text for name in (*TAKEN, *ASKED) if (text := _written(name, data["options"].get(name)))},
        layer=_mapping(data.get("layer")),
        harness=_mapping(data.get("harness")),
        tests=tests,
        exit_code=data["exit_code"] if isinstance(data.get("exit_code"), int) else 3,
        state=state(_mapping(data.get("state"))),
        sealing_key=_text(data.get("sealing_key_sha256")),
    )


def _written(name: str, value: Any) -> str:
    """Return an option's value in the form of a command line; empty where it was not chosen."""
    if value is True:
        return "yes"
    if value is None or value is False:
        return ""
    if name == "deadline" and isinstance(value, int | float) and value < sys.maxsize:
        return f"{max(value, 1):.0f}s"
    return str(value)[:LONGEST_VALUE]


def _commit(described: Mapping[str, Any]) -> str:
    """Return the commit that run.json states, if it is one."""
    commit = _text(described.get("commit"))
    return commit if COMMIT.fullmatch(commit) else ""


def harness_commit(recorded: RunRecord) -> str:
    """Return the harness's commit, or an empty string."""
    return _commit(recorded.harness)


def state(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the cluster was: single values, `pool` by range, `images` and `releases` and `charts` by name.

    Args:
        said: `state` of a run.json, in which releases and images are lists: a name as a key may read like a secret's.
    """
    releases = [release for release in _list(said.get("releases")) if isinstance(release, dict)]
    images = [image for image in _list(said.get("images")) if isinstance(image, dict)]
    return {
        **{name: value for name, value in said.items() if isinstance(value, str | int)},
        "pool": {str(stated): _text(used) for stated, used in _mapping(said.get("pool")).items()},
        "images": {_text(image.get("image")): _text(image.get("digest")) for image in images},
        "releases": {_text(release.get("release")): _text(release.get("running")) for release in releases},
        "charts": {
            _text(release.get("release")): _text(release.get("chart")).partition(" ")[0] for release in releases
        },
    }


def strings(value: Any) -> list[str]:
    """Return the texts of a list; none where it is not a list."""
    return [text for text in _list(value) if isinstance(text, str)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
