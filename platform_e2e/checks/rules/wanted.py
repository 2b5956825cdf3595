"""The rules of a layer: each alert and each recorded series of its PrometheusRules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.finding import Promise
from platform_e2e.layer import Layer, Rendered
from platform_e2e.layer.argo_objects import mappings
from platform_e2e.layer.durations import seconds_of
from platform_e2e.promql import templated

RULE = "PrometheusRule"


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
    def name(self) -> str:
        """Return what it is called."""
        return self.alert or self.record

    @property
    def expression(self) -> str:
        """Return its PromQL."""
        return str(self.entry.get("expr", ""))

    @property
    def held(self) -> float:
        """Return the seconds of its `for`."""
        return seconds_of(str(self.entry.get("for") or "0s"))

    def texts(self, field: str) -> Mapping[str, str]:
        """Return its labels or annotations.

        Args:
            field: `labels` or `annotations`.
        """
        found = self.entry.get(field)
        return {str(key): str(value) for key, value in found.items()} if isinstance(found, Mapping) else {}


@dataclass(frozen=True)
class WantedRule(Rule):
    """One rule as Git has it.

    Attributes:
        rendered: the PrometheusRule that has it.
        at: the numbers of group and rule, from 0.
    """

    rendered: Rendered
    at: tuple[int, int]

    @property
    def application(self) -> str:
        """Return the Application that renders it."""
        return self.rendered.application

    @property
    def id(self) -> str:
        """Return what names it among all rules of a layer."""
        return f"{self.rendered.namespace}/{self.rendered.name}-{self.group}-{self.name}"

    @property
    def templated(self) -> Iterator[tuple[str, str, str]]:
        """Yield each label that a text of an alert names: in which field, under which name, and the label."""
        for texts in ("annotations", "labels") if self.alert else ():
            for name, text in self.texts(texts).items():
                yield from ((texts, name, label) for label in templated(text))

    def field(self, *keys: str | int) -> tuple[str | int, ...]:
        """Return where a field of it is in the PrometheusRule."""
        return ("spec", "groups", self.at[0], "rules", self.at[1], *keys)

    def __str__(self) -> str:
        """Name it in a sentence."""
        return f"the alert {self.alert}" if self.alert else f"the rule that records {self.record}"


def of_layer(layer: Layer) -> Iterator[WantedRule]:
    """Yield every rule of a layer that is not exempt, in the order of its files."""
    for rendered in layer.of_kind(RULE):
        if not rendered.exempt(Promise.RULES):
            yield from of_object(rendered)


def of_object(rendered: Rendered) -> Iterator[WantedRule]:
    """Yield every rule of a PrometheusRule.

    Args:
        rendered: the PrometheusRule.
    """
    for number, group in enumerate(mappings(rendered.spec.get("groups"))):
        for index, entry in enumerate(mappings(group.get("rules"))):
            yield WantedRule(str(group.get("name", "")), entry, rendered, (number, index))
