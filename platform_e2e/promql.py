"""What a PromQL expression reads and returns: its selectors, the windows and functions around them, and the labels of its result.

The grammar is promql-parser's (promql-parser 0.11, of Prometheus 3); what the labels of a result are is that of Prometheus
(promql/engine.go: aggregation, resultMetric, funcLabelReplace).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser as ast

NAME = "__name__"

EQUAL, NOT_EQUAL, MATCHES, MATCHES_NOT = "=", "!=", "=~", "!~"

_OPERATORS = {"Equal": EQUAL, "NotEqual": NOT_EQUAL, "Re": MATCHES, "NotRe": MATCHES_NOT}

_KEEP = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
"""Aggregations whose result has the labels of their input."""

_SETS = frozenset({"and", "unless"})
"""Operators whose result has the labels of their left side."""

_EMPTY = frozenset({"vector", "time", "scalar", "pi"})
"""Functions whose result has no label."""

_ABSENT = frozenset({"absent", "absent_over_time"})


class PromQLError(ValueError):
    """An expression is not PromQL; the text says why."""


@dataclass(frozen=True)
class Matcher:
    """One condition of a selector on a label.

    Attributes:
        label: its name.
        operator: `=`, `!=`, `=~` or `!~`.
        value: what it is compared with.
    """

    label: str
    operator: str
    value: str

    @property
    def positive(self) -> bool:
        """Tell whether a series must have a value that is named; an empty one, and any that `.*` matches, is had by all."""
        return self.operator in {EQUAL, MATCHES} and self.value not in {"", ".*", "|"}

    def __str__(self) -> str:
        """Return it as PromQL has it."""
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.operator}"{value}"'


def narrowed(selector: str, matchers: Iterable[Matcher]) -> str:
    """Return a selector with more conditions.

    Args:
        selector: the name of a metric, or a selector in braces.
        matchers: the conditions.
    """
    conditions = ", ".join(map(str, matchers))
    return f"{selector[:-1]}, {conditions}}}" if selector.endswith("}") else f"{selector}{{{conditions}}}"


@dataclass(frozen=True)
class Selector:
    """Series that an expression reads.

    Attributes:
        name: of the metric; empty where only matchers choose it.
        matchers: the conditions on labels, without that on the name.
        window: seconds of its range; None for an instant.
        function: what is applied to the range, such as `rate`; empty where nothing is.
    """

    name: str
    matchers: tuple[Matcher, ...]
    window: float | None = None
    function: str = ""

    @property
    def metric(self) -> str:
        """Return the selector of all series of its metric."""
        named = ", ".join(str(each) for each in self.matchers if each.label == NAME)
        return self.name or f"{{{named}}}"

    def __str__(self) -> str:
        """Return it as PromQL has it, without its window."""
        return self.name + (f"{{{', '.join(map(str, self.matchers))}}}" if self.matchers else "")


FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
"""Comparisons with their sides exchanged."""

SETS = frozenset({"and", "or", "unless"})
"""Operators that take any number of series."""


@dataclass(frozen=True)
class Join:
    """Two vectors of which an operator takes the series with equal labels.

    Attributes:
        left, right: the sides, as PromQL.
        operator: between them.
        matching: `on (...)` or `ignoring (...)`, empty where all labels must be equal.
    """

    left: str
    right: str
    operator: str
    matching: str


@dataclass(frozen=True)
class Labels:
    """Which labels a result can have.

    Attributes:
        only: all that it has at most; None where it has those of the series that are read.
        added: those that a function adds to them.
        dropped: those that are certainly gone.
    """

    only: frozenset[str] | None = None
    added: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()

    def may_have(self, label: str, read: frozenset[str]) -> bool:
        """Tell whether a result may have a label.

        Args:
            label: its name.
            read: the labels of all series that the expression reads.
        """
        if label in self.added:
            return True
        return label not in self.dropped and label in (read if self.only is None else self.only)


@dataclass(frozen=True)
class Expression:
    """What is known of an expression.

    Attributes:
        text: as it is written.
        selectors: what it reads, each once.
        joins: where labels of two vectors must be equal.
        labels: of its result.
    """

    text: str
    selectors: tuple[Selector, ...]
    joins: tuple[Join, ...]
    labels: Labels

    @property
    def constant(self) -> bool:
        """Tell whether it reads nothing."""
        return not self.selectors


def parse(text: str) -> Expression:
    """Return what an expression reads and returns.

    Args:
        text: PromQL.

    Raises:
        PromQLError: it cannot be parsed.
    """
    try:
        tree = ast.parse(text)
    except ValueError as error:
        raise PromQLError(str(error)) from error
    selectors = dict.fromkeys(_selectors(tree, ""))
    return Expression(text, tuple(selectors), tuple(_joins(tree)), _labels(tree))


def same(one: str, other: str) -> bool:
    """Tell whether two expressions are the same but for how they are written; Prometheus shows one as it writes it itself."""
    try:
        return bool(ast.parse(one).prettify() == ast.parse(other).prettify())
    except ValueError:
        return "".join(one.split()) == "".join(other.split())


def children_of(node: Any) -> Iterator[Any]:
    """Yield the expressions that a node of a parsed expression is made of."""
    for field in ("lhs", "rhs", "expr", "param"):
        child = getattr(node, field, None)
        if isinstance(child, ast.Expr):
            yield child
    yield from getattr(node, "args", ())


def walk(node: Any) -> Iterator[Any]:
    """Yield a node of a parsed expression and all below it, from above; of a range also the selector that it is of."""
    yield node
    if isinstance(node, ast.MatrixSelector):
        yield node.vector_selector
    for child in children_of(node):
        yield from walk(child)


def nodes_of(tree: Any) -> Iterator[Any]:
    """Yield the instant selectors of a parsed expression, also those that a range is of."""
    return (node for node in walk(tree) if isinstance(node, ast.VectorSelector))


def _selectors(node: Any, function: str) -> Iterator[Selector]:
    """Yield what is read below a node, with the function that is applied to it."""
    if isinstance(node, ast.MatrixSelector):
        yield selector_of(node.vector_selector, node.range.total_seconds(), function)
    elif isinstance(node, ast.VectorSelector):
        yield selector_of(node, None, "")
    else:
        name = node.func.name if isinstance(node, ast.Call) else function
        for child in children_of(node):
            yield from _selectors(child, name)


def selector_of(node: Any, window: float | None = None, function: str = "") -> Selector:
    """Return what a selector of a parsed expression reads.

    Args:
        node: an instant selector.
        window: seconds of the range around it; None where there is none.
        function: that is applied to the range.
    """
    found = [
        Matcher(each.name, _OPERATORS[str(each.op).rpartition(".")[2]], each.value) for each in node.matchers.matchers
    ]
    named = next((each.value for each in found if each.label == NAME and each.operator == EQUAL), "")
    # Of one that only a pattern names, that stays among the conditions.
    rest = tuple(each for each in found if each.label != NAME or each.operator != EQUAL)
    return Selector(node.name or named, rest, window, function)


def _joins(node: Any) -> Iterator[Join]:
    """Yield the operators between two vectors; one that takes what is only on one side joins nothing."""
    if (
        isinstance(node, ast.BinaryExpr)
        and str(node.op) not in {"or", "unless"}
        and is_vector(node.lhs)
        and is_vector(node.rhs)
    ):
        matching = node.modifier.matching if node.modifier else None
        yield Join(node.lhs.prettify(), node.rhs.prettify(), str(node.op), str(matching) if matching else "")
    for child in children_of(node):
        yield from _joins(child)


def is_vector(node: Any) -> bool:
    """Tell whether a node is a vector: what reads nothing, or is made a scalar, is joined with everything."""
    if isinstance(node, ast.ParenExpr):
        return is_vector(node.expr)
    if isinstance(node, ast.NumberLiteral | ast.StringLiteral):
        return False
    if isinstance(node, ast.Call) and node.func.name in {"scalar", "time", "vector", "pi"}:
        return False
    if isinstance(node, ast.BinaryExpr):
        return is_vector(node.lhs) or is_vector(node.rhs)
    return True


def _labels(node: Any) -> Labels:
    """Return which labels the result of a node can have."""
    if isinstance(node, ast.ParenExpr | ast.UnaryExpr | ast.SubqueryExpr):
        return _labels(node.expr)
    if isinstance(node, ast.NumberLiteral | ast.StringLiteral):
        return Labels(frozenset())
    if isinstance(node, ast.AggregateExpr):
        return _aggregated(node)
    if isinstance(node, ast.Call):
        return _called(node)
    if isinstance(node, ast.BinaryExpr):
        return _joined(node)
    return Labels()


def _aggregated(node: Any) -> Labels:
    if str(node.op) in _KEEP:
        return _labels(node.expr)
    within = _labels(node.expr)
    counted = frozenset({node.param.val}) if str(node.op) == "count_values" else frozenset[str]()
    if node.modifier is None:
        return Labels(counted)
    named = frozenset(node.modifier.labels)
    if node.modifier.type == ast.AggModifierType.By:
        return Labels(named | counted)
    only = None if within.only is None else within.only - named
    return Labels(only, (within.added - named) | counted, within.dropped | named)


def _called(node: Any) -> Labels:
    name = node.func.name
    if name in _EMPTY:
        return Labels(frozenset())
    if name in _ABSENT:
        equal = {m.label for each in _selectors(node, "") for m in each.matchers if m.operator == EQUAL}
        return Labels(frozenset(equal))
    arguments = [_labels(each) for each in node.args if not isinstance(each, ast.NumberLiteral | ast.StringLiteral)]
    within = arguments[0] if arguments else Labels(frozenset())
    if name in {"label_replace", "label_join"}:
        return Labels(within.only, within.added | {node.args[1].val}, within.dropped - {node.args[1].val})
    if name == "histogram_quantile":
        return Labels(within.only, within.added, within.dropped | {"le"})
    return within


def _joined(node: Any) -> Labels:
    left, right = _labels(node.lhs), _labels(node.rhs)
    operator = str(node.op)
    if not is_vector(node.rhs) or operator in _SETS:
        return left
    if not is_vector(node.lhs):
        return right
    if operator == "or":
        only = None if left.only is None or right.only is None else left.only | right.only
        return Labels(only, left.added | right.added, left.dropped & right.dropped)
    return _matched(node.modifier, left, right)


def _matched(modifier: Any, left: Labels, right: Labels) -> Labels:
    """Return the labels of what an operator makes of two vectors: of one series of each, those that are equal."""
    matching = modifier.matching if modifier else None
    many = str(modifier.card).rpartition(".")[2] if modifier else "OneToOne"
    if many != "OneToOne":
        side = left if many == "ManyToOne" else right
        taken = frozenset(modifier.group_labels or ())
        return Labels(side.only, side.added | taken, side.dropped - taken)
    if matching is None:
        return left
    named = frozenset(matching.labels)
    if matching.type == ast.LabelModifierType.Include:
        return Labels(named)
    return Labels(None if left.only is None else left.only - named, left.added - named, left.dropped | named)


def templated(text: str) -> Iterator[str]:
    """Yield the labels that a template of an alert names, such as `{{ $labels.pod }}`.

    Args:
        text: an annotation or a label of an alert.
    """
    for found in re.finditer(r"\$labels\.(\w+)|index\s+\$labels\s+\"([^\"]+)\"", text):
        yield found[1] or found[2]


def without_variables(text: str, variables: Mapping[str, str]) -> str:
    """Return an expression of Grafana's with its variables replaced.

    Args:
        text: that may have `$name`, `${name}`, `${name:format}` and `[[name]]`.
        variables: the value of each.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[3]
        return variables.get(name, found[0])

    return re.sub(r"\$\{(\w+)(?::[^}]*)?\}|\[\[(\w+)(?::[^\]]*)?\]\]|\$(\w+)", value, text)
