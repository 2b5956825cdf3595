"""An expression without its conditions: what is left of an alert when each comparison is true, as it is when it fires."""

from __future__ import annotations

from typing import Any

import promql_parser as ast

from platform_e2e.checks.expressions.bounds import COMPARISONS


def without(node: Any) -> str:
    """Return an expression as PromQL with its left side for each comparison that filters by a number.

    Args:
        node: of promql-parser.
    """
    if isinstance(node, ast.ParenExpr):
        return f"({without(node.expr)})"
    if isinstance(node, ast.UnaryExpr):
        return f"-({without(node.expr)})"
    if isinstance(node, ast.BinaryExpr):
        return _joined(node)
    if isinstance(node, ast.AggregateExpr):
        return _aggregated(node)
    if isinstance(node, ast.Call) and not node.func.name.startswith("absent"):
        return f"{node.func.name}({', '.join(map(without, node.args))})"
    return str(node.prettify())


def _joined(node: Any) -> str:
    operator, modifier = str(node.op), node.modifier
    filters = operator in COMPARISONS and not (modifier is not None and modifier.return_bool)
    if filters and _plain(node.rhs):
        return without(node.lhs)
    if filters and _plain(node.lhs):
        return without(node.rhs)
    left, right = without(node.lhs), without(node.rhs)
    # What takes series away is a condition, too.
    if operator == "unless":
        return left
    # The difference has the same labels, and the same errors, as the comparison.
    words = ["-" if filters else operator]
    if modifier is not None:
        words += ["bool"] if modifier.return_bool else []
        words += [str(modifier.matching)] if modifier.matching else []
        words += _group(modifier)
    return f"({left}) {' '.join(words)} ({right})"


def _group(modifier: Any) -> list[str]:
    cardinality = str(modifier.card).rpartition(".")[2]
    side = {"ManyToOne": "group_left", "OneToMany": "group_right"}.get(cardinality)
    return [f"{side} ({', '.join(modifier.group_labels or ())})"] if side else []


def _plain(node: Any) -> bool:
    """Tell whether a node is a number, or made of some."""
    if isinstance(node, ast.ParenExpr | ast.UnaryExpr):
        return _plain(node.expr)
    if isinstance(node, ast.BinaryExpr):
        return _plain(node.lhs) and _plain(node.rhs)
    return isinstance(node, ast.NumberLiteral)


def _aggregated(node: Any) -> str:
    grouping = ""
    if node.modifier is not None:
        word = "by" if node.modifier.type == ast.AggModifierType.By else "without"
        grouping = f" {word} ({', '.join(node.modifier.labels)})"
    parameter = f"{node.param.prettify()}, " if node.param is not None else ""
    return f"{node.op}{grouping} ({parameter}{without(node.expr)})"
