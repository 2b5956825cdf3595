"""What is not judged, for a person: the same rows on the console, in the summary and in the report."""

from __future__ import annotations

from collections.abc import Iterator

from platform_e2e import terminal
from platform_e2e.layer.not_judged import IN_WORDS, NotJudged
from platform_e2e.runs.verdict import Verdict

SHOWN = 5
"""How many objects the console names; the summary, the report and run.json have all of them."""

COLUMNS = ("object", "place", "reason", "problem", "remedy")

RATIOS = (3, 3, 3, 4, 4)
"""Shares of the width of a terminal."""

ACCEPTED = "accepted"
"""What stands beside a reason that the team's file accepts for the object."""


def rows(verdict: Verdict) -> list[tuple[str, str, str, str, str]]:
    """Return a row for everything that is not judged, what the team does not accept first."""
    return [
        (each.object, each.place, reason(each, accepted=verdict.coverage.accepts(each)), each.problem, each.remedy)
        for each in verdict.unknown
    ]


def reason(unknown: NotJudged, *, accepted: bool) -> str:
    """Return why an object is not judged: the word by which it is accepted, and what it means."""
    words = IN_WORDS.get(unknown.reason, "")
    return f"{unknown.reason}{f': {words}' if words else ''}{f' ({ACCEPTED})' if accepted else ''}"


def headline(verdict: Verdict) -> str:
    """Return how much is judged, in one sentence; empty where all is."""
    tests = sum(test.unknown is not None for test in verdict.tests)
    waiting = f"{tests} test{'' if tests == 1 else 's'} could not judge for that reason" if tests else ""
    return "; ".join(filter(None, (verdict.coverage.sentence, waiting)))


def remarks(verdict: Verdict) -> Iterator[str]:
    """Yield what else a reader must know: how many objects keep the run from status 0, and what is accepted in vain."""
    every = verdict.unknown
    left = [each for each in every if not verdict.coverage.accepts(each)]
    if left and verdict.coverage.require_all:
        yield f"--require-all accepts nothing that is not judged: {len(left)} left"
    elif left:
        yield (
            f"{len(left)} of {len(every)} not accepted: mend them, or accept each by object and reason in platform-e2e.yaml"
        )
    for accepted in verdict.coverage.stale(every):
        yield f"warning: platform-e2e.yaml accepts {accepted}, which is judged now: remove the line"


def table(verdict: Verdict, *, width: int, colour: bool) -> str:
    """Return the first rows as a table for the console, with a line that says how many are left; empty where all is judged.

    Args:
        verdict: of the run.
        width: columns of the terminal.
        colour: whether escape sequences are welcome.
    """
    found = rows(verdict)
    if not found:
        return ""
    made = terminal.table(COLUMNS, found[:SHOWN], width=max(width, 60), colour=colour, ratios=RATIOS)
    more = len(found) - SHOWN
    return made + (f"and {more} more, in summary.md and report.html\n" if more > 0 else "")
