"""A Prometheus that has some series, and rules: it evaluates what checks of rules ask, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import promql_parser

from platform_e2e.checks.monitoring.prometheus import (
    ActiveAlert,
    LoadedRule,
    Prometheus,
    PrometheusError,
    Sample,
    ScrapeTarget,
)
from platform_e2e.promql import Selector, parse

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)

Series = Mapping[str, str]
"""Labels of one series, its name among them."""


@dataclass
class Stored(Prometheus):
    """Answer from lists.

    Attributes:
        series: those that there are now.
        gone: those that there were.
        types: of metrics, as targets tell.
        loaded: the rules.
        interval: seconds between two scrapes.
        helps: what targets say of metrics.
        amounts: of metrics whose series are not 1.
        refused: by a part of an expression why it cannot be evaluated.
        met: by expression for how many seconds it has had a result; 0 for all others.
        keeps: seconds for which samples are kept.
        active: alerts whose condition is met.
    """

    series: Sequence[Series] = ()
    gone: Sequence[Series] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    loaded: Sequence[LoadedRule] = ()
    interval: float = 5.0
    helps: Mapping[str, str] = field(default_factory=dict)
    amounts: Mapping[str, float] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    met: Mapping[str, float] = field(default_factory=dict)
    keeps: float = 864000.0
    active: Sequence[ActiveAlert] = ()

    def query(self, expression: str) -> list[Sample]:
        """Evaluate aggregations and functions of selectors as if they only chose series, and an `and` of two."""
        for part, why in self.refused.items():
            if part in expression:
                raise PrometheusError(f"Prometheus refuses /api/v1/query: {why}", "correct the expression")
        tree = promql_parser.parse(expression)
        return [Sample({k: v for k, v in labels.items() if k != "__name__"}, value) for labels, value in self._of(tree)]

    def _of(self, node: Any) -> list[tuple[Series, float]]:
        kinds: dict[str, Callable[[], list[tuple[Series, float]]]] = {
            "ParenExpr": lambda: self._of(node.expr),
            "UnaryExpr": lambda: self._of(node.expr),
            "SubqueryExpr": lambda: self._of(node.expr),
            "VectorSelector": lambda: self._selected(node.prettify(), self.series),
            "MatrixSelector": lambda: self._of(node.vector_selector),
            "NumberLiteral": list,
            "StringLiteral": list,
            "Call": lambda: self._called(node),
            "BinaryExpr": lambda: self._joined(node),
            "AggregateExpr": lambda: self._aggregated(node),
        }
        return kinds[type(node).__name__]()

    def _called(self, node: Any) -> list[tuple[Series, float]]:
        if node.func.name == "last_over_time":
            return self._selected(node.args[0].vector_selector.prettify(), [*self.series, *self.gone])
        if node.func.name == "label_replace":
            return [({**labels, node.args[1].val: node.args[2].val}, value) for labels, value in self._of(node.args[0])]
        return [each for argument in node.args for each in self._of(argument)]

    def _selected(self, text: str, series: Sequence[Series]) -> list[tuple[Series, float]]:
        return [(each, self._value(each)) for each in self._chosen(text, series)]

    def _joined(self, node: Any) -> list[tuple[Series, float]]:
        if str(node.op) != "and":
            return self._of(node.lhs) or self._of(node.rhs)
        on = node.modifier.matching.labels if node.modifier and node.modifier.matching else None
        right = [_key(labels, on) for labels, _ in self._of(node.rhs)]
        return [(labels, value) for labels, value in self._of(node.lhs) if _key(labels, on) in right]

    def _aggregated(self, node: Any) -> list[tuple[Series, float]]:
        found = self._of(node.expr)
        if str(node.op) == "topk":
            return found
        named = node.modifier.labels if node.modifier else []
        without = node.modifier is not None and "Without" in str(node.modifier.type)
        groups: dict[frozenset[tuple[str, str]], list[float]] = {}
        for labels, value in found:
            kept = {k: v for k, v in labels.items() if k != "__name__" and (k in named) != without}
            groups.setdefault(frozenset(kept.items()), []).append(value)
        if str(node.op) == "group":
            return [(dict(group), 1.0) for group in groups]
        counts = str(node.op) == "count"
        return [(dict(group), float(len(values) if counts else max(values))) for group, values in groups.items()]

    def _value(self, series: Series) -> float:
        return self.amounts.get(series["__name__"], 1.0)

    def _chosen(self, text: str, series: Sequence[Series]) -> list[Series]:
        (selector,) = parse(text).selectors
        return [each for each in series if _meets(each, selector)]

    def targets(self) -> list[ScrapeTarget]:
        """Return the target of each job and instance."""
        places = {(each.get("job", ""), each.get("instance", "")) for each in self.series}
        return [
            ScrapeTarget("p/0", instance, {"job": job, "instance": instance}, "up", "", NOW, self.interval)
            for job, instance in places
        ]

    def rules(self) -> list[LoadedRule]:
        """Return what is loaded."""
        return list(self.loaded)

    def external_labels(self) -> Mapping[str, str]:
        """Return what the operator gives every alert."""
        return {"prometheus": "monitoring/main", "prometheus_replica": "prometheus-main-0"}

    def names(self) -> list[str]:
        """Return the names of all series."""
        return sorted({each["__name__"] for each in self.series})

    def type_of(self, metric: str) -> str:
        """Return what is told of a metric."""
        return self.types.get(metric, "")

    def help_of(self, metric: str) -> str:
        """Return what is told of a metric in words."""
        return self.helps.get(metric, "")

    def retention(self) -> float:
        """Return how long samples are kept."""
        return self.keeps

    def alerts(self) -> list[ActiveAlert]:
        """Return the alerts whose condition is met."""
        return list(self.active)

    def held(self, expression: str, apart: Collection[str] = ()) -> float:
        """Return for how long an expression has had a result; with a name in it that does not count, it has had none."""
        return 0.0 if any(name in expression for name in apart) else self.met.get(expression, 0.0)

    def now(self) -> datetime:
        """Return the time at which everything was evaluated a second ago."""
        return NOW


def stored(*series: str, **fields: Any) -> Stored:
    """Return a Prometheus that has series, written as PromQL."""
    made = [_written(text) for text in series]
    fields["gone"] = [_written(text) for text in fields.get("gone", ())]
    store = Stored.__new__(Stored)
    Stored.__init__(store, made, **fields)
    return store


def loaded(query: str, name: str = "Down", **fields: Any) -> LoadedRule:
    """Return a rule that Prometheus has just evaluated."""
    rule = LoadedRule("shop-rules-u1.yaml", "g", name, query, "ok", "", NOW - timedelta(seconds=1), 30.0, "inactive")
    return replace(rule, **fields)


def _written(text: str) -> Series:
    (selector,) = parse(text).selectors
    return {"__name__": selector.name, **{each.label: each.value for each in selector.matchers}}


def _meets(series: Series, selector: Selector) -> bool:
    if selector.name and series["__name__"] != selector.name:
        return False
    for each in selector.matchers:
        value = series.get(each.label, "")
        equal = value == each.value if each.operator in {"=", "!="} else bool(re.fullmatch(each.value, value))
        if equal == each.operator.startswith("!"):
            return False
    return True


def _key(labels: Series, on: Sequence[str] | None) -> frozenset[tuple[str, str]]:
    return frozenset((k, v) for k, v in labels.items() if k != "__name__" and (on is None or k in on) and v)
