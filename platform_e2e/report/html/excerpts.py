"""The ends of logs that belong to a problem, for reading them without leaving the page."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from platform_e2e import redact
from platform_e2e.report.html.problems import ReportedProblem
from platform_e2e.report.html.source import Kept
from platform_e2e.untrusted import plainfile

LOGS_SHOWN = 6
"""How many logs a problem shows: those of the pods it names and of the controllers beside them."""

NEAR_SHOWN = 2
"""How many of them may be of the same namespace only."""

LINES_SHOWN = 60
"""How many last lines of each: two screens."""

BYTES_SHOWN = 12_000
"""How much of each; one line of a structured log can be as long as twenty others."""

LOOKED_AT = 400
"""How many logs are looked through for the names of a problem's objects; evidence of a red run has about fifty."""

BYTES_READ = 200_000
"""How much of a log is looked through for them, from its end."""

BYTES_REDACTED = 100_000
"""How much of a log is redacted for what is shown: sixty lines, however long."""

BYTES_OF_ALL = 1_200_000
"""How much of all logs together, so that the page stays below 5 MB whatever a run leaves behind."""


LINES_COUNTED = 10_000_000
"""Of a log, to say how many there are; a reader needs no exact number above it."""


@dataclass(frozen=True)
class Excerpt:
    """The end of one file.

    Attributes:
        path: relative to the run's directory.
        text: without secrets.
        said: how much of the file that is.
    """

    path: str
    text: str
    said: str


class Logs:
    """The logs of a run.

    Args:
        directory: of the run.
        files: all that was kept.
    """

    def __init__(self, directory: Path, files: Sequence[Kept]) -> None:
        self.directory = directory
        self.files = [
            file
            for file in files
            if file.size and file.path.startswith("evidence/") and PurePosixPath(file.path).suffix in {".log", ".txt"}
        ]
        self._read: dict[str, str] = {}

    def mention(self, path: str) -> str:
        """Return what a log says, as far as it is looked through."""
        if path not in self._read:
            full = len(self._read) >= LOOKED_AT
            self._read[path] = "" if full else _read(self.directory / path, BYTES_READ)
        return self._read[path]


def chosen(problem: ReportedProblem, logs: Logs) -> list[Kept]:
    """Return the logs that belong to a problem, what tells of its objects first.

    Args:
        problem: its tests have directories of their own, and its objects have namespaces.
        logs: all that were kept.
    """
    own = {test.evidence or "\0" for test in problem.tests}
    names = problem.names
    ranked = []
    told = [f"{namespace}/{name}" for name, namespace in map(_place, problem.objects) if namespace]
    for file in logs.files:
        path = PurePosixPath(file.path)
        mine = any(file.path.startswith(f"{directory}/") for directory in own)
        named = any(path.name.startswith((f"{name}.", f"{name}-")) for name in names)
        near = bool(names.intersection(path.parts[1:-1]))
        # Controllers, which are elsewhere, write `namespace/name`.
        tells = any(name in logs.mention(file.path) for name in told)
        score = 4 * named + 4 * tells + 2 * mine + near
        if score:
            ranked.append((-score, ".previous." not in file.path, file.path, file))
    # A test's own directory may have the same log as its namespace's, some seconds apart.
    each = {PurePosixPath(entry[2]).name: entry for entry in sorted(ranked, key=lambda entry: entry[:3], reverse=True)}
    ordered = sorted(each.values(), key=lambda entry: entry[:3])[:LOGS_SHOWN]
    # What is merely in the same namespace is worth a look only where nothing tells more.
    return [file for place, (score, *_, file) in enumerate(ordered) if score < -1 or place < NEAR_SHOWN]


def _place(described: str) -> tuple[str, str]:
    """Return name and namespace of an object as findings name it."""
    object_, _, namespace = described.partition(" -n ")
    return object_.rpartition("/")[2], namespace


def _read(path: Path, most: int) -> str:
    """Return the end of a file, nothing where it cannot be read."""
    try:
        return plainfile.end_of(path, most)[0].decode(errors="replace")
    except OSError:
        return ""


def excerpts(directory: Path, wanted: Iterable[str]) -> Mapping[str, Excerpt]:
    """Return the ends of files by path, until all of them together are as much as a page can carry.

    Args:
        directory: of the run.
        wanted: paths relative to it, the more important ones first.
    """
    made: dict[str, Excerpt] = {}
    left = BYTES_OF_ALL
    for path in dict.fromkeys(wanted):
        if left <= 0:
            made[path] = Excerpt(path, "", "not shown here, the page has enough logs")
            continue
        made[path] = _end_of(directory, path)
        left -= len(made[path].text)
    return made


def _end_of(directory: Path, path: str) -> Excerpt:
    """Return the end of one file."""
    # It was redacted whole before it was written; what is shown is redacted again, and no more than that.
    safe = redact.text(_read(directory / path, BYTES_REDACTED))
    if not safe:
        return Excerpt(path, "", "it cannot be read")
    lines = safe.splitlines()
    total = max(_count(directory / path), len(lines))
    shown = "\n".join(lines[-LINES_SHOWN:])
    if len(shown) > BYTES_SHOWN:
        shown = "…" + shown[-BYTES_SHOWN:]
    cut = len(shown) < len(safe.rstrip("\n")) or total > len(lines)
    return Excerpt(path, shown, f"the last {shown.count(chr(10)) + 1} of {total} lines" if cut else "all of it")


def _count(path: Path) -> int:
    """Return how many lines a file has, 0 where it cannot be read."""
    try:
        with plainfile.opened(path) as file:
            return sum(1 for _ in itertools.islice(file, LINES_COUNTED))
    except OSError:
        return 0
