"""Rules as promtool has them: alerts, and the recorded series that they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import promql_parser as ast

from platform_e2e.checks.rules.wanted import Rule
from platform_e2e.layer.argo_objects import mappings
from platform_e2e.promql import EQUAL, Selector, nodes_of, selector_of


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

    @cached_property
    def _endless(self) -> frozenset[str]:
        """Return the series that are made of themselves, over others or not: Prometheus takes the sample before."""
        reads = {
            name: {selector_of(node).name for _, tree in several for node in nodes_of(tree)}
            for name, several in self._records.items()
        }
        return frozenset(name for name in reads if name in _below(name, reads))

    def resolve(self, selector: Selector) -> Any:
        """Return the parsed expression that records what a selector reads; None where targets deliver it, or itself does."""
        found = self.recording(selector) if selector.name not in self._endless else []
        return found[0][1] if found else None

    def leaves(self, tree: Any) -> Iterator[Selector]:
        """Yield what an expression reads that no rule records."""
        for node in nodes_of(tree):
            selector = selector_of(node)
            recorded = self.resolve(selector)
            if recorded is None:
                yield selector
            else:
                yield from self.leaves(recorded)

    def needed(self, rules: Iterable[Rule]) -> list[Rule]:
        """Return the rules that record what others read, each before those that read it."""
        found: list[Rule] = []
        begun: set[int] = set()

        def add(tree: Any) -> None:
            for node in nodes_of(tree):
                for rule, inner in self.recording(selector_of(node)):
                    if id(rule) not in begun:
                        begun.add(id(rule))
                        add(inner)
                        found.append(rule)

        for rule in rules:
            if (tree := parsed(rule.expression)) is not None:
                add(tree)
        return found

    def named(self, alert: str) -> list[Rule]:
        """Return all alerts of a name, such as those of several severities."""
        return [rule for rule in self.rules if rule.alert == alert]

    def file(self, rules: Sequence[Rule]) -> dict[str, Any]:
        """Return a file of rules with some of them, and before them what records what they read."""
        entries = [*self.needed(rules), *rules]
        return {"groups": [{"name": rules[0].group or "rules", "rules": [_plain(rule.entry) for rule in entries]}]}


def _below(name: str, reads: Mapping[str, set[str]]) -> set[str]:
    """Return all that a recorded series is made of, directly or not."""
    found: set[str] = set()
    left = [name]
    while left:
        new = reads.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


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
