"""Compare what was found then with what is found now: tests of a replay, findings of a reproduced incident."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from platform_e2e import terminal
from platform_e2e.finding import Finding
from platform_e2e.runs.run_record import BLOCKED, Then
from platform_e2e.runs.verdict import BAD
from platform_e2e.untrusted.printable import shown

SAME, DIFFERENT, PASSES, GONE, NOT_RUN = "same", "different", "passes now", "no longer exists", "not run"
"""Verdicts on a test of a replay."""

AGAIN, OTHER_CAUSE, NOT_AGAIN, ONLY_HERE = "yes", "another cause", "no", "only here"
"""Verdicts on a finding of an incident."""

CHANGING = re.compile(r"\b(?=\w*\d)[0-9a-zA-Z]+\b")
"""Words with digits: addresses, durations, names made at random. Two runs of the same fault differ in them."""

CELL = 80
"""Characters of a reason that the table shows."""

T = TypeVar("T")


def paired(
    then: Sequence[T], now: Sequence[T], subject: Callable[[T], str], cause: Callable[[T], Hashable]
) -> list[tuple[T | None, T | None, bool]]:
    """Pair what was found then with what is found now, by subject and, as far as possible, by cause.

    Args:
        then: what was found then.
        now: what is found now.
        subject: returns which object or test it is about.
        cause: returns what two of the same cause have in common.

    Returns:
        For each of `then` itself, what is found now about the same subject or None, and whether both have the same cause. After
        these, None and each of `now` that is not in a pair.
    """
    here = {(subject(found), cause(found)): found for found in now}
    first = {subject(found): found for found in reversed(now)}
    pairs: list[tuple[T | None, T | None, bool]] = []
    taken = set()
    for found in then:
        exact = here.get((subject(found), cause(found)))
        other = first.get(subject(found)) if exact is None else exact
        pairs.append((found, other, exact is not None))
        if other is not None:
            taken.add((subject(other), cause(other)))
    return pairs + [(None, found, False) for found in now if (subject(found), cause(found)) not in taken]


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
    """Return each test of the earlier run beside its result in this run.

    Args:
        then: the tests that were to be run again.
        now: the tests that ran, by id.
        gone: ids of tests that this harness or the layer no longer has.
    """
    left = [ran for test, ran in now.items() if test not in gone]
    pairs = paired(then, left, lambda test: test.test, _key)
    return [_compared(test, ran, gone, same=same) for test, ran, same in pairs if test is not None]


def _compared(then: Then, now: Then | None, gone: Sequence[str], *, same: bool) -> Compared:
    if now is None:
        return Compared(then.test, _cause(then), "", GONE if then.test in gone else NOT_RUN)
    if now.outcome not in {*BAD, BLOCKED}:
        return Compared(then.test, _cause(then), now.outcome, PASSES if now.outcome == "passed" else DIFFERENT)
    return Compared(then.test, _cause(then), _cause(now), SAME if same else DIFFERENT)


def _key(test: Then) -> Hashable:
    """Return what two failures with the same cause have in common."""
    if test.causes:
        return tuple(sorted(test.causes))
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
    """Return one line: how many tests have which verdict."""
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
    styles = {SAME: "bold red", PASSES: "green"}
    rows = [
        (shown(row.test), shown(row.then), shown(row.now), (row.verdict, styles.get(row.verdict, "yellow")))
        for row in compared
    ]
    return terminal.table(("test", "cause then", "cause now", "verdict"), rows, width=max(width, 60), colour=colour)


@dataclass(frozen=True)
class ComparedFinding:
    """One finding, at the incident and on the cluster where it is reproduced.

    Attributes:
        then: of the incident, or None where it is only here.
        now: of the cluster here, or None where it is not seen.
        verdict: `yes`, `another cause`, `no`, or `only here`.
        why: why it is not seen again, as far as that is known.
    """

    then: Finding | None
    now: Finding | None
    verdict: str
    why: str = ""


def compare_findings(
    then: Sequence[Finding], now: Sequence[Finding], reasons: Mapping[str, str] | None = None
) -> list[ComparedFinding]:
    """Return each finding of the incident beside what is seen here, and then those that are only here.

    A finding is the same where object and cause are: addresses, names of pods and seconds differ from cluster to cluster.

    Args:
        then: of the incident.
        now: of the cluster here.
        reasons: by object, why its state could not be brought about here.
    """
    found = []
    for finding, here, same in paired(then, now, lambda finding: finding.object, lambda finding: finding.cause.id):
        why = (reasons or {}).get(finding.object, "") if finding is not None and not same else ""
        if finding is not None and here is None:
            why = why or "here nothing is wrong with it"
        verdict = ONLY_HERE if finding is None else AGAIN if same else NOT_AGAIN if here is None else OTHER_CAUSE
        found.append(ComparedFinding(finding, here, verdict, why))
    return found


def all_again(compared: Sequence[ComparedFinding]) -> bool:
    """Tell whether every finding of the incident is seen again."""
    return all(finding.verdict == AGAIN for finding in compared if finding.then is not None)
