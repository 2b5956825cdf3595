"""By which labels an expression joins what it reads: of two selectors those of the operator that is closest to both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import promql_parser as ast

from platform_e2e.checks.alerts.book import Book
from platform_e2e.checks.alerts.reach import key_of
from platform_e2e.promql import children_of, selector_of

Joins = Mapping[frozenset[str], frozenset[str]]
"""For two selectors, by name, the labels that must be equal; all that both have, where it is empty."""


def joins_of(tree: Any, book: Book) -> Joins:
    """Return the labels by which an expression, and what records what it reads, joins.

    Args:
        tree: a parsed expression.
        book: with the rules that record.
    """
    found: dict[frozenset[str], frozenset[str]] = {}
    _walk(tree, book, found)
    return found


def _walk(node: Any, book: Book, found: dict[frozenset[str], frozenset[str]]) -> tuple[set[str], set[str]]:
    """Note the joins below a node, and return the selectors below it and the labels that it is grouped by."""
    if isinstance(node, ast.MatrixSelector):
        return _walk(node.vector_selector, book, found)
    if isinstance(node, ast.VectorSelector):
        selector = selector_of(node)
        recorded = book.resolve(selector)
        return ({key_of(selector)}, set()) if recorded is None else _walk(recorded, book, found)
    below = [_walk(child, book, found) for child in children_of(node)]
    if isinstance(node, ast.BinaryExpr) and len(below) == 2:
        (left, by_left), (right, by_right) = below
        for one in left:
            for other in right - {one}:
                found.setdefault(frozenset({one, other}), _labels(node, by_left | by_right))
    keys = {key for each, _ in below for key in each}
    modifier = getattr(node, "modifier", None)
    if isinstance(node, ast.AggregateExpr) and modifier and modifier.type == ast.AggModifierType.By:
        return keys, set(modifier.labels)
    return keys, {label for _, labels in below for label in labels}


def _labels(node: Any, grouped: set[str]) -> frozenset[str]:
    matching = node.modifier.matching if node.modifier else None
    if matching is not None and matching.type == ast.LabelModifierType.Include:
        return frozenset(matching.labels) or frozenset({""})
    ignored = set(matching.labels) if matching is not None else set()
    return frozenset(grouped - ignored)
