"""What one line of artifacts/history.jsonl says of a run: enough to compare it with another one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Annotated, Any, TypedDict

from msgspec import Meta

from platform_e2e import redact
from platform_e2e.errors import ExitCode
from platform_e2e.runs.verdict import Outcome, Result, Verdict
from platform_e2e.untrusted import typed
from platform_e2e.untrusted.typed import Finite

VERSION = 1
"""Of the line's shape; a line of another version is not read."""

OF_HISTORY = "history::"
"""How the id of a result begins that comes from the comparison itself, and from no test."""

VARIES = frozenset({"samples"})
"""Figures that are numbers and no count of what the layer promises: they depend on the moment."""

COUNTED_TEXTS = {"address": "addresses", "environment": "environments"}
"""Figures whose texts are things the platform offers, with the name of several; other texts are remarks."""

LARGEST = 1e300
"""Of a figure: every number that a program counts or measures, and none that cannot be calculated with."""

Figure = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]

Moment = Annotated[float, Meta(ge=0, lt=253_402_300_800)]
"""Seconds since the epoch, up to the last year that a date can have, 9999."""


@dataclass(frozen=True)
class RecordedTest:
    """One test of a run.

    Attributes:
        outcome: how it ended.
        seconds: how long it took.
        promise: that it proves, or empty.
        object: what its case is about, or empty.
        counts: how many of each thing it looked at: targets, addresses, environments.
    """

    outcome: str
    seconds: Finite
    promise: str = ""
    object: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def judged(self) -> bool:
        """Tell whether it was neither skipped nor without what it stands on."""
        return self.outcome not in {Outcome.SKIPPED, Outcome.UNKNOWN}


CASE = tuple(RecordedTest.__dataclass_fields__)
"""What a line says of a test after its id, in this order; counts where there are any."""


class Promised(TypedDict):
    """One promise of a run: its verdict, how many tests ended how, and its figures: a number, or least, median and greatest."""

    verdict: str
    tests: Mapping[str, int]
    figures: Mapping[str, Figure | Annotated[list[Figure], Meta(min_length=3, max_length=3)]]


@dataclass(frozen=True)
class RecordedRun:
    """One run.

    Attributes:
        id: name of its directory.
        started: seconds since the epoch.
        seconds: how long it took.
        exit_code: its status.
        complete: whether every test that was asked for came to an end.
        whole: whether all tests were asked for and came to an end; only such runs are compared for what they have fewer of.
        judged: whether its tests could judge: it came to its end, and no phase had failed.
        chosen: what was chosen of the tests, as on the command line; empty for all.
        options: that make two runs comparable, the layer's path among them.
        layer: its `commit` and the `digest` of its content.
        harness: the same of the harness's code.
        versions: of the releases and the cluster, as the verdict says them.
        tests: by id.
        promises: by name.
        phases: seconds of each.
        exempt: promise and object of each exemption.
        accepted: what this run had fewer of, on purpose.
        applications: how many Applications of the layer were judged; 0 where the line does not say it.
        unjudged: object and reason of everything that was not.
    """

    id: str
    started: Moment
    seconds: Finite
    exit_code: int
    complete: bool
    whole: bool
    judged: bool
    chosen: str
    options: Mapping[str, Any]
    layer: Mapping[str, str]
    harness: Mapping[str, str]
    versions: Mapping[str, str]
    tests: Mapping[str, RecordedTest]
    promises: Mapping[str, Promised]
    phases: Mapping[str, Finite]
    exempt: tuple[tuple[str, str], ...]
    accepted: tuple[str, ...]
    applications: int = 0
    unjudged: tuple[tuple[str, str], ...] = ()

    @property
    def green(self) -> bool:
        """Tell whether later runs may be compared with it."""
        return self.whole and self.exit_code == ExitCode.HOLDS

    @property
    def kind(self) -> str:
        """Return what comparable runs have in common."""
        return json.dumps(self.options, sort_keys=True)

    def as_json(self) -> dict[str, Any]:
        """Return it as the line's plain data, without secrets."""
        tests = [
            [
                name,
                test.outcome,
                round(test.seconds, 3),
                test.promise,
                test.object,
                *([dict(test.counts)] if test.counts else []),
            ]
            for name, test in self.tests.items()
        ]
        others = {"tests", "exempt", "accepted", "unjudged"}
        rest = {name: value for name, value in self.__dict__.items() if name not in others}
        pairs = {"exempt": list(map(list, self.exempt)), "unjudged": list(map(list, self.unjudged))}
        plain = {"v": VERSION, **rest, "tests": tests, **pairs}
        safe: dict[str, Any] = redact.plain({**plain, "accepted": list(self.accepted)})
        # Seconds are no secrets, also of a release that is called like one.
        return {**safe, "phases": dict(self.phases)}

    @classmethod
    def from_json(cls, line: Any) -> RecordedRun:
        """Read a line.

        Raises:
            ValueError: it has another version, or is damaged.
        """
        if not isinstance(line, dict) or line.get("v") != VERSION:
            raise ValueError("it is not a line of this version")
        try:
            tests = {name: dict(zip(CASE, rest, strict=False)) for name, *rest in line["tests"]}
            return typed.strict({**line, "tests": tests}, cls)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"it lacks something or has another type: {error}") from error


def tests(results: Iterable[Result]) -> dict[str, RecordedTest]:
    """Return what a line says of each test; the results of the comparison itself are left out."""
    return {
        result.test: RecordedTest(
            result.outcome.value, result.seconds, result.promise, result.object, counts(result.figures)
        )
        for result in sorted(results, key=lambda result: result.test)
        if not result.test.startswith(OF_HISTORY)
    }


def counts(figures: Mapping[str, Any]) -> dict[str, int]:
    """Return how many of each thing a test's figures name: integers as they are, texts that are things by their number."""
    found = {}
    for name, value in figures.items():
        several = [each for each in (value if isinstance(value, list | tuple) else [value]) if each is not None]
        if name in COUNTED_TEXTS:
            found[COUNTED_TEXTS[name]] = len({str(each) for each in several})
        elif name not in VARIES and several and all(type(each) is int for each in several):
            found[name] = sum(several)
    return found


def promises(verdict: Verdict) -> dict[str, Promised]:
    """Return what a line says of each promise."""
    found: dict[str, Promised] = {}
    own = [result for result in verdict.tests if not result.test.startswith(OF_HISTORY)]
    for row in verdict.promises:
        results = [result for result in own if result.promise == row.promise]
        ended = dict(sorted(Counter(result.outcome.value for result in results).items()))
        found[row.promise] = {"verdict": row.verdict, "tests": ended, "figures": _figures(results)}
    return found


def _figures(results: Iterable[Result]) -> dict[str, Any]:
    """Return counts summed up, and of measured values least, median and greatest; what is not finite is left out."""
    summed: dict[str, int] = {}
    measured: dict[str, list[float]] = {}
    for result in results:
        for name, count in counts(result.figures).items():
            summed[name] = summed.get(name, 0) + count
        for name, value in result.figures.items():
            several = value if isinstance(value, list | tuple) else [value]
            measured.setdefault(name, []).extend(
                each for each in several if isinstance(each, float) and abs(each) <= LARGEST
            )
    figures: dict[str, Any] = {name: count for name, count in summed.items() if abs(count) <= LARGEST}
    for name, values in measured.items():
        if values:
            figures[name] = [round(figure, 4) for figure in (min(values), median(values), max(values))]
    return figures
