"""What an expression measures, by the base unit in the names of its metrics: seconds or bytes (prometheus.io, practices/naming)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser as ast

from platform_e2e.promql import children_of

SECONDS, BYTES = "seconds", "bytes"

_NAMED = re.compile(r"(?<!_per)_(seconds|bytes)(?:_total|_sum|_bucket)?$")

SCALING = frozenset({"*", "/", "%", "^", "atan2"})
"""Operators whose result is in another unit."""

COUNTING = frozenset(
    {"count", "count_values", "group", "stdvar", "count_over_time", "changes", "resets", "stdvar_over_time"}
)
"""Aggregations and functions that count, or square."""

TELLING = frozenset({"absent", "absent_over_time", "present_over_time", "timestamp", "time", "vector", "scalar"})
"""Functions whose result has nothing of the unit of what they are given."""


def quantity(node: Any) -> str:
    """Return what an expression measures; empty where its metrics do not say, or where it is made of several.

    Args:
        node: of promql-parser.
    """
    found = set(_quantities(node))
    return found.pop() if len(found) == 1 else ""


def _quantities(node: Any) -> Iterator[str]:
    """Yield the quantity of each metric; an empty one for what has none, or is made another."""
    if isinstance(node, ast.MatrixSelector):
        node = node.vector_selector
    if isinstance(node, ast.VectorSelector):
        named = _NAMED.search(node.name or "")
        yield named[1] if named else ""
        return
    if isinstance(node, ast.BinaryExpr) and str(node.op) in SCALING:
        yield ""
    if isinstance(node, ast.AggregateExpr) and str(node.op) in COUNTING:
        yield ""
    if isinstance(node, ast.Call) and node.func.name in COUNTING | TELLING:
        yield ""
    for child in children_of(node):
        yield from _quantities(child)
