"""Set what a replay found beside what the earlier run found: the same cause, another one, or none any more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from platform_e2e.outside.shown import shown
from platform_e2e.runs.run_record import BLOCKED, Then
from platform_e2e.runs.verdict import BAD

SAME, DIFFERENT, PASSES, GONE, NOT_RUN = "same", "different", "passes now", "no longer exists", "not run"

CHANGING = re.compile(r"\b(?=\w*\d)[0-9a-zA-Z]+\b")
"""Words with digits: addresses, durations, names made at random. Two runs of the same fault differ in them."""

CELL = 80
"""Characters of a reason that the table shows."""


@dataclass(frozen=True)
class Compared:
    """One test, then and now.

    Attributes:
        test: its id.
        then: its cause in the earlier run: ids, or the first line of its error.
        now: the same of this run.
        verdict: `same`, `different`, `passes now`, `no longer exists` or `not run`.
    """

    test: str
    then: str
    now: str
    verdict: str


def compare(then: Sequence[Then], now: Mapping[str, Then], gone: Sequence[str] = ()) -> list[Compared]:
    """Return each test of the earlier run beside what became of it.

    Args:
        then: the tests that were to be run again.
        now: what ran, by test.
        gone: tests that this harness, or the layer, does not have any more.
    """
    return [_one(test, now.get(test.test), test.test in gone) for test in then]


def _one(then: Then, now: Then | None, gone: bool) -> Compared:  # noqa: FBT001 - private, and read in one place
    """Compare one test."""
    if gone:
        return Compared(then.test, _cause(then), "", GONE)
    if now is None:
        return Compared(then.test, _cause(then), "", NOT_RUN)
    if now.outcome not in {*BAD, BLOCKED}:
        return Compared(then.test, _cause(then), now.outcome, PASSES if now.outcome == "passed" else DIFFERENT)
    return Compared(then.test, _cause(then), _cause(now), SAME if _key(then) == _key(now) else DIFFERENT)


def _key(test: Then) -> object:
    """Return what two failures with the same cause have in common."""
    if test.causes:
        return sorted(test.causes)
    return test.outcome, CHANGING.sub("#", test.reason)


def _cause(test: Then) -> str:
    """Return a test's cause as a person reads it."""
    words = shown(", ".join(test.causes) or test.reason or test.outcome)
    if test.causes:
        return words
    return words if len(words) <= CELL else words[: CELL - 1] + "…"


def as_json(compared: Sequence[Compared]) -> list[dict[str, Any]]:
    """Return it as plain data for run.json."""
    return [asdict(comparison) for comparison in compared]


def summary(compared: Sequence[Compared]) -> str:
    """Return one line: of how many tests what became of how many."""
    counts = {
        verdict: sum(comparison.verdict == verdict for comparison in compared)
        for verdict in (SAME, DIFFERENT, PASSES, GONE, NOT_RUN)
    }
    said = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    return f"of {len(compared)} test(s) that failed: {said}"


def table(compared: Sequence[Compared], *, width: int, colour: bool) -> str:
    """Return the table that ends a replay.

    Args:
        compared: from `compare`.
        width: columns of the terminal.
        colour: whether escape sequences are welcome.
    """
    result = Table(expand=False, pad_edge=False, show_edge=False)
    for name in ("test", "cause then", "cause now", "verdict"):
        result.add_column(name, overflow="fold")
    styles = {SAME: "bold red", PASSES: "green"}
    for comparison in compared:
        verdict = Text(comparison.verdict, styles.get(comparison.verdict, "yellow"))
        result.add_row(*(Text(shown(part)) for part in (comparison.test, comparison.then, comparison.now)), verdict)
    out = StringIO()
    Console(file=out, width=max(width, 60), force_terminal=colour, no_color=not colour, highlight=False).print(result)
    return out.getvalue()
