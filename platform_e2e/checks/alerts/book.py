"""Rules as promtool has them: alerts, and the recorded series that they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import promql_parser as ast

from platform_e2e.layer.argo_objects import mappings
from platform_e2e.layer.durations import seconds_of
from platform_e2e.promql import EQUAL, Selector, children_of, nodes_of, selector_of

DEEPEST = 10
"""Recorded series that are made of recorded series, one of the other."""


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        group: name of its group.
        entry: the rule, as a file of rules or a PrometheusRule has it.
    """

    group: str
    entry: Mapping[str, Any] = field(hash=False)

    @property
    def alert(self) -> str:
        """Return the name of the alert; empty where it records a series."""
        return str(self.entry.get("alert") or "")

    @property
    def record(self) -> str:
        """Return the series that it records; empty where it is an alert."""
        return str(self.entry.get("record") or "")

    @property
    def expression(self) -> str:
        """Return its PromQL."""
        return str(self.entry.get("expr", ""))

    @property
    def held(self) -> float:
        """Return the seconds of its `for`."""
        return seconds_of(str(self.entry.get("for") or "0s"))

    def texts(self, name: str) -> Mapping[str, str]:
        """Return its labels or annotations."""
        found = self.entry.get(name)
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}


def of_groups(groups: Any) -> Iterator[Rule]:
    """Yield the rules of groups, as a file of rules or a PrometheusRule has them."""
    for group in mappings(groups):
        for entry in mappings(group.get("rules")):
            yield Rule(str(group.get("name", "")), entry)


@dataclass(frozen=True, eq=False)
class Book:
    """All rules among which one may read what another one records.

    Attributes:
        rules: of all groups.
    """

    rules: Sequence[Rule]

    @cached_property
    def _records(self) -> Mapping[str, Sequence[tuple[Rule, Any]]]:
        found: dict[str, list[tuple[Rule, Any]]] = {}
        for rule in self.rules:
            if rule.record and (tree := parsed(rule.expression)) is not None:
                found.setdefault(rule.record, []).append((rule, tree))
        return found

    def recording(self, selector: Selector) -> list[tuple[Rule, Any]]:
        """Return the rules that may record what a selector reads, each with its parsed expression."""
        return [
            (rule, tree)
            for rule, tree in self._records.get(selector.name, ())
            if all(_may_meet(rule.texts("labels"), each.label, each.operator, each.value) for each in selector.matchers)
        ]

    def resolve(self, selector: Selector) -> Any:
        """Return the parsed expression that records what a selector reads; None where targets deliver it."""
        found = self.recording(selector)
        return found[0][1] if found else None

    def leaves(self, tree: Any, deep: int = 0) -> Iterator[Selector]:
        """Yield what an expression reads that no rule records."""
        if isinstance(tree, ast.VectorSelector):
            selector = selector_of(tree)
            recorded = self.resolve(selector) if deep < DEEPEST else None
            if recorded is None:
                yield selector
            else:
                yield from self.leaves(recorded, deep + 1)
        if isinstance(tree, ast.MatrixSelector):
            yield from self.leaves(tree.vector_selector, deep)
        for child in children_of(tree):
            yield from self.leaves(child, deep)

    def needed(self, rules: Iterable[Rule]) -> list[Rule]:
        """Return the rules that record what others read, each before those that read it."""
        found: list[Rule] = []

        def add(tree: Any, deep: int) -> None:
            for node in nodes_of(tree):
                for rule, inner in self.recording(selector_of(node)) if deep < DEEPEST else ():
                    if rule not in found:
                        add(inner, deep + 1)
                        found.append(rule)

        for rule in rules:
            if (tree := parsed(rule.expression)) is not None:
                add(tree, 0)
        return found

    def named(self, alert: str) -> list[Rule]:
        """Return all alerts of a name, such as those of several severities."""
        return [rule for rule in self.rules if rule.alert == alert]

    def file(self, rules: Sequence[Rule]) -> dict[str, Any]:
        """Return a file of rules with some of them, and before them what records what they read."""
        entries = [*self.needed(rules), *rules]
        return {"groups": [{"name": rules[0].group or "rules", "rules": [_plain(rule.entry) for rule in entries]}]}


def parsed(expression: str) -> Any:
    """Return an expression as promql-parser has it; None where it cannot parse it."""
    try:
        return ast.parse(expression)
    except ValueError:
        return None


def _may_meet(labels: Mapping[str, str], label: str, operator: str, value: str) -> bool:
    """Tell whether what has these labels for certain may meet a condition."""
    return operator != EQUAL or label not in labels or labels[label] == value


def _plain(entry: Any) -> Any:
    """Return a rule as plain data, which a reader of YAML with places may not have made it."""
    if isinstance(entry, Mapping):
        return {str(key): _plain(value) for key, value in entry.items()}
    if isinstance(entry, list | tuple):
        return [_plain(value) for value in entry]
    return entry if isinstance(entry, int | float | bool) or entry is None else str(entry)
