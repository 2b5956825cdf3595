"""The labels that an expression names outside of its selectors, and in conditions that a missing label meets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as ast

from platform_e2e.promql import walk


@dataclass(frozen=True)
class Named:
    """A label that an expression names.

    Attributes:
        label: its name.
        place: where it is named, such as `by (...)`.
        condition: whether it is one of a selector, which a series without the label may meet.
    """

    label: str
    place: str
    condition: bool = False


def named(node: Any) -> Iterator[Named]:
    """Yield every label that an expression names, but those that it makes itself.

    Args:
        node: of promql-parser.
    """
    for each in walk(node):
        yield from _named(each)


def _named(node: Any) -> Iterator[Named]:
    if isinstance(node, ast.AggregateExpr) and node.modifier is not None:
        word = "by" if node.modifier.type == ast.AggModifierType.By else "without"
        yield from (Named(label, f"{word} (...)") for label in node.modifier.labels)
    elif isinstance(node, ast.BinaryExpr) and node.modifier is not None:
        matching = node.modifier.matching
        if matching is not None:
            word = "on" if matching.type == ast.LabelModifierType.Include else "ignoring"
            yield from (Named(label, f"{word} (...)") for label in matching.labels)
        yield from (Named(label, "group_left or group_right") for label in node.modifier.group_labels or ())
    elif isinstance(node, ast.Call) and node.func.name in {"label_replace", "label_join"}:
        sources = node.args[3:4] if node.func.name == "label_replace" else node.args[3:]
        yield from (Named(each.val, f"{node.func.name}(...)") for each in sources if each.val)
    elif isinstance(node, ast.VectorSelector):
        yield from _conditions(node)


def made(node: Any) -> Iterator[str]:
    """Yield every label that a function of an expression makes."""
    for each in walk(node):
        if isinstance(each, ast.Call) and each.func.name in {"label_replace", "label_join"}:
            yield each.args[1].val
        if isinstance(each, ast.AggregateExpr) and isinstance(each.param, ast.StringLiteral):
            # Of count_values, which alone takes a text.
            yield each.param.val


def _conditions(selector: Any) -> Iterator[Named]:
    for each in selector.matchers.matchers:
        if each.name != "__name__":
            yield Named(each.name, "a condition", condition=True)
