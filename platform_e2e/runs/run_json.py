"""What a run has found out, as run.json has it: written once, and read by everything that tells of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from platform_e2e.runs.history.changes import Change
from platform_e2e.runs.history.flakes import Flake
from platform_e2e.runs.verdict import Verdict
from platform_e2e.untrusted import documents, plainfile, typed
from platform_e2e.untrusted.typed import Finite

NAME = "run.json"

MOST_VALUES = 1_000_000
"""Of a run.json; that of a run whose thousand tests all failed has a third of it."""

LOST = "verdict, promises and findings are not shown"
"""What a report lacks without run.json."""


class Content(TypedDict, total=False):
    """What the layer, or the code of the harness, was when the run began (runs/provenance.py)."""

    commit: str
    digest: str
    prefix: str
    within: str
    urls: Sequence[str]
    besides: str
    uncommitted: Sequence[str]
    patch_withheld: Sequence[str]
    withheld: Sequence[Mapping[str, Any]]


class ImageDigest(TypedDict, total=False):
    """An image, and what it was on the nodes."""

    image: str
    digest: str


class SavedRelease(TypedDict, total=False):
    """A release, the version that ran, and the chart with its version."""

    release: str
    running: str
    chart: str


class SavedState(TypedDict, total=False):
    """What the cluster was; releases and images are lists, since a name as a key may read like a secret's."""

    provider: str
    kubernetes: str
    nodes: int
    pool: Mapping[str, str]
    images: Sequence[ImageDigest]
    releases: Sequence[SavedRelease]


@dataclass(frozen=True)
class Fact:
    """One fact of the timeline; a release has its version, and that which ran in its place."""

    name: str
    text: str = ""
    version: str = ""


@dataclass(frozen=True)
class Phase:
    """A phase that has ended, with its seconds and, where it failed, its error."""

    name: str
    seconds: Finite = 0.0
    error: str = ""


@dataclass(frozen=True)
class Green:
    """The last green run of the same kind, with its directory relative to that of this run."""

    id: str = ""
    started: Finite = 0.0
    directory: str = ""


@dataclass(frozen=True)
class History:
    """The run beside earlier ones; the attributes are those of runs/history/changes.py."""

    previous_green: Green | None = None
    changes: tuple[Change, ...] = ()
    flakes: tuple[Flake, ...] = ()
    trends: Mapping[str, Sequence[tuple[Finite, Finite]]] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SavedMachine:
    """What of the machine a reader needs to judge figures."""

    cores: int | None = None


@dataclass(frozen=True)
class SavedRun:
    """A run that has ended, as far as its run.json can be read.

    Attributes:
        exit_code: of the run; None where it is not known.
        kept: whether the cluster outlived the run; None where it is not known.
        options: what was chosen, by the names of settings.py, which says what a value may be.
        layer: what the layer was.
        harness: what the code of the harness was.
        state: what the cluster was.
        sealing_key_sha256: of the file with the key of Sealed Secrets, or an empty string.
        exemptions: for each promise the objects that the layer exempts from it, with their reasons.
        versions: of the harness as `platform-e2e`, and its repository as `root`.
        machine: that it ran on.
        started: seconds since the epoch.
        seconds: how long it took.
        facts: of the timeline.
        phases: that have ended, in the order of their ends.
        verdict: of its tests.
        history: the run beside earlier ones; None where it was not compared.
    """

    exit_code: int | None = None
    kept: bool | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    layer: Content = field(default_factory=Content)
    harness: Content = field(default_factory=Content)
    state: SavedState = field(default_factory=SavedState)
    sealing_key_sha256: str = ""
    exemptions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: SavedMachine = field(default_factory=SavedMachine)
    started: Finite = 0.0
    seconds: Finite = 0.0
    facts: tuple[Fact, ...] = ()
    phases: tuple[Phase, ...] = ()
    verdict: Verdict = field(default_factory=Verdict)
    history: History | None = None

    @classmethod
    def from_json(cls, data: object) -> tuple[SavedRun, list[str]]:
        """Return the run, and one sentence for each value that is left out because it has another type."""
        return typed.lenient(data, cls, NAME)

    @classmethod
    def load(cls, directory: Path) -> tuple[SavedRun, list[str]]:
        """Return the run of a directory, an empty one where there is none, and what could not be read, one sentence each."""
        try:
            data, said = read_json(directory, NAME, LOST)
        except FileNotFoundError:
            return cls(), [f"{NAME} is missing: {LOST}."]
        run, odd = cls.from_json(data)
        if data and not data.get("verdict"):
            odd.append(f"{NAME} has no verdict: it was written by another version of the harness.")
        return run, [*said, *odd]


def read_json(directory: Path, name: str, lost: str) -> tuple[dict[str, Any], list[str]]:
    """Return the plain data of a file, nothing of one that cannot be read, and why, in one sentence.

    Args:
        directory: of the run.
        name: of the file, relative to it.
        lost: what a report lacks without it.

    Raises:
        FileNotFoundError: there is no such file.
    """
    try:
        content = plainfile.read(directory / name, documents.LARGEST_JSON).decode(errors="replace").encode()
        data = documents.from_json(content, MOST_VALUES)
    except FileNotFoundError:
        raise
    except OSError as error:
        return {}, [f"{name} cannot be read ({error.strerror}): {lost}."]
    except ValueError:
        return {}, [f"{name} is damaged: {lost}."]
    return (data, []) if isinstance(data, dict) else ({}, [f"{name} is damaged: {lost}."])


def phases(events: Iterable[Mapping[str, Any]]) -> tuple[Phase, ...]:
    """Return the phases of a timeline that have ended, in the order of their ends."""
    return tuple(
        Phase(str(event["name"]), float(event["seconds"]), str(event.get("error") or ""))
        for event in events
        if event["kind"] == "phase-end"
    )
