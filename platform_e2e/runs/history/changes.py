"""Compare a run with those before it: what it has fewer of, what changed, what flakes, and how long things take over time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from platform_e2e.runs.history import flakes as flaking
from platform_e2e.runs.history.flakes import Flake
from platform_e2e.runs.history.jsonl import Ledger
from platform_e2e.runs.history.lost_coverage import Fewer, fewer, newly_unjudged, number, results
from platform_e2e.runs.history.record import RecordedRun, RecordedTest
from platform_e2e.runs.verdict import Outcome, Result

HISTORY, FLAKES = "history.jsonl", "flakes.jsonl"
"""Beside the directories of the runs, which they outlive."""

RUNS_READ = 300
"""How many of the newest runs one is compared with: all that a team remembers, and read in a fraction of a second."""

TREND_RUNS = 30
"""A month of nights."""

SLOWER_TIMES, SLOWER_SECONDS = 2.0, 1.0
"""What is told as slower takes so many times its usual time, and so much longer: less is what machines do by themselves."""

USUAL_RUNS = 3
"""From how many green runs on there is a usual time."""

NO_GREEN = "history: no green run of this kind to compare with yet"
"""What a run is told that has nothing to be compared with; what such a run must be follows."""

RED = frozenset({Outcome.FAILED, Outcome.ERROR, Outcome.BLOCKED})


@dataclass(frozen=True)
class Change:
    """One thing that is another than in the last green run: which, what it was, what it is, and the same as a sentence."""

    kind: str
    name: str
    before: Any
    now: Any
    text: str


@dataclass(frozen=True)
class Comparison:
    """What a run looks like beside those before it.

    Attributes:
        previous: the last green run of the same kind, or None.
        changes: what is another than then.
        flakes: tests that change their verdict by themselves.
        trends: of each duration the moment and the seconds, oldest first.
        broken: results that make the run red, to be added to its tests' own.
        accepted: what it has fewer of on purpose.
        notes: for a person, one line each: why there was no comparison, what could not be read.
        directory: of that green run, relative to this one's; empty where it is not on this machine.
    """

    previous: RecordedRun | None = None
    changes: tuple[Change, ...] = ()
    flakes: tuple[Flake, ...] = ()
    trends: Mapping[str, list[list[float]]] | None = None
    broken: tuple[Result, ...] = ()
    accepted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    directory: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data for run.json."""
        green = self.previous
        return {
            "previous_green": None
            if green is None
            else {"id": green.id, "started": green.started, "directory": self.directory},
            "changes": [asdict(change) for change in self.changes],
            "flakes": [flake.as_json() for flake in self.flakes],
            "trends": dict(self.trends or {}),
            "accepted": list(self.accepted),
            "notes": list(self.notes),
        }


def read(artifacts: Path, newest: int = RUNS_READ) -> tuple[tuple[RecordedRun, ...], list[str]]:
    """Return the newest runs, oldest first, and what a person must know of lines that could not be read."""
    ledger = Ledger(artifacts / HISTORY)
    try:
        lines = ledger.read(RecordedRun.from_json, newest)
    except OSError as error:
        return (), [f"history: {ledger.path} cannot be read, so there is nothing to compare with: {error}"]
    damaged = f"history: {lines.damaged} damaged or unknown line(s) of {ledger.path} left out" if lines.damaged else ""
    return lines.whole, [damaged] if damaged else []


def compare(now: RecordedRun, earlier: Sequence[RecordedRun], *, accept: bool = False) -> Comparison:
    """Compare a run with those before it.

    Args:
        now: the run, with its tests' own verdict.
        earlier: runs of any kind, oldest first.
        accept: whether it may have fewer of anything.
    """
    alike = [run for run in earlier if run.kind == now.kind and run.green]
    previous = alike[-1] if alike else None
    trends = _trends([*alike, *([now] if now.whole else [])][-TREND_RUNS:])
    flakes = tuple(flaking.flakes(earlier, now))
    if previous is None:
        return Comparison(None, (), flakes, trends, notes=(f"{NO_GREEN}: {_counting(now)}",))
    same = [] if not now.whole else fewer(previous, now)
    changes = (*_changes(previous, now, same), *(_slower(trends, now.started) if now.whole else ()))
    if not now.whole:
        why = (
            (f"only {now.chosen} was run" if now.chosen else "tests were left out")
            if now.complete
            else "it did not come to its end"
        )
        return Comparison(
            previous, changes, flakes, trends, notes=(f"history: not compared in numbers of tests: {why}",)
        )
    if accept:
        return Comparison(previous, changes, flakes, trends, accepted=tuple(loss.numbers for loss in same))
    broken = {test.promise for test in now.tests.values() if test.outcome in RED}
    return Comparison(previous, changes, flakes, trends, tuple(results(same, previous, now, broken)))


def _counting(now: RecordedRun) -> str:
    """Return in words which green runs a run is compared with."""
    kind = ", ".join(f"{name} {value}" for name, value in now.options.items() if value not in {None, False})
    return f"one of all tests, with {kind}" if kind else "one of all tests"


def _changes(before: RecordedRun, now: RecordedRun, losses: Sequence[Fewer]) -> list[Change]:
    """Return what is another than in the last green run; of a run that left tests out, what can be said of the others."""
    found = [Change(loss.kind, loss.object, loss.before, loss.now, loss.text) for loss in losses]
    for name in ("layer", "harness"):
        then, today = getattr(before, name), getattr(now, name)
        if then.get("digest") != today.get("digest"):
            old, new = _at(then), _at(today)
            found.append(Change(name, name, old, new, f"the {name} has changed: {old}, now {new}"))
    for name in sorted({*before.versions, *now.versions}):
        then, today = before.versions.get(name, "none"), now.versions.get(name, "none")
        if then != today and (now.whole or name in now.versions):
            found.append(Change("version", name, then, today, f"{name}: {today}, before {then}"))
    for promise, name in sorted(set(now.exempt) - set(before.exempt)):
        found.append(Change("exempt", name, "", promise, f"{name} is now exempt from {promise}"))
    found += _judged(before, now)
    if now.whole:
        found += _more(before.tests, now.tests)
        found += _counts(before, now, {(loss.promise, loss.what) for loss in losses})
    for name, test in now.tests.items():
        then = before.tests[name].outcome if name in before.tests else ""
        if then and then != test.outcome and Outcome.BLOCKED not in {then, test.outcome}:
            found.append(Change("test", name, then, test.outcome, f"{name} {test.outcome}, {then} before"))
    return found


def _judged(before: RecordedRun, now: RecordedRun) -> list[Change]:
    """Return what is not judged any more, and what is again."""
    lost, back = newly_unjudged(before, now), newly_unjudged(now, before)
    return [
        *(Change("not-judged", name, "", reason, f"{name} is not judged now: {reason}") for name, reason in lost),
        *(
            Change("not-judged", name, reason, "", f"{name} is not among what is not judged now")
            for name, reason in back
        ),
    ]


def _at(content: Mapping[str, str]) -> str:
    """Return a content as a person recognises it."""
    commit, digest = content.get("commit", "")[:12], content.get("digest", "")[:8] or "not readable"
    return f"{commit} (content {digest})" if commit else f"content {digest}"


def _more(before: Mapping[str, RecordedTest], now: Mapping[str, RecordedTest]) -> list[Change]:
    """Return which promises have more tests."""
    found = []
    for promise in sorted({test.promise for test in now.values()}):
        then, today = (
            sum(test.promise == promise and test.judged for test in tests.values()) for tests in (before, now)
        )
        if today > then:
            name = promise or "without a promise"
            found.append(Change("more-tests", name, then, today, f"{today} tests of {name}, {then} before"))
    return found


def _counts(before: RecordedRun, now: RecordedRun, told: Collection[tuple[str, str]]) -> list[Change]:
    """Return which promises have looked at more or fewer things in all, also where they are red."""
    found = []
    for promise in sorted(set(before.promises) & set(now.promises)):
        then, today = before.promises[promise]["figures"], now.promises[promise]["figures"]
        for what, count in then.items():
            now_has = today.get(what, 0.0)
            if isinstance(count, list) or isinstance(now_has, list) or now_has == count or (promise, what) in told:
                continue
            kind = f"{'fewer' if now_has < count else 'more'}-{what}"
            text = f"{number(int(now_has), what)} of the promise {promise}, {int(count)} before"
            found.append(Change(kind, promise, count, now_has, text))
    return found


def _trends(runs: Sequence[RecordedRun]) -> dict[str, list[list[float]]]:
    """Return durations over time: of whole runs, of their phases, and the medians of what promises measure."""
    found: dict[str, list[list[float]]] = {}
    for run in runs:
        found.setdefault("run seconds", []).append([run.started, round(run.seconds, 1)])
        for promise, row in run.promises.items():
            for name, figure in row["figures"].items():
                if isinstance(figure, list) and name.endswith("_seconds"):
                    label = f"{promise} {name.removesuffix('_seconds').replace('_', ' ')} seconds"
                    found.setdefault(label, []).append([run.started, figure[1]])
        for name, seconds in run.phases.items():
            found.setdefault(f"phase {name} seconds", []).append([run.started, round(seconds, 1)])
    return found


def _slower(trends: Mapping[str, Sequence[Sequence[float]]], started: float) -> list[Change]:
    """Return what took far longer than usual; it is told, and fails nothing: machines differ."""
    found = []
    for name, points in trends.items():
        *before, now = [value for _, value in points]
        if points[-1][0] != started:
            continue
        if len(before) < USUAL_RUNS or now < (usual := median(before)) * SLOWER_TIMES or now < usual + SLOWER_SECONDS:
            continue
        text = f"{name.removesuffix(' seconds')} took {now:.1f} s, usually {usual:.1f} s"
        found.append(Change("slower", name, round(usual, 2), now, text))
    return found
