"""What a run has fewer of than the last green one: tests of a promise, and things that a test looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from platform_e2e.errors import ExitCode
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.runs.history.record import OF_HISTORY, RecordedRun, RecordedTest
from platform_e2e.runs.verdict import Outcome, Result

NAMES_SHOWN = 8
"""How many tests or objects a sentence names; run.json has all of them."""

JUDGED = "judged Applications"
"""What a run has fewer of where Applications that were judged are not any more."""

OF_HARNESS = frozenset({"tests", JUDGED})
"""What there may be fewer of although the platform is as it was: it is the machine, or its store, that has less."""

PROVES = "It proves no less than the last green run."
"""What the result says that has these findings."""

ACCEPT = "run once with --accept-fewer, and later runs are compared with that one"
"""How to say that less is meant."""


@dataclass(frozen=True)
class Fewer:
    """One thing that there is less of.

    Attributes:
        promise: its tests saw it; may be empty.
        what: `tests`, `judged Applications`, or the figure: `targets`, `addresses`.
        object: what it is about, for a person.
        before: how many the green run had.
        now: how many this one has.
        gone: ids of tests, or of the one test that saw fewer; of Applications the objects that are not judged any more.
    """

    promise: str
    what: str
    object: str
    before: int
    now: int
    gone: tuple[str, ...]

    @property
    def kind(self) -> str:
        """Return the id of its cause."""
        return f"fewer-{self.what.lower().replace(' ', '-')}"

    @property
    def numbers(self) -> str:
        """Return how many there are and were."""
        of = f" of the promise {self.promise}" if self.promise else " without a promise"
        owner = of if self.what == "tests" else "" if self.what == JUDGED else f" of {self.object}"
        return f"{number(self.now, self.what)}{owner}, {self.before} before"

    @property
    def text(self) -> str:
        """Return the same with the tests that are gone."""
        return self.numbers + (f"; gone: {some(self.gone)}" if self.what in OF_HARNESS else "")


def fewer(before: RecordedRun, now: RecordedRun) -> list[Fewer]:
    """Return what there is less of.

    A test function with fewer cases counts, and one that is gone where its promise has fewer tests in all: one that was
    renamed, or an object that has taken another's place, is not a loss; neither is a case with an object that
    the layer now exempts, which needs a reason and is listed in the report.

    Args:
        before: the last green run.
        now: this one, of the same kind.
    """
    found = []
    excused = set(now.exempt) - set(before.exempt)
    old = {
        name: test for name, test in before.tests.items() if test.judged and (test.promise, test.object) not in excused
    }
    new = {name: test for name, test in now.tests.items() if test.judged}
    for promise in sorted({test.promise for test in old.values()}):
        then, today = _of(old, promise), _of(new, promise)
        gone = sorted(_lost(then, today, now.tests))
        if gone:
            found.append(Fewer(promise, "tests", _objects(then, gone), len(then), len(today), tuple(gone)))
    for name in sorted(set(old) & set(new)):
        if new[name].outcome == Outcome.PASSED:
            found += _less(name, old[name], new[name])
    return found + _unjudged(before, now)


def _unjudged(before: RecordedRun, now: RecordedRun) -> list[Fewer]:
    """Return that fewer Applications are judged; of one that the layer has no more, its tests tell."""
    gone = newly_unjudged(before, now)
    if not gone or now.applications >= before.applications:
        return []
    objects = [name for name, _ in gone]
    return [Fewer(Promise.APPLICATIONS, JUDGED, some(objects), before.applications, now.applications, tuple(objects))]


def newly_unjudged(before: RecordedRun, now: RecordedRun) -> list[tuple[str, str]]:
    """Return object and reason of what is not judged now, and was not among what an earlier run did not judge."""
    then = {name for name, _ in before.unjudged}
    return [(name, reason) for name, reason in now.unjudged if name not in then]


def _of(tests: Mapping[str, RecordedTest], promise: str) -> dict[str, RecordedTest]:
    return {name: test for name, test in tests.items() if test.promise == promise}


def _lost(then: Collection[str], today: Collection[str], all_today: Collection[str]) -> Iterator[str]:
    """Return the tests of one promise that nothing has taken the place of."""
    had, has = Counter(map(function, then)), Counter(map(function, today))
    for name, number in had.items():
        gone = [test for test in then if function(test) == name and test not in today]
        # One that is skipped now is still there, so no other has taken its place.
        skipped = [test for test in gone if test in all_today]
        if has[name] < number and (has[name] or skipped or len(today) < len(then)):
            yield from gone


def _less(name: str, before: RecordedTest, now: RecordedTest) -> Iterator[Fewer]:
    """Return what one test sees less of."""
    for what, number in before.counts.items():
        if now.counts.get(what, 0) < number:
            yield Fewer(now.promise, what, now.object or name, number, now.counts.get(what, 0), (name,))


def function(test: str) -> str:
    """Return a test's id without its case."""
    return test.partition("[")[0]


def _objects(tests: Mapping[str, RecordedTest], gone: Iterable[str]) -> str:
    """Return what the tests were about; those of no object name themselves."""
    return some(list(dict.fromkeys(tests[name].object or name for name in gone)))


def number(count: int, things: str) -> str:
    """Return a count with its noun: 1 address, 2 addresses."""
    singular = things.removesuffix("es") if things.endswith("sses") else things.removesuffix("s")
    return f"{count} {singular if count == 1 else things}"


def some(names: Collection[str]) -> str:
    """Return the first names and the number of the others."""
    shown = list(names)[:NAMES_SHOWN]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def results(losses: Iterable[Fewer], before: RecordedRun, now: RecordedRun, broken: Collection[str]) -> list[Result]:
    """Return one failed result for each promise that has less, unless it is red already: one cause, one failure.

    Where the layer is the same byte for byte, fewer tests are not a fault of the platform: it was not judged in full.

    Args:
        losses: what there is less of.
        before: the last green run.
        now: this one.
        broken: promises that a test has found broken, or could not judge.
    """
    by_promise: dict[str, list[Fewer]] = {}
    for loss in losses:
        if loss.promise not in broken:
            by_promise.setdefault(loss.promise, []).append(loss)
    found = []
    for promise, several in by_promise.items():
        findings = tuple(finding(loss, before, now) for loss in several)
        of_platform = not _same(before.layer, now.layer) or any(loss.what not in OF_HARNESS for loss in several)
        found.append(
            Result(
                test=f"{OF_HISTORY}{promise or 'without-a-promise'}",
                outcome=Outcome.FAILED if of_platform else Outcome.ERROR,
                promise=promise,
                findings=findings,
                reason=findings[0].headline,
                exit_code=ExitCode.BROKEN_PLATFORM if of_platform else ExitCode.BROKEN_HARNESS,
                object=several[0].object,
                proves=PROVES,
            )
        )
    return found


def finding(loss: Fewer, before: RecordedRun, now: RecordedRun) -> Finding:
    """Return one loss as every other broken promise is told."""
    gone = f"; gone: {some(loss.gone)}" if loss.what in OF_HARNESS else ""
    return Finding(
        loss.object,
        # Tests may prove nothing that has a name.
        cast("Promise", loss.promise),
        f"{number(loss.before, loss.what)}, as in the green run {before.id} of {day(before.started)}",
        f"{number(loss.now, loss.what)}{gone}",
        Cause(loss.kind, *_with_unjudged(*_why(loss, before, now), newly_unjudged(before, now))),
        {"before": loss.before, "now": loss.now, "gone": list(loss.gone), "run": before.id},
    )


def _with_unjudged(sentence: str, remedy: str, unjudged: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return a sentence and its remedy with what is not judged any more, which may be all that is the matter."""
    if not unjudged:
        return sentence, remedy
    named = some([f"{name} ({reason})" for name, reason in unjudged])
    return (
        f"{sentence}; not judged any more: {named}",
        f"have them judged, as the list of what is not says; else {remedy}",
    )


def _why(loss: Fewer, before: RecordedRun, now: RecordedRun) -> tuple[str, str]:
    """Return why there is less, as far as digests can tell, and what to do."""
    if not _same(before.layer, now.layer):
        then, today = before.layer.get("commit", ""), now.layer.get("commit", "")
        span = f"{then[:12]}..{today[:12]}" if then and today and then != today else then[:12]
        look = f"see what the layer has lost (git diff {span} -- {now.options.get('layer', '')})" if span else ""
        return (
            f"the layer's content has changed since, and promises less: {loss.numbers}",
            f"{look or 'see what the layer has lost'} and bring it back; if less is meant, {ACCEPT}",
        )
    if not _same(before.harness, now.harness):
        then = before.harness.get("commit", "")[:12]
        return (
            f"the layer is the same, the harness's code has changed: {loss.numbers}",
            f"see what the tests have lost (git diff {then} -- e2e fixtures platform_e2e); if less is meant, {ACCEPT}",
        )
    return (
        f"neither the layer nor the harness has changed: {loss.numbers}",
        f"see why in the run's verdict (a skipped test says its reason); if less is meant, {ACCEPT}",
    )


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Tell whether two contents are known to be the same; an unknown one is not."""
    return bool(one.get("digest")) and one.get("digest") == other.get("digest")


def day(started: float) -> str:
    """Return a moment as a person reads it."""
    return datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M UTC")
