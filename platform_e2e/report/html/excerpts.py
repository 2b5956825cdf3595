"""The ends of logs that belong to a problem, for reading them without leaving the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from platform_e2e.report import redact
from platform_e2e.report.html.problems import Problem
from platform_e2e.report.html.source import Kept

LOGS_SHOWN = 6
"""How many logs a problem shows: those of the pods it names and of the controllers beside them."""

LINES_SHOWN = 60
"""How many last lines of each: two screens."""

BYTES_SHOWN = 12_000
"""How much of each; one line of a structured log can be as long as twenty others."""

BYTES_OF_ALL = 1_200_000
"""How much of all logs together, so that the page stays below 5 MB whatever a run leaves behind."""


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


def chosen(problem: Problem, files: Sequence[Kept]) -> list[Kept]:
    """Return the logs that belong to a problem, what names its objects first.

    Args:
        problem: whose tests have directories of their own, and whose objects have namespaces.
        files: all that was kept.
    """
    own = {str(test.get("evidence") or "\0") for test in problem.tests}
    names = problem.names
    ranked = []
    for file in files:
        path = PurePosixPath(file.path)
        if not file.path.startswith("evidence/") or path.suffix not in {".log", ".txt"} or not file.size:
            continue
        mine = any(file.path.startswith(f"{directory}/") for directory in own)
        named = any(path.name.startswith((f"{name}.", f"{name}-")) for name in names)
        near = bool(names.intersection(path.parts[1:-1]))
        score = 4 * named + 2 * mine + near
        if score:
            ranked.append((-score, ".previous." not in file.path, file.path, file))
    return [file for *_, file in sorted(ranked, key=lambda one: one[:3])[:LOGS_SHOWN]]


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
    try:
        content = (directory / path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return Excerpt(path, "", f"cannot be read: {error.strerror}")
    safe = redact.text(content)
    lines = safe.splitlines()
    shown = "\n".join(lines[-LINES_SHOWN:])
    if len(shown) > BYTES_SHOWN:
        shown = "…" + shown[-BYTES_SHOWN:]
    cut = len(shown) < len(safe.rstrip("\n"))
    return Excerpt(path, shown, f"the last {shown.count(chr(10)) + 1} of {len(lines)} lines" if cut else "all of it")
