"""Between which values an expression lies, whatever happens, and the comparisons that this decides.

What functions and operators return is Prometheus' (docs/querying/functions.md, operators.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import promql_parser as ast

from platform_e2e.promql import FLIPPED, nodes_of, walk

Bounds = tuple[float, float]
"""The least and the greatest value."""

ANY: Bounds = (-math.inf, math.inf)
POSITIVE: Bounds = (0.0, math.inf)
COUNTED: Bounds = (1.0, math.inf)
ONE: Bounds = (1.0, 1.0)
SHARE: Bounds = (0.0, 1.0)


class OfMetric(Protocol):
    """Tells the bounds of a metric."""

    def samples(self, name: str) -> Bounds:
        """Return those of its samples."""
        ...

    def buckets(self, name: str) -> Bounds:
        """Return those of a histogram's finite buckets."""
        ...


FUNCTIONS: Mapping[str, Bounds] = {
    **dict.fromkeys(("rate", "irate", "increase", "changes", "resets", "time", "timestamp", "sqrt", "abs"), POSITIVE),
    **dict.fromkeys(("stddev_over_time", "stdvar_over_time", "day_of_month", "hour", "minute", "month"), POSITIVE),
    **dict.fromkeys(("count_over_time",), COUNTED),
    **dict.fromkeys(("absent", "absent_over_time", "present_over_time"), ONE),
}
"""Functions whose values do not depend on the bounds of what they are given."""

SAME = frozenset(
    [
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "last_over_time",
        "quantile_over_time",
        "first_over_time",
        "scalar",
        "vector",
        "sort",
        "sort_desc",
        "sort_by_label",
        "sort_by_label_desc",
        "label_replace",
        "label_join",
    ]
)
"""Functions that return values of what they are given, or between them."""

COUNTING = frozenset({"rate", "irate", "increase"})
"""Functions that count, so that a part has at most what the whole has."""

PARTS = (
    "failed",
    "failures",
    "errors",
    "in_use",
    "used",
    "dropped",
    "rejected",
    "invalid",
    "missed",
    "success",
    "successful",
)
"""Words that say in a name that some of something is counted (prometheus.io, practices/instrumentation: Failures)."""

AGGREGATIONS: Mapping[str, Bounds] = {
    "count": COUNTED,
    "count_values": COUNTED,
    "group": ONE,
    "stddev": POSITIVE,
    "stdvar": POSITIVE,
}

COMPARISONS: Mapping[str, Callable[[Bounds, float], bool]] = {
    ">": lambda bounds, value: bounds[1] > value,
    ">=": lambda bounds, value: bounds[1] >= value,
    "<": lambda bounds, value: bounds[0] < value,
    "<=": lambda bounds, value: bounds[0] <= value,
    "==": lambda bounds, value: bounds[0] <= value <= bounds[1],
    "!=": lambda bounds, value: bounds[0] <= value <= bounds[1] and bounds[0] != bounds[1],
}
"""Whether a comparison decides anything: of `!=` that it is not always true, of the others that it can be true."""


@dataclass(frozen=True)
class Idle:
    """A comparison whose outcome does not depend on what is measured.

    Attributes:
        side: what is compared, as PromQL.
        operator: of the comparison.
        value: that it is compared with.
        bounds: of the side.
    """

    side: str
    operator: str
    value: float
    bounds: Bounds

    @property
    def outcome(self) -> str:
        """Say how it always ends."""
        different = self.bounds != (self.value, self.value)
        return "always true" if self.operator == "!=" and different else "never true"

    @property
    def lies(self) -> str:
        """Say where the side lies."""
        least, most = self.bounds
        if least == most:
            return f"always {least:g}"
        if math.isinf(most):
            return f"at least {least:g}"
        return f"at most {most:g}" if math.isinf(least) else f"between {least:g} and {most:g}"


def idle(tree: Any, of_metric: OfMetric) -> Iterator[Idle]:
    """Yield the comparisons with a number that are never true, or with `!=` always.

    Args:
        tree: of promql-parser.
        of_metric: tells the bounds of a metric.
    """
    for node in walk(tree):
        if not isinstance(node, ast.BinaryExpr) or (operator := str(node.op)) not in COMPARISONS:
            continue
        left, right = _number(node.lhs), _number(node.rhs)
        told = None
        if right is not None and left is None:
            told = _idle(node.lhs, operator, right, of_metric)
        elif left is not None and right is None:
            told = _idle(node.rhs, FLIPPED[operator], left, of_metric)
        if told is not None:
            yield told


def _idle(side: Any, operator: str, value: float, of_metric: OfMetric) -> Idle | None:
    bounds = bounds_of(side, of_metric)
    # A value that is not a number is in no bounds.
    if bounds == ANY or math.isnan(value) or COMPARISONS[operator](bounds, value):
        return None
    return Idle(side.prettify(), operator, value, bounds)


def _number(node: Any) -> float | None:
    if isinstance(node, ast.ParenExpr):
        return _number(node.expr)
    if isinstance(node, ast.UnaryExpr):
        value = _number(node.expr)
        return None if value is None else -value
    if isinstance(node, ast.NumberLiteral):
        return float(node.val)
    if isinstance(node, ast.BinaryExpr) and (left := _number(node.lhs)) is not None:
        right = _number(node.rhs)
        found = None if right is None else _arithmetic(str(node.op), (left, left), (right, right))
        return found[0] if found is not None and found[0] == found[1] else None
    return None


def bounds_of(node: Any, of_metric: OfMetric) -> Bounds:
    """Return between which values an expression lies.

    Args:
        node: of promql-parser.
        of_metric: tells the bounds of a metric.
    """
    if (value := _number(node)) is not None:
        return (value, value)
    within = WITHIN.get(type(node))
    return within(node, of_metric) if within is not None else ANY


def _aggregated(node: Any, of_metric: OfMetric) -> Bounds:
    name = str(node.op)
    if name in AGGREGATIONS:
        return AGGREGATIONS[name]
    least, most = bounds_of(node.expr, of_metric)
    if name != "sum":
        return least, most
    return least if least >= 0 else -math.inf, most if most <= 0 else math.inf


def _called(node: Any, of_metric: OfMetric) -> Bounds:
    name = node.func.name
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if name in SAME and node.args:
        inner = [each for each in node.args if not isinstance(each, ast.NumberLiteral | ast.StringLiteral)]
        return bounds_of(inner[0], of_metric) if inner else bounds_of(node.args[0], of_metric)
    if name == "histogram_quantile":
        # Where a quantile is in the last bucket, it is the bound of the one before (docs/querying/functions.md).
        found = [of_metric.buckets(each) for each in (read.name for read in nodes_of(node.args[1]) if read.name)]
        return (min(0.0, *(each[0] for each in found)), max(each[1] for each in found)) if found else ANY
    if name == "sum_over_time":
        least, most = bounds_of(node.args[0], of_metric)
        return least if least >= 0 else -math.inf, most if most <= 0 else math.inf
    return ANY


def _joined(node: Any, of_metric: OfMetric) -> Bounds:
    operator = str(node.op)
    left, right = bounds_of(node.lhs, of_metric), bounds_of(node.rhs, of_metric)
    if operator in COMPARISONS:
        return SHARE if node.modifier is not None and node.modifier.return_bool else left
    if operator in {"and", "unless"}:
        return left
    if operator == "or":
        return min(left[0], right[0]), max(left[1], right[1])
    if operator == "/" and left[0] >= 0 and right[0] >= 0 and _part(node.lhs, node.rhs):
        return SHARE
    return _arithmetic(operator, left, right)


def _arithmetic(operator: str, left: Bounds, right: Bounds) -> Bounds:
    if operator == "+":
        return left[0] + right[0], left[1] + right[1]
    if operator == "-":
        return left[0] - right[1], left[1] - right[0]
    if operator in {"*", "/"} and left[0] >= 0 and right[0] >= 0:
        if operator == "*":
            return left[0] * right[0], _times(left[1], right[1])
        return (left[0] / right[1] if right[1] else 0.0), (left[1] / right[0] if right[0] else math.inf)
    return ANY


def _times(one: float, other: float) -> float:
    return 0.0 if 0.0 in {one, other} else one * other


def _negated(node: Any, of_metric: OfMetric) -> Bounds:
    least, most = bounds_of(node.expr, of_metric)
    return -most, -least


WITHIN: Mapping[type, Callable[[Any, OfMetric], Bounds]] = {
    ast.ParenExpr: lambda node, of_metric: bounds_of(node.expr, of_metric),
    ast.SubqueryExpr: lambda node, of_metric: bounds_of(node.expr, of_metric),
    ast.MatrixSelector: lambda node, of_metric: bounds_of(node.vector_selector, of_metric),
    ast.VectorSelector: lambda node, of_metric: of_metric.samples(node.name) if node.name else ANY,
    ast.UnaryExpr: _negated,
    ast.AggregateExpr: _aggregated,
    ast.Call: _called,
    ast.BinaryExpr: _joined,
}
"""The bounds of each sort of expression."""


def _part(part: Any, whole: Any) -> bool:
    """Tell whether one is the same as the other with more conditions: a share of it."""
    part, whole = _bare(part), _bare(whole)
    if type(part) is not type(whole):
        return False
    if isinstance(part, ast.VectorSelector):
        return _chooses_fewer(part, whole)
    if isinstance(part, ast.MatrixSelector):
        return bool(part.range == whole.range) and _chooses_fewer(part.vector_selector, whole.vector_selector)
    if isinstance(part, ast.Call) and part.func.name == whole.func.name and part.func.name in COUNTING:
        return _part(part.args[0], whole.args[0])
    if isinstance(part, ast.AggregateExpr) and str(part.op) == str(whole.op) and str(part.op) in {"sum", "count"}:
        return _grouping(part) == _grouping(whole) and _part(part.expr, whole.expr)
    return False


def _bare(node: Any) -> Any:
    return _bare(node.expr) if isinstance(node, ast.ParenExpr) else node


def _grouping(node: Any) -> tuple[str, frozenset[str]]:
    if node.modifier is None:
        return "", frozenset()
    return str(node.modifier.type), frozenset(node.modifier.labels)


def _chooses_fewer(part: Any, whole: Any) -> bool:
    mine = {(each.name, str(each.op), each.value) for each in part.matchers.matchers}
    its = {(each.name, str(each.op), each.value) for each in whole.matchers.matchers}
    # A bucket counts what is not slower than it, of all that the histogram counts.
    bucket = part.name.removesuffix("_bucket") + "_count" == whole.name and any(name == "le" for name, *_ in mine)
    return bool((part.name == whole.name or bucket or _said_to_be_part(part.name, whole.name)) and its <= mine)


def _said_to_be_part(part: str, whole: str) -> bool:
    """Tell whether a name is another one with a word for some of it, such as `x_failed_total` of `x_total`."""
    return any(f"_{word}" in part and part.replace(f"_{word}", "", 1) == whole for word in PARTS)
