"""Derive for each alert a case in which it fires, and one close to it in which it does not.

This is the whole interface for others: `derive(rules, source, promtool)` takes rules as a file of rules has them
(`book.of_groups`), a source of series (`populations.Source`) and promtool, and returns a `Derived` for each alert.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import promql_parser as ast

from platform_e2e.checks.alerts import populations, search, span
from platform_e2e.checks.alerts.book import Book, parsed
from platform_e2e.checks.alerts.case import Case, Fired, pretty
from platform_e2e.checks.alerts.joins import joins_of
from platform_e2e.checks.alerts.populations import Source, choices, find
from platform_e2e.checks.alerts.reach import Shapes, Solver, key_of
from platform_e2e.checks.alerts.search import Candidate, Subject
from platform_e2e.checks.alerts.shapes import ABSENT, Shape
from platform_e2e.checks.rules.wanted import Rule
from platform_e2e.promql import SETS, Selector, walk
from platform_e2e.toolbox.promtool import Promtool

TRIED = 4
"""Proposals that are tried by themselves, the nearest to a threshold first."""

POOL = 600
"""Combinations that are tried where inverting the expression gives none that fires."""

SEED = 16

_EXACT = frozenset({"sum", "min", "max", "avg", "topk", "bottomk"})
_COUNTS = frozenset({"count", "group"})
_PLAIN = frozenset({"absent", "vector", "rate", "irate", "increase", "label_replace", "label_join", "scalar", "time"})
"""Aggregations and functions with which a value beyond each threshold is all that can be told apart."""


@dataclass(frozen=True)
class Derived:
    """What could be derived of one alert.

    Attributes:
        rule: the alert.
        fires: a case in which it fires.
        silent: one in which it does not, as near as possible to it; None for an alert that always fires.
        why: why there is no case, or only one; empty where there are both.
        never: whether no value of its series can let it fire.
        lasts: whether its condition was met, and never for as long as its `for`.
        missing: the series that are missing, in a few words each.
        invented: values of labels that no series has now.
        constant: whether it reads nothing.
    """

    rule: Rule
    fires: Case | None = None
    silent: Case | None = None
    why: str = ""
    never: bool = False
    lasts: bool = False
    missing: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    constant: bool = False

    @property
    def alerts(self) -> list[Fired]:
        """Return what is sent in the case that fires, without alerts of other rules of the name."""
        sent = self.fires.expected[max(self.fires.expected)] if self.fires else ()
        return [each for each in sent if search.of_rule(self.rule, [each])]

    def text(self, rule_files: Sequence[str]) -> str:
        """Return its cases as a file of unit tests.

        Args:
            rule_files: names of the files with the alert and what it reads.
        """
        about = [
            f"Alert {self.rule.alert}, group {self.rule.group}: a case in which it fires, and the nearest in which it does not.",
            *(f"  {line}" for line in self.rule.expression.strip().splitlines()),
            "Derived from its expression. Names and labels are those of series that there are; values and times are invented.",
            *(f"Invented too, for no series has it now: {each}." for each in self.invented),
        ]
        return pretty([each for each in (self.fires, self.silent) if each], rule_files, about)


@dataclass
class _Work:
    """An alert while its cases are looked for."""

    subject: Subject
    tree: Any
    solver: Solver
    choices: Sequence[populations.Chosen]
    missing: tuple[str, ...]
    candidates: Sequence[Candidate] = ()
    firing: Candidate | None = None
    fires: Case | None = None
    silent: Case | None = None
    why: str = ""
    exhausted: bool = False
    brief: bool = False


def derive(
    rules: Sequence[Rule], source: Source, promtool: Promtool, only: Iterable[Rule] | None = None
) -> list[Derived]:
    """Derive the cases of alerts.

    Args:
        rules: alerts, and all that record what they read.
        source: of the series that there are.
        promtool: that evaluates.
        only: the alerts that are looked at; all by default.

    Returns:
        One for each alert, in the order of `only`, or of `rules`.
    """
    book = Book(rules)
    alerts = list(only) if only is not None else [rule for rule in rules if rule.alert]
    found = _Remembered(source)
    works: dict[int, _Work] = {}
    unread: dict[int, Derived] = {}
    for number, rule in enumerate(alerts):
        tree = parsed(rule.expression)
        if tree is None:
            unread[number] = Derived(rule, why="its expression cannot be read here")
        else:
            works[number] = _begun(number, rule, tree, book, found)
    _find_firing(works.values(), promtool)
    _find_silent([work for work in works.values() if work.firing], promtool)
    return [unread[number] if number in unread else _derived(works[number]) for number in range(len(alerts))]


class _Remembered:
    """A source that is asked each question once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._answers: dict[tuple[str, int], Sequence[populations.Labels]] = {}

    def series(self, selector: Selector, most: int) -> Sequence[populations.Labels]:
        asked = str(selector), most
        if asked not in self._answers:
            self._answers[asked] = self._source.series(selector, most)
        return self._answers[asked]


def _begun(number: int, rule: Rule, tree: Any, book: Book, source: Source) -> _Work:
    selectors = {key_of(each): each for each in book.leaves(tree)}
    found = {key: find(each, source) for key, each in selectors.items()}
    subject = Subject(number, rule, book, span.of(tree, rule.held, book.resolve), selectors)
    solver = Solver(book.resolve, subject.span.interval)
    several = choices(selectors, found, joins_of(tree, book))
    missing = tuple(dict.fromkeys(each.lack for each in found.values() if each.lack))
    return _Work(subject, tree, solver, several, missing)


def _find_firing(works: Iterable[_Work], promtool: Promtool) -> None:
    for work in works:
        work.candidates = _proposed(work, work.solver.fires(work.tree))
    _try_firing([work for work in works if work.candidates], promtool)
    left = [work for work in works if work.firing is None]
    for work in left:
        every = list(_pool(work))
        work.exhausted = len(every) <= min(POOL, search.most(work.subject)) and _is_plain(work)
        random.Random(SEED).shuffle(every)  # noqa: S311  what is chosen is no secret
        work.candidates = every[: min(POOL, search.most(work.subject))]
    _try_firing([work for work in left if work.candidates], promtool)


def _proposed(work: _Work, proposals: Iterator[Shapes]) -> list[Candidate]:
    """Return proposals with series: the nearest with all ways to choose them, the others with the best."""
    shapes = [each for each in itertools.islice(proposals, 12) if _possible(work, each)]
    best, *others = work.choices
    found = [Candidate(each, best) for each in shapes]
    found += [Candidate(each, chosen) for chosen in others for each in shapes[:3]]
    return found[: search.most(work.subject)]


def _possible(work: _Work, shapes: Shapes) -> bool:
    """Tell whether there are series for all that a proposal needs."""
    return all(shape.absent or key in work.choices[0].series for key, shape in shapes.items())


def _try_firing(works: Sequence[_Work], promtool: Promtool) -> None:
    """Note for each alert the first candidate with which it fires."""
    if not works:
        return
    held = search.holding({work.subject: work.candidates for work in works}, promtool)
    chosen: dict[Subject, list[Candidate]] = {}
    for work in works:
        told = held[work.subject]
        work.why = told.error or work.why
        best = [*sorted(told.throughout), *sorted(told.at_end - told.throughout)]
        if best:
            chosen[work.subject] = [work.candidates[number] for number in best[:TRIED]]
    tried = search.fired(chosen, promtool) if chosen else {}
    for work in works:
        for candidate, when in zip(chosen.get(work.subject, ()), tried.get(work.subject, ()), strict=False):
            if isinstance(when, str):
                work.why = when
            elif any(search.of_rule(work.subject.rule, each) for each in when.values()):
                _note_firing(work, candidate, when)
                break
            else:
                work.brief = True


def _note_firing(work: _Work, candidate: Candidate, when: Mapping[float, Sequence[Fired]]) -> None:
    """Note the case that fires: not yet one evaluation before it first does, and then with what is sent."""
    first = min(at for at, several in when.items() if search.of_rule(work.subject.rule, several))
    before = first - work.subject.span.interval
    expected: dict[float, Sequence[Fired]] = {first: when[first]}
    if before >= 0:
        expected[before] = when.get(before, ())
    work.firing = candidate
    work.fires = search.case_of(work.subject, candidate, f"{work.subject.rule.alert} fires", expected)


def _find_silent(works: Sequence[_Work], promtool: Promtool) -> None:
    for work in works:
        work.candidates = _silent_candidates(work)
    asked = {work.subject: work.candidates for work in works if work.candidates}
    held = search.holding(asked, promtool) if asked else {}
    chosen: dict[Subject, list[Candidate]] = {}
    for work in works:
        told = held.get(work.subject)
        if told is not None:
            quiet = [each for number, each in enumerate(work.candidates) if number not in told.at_any]
            # The nearest, and the farthest for want of a better one.
            chosen[work.subject] = [*quiet[: TRIED - 1], *quiet[TRIED - 1 :][-1:]]
    chosen = {subject: several for subject, several in chosen.items() if several}
    tried = search.fired(chosen, promtool) if chosen else {}
    for work in works:
        for candidate, when in zip(chosen.get(work.subject, ()), tried.get(work.subject, ()), strict=False):
            if isinstance(when, dict) and not any(search.of_rule(work.subject.rule, each) for each in when.values()):
                last = search.times_of(work.subject.span)[-1]
                name = f"{work.subject.rule.alert} does not fire"
                work.silent = search.case_of(work.subject, candidate, name, {last: when.get(last, ())})
                break


def _silent_candidates(work: _Work) -> list[Candidate]:
    """Return what is as near as possible to the case that fires: one selector's series do something else."""
    firing = work.firing
    if firing is None:
        return []
    shapes = [
        each for each in itertools.islice(work.solver.silent(work.tree, firing.shapes), 40) if _possible(work, each)
    ]
    for key, shape in firing.shapes.items():
        shapes += [{**firing.shapes, key: other} for other in _nearby(shape)]
    shapes = [{**firing.shapes, **each} for each in shapes]
    different = {frozenset(each.items()): each for each in shapes if each != firing.shapes}
    ordered = sorted(different.values(), key=lambda each: _distance(each, firing.shapes))
    return [Candidate(each, firing.chosen) for each in ordered[: min(30, search.most(work.subject))]]


def _nearby(shape: Shape) -> Iterator[Shape]:
    """Yield what else a series may do, where the expression does not say."""
    if shape.absent:
        yield Shape(level=1.0)
        return
    for factor in (0.95, 0.9, 0.5, 1.05, 1.1, 2.0, 0.0):
        yield replace(shape, level=None if shape.level is None else shape.level * factor, slope=shape.slope * factor)
    if shape.flips or shape.until is not None or shape.since is not None:
        yield Shape(level=shape.level)
    yield ABSENT


def _distance(one: Shapes, other: Shapes) -> float:
    changed = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    return sum(1.0 + one.get(key, ABSENT).distance(other.get(key, ABSENT)) for key in changed)


def _pool(work: _Work) -> Iterator[Candidate]:
    """Yield every combination of what series may do: values around each number of the expression, rises, ends and beginnings."""
    shapes = _shapes(work)
    keys = list(work.subject.selectors)
    options = [shapes if key in work.choices[0].series else [ABSENT] for key in keys]
    for row in itertools.islice(itertools.product(*options), 20 * POOL):
        yield Candidate(dict(zip(keys, row, strict=True)), work.choices[0])


def _shapes(work: _Work) -> list[Shape]:
    numbers = {0.0, 1.0, 100.0, 1e6}
    for each in _literals(work):
        numbers |= {each, each * 1.05, each * 0.95, each + 1, each - 1}
    found = [ABSENT, *(Shape(level=each) for each in sorted(numbers))]
    if any(isinstance(node, ast.Call | ast.SubqueryExpr) for node in walk(work.tree)):
        found += [Shape(slope=each) for each in sorted(numbers) if each]
        found += [Shape(level=1.0, flips=1.0)]
    if _has_memory(work.tree):
        half = max(work.subject.span.warm / 2, work.subject.span.interval)
        found += [Shape(level=1.0, until=half), Shape(level=1.0, since=half), Shape(level=1.0, until=half, then=0.0)]
        found += [Shape(level=0.0, until=half, then=1.0)]
    return found


def _has_memory(tree: Any) -> bool:
    """Tell whether an expression compares the present with the past."""
    return any(getattr(node, "offset", None) is not None for node in walk(tree))


def _literals(work: _Work) -> Iterator[float]:
    """Yield the numbers of an expression, and of what records what it reads."""
    for tree in (work.tree, *(parsed(rule.expression) for rule in work.subject.recorded)):
        for node in walk(tree):
            if isinstance(node, ast.NumberLiteral) and abs(node.val) < 1e12:
                yield float(node.val)


def _is_plain(work: _Work) -> bool:
    """Tell whether values around each number of an expression are all that it can tell apart.

    Not where it reads one metric twice and does not compare each series with itself: others of it may do other things.
    """
    tree = work.tree
    read = [each.metric for each in work.subject.book.leaves(tree)]
    if len(set(read)) < len(read) and not _one_to_one(tree):
        return False
    for node in walk(tree):
        if isinstance(node, ast.AggregateExpr) and str(node.op) not in _EXACT | _COUNTS:
            return False
        # How many series there could be is not known here.
        if isinstance(node, ast.BinaryExpr) and str(node.op) not in SETS and _counts(node):
            return False
        if isinstance(node, ast.Call) and node.func.name not in _PLAIN:
            return False
        if isinstance(node, ast.BinaryExpr) and str(node.op) in {"%", "^", "atan2"}:
            return False
    return not work.subject.recorded


def _one_to_one(tree: Any) -> bool:
    """Tell whether an expression joins each series only with what has all of its labels."""
    for node in walk(tree):
        if isinstance(node, ast.AggregateExpr):
            return False
        if isinstance(node, ast.BinaryExpr) and node.modifier and node.modifier.matching:
            return False
    return True


def _counts(tree: Any) -> bool:
    return any(isinstance(node, ast.AggregateExpr) and str(node.op) in _COUNTS for node in walk(tree))


def _derived(work: _Work) -> Derived:
    rule = work.subject.rule
    constant = not work.subject.selectors
    base = Derived(rule, work.fires, work.silent, missing=work.missing, constant=constant)
    if work.firing is None:
        # What a range function tells depends on when something happened, which may be often.
        lasts = work.brief and not any(isinstance(node, ast.MatrixSelector) for node in walk(work.tree))
        return replace(base, why=_without_case(work), never=_never(work), lasts=lasts)
    base = replace(base, invented=work.firing.chosen.invented)
    if work.silent is None and not constant:
        missing = f"series are missing: {'; '.join(work.missing)}" if work.missing else ""
        return replace(base, why=missing or "it fires with all values of its series that were tried")
    return base


def _never(work: _Work) -> bool:
    return work.exhausted and not work.missing and not work.why and not work.brief


def _without_case(work: _Work) -> str:
    if work.missing:
        return f"series are missing: {'; '.join(work.missing)}"
    if work.why:
        return f"it cannot be evaluated: {work.why[:300]}"
    if work.brief:
        return f"its condition is met and never for as long as its `for`, {work.subject.rule.held:g} s"
    return "no values were found with which it fires"
