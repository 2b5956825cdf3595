"""What a run's directory has, as far as it can be read; what cannot is told in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platform_e2e.evidence.store import Index, IndexedFile
from platform_e2e.runs.run_json import SavedRun, read_json
from platform_e2e.untrusted import documents, plainfile, typed
from platform_e2e.untrusted.typed import Finite

FILES_SHOWN = 2000
"""How many files of the evidence are listed; a run over two hundred namespaces has fewer."""

LARGEST_TIMELINE = 64 << 20
"""Bytes; that of a run of two hours has about one million."""

KNOWN = {
    "run.json": "verdict, options, versions, figures and findings",
    "junit.xml": "every test, for a CI system",
    "timeline.jsonl": "every event, one a line",
    "layer.tar.gz": "the layer's files as the run began",
    "layer.sha256": "their checksums",
    "uncommitted.patch": "what the layer's directory had on top of the commit",
    "harness.patch": "the same of the harness's own checkout",
    "summary.md": "the verdict for a job page",
    "run.seal": "by which the cache that made the run knows it again",
}
"""The files at the top of a run's directory, and what each has."""


@dataclass(frozen=True)
class TimelineEvent:
    """One event of the timeline, with the facts of all kinds (timeline.py)."""

    kind: str
    mono: Finite
    at: Finite = 0.0
    pid: int = 0
    name: str = ""
    test: str = ""
    title: str = ""
    text: str = ""
    version: str = ""
    seconds: Finite = 0.0
    error: str | None = None
    outcome: str = ""
    steps: Sequence[str] = ()
    worker: str = ""
    setup: Finite = 0.0
    call: Finite = 0.0
    teardown: Finite = 0.0
    object: str = ""
    promise: str = ""
    change: str = ""
    field: str = ""
    undone_by_harness: bool = False
    sync: str = ""
    health: str = ""
    operation: str = ""
    revision: str = ""
    heals: bool = False
    of_tests: bool = False
    container: str = ""
    count: int = 0
    reason: str = ""
    why: str = ""


@dataclass(frozen=True)
class Kept:
    """One file that the run left behind.

    Attributes:
        path: relative to the run's directory, with slashes.
        size: in bytes.
        what: what it has, in a few words; may be empty.
        cut: whether a part of it was left out.
    """

    path: str
    size: int
    what: str = ""
    cut: bool = False


@dataclass
class RunFiles:
    """The files of one run.

    Attributes:
        directory: of the run.
        run: its run.json.
        events: of the timeline, in their order.
        files: what was kept, evidence included.
        left_out: what the evidence does not have, one sentence each.
        missing: what this report lacks and why, one sentence each.
    """

    directory: Path
    run: SavedRun = field(default_factory=SavedRun)
    events: list[TimelineEvent] = field(default_factory=list)
    files: list[Kept] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, directory: Path) -> RunFiles:
        """Read what there is."""
        run, missing = SavedRun.load(directory)
        source = cls(directory, run, missing=missing)
        source._timeline()
        source._files()
        return source

    def _timeline(self) -> None:
        """Take over every whole line of the timeline."""
        lost = "the course of the run is not shown"
        try:
            content = plainfile.read(self.directory / "timeline.jsonl", LARGEST_TIMELINE)
        except FileNotFoundError:
            self.missing.append(f"timeline.jsonl is missing: {lost}.")
            return
        except OSError as error:
            self.missing.append(f"timeline.jsonl cannot be read ({error.strerror}): {lost}.")
            return
        lines = content.decode(errors="replace").splitlines()
        found = [event_of(line) for line in lines]
        self.events += sorted((event for event in found if event is not None), key=lambda event: event.mono)
        if damaged := sum(event is None and bool(line.strip()) for event, line in zip(found, lines, strict=True)):
            some = "one line" if damaged == 1 else f"{damaged} lines"
            self.missing.append(f"timeline.jsonl is damaged: {some} of {len(lines)} cannot be read and are left out.")

    def _files(self) -> None:
        """List what is in the directory; the evidence's index says what each file has, where there is one."""
        index = self._index()
        said = {file.path.removeprefix("evidence/"): file for file in index.files}
        self.left_out += [part if isinstance(part, str) else part.sentence for part in index.left_out]
        try:
            # Only plain files: a link could lead out of the directory.
            found = sorted(p for p in (self.directory / "evidence").rglob("*") if p.is_file() and not p.is_symlink())
            top = [self.directory / name for name in KNOWN if (self.directory / name).is_file()]
            for path in [*top, *found[:FILES_SHOWN]]:
                name = path.relative_to(self.directory).as_posix()
                size = path.stat().st_size
                file = said.get(name.removeprefix("evidence/"), IndexedFile(name, size, ""))
                self.files.append(Kept(name, size, KNOWN.get(name) or file.what, file.truncated))
        except OSError as error:
            self.missing.append(f"the evidence cannot be listed ({error.strerror}).")
            return
        if len(found) > FILES_SHOWN:
            self.left_out.append(f"{len(found) - FILES_SHOWN} more files are in evidence/ and not listed here.")

    def _index(self) -> Index:
        """Return the index of the evidence, an empty one where it cannot be read, which is noted."""
        name, lost = "evidence/index.json", "what each file has is not said"
        try:
            data, said = read_json(self.directory, name, lost)
        except FileNotFoundError:
            return Index()
        index, odd = typed.lenient(data, Index, name)
        self.missing += [*said, *odd]
        return index


def event_of(line: str) -> TimelineEvent | None:
    """Return one line of the timeline, or None where it is not one; what of it has another type is left out."""
    try:
        data = documents.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        return None
    return typed.lenient(data, TimelineEvent, "")[0] if isinstance(data.get("mono"), int | float) else None
