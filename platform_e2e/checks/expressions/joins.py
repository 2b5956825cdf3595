"""Joins that fail, or not, by what there happens to be: a side that is made unique by more labels than are compared.

Prometheus refuses an evaluation in which one series matches several (docs/querying/operators.md, Vector matching).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as ast

from platform_e2e.checks.expressions.bounds import COMPARISONS
from platform_e2e.promql import SETS, walk

CHOOSING = frozenset({"topk", "bottomk", "limitk"})
"""Aggregations that leave one series of each group where they are asked for one."""


@dataclass(frozen=True)
class Ambiguous:
    """A join of which a side may have several series for one of the other.

    Attributes:
        side: as PromQL.
        matching: `on (...)`.
        labels: by which the side has a series of its own, and which are not compared.
    """

    side: str
    matching: str
    labels: frozenset[str]


def ambiguous(node: Any) -> Iterator[Ambiguous]:
    """Yield the joins on labels of which a side that must be unique has a series for each of more labels.

    Args:
        node: of promql-parser.
    """
    for each in walk(node):
        if isinstance(each, ast.BinaryExpr) and str(each.op) not in SETS and each.modifier is not None:
            yield from _of(each)


def _of(node: Any) -> Iterator[Ambiguous]:
    matching = node.modifier.matching
    if matching is None or matching.type != ast.LabelModifierType.Include:
        return
    compared = frozenset(matching.labels) | frozenset(node.modifier.group_labels or ())
    many = str(node.modifier.card).rpartition(".")[2]
    sides = {"ManyToOne": [node.rhs], "OneToMany": [node.lhs]}.get(many, [node.lhs, node.rhs])
    for side in sides:
        unique = _unique(side)
        if unique is not None and not unique <= compared:
            yield Ambiguous(side.prettify(), str(matching), unique - compared)


def _unique(node: Any) -> frozenset[str] | None:
    """Return the labels by which an expression has one series each; None where its text does not tell."""
    if isinstance(node, ast.ParenExpr):
        return _unique(node.expr)
    if isinstance(node, ast.BinaryExpr) and str(node.op) in COMPARISONS and isinstance(node.rhs, ast.NumberLiteral):
        return _unique(node.lhs)
    if not isinstance(node, ast.AggregateExpr) or str(node.op) == "count_values":
        return None
    if str(node.op) in CHOOSING and getattr(node.param, "val", None) != 1:
        return None
    if node.modifier is None:
        return frozenset()
    return frozenset(node.modifier.labels) if node.modifier.type == ast.AggModifierType.By else None
