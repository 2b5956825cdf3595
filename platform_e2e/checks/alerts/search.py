"""Ask Prometheus' own engine which proposals let an expression return something: many of them in one run, one after the other in time."""

from __future__ import annotations

import ast as python
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from platform_e2e.checks.alerts.book import Book
from platform_e2e.checks.alerts.case import Case, Fired, Labels, Line, duration, file_of, plain, series_text
from platform_e2e.checks.alerts.notation import written
from platform_e2e.checks.alerts.populations import Chosen, by_series
from platform_e2e.checks.alerts.reach import Shapes
from platform_e2e.checks.alerts.shapes import Moment
from platform_e2e.checks.alerts.span import Span
from platform_e2e.checks.rules.wanted import Rule
from platform_e2e.layer.durations import seconds_of
from platform_e2e.promql import Selector
from platform_e2e.toolbox.promtool import Failures, Promtool, PromtoolError

COST = 150_000
"""What the proposals of one alert may cost in one run, in evaluations of a simple expression: about a second."""

FEWEST = 2
"""Proposals that are tried however much they cost."""

ALONE_SECONDS = 30.0
"""How long the tests of one alert may take, where those of all take too long."""

MOST_TIMES = 300
"""Times at which it is asked whether an alert fires."""

_TIME = re.compile(r"time: ([0-9a-z]+),\s*(?:err: (.*))?", re.DOTALL)
_PAIR = re.compile(r'("(?:[^"\\]|\\.)*"|[\w:.]+)=("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True)
class Candidate:
    """What the series of an alert may do.

    Attributes:
        shapes: by selector.
        chosen: the series of each selector.
    """

    shapes: Shapes
    chosen: Chosen


@dataclass(frozen=True, eq=False)
class Subject:
    """An alert with what it reads.

    Attributes:
        number: among all that are looked at.
        rule: the alert.
        book: all rules.
        span: of its cases.
        selectors: what it reads, by name.
    """

    number: int
    rule: Rule
    book: Book
    span: Span
    selectors: Mapping[str, Selector]

    @cached_property
    def recorded(self) -> Sequence[Rule]:
        """Return the rules that record what the alert reads."""
        return self.book.needed([self.rule])

    @property
    def file(self) -> str:
        """Return the name of its file of tests."""
        return f"{self.number}.test.yaml"


@dataclass(frozen=True)
class Held:
    """When an expression returned something.

    Attributes:
        at_end: the numbers of the candidates with which it did so at the end.
        throughout: those with which it did so also when `for` began.
        at_any: those with which it did so at one of the two times.
        error: why the expression could not be evaluated.
    """

    at_end: frozenset[int]
    throughout: frozenset[int]
    at_any: frozenset[int] = frozenset()
    error: str = ""


def lines_of(
    subject: Subject, candidate: Candidate, steps: int, begins: float = 0.0
) -> dict[str, tuple[Labels, list[float | None], str]]:
    """Return the samples of each series of a candidate, with the selector that decides what it does.

    Args:
        subject: the alert.
        candidate: what its series do.
        steps: number of samples.
        begins: seconds of the clock at the first one.
    """
    interval = subject.span.interval
    found: dict[str, tuple[Labels, list[float | None], str]] = {}
    for labels, key in by_series(candidate.chosen, subject.selectors, candidate.shapes.__contains__):
        shape = candidate.shapes[key]
        length = (steps - 1) * interval
        samples = [
            shape.value(Moment(step, step * interval, length, begins + step * interval), labels)
            for step in range(steps)
        ]
        if any(each is not None for each in samples):
            found[series_text(labels)] = labels, samples, key
    return found


def holding(candidates: Mapping[Subject, Sequence[Candidate]], promtool: Promtool) -> dict[Subject, Held]:
    """Return with which candidates each expression returns something.

    Args:
        candidates: of each alert.
        promtool: that evaluates them.
    """
    files: dict[str, str] = {}
    ends: dict[Subject, list[float]] = {}
    for subject, several in candidates.items():
        if several:
            group, ends[subject] = _one_after_the_other(subject, several)
            names = _records(subject, files)
            files[subject.file] = file_of([group], names, subject.span.interval)
    failures = _tested(ends, files, promtool)
    found: dict[Subject, Held] = {}
    for subject, at in ends.items():
        times: set[float] = set()
        error = failures.files.get(subject.file, "")
        for text in failures.groups.get((subject.file, "proposals"), ()):
            told = _TIME.search(text)
            if told is None or told[2]:
                error = error or (told[2] if told else text).strip()
            else:
                times.add(seconds_of(told[1]))
        held = subject.span.held_steps * subject.span.interval
        at_end = frozenset(number for number, end in enumerate(at) if end in times)
        begun = frozenset(number for number, end in enumerate(at) if end - held in times)
        found[subject] = Held(at_end, at_end & begun, at_end | begun, error)
    return found


def most(subject: Subject) -> int:
    """Return how many candidates of an alert may be tried in one run."""
    steps = subject.span.steps
    # What is recorded is evaluated at every step, over windows that are as long as many steps.
    recorded = len(subject.recorded) * (1 + steps // 100)
    return max(FEWEST, COST // (steps * (1 + 5 * recorded)))


def _records(subject: Subject, files: dict[str, str]) -> list[str]:
    """Add the file of what records what an alert reads, and return its name."""
    if not subject.recorded:
        return []
    name = f"{subject.number}.records.yaml"
    files[name] = json.dumps(subject.book.file(subject.recorded))
    return [name]


def _one_after_the_other(subject: Subject, several: Sequence[Candidate]) -> tuple[Any, list[float]]:
    """Return a group of tests in which candidates follow each other, and the time at which each ends."""
    span = subject.span
    steps = span.steps
    series: dict[str, list[float | None]] = {}
    ends = []
    for number, candidate in enumerate(several):
        before = number * steps
        for text, (_, samples, _) in lines_of(subject, candidate, steps, before * span.interval).items():
            mine = series.setdefault(text, [])
            mine += [None] * (before - len(mine))
            mine += samples
        ends.append((before + steps - 1) * span.interval)
    held = span.held_steps * span.interval
    times = sorted({each for end in ends for each in (end, end - held)})
    group = {
        "name": "proposals",
        "interval": duration(span.interval),
        # What ends with the last of them needs a sample that says so.
        "input_series": [{"series": text, "values": written([*samples, None])} for text, samples in series.items()],
        "promql_expr_test": [
            {"expr": subject.rule.expression, "eval_time": duration(at), "exp_samples": []} for at in times
        ],
    }
    return group, ends


def case_of(subject: Subject, candidate: Candidate, name: str, expected: Mapping[float, Sequence[Fired]]) -> Case:
    """Return a candidate as a case by itself."""
    lines = [
        Line(labels, written(samples), f"{key.removesuffix('{}')}: {candidate.shapes[key].text()}")
        for labels, samples, key in lines_of(subject, candidate, subject.span.steps).values()
    ]
    return Case(name, subject.rule.alert, subject.span.interval, lines, expected)


def times_of(span: Span) -> list[float]:
    """Return when it is asked whether an alert fires: from when it may on, until it must."""
    first, last = span.held_steps, span.steps - 1
    stride = max(1, (last - first) // MOST_TIMES)
    return [step * span.interval for step in sorted({*range(first, last, stride), last})]


def fired(
    candidates: Mapping[Subject, Sequence[Candidate]], promtool: Promtool
) -> dict[Subject, list[dict[float, list[Fired]] | str]]:
    """Return when which alerts fire with each candidate; the error where it cannot be evaluated.

    Args:
        candidates: of each alert.
        promtool: that evaluates them.
    """
    files: dict[str, str] = {}
    candidates = {subject: several[: most(subject)] for subject, several in candidates.items()}
    for subject, several in candidates.items():
        rules = f"{subject.number}.rules.yaml"
        files[rules] = json.dumps(subject.book.file(subject.book.named(subject.rule.alert)))
        asked: dict[float, Sequence[Fired]] = dict.fromkeys(times_of(subject.span), ())
        groups = [plain(case_of(subject, each, str(number), asked)) for number, each in enumerate(several)]
        files[subject.file] = file_of(groups, [rules], subject.span.interval)
    failures = _tested(candidates, files, promtool)
    return {
        subject: [
            failures.files.get(subject.file) or _when(failures.groups.get((subject.file, str(number)), ()))
            for number in range(len(several))
        ]
        for subject, several in candidates.items()
    }


def _tested(subjects: Iterable[Subject], files: Mapping[str, str], promtool: Promtool) -> Failures:
    """Run all tests together; where that fails, those of each alert by themselves, so that only the one at fault has no case."""
    try:
        return promtool.test(files)
    except PromtoolError:
        groups: dict[tuple[str, str], Sequence[str]] = {}
        refused: dict[str, str] = {}
        for subject in subjects:
            mine = {name: text for name, text in files.items() if name.startswith(f"{subject.number}.")}
            try:
                alone = promtool.test(mine, timeout=ALONE_SECONDS)
            except PromtoolError as error:
                refused[subject.file] = f"promtool {error.reason}"
            else:
                groups |= alone.groups
                refused |= alone.files
        return Failures(groups, refused)


def of_rule(rule: Rule, several: Sequence[Fired]) -> bool:
    """Tell whether one of several alerts of a name is that of a rule: it has the labels that the rule states outright."""
    stated = {name: text for name, text in rule.texts("labels").items() if "{{" not in text}
    return any(stated.items() <= dict(each.labels).items() for each in several)


def _when(texts: Sequence[str]) -> dict[float, list[Fired]] | str:
    found: dict[float, list[Fired]] = {}
    for text in texts:
        told = _TIME.search(text)
        _, there, got = text.partition("got:")
        if told is None or not there:
            return text.strip()
        found[seconds_of(told[1])] = alerts_in(got)
    return found


def alerts_in(text: str) -> list[Fired]:
    """Return the alerts that promtool prints.

    Args:
        text: `Labels:{...}` and `Annotations:{...}` of each, on lines of their own.
    """
    labels = [_pairs(line) for line in _after(text, "Labels:")]
    annotations = [_pairs(line) for line in _after(text, "Annotations:")]
    return [Fired(*each) for each in zip(labels, annotations, strict=False)]


def _after(text: str, word: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line.removeprefix(word) for line in lines if line.startswith(word)]


def _pairs(text: str) -> dict[str, str]:
    return {_unquoted(name): _unquoted(value) for name, value in _PAIR.findall(text)}


def _unquoted(text: str) -> str:
    # What Go quotes Python reads: both have \n, \t, \x, \u and \U.
    return str(python.literal_eval(text)) if text.startswith('"') else text
