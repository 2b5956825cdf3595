"""Read what Prometheus knows of an expression: the series that it reads, their types and intervals, and what joins of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import promql_parser as ast

from platform_e2e.checks.expressions.bounds import Idle, idle
from platform_e2e.checks.expressions.conditions import without
from platform_e2e.checks.expressions.delivered import Delivered
from platform_e2e.checks.expressions.joins import Ambiguous, ambiguous
from platform_e2e.checks.expressions.named import Named, made, named
from platform_e2e.checks.expressions.quantity import quantity
from platform_e2e.checks.monitoring.prometheus import Prometheus, PrometheusError, ScrapeTarget
from platform_e2e.checks.monitoring.series import ALERTS, USUAL, Missing, missing
from platform_e2e.diagnosis.explain.monitors import entry_of
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.durations import seconds_of
from platform_e2e.promql import Expression, Join, parse

CLUSTER = "cluster"
"""A label that a Prometheus of several clusters has, and one of a single cluster does not (kubernetes-mixin, clusterLabel)."""

RATES = frozenset({"rate", "irate", "increase"})
"""Functions of a counter (docs/querying/functions.md)."""

DELTAS = frozenset({"delta", "idelta", "deriv", "predict_linear", "double_exponential_smoothing"})
"""Functions of a gauge."""


@dataclass(frozen=True)
class ReadExpression:
    """What is known of an expression and of what it reads.

    Attributes:
        expression: the expression; None where it cannot be parsed here.
        missing: the selectors that match nothing, the worst first.
        types: of each metric in a range, as its targets tell.
        intervals: of each metric in a range the longest seconds between two scrapes.
        unjoined: joins of which each side has series, and no pair.
        ambiguous: joins of which a side may have several series for one of the other.
        labels: of all series that it reads.
        returned: labels of its result, were every condition met; None where it has no result now.
        named: the labels that it names, and where.
        made: the labels that its functions make.
        idle: the comparisons that decide nothing.
        error: of Prometheus, when every condition of it is met; empty where there is none.
        kept: seconds for which Prometheus keeps samples; 0 where it does not say.
        transient: whether it reads alerts, which have series only while they are pending or fire.
        quantity: what it measures, `seconds` or `bytes`; empty where its metrics do not say.
    """

    expression: Expression | None = None
    missing: Sequence[Missing] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, float] = field(default_factory=dict)
    unjoined: Sequence[Join] = ()
    ambiguous: Sequence[Ambiguous] = ()
    labels: frozenset[str] = frozenset()
    returned: frozenset[str] | None = None
    named: Sequence[Named] = ()
    made: frozenset[str] = frozenset()
    idle: Sequence[Idle] = ()
    error: str = ""
    kept: float = 0.0
    transient: bool = False
    quantity: str = ""

    def returns(self, label: str) -> bool:
        """Tell whether the result may have a label.

        Args:
            label: its name; `cluster` is one that only several clusters have, and counts unless the expression drops it.
        """
        if self.expression is None or self.transient:
            return True
        read = self.labels | self.made | {CLUSTER}
        if not self.expression.labels.may_have(label, read):
            return False
        return self.returned is None or label in self.returned | {CLUSTER}


def read(
    text: str,
    view: ReadApi,
    prometheus: Prometheus,
    alerts: Sequence[str] = (),
    *,
    certain: bool = True,
    usual: float = USUAL,
) -> ReadExpression:
    """Return what Prometheus knows of an expression.

    Args:
        text: PromQL.
        view: of the cluster, whose monitors say how often is scraped.
        prometheus: that is asked.
        alerts: names of all alerts.
        certain: whether all that delivers series in production does so here.
        usual: seconds between two scrapes of what says no interval itself.

    Raises:
        PromQLError: it cannot be parsed.
    """
    expression = parse(text)
    tree = ast.parse(text)
    ranged = {each.name for each in expression.selectors if each.window is not None and each.name}
    targets = prometheus.targets() if ranged else ()
    returned, error = _met(without(tree), prometheus)
    return ReadExpression(
        expression=expression,
        missing=missing(expression.selectors, prometheus, alerts, certain=certain),
        types={name: prometheus.type_of(name) for name in ranged},
        intervals={name: _interval(name, prometheus, targets, view, usual) for name in ranged},
        unjoined=[join for join in expression.joins if _never_pairs(join, prometheus)],
        ambiguous=tuple(ambiguous(tree)),
        labels=frozenset(label for each in expression.selectors for label in prometheus.labels(each.metric)),
        named=tuple(named(tree)),
        made=frozenset(made(tree)),
        idle=tuple(idle(tree, Delivered(prometheus))),
        returned=returned,
        error=error,
        kept=prometheus.retention() if ranged else 0.0,
        transient=any(each.name in ALERTS for each in expression.selectors),
        quantity=quantity(tree),
    )


def _met(text: str, prometheus: Prometheus) -> tuple[frozenset[str] | None, str]:
    """Return the labels of a result, and why there is none; neither where it is empty."""
    try:
        found = prometheus.query(text)
    except PrometheusError as refused:
        return None, refused.problem
    return (frozenset(label for sample in found for label in sample.labels) if found else None), ""


def _interval(name: str, prometheus: Prometheus, targets: Sequence[ScrapeTarget], view: ReadApi, usual: float) -> float:
    """Return the longest seconds between two scrapes of the targets that deliver a metric, as the team has them; 0 where none does.

    What a monitor does not say itself is the usual interval of its Prometheus, which the harness shortens on its clusters.
    """
    sources = {
        (sample.labels.get("job"), sample.labels.get("instance"))
        for sample in prometheus.query(f"count by (job, instance) ({name})")
    }
    found = [each for each in targets if (each.labels.get("job"), each.labels.get("instance")) in sources]
    return max((_stated(each, view, usual) for each in found), default=0.0)


def _stated(target: ScrapeTarget, view: ReadApi, usual: float) -> float:
    entry = entry_of(target.pool, view)
    if entry is None:
        return target.interval
    return seconds_of(str(entry.get("interval") or "")) or usual


def _never_pairs(join: Join, prometheus: Prometheus) -> bool:
    """Tell whether each side of a join has series and no pair has equal labels."""
    sides = [without(ast.parse(side)) for side in (join.left, join.right)]
    try:
        if not all(prometheus.query(f"count({side})") for side in sides):
            return False
        return not prometheus.query(f"count(({sides[0]}) and {join.matching} ({sides[1]}))")
    except PrometheusError:
        # Told as the error of the whole.
        return False
