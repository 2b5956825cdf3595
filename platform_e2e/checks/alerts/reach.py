"""Solve an expression: what its series must do so that it returns something, or nothing.

The expression is walked from its comparisons down to its selectors, and each operator is inverted: of `a / b > 0.8` b is taken as
100, and a as 84. What comes out are proposals, which only Prometheus' own engine can confirm (`search`): where functions are too
many to invert, the nearest simple answer is proposed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import promql_parser as ast

from platform_e2e.checks.alerts.numbers import (
    NEGATED,
    Number,
    combine,
    holds,
    left_for,
    meeting,
    right_for,
)
from platform_e2e.checks.alerts.shapes import ABSENT, Shape
from platform_e2e.promql import FLIPPED, Selector, children_of, is_vector, selector_of, walk

Shapes = Mapping[str, Shape]
"""For each selector, as PromQL, what its series do."""

Proposals = Iterator[Shapes]

Resolve = Callable[[Selector], Any]
"""Returns the parsed expression that records what a selector reads; None where targets deliver it."""

MOST = 12
"""Proposals of a part of an expression: the first few are the near ones."""

USUAL: dict[str, tuple[float, ...]] = {"/": (100.0, 1.0), "*": (1.0, 100.0), "-": (1.0, 100.0), "+": (0.0, 1.0, 100.0)}
"""What the right side of an operator is taken as, where nothing else says."""

COMPARED = (1.0, 100.0, 0.0)
"""The same for a comparison."""

_RISES = frozenset({"rate", "irate", "increase", "delta", "idelta", "deriv"})
_PER_WINDOW = frozenset({"increase", "delta"})
_THROUGH = frozenset(
    {"abs", "ceil", "floor", "round", "clamp", "clamp_min", "clamp_max", "sort", "sort_desc", "scalar", "vector"}
)
_LABELS = frozenset({"label_replace", "label_join"})
_OVER_TIME = frozenset(
    {"avg_over_time", "min_over_time", "max_over_time", "last_over_time", "mad_over_time", "first_over_time"}
)
_COUNTS = frozenset({"count", "group", "count_values"})
_ABSENT = frozenset({"absent", "absent_over_time"})
_COMPARISONS = frozenset(NEGATED)


def key_of(selector: Selector) -> str:
    """Return what names a selector among all of an expression."""
    matchers = sorted(str(each) for each in selector.matchers)
    return f"{selector.name}{{{', '.join(matchers)}}}"


@dataclass(frozen=True)
class Solver:
    """Solves expressions.

    Attributes:
        resolve: returns what records a series.
        interval: seconds between two samples.
    """

    resolve: Resolve
    interval: float

    def fires(self, tree: Any) -> Proposals:
        """Yield what series may do so that an expression returns something, the nearest to its thresholds first."""
        return _different(self.exists(tree, {}))

    def silent(self, tree: Any, fired: Shapes) -> Proposals:
        """Yield what series may do so that it returns nothing, what differs least from a case that fires first."""
        for key in fired:
            rest = {name: shape for name, shape in fired.items() if name != key}
            yield from _different(self.none(tree, rest))
        yield from _different(self.none(tree, {}))

    def known(self, node: Any, shapes: Shapes) -> Number | None:
        """Return the number that a node is, as far as its series are decided."""
        found: Number | None = None
        if isinstance(node, ast.NumberLiteral):
            found = Number(node.val)
        elif isinstance(node, ast.ParenExpr | ast.SubqueryExpr):
            found = self.known(node.expr, shapes)
        elif isinstance(node, ast.UnaryExpr):
            inner = self.known(node.expr, shapes)
            found = -inner if inner else None
        elif isinstance(node, ast.VectorSelector | ast.MatrixSelector):
            found = self._known_selector(node, shapes)
        elif isinstance(node, ast.AggregateExpr) and str(node.op) not in _COUNTS:
            found = self.known(node.expr, shapes)
        elif isinstance(node, ast.Call):
            found = self._known_call(node, shapes)
        elif isinstance(node, ast.BinaryExpr):
            found = self._known_binary(node, shapes)
        return found

    def exists(self, node: Any, shapes: Shapes) -> Proposals:
        """Yield what more must be decided so that a node returns something."""
        return itertools.islice(self._exists(node, shapes), MOST)

    def none(self, node: Any, shapes: Shapes) -> Proposals:
        """Yield what more must be decided so that a node returns nothing."""
        return itertools.islice(self._none(node, shapes), MOST)

    def value(self, node: Any, wanted: Number, shapes: Shapes) -> Proposals:
        """Yield what more must be decided so that a node is a number."""
        return itertools.islice(self._value(node, wanted, shapes), MOST)

    def _known_selector(self, node: Any, shapes: Shapes) -> Number | None:
        selector, recorded = self._read(node)
        if recorded is not None:
            return self.known(recorded, shapes)
        shape = shapes.get(key_of(selector))
        return (
            Number(shape.level, shape.clock) if shape is not None and shape.steady and shape.level is not None else None
        )

    def _known_call(self, node: Any, shapes: Shapes) -> Number | None:
        name = node.func.name
        if name == "time":
            return Number(0.0, 1.0)
        if name in _RISES:
            shape = self._shape_of(node.args[0], shapes)
            if shape is None or shape.absent or shape.flips:
                return None
            return Number(shape.slope * (self._window(node.args[0]) if name in _PER_WINDOW else 1.0), shape.clock)
        if name in _THROUGH | _LABELS | _OVER_TIME and node.args:
            return self.known(node.args[0], shapes)
        return None

    def _known_binary(self, node: Any, shapes: Shapes) -> Number | None:
        operator = str(node.op)
        left, right = self.known(node.lhs, shapes), self.known(node.rhs, shapes)
        if operator == "or":
            return left or right
        if operator in {"and", "unless"}:
            return left
        if left is None or right is None:
            return None
        if operator not in _COMPARISONS:
            return combine(operator, left, right)
        true = holds(operator, left, right)
        if _is_bool(node):
            return None if true is None else Number(float(true))
        return left if true else None

    def _shape_of(self, node: Any, shapes: Shapes) -> Shape | None:
        while isinstance(node, ast.SubqueryExpr | ast.ParenExpr):
            node = node.expr
        if not isinstance(node, ast.VectorSelector | ast.MatrixSelector):
            return None
        selector, recorded = self._read(node)
        return None if recorded is not None else shapes.get(key_of(selector))

    def _read(self, node: Any) -> tuple[Selector, Any]:
        selector = selector_of(node.vector_selector if isinstance(node, ast.MatrixSelector) else node)
        return selector, self.resolve(selector)

    def _window(self, node: Any) -> float:
        window = getattr(node, "range", None)
        return float(window.total_seconds()) if window is not None else 1.0

    def _exists(self, node: Any, shapes: Shapes) -> Proposals:
        if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
            selector, recorded = self._read(node)
            if recorded is not None:
                yield from self.exists(recorded, shapes)
            elif key_of(selector) not in shapes:
                yield {**shapes, key_of(selector): Shape(level=1.0)}
            elif not shapes[key_of(selector)].absent:
                yield shapes
        elif isinstance(node, ast.Call) and node.func.name in _ABSENT:
            yield from self.none(node.args[0], shapes)
        elif isinstance(node, ast.BinaryExpr):
            yield from self._exists_binary(node, shapes)
        else:
            yield from self._all(list(children_of(node)), shapes)

    def _all(self, nodes: list[Any], shapes: Shapes) -> Proposals:
        if not nodes:
            yield shapes
            return
        for found in self.exists(nodes[0], shapes):
            yield from self._all(nodes[1:], found)

    def _exists_binary(self, node: Any, shapes: Shapes) -> Proposals:
        operator = str(node.op)
        if operator == "and":
            yield from self._both(self.exists, node.lhs, self.exists, node.rhs, shapes)
            yield from self._both(self.exists, node.rhs, self.exists, node.lhs, shapes)
        elif operator == "or":
            yield from _alternately(self.exists(node.lhs, shapes), self.exists(node.rhs, shapes))
        elif operator == "unless":
            yield from self._both(self.exists, node.lhs, self.none, node.rhs, shapes)
            yield from self._both(self.none, node.rhs, self.exists, node.lhs, shapes)
        elif operator in _COMPARISONS and not _is_bool(node):
            yield from self._compared(node.lhs, operator, node.rhs, shapes)
        else:
            yield from self._both(self.exists, node.lhs, self.exists, node.rhs, shapes)

    def _both(
        self, first: Callable[..., Proposals], one: Any, then: Callable[..., Proposals], other: Any, shapes: Shapes
    ) -> Proposals:
        for found in first(one, shapes):
            yield from then(other, found)

    def _compared(self, left: Any, operator: str, right: Any, shapes: Shapes) -> Proposals:
        """Yield what makes a comparison hold."""
        a, b = self.known(left, shapes), self.known(right, shapes)
        if a is not None and b is not None:
            if holds(operator, a, b) is not False:
                yield shapes
            return
        if b is not None:
            yield from self._meeting(left, operator, b, shapes)
            return
        if a is not None:
            yield from self._meeting(right, FLIPPED[operator], a, shapes)
            return
        for usual in COMPARED:
            for found in self.value(right, Number(usual), shapes):
                yield from self._meeting(left, operator, self.known(right, found) or Number(usual), found)
            for found in self.value(left, Number(usual), shapes):
                yield from self._meeting(right, FLIPPED[operator], self.known(left, found) or Number(usual), found)

    def _meeting(self, node: Any, operator: str, bound: Number, shapes: Shapes) -> Proposals:
        for wanted in meeting(operator, bound):
            yield from itertools.islice(self.value(node, wanted, shapes), 4)

    def _none(self, node: Any, shapes: Shapes) -> Proposals:
        if isinstance(node, ast.VectorSelector | ast.MatrixSelector):
            selector, recorded = self._read(node)
            if recorded is not None:
                yield from self.none(recorded, shapes)
            elif key_of(selector) not in shapes or shapes[key_of(selector)].absent:
                yield {**shapes, key_of(selector): ABSENT}
        elif isinstance(node, ast.Call) and node.func.name in _ABSENT:
            yield from self.exists(node.args[0], shapes)
        elif isinstance(node, ast.BinaryExpr):
            yield from self._none_binary(node, shapes)
        else:
            for child in children_of(node):
                yield from self.none(child, shapes)

    def _none_binary(self, node: Any, shapes: Shapes) -> Proposals:
        operator = str(node.op)
        if operator == "or":
            yield from self._both(self.none, node.lhs, self.none, node.rhs, shapes)
            return
        if operator in _COMPARISONS and not _is_bool(node):
            yield from self._compared(node.lhs, NEGATED[operator], node.rhs, shapes)
        nearest = [self.none(node.lhs, shapes)]
        if operator == "unless":
            nearest.append(self.exists(node.rhs, shapes))
        elif is_vector(node.rhs):
            nearest.append(self.none(node.rhs, shapes))
        yield from _alternately(*reversed(nearest))

    def _value(self, node: Any, wanted: Number, shapes: Shapes) -> Proposals:
        now = self.known(node, shapes)
        if now is not None:
            if holds("==", now, wanted) is not False:
                yield shapes
        elif isinstance(node, ast.ParenExpr | ast.SubqueryExpr):
            yield from self.value(node.expr, wanted, shapes)
        elif isinstance(node, ast.UnaryExpr):
            yield from self.value(node.expr, -wanted, shapes)
        elif isinstance(node, ast.VectorSelector | ast.MatrixSelector):
            yield from self._value_selector(node, Shape(level=wanted.constant, clock=wanted.clock), shapes)
        elif isinstance(node, ast.AggregateExpr):
            through = str(node.op) not in _COUNTS
            yield from self.value(node.expr, wanted, shapes) if through else self.exists(node.expr, shapes)
        elif isinstance(node, ast.Call):
            yield from self._value_call(node, wanted, shapes)
        elif isinstance(node, ast.BinaryExpr):
            yield from self._value_binary(node, wanted, shapes)

    def _value_selector(self, node: Any, shape: Shape, shapes: Shapes) -> Proposals:
        selector, recorded = self._read(node)
        if recorded is not None:
            yield from self.value(recorded, Number(shape.level or shape.slope, shape.clock), shapes)
            return
        key = key_of(selector)
        before = shapes.get(key)
        if before is None:
            yield {**shapes, key: shape}
        elif not before.absent and before.level is None and shape.level is not None and before.bound is None:
            yield {**shapes, key: replace(before, level=shape.level)}
        elif before.steady and shape.slope and not before.clock:
            # What falls to a level, such as the space that is left.
            yield {**shapes, key: replace(shape, level=before.level)}
        elif before == shape:
            yield shapes

    def _value_call(self, node: Any, wanted: Number, shapes: Shapes) -> Proposals:
        name, args = node.func.name, node.args
        if name in _RISES and isinstance(args[0], ast.MatrixSelector):
            per = self._window(args[0]) if name in _PER_WINDOW else 1.0
            slope = wanted.constant / per
            yield from self._value_selector(
                args[0], Shape(level=None if slope else 1.0, slope=slope, clock=wanted.clock), shapes
            )
        elif name == "predict_linear":
            before = self._shape_of(args[0], shapes)
            usual = wanted.constant / 2 if wanted.constant > 0 else 100.0
            level = usual if before is None or before.level is None else before.level
            ahead = self.known(args[1], shapes) or Number(3600.0)
            slope = (wanted.constant - level) / (ahead.constant or 1.0)
            yield from self._value_selector(args[0], Shape(level=level, slope=slope), shapes)
        elif name in {"changes", "resets"}:
            shape = Shape(level=1.0) if wanted.constant <= 0 else Shape(level=1.0, flips=1.0)
            yield from self._value_selector(args[0], shape, shapes)
        elif name == "histogram_quantile":
            yield from self._quantile(args[1], wanted, shapes)
        elif name == "sum_over_time":
            samples = max(1.0, self._window(args[0]) / self.interval)
            yield from self.value(args[0], Number(wanted.constant / samples), shapes)
        elif name in _ABSENT:
            yield from self.none(args[0], shapes)
        elif name == "quantile_over_time":
            yield from self.value(args[1], wanted, shapes)
        elif name in _THROUGH | _LABELS | _OVER_TIME | _RISES:
            yield from self.value(args[0], wanted, shapes)
        else:
            yield from self.exists(node, shapes)

    def _quantile(self, node: Any, wanted: Number, shapes: Shapes) -> Proposals:
        """Yield what lets all observations be in the bucket that begins at a value."""
        buckets = [each for each in walk(node) if isinstance(each, ast.VectorSelector | ast.MatrixSelector)]
        for each in buckets[:1]:
            selector, recorded = self._read(each)
            key = key_of(selector)
            if recorded is not None:
                yield from self._quantile(recorded, wanted, shapes)
            else:
                now = shapes if key in shapes else {**shapes, key: Shape(slope=1.0, bound=wanted.constant)}
                yield from self.exists(node, now)

    def _value_binary(self, node: Any, wanted: Number, shapes: Shapes) -> Proposals:
        operator = str(node.op)
        if operator == "or":
            yield from _alternately(self.value(node.lhs, wanted, shapes), self.value(node.rhs, wanted, shapes))
        elif operator in {"and", "unless"}:
            then = self.exists if operator == "and" else self.none
            for found in self.value(node.lhs, wanted, shapes):
                yield from then(node.rhs, found)
            for found in then(node.rhs, shapes):
                yield from self.value(node.lhs, wanted, found)
        elif operator in _COMPARISONS:
            yield from self._value_comparison(node, wanted, shapes)
        else:
            yield from self._value_arithmetic(node, wanted, shapes)

    def _value_comparison(self, node: Any, wanted: Number, shapes: Shapes) -> Proposals:
        operator = str(node.op)
        if _is_bool(node):
            yield from self._compared(node.lhs, operator if wanted.constant else NEGATED[operator], node.rhs, shapes)
            return
        for found in self.value(node.lhs, wanted, shapes):
            yield from self._compared(node.lhs, operator, node.rhs, found)

    def _value_arithmetic(self, node: Any, wanted: Number, shapes: Shapes) -> Proposals:
        operator = str(node.op)
        left, right = self.known(node.lhs, shapes), self.known(node.rhs, shapes)
        if right is not None:
            goal = left_for(operator, wanted, right)
            yield from self.value(node.lhs, goal, shapes) if goal else ()
            return
        if left is not None:
            goal = right_for(operator, wanted, left)
            yield from self.value(node.rhs, goal, shapes) if goal else ()
            return
        for usual in USUAL.get(operator, (1.0,)):
            for found in self.value(node.rhs, Number(usual), shapes):
                goal = left_for(operator, wanted, self.known(node.rhs, found) or Number(usual))
                yield from self.value(node.lhs, goal, found) if goal else ()
        # Both read the same, or count: whether their values are right, only the engine knows.
        yield from self._both(self.exists, node.lhs, self.exists, node.rhs, shapes)


def _is_bool(node: Any) -> bool:
    return bool(node.modifier and node.modifier.return_bool)


def _alternately(*several: Proposals) -> Proposals:
    """Yield the first of each, then the second of each."""
    gone = object()
    for row in itertools.zip_longest(*several, fillvalue=gone):
        yield from (each for each in row if each is not gone)  # type: ignore[misc]


def _different(proposals: Proposals) -> Proposals:
    seen: set[frozenset[tuple[str, Shape]]] = set()
    for each in proposals:
        known = frozenset(each.items())
        if known not in seen:
            seen.add(known)
            yield each
