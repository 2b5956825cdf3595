"""Observe one rule: what selects its PrometheusRule, how Prometheus evaluates it, and the series that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from platform_e2e.checks.monitoring.prometheus import LoadedRule, Prometheus, ScrapeTarget
from platform_e2e.checks.monitoring.series import Missing, missing
from platform_e2e.checks.rules.wanted import WantedRule
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.monitors import (
    RULE_KIND,
    RULER_KIND,
    entry_of,
    selected_by,
)
from platform_e2e.diagnosis.objects import at, changed_at, name_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.durations import seconds_of
from platform_e2e.promql import Expression, Join, PromQLError, parse, same

RATES = frozenset({"rate", "irate", "increase"})
"""Functions of a counter (docs/querying/functions.md)."""

DELTAS = frozenset({"delta", "idelta", "deriv", "predict_linear", "double_exponential_smoothing"})
"""Functions of a gauge."""


USUAL = 30.0
"""Seconds between two scrapes where nothing says otherwise (prometheus-operator 0.88.0, Prometheus.spec.scrapeInterval)."""

MISSED = 3
"""Evaluations that may be missed before a rule counts as one that is evaluated no more."""


@dataclass(frozen=True)
class ObservedRule:
    """What was seen of one rule.

    Attributes:
        rule: the PrometheusRule as the cluster has it, or None.
        cause: what the explanations say of the PrometheusRule.
        loaded: as Prometheus evaluates it, or None.
        groups: names of the groups of the PrometheusRule that Prometheus has.
        since: after which it must have been evaluated: its last change, and a few intervals ago.
        expression: what it reads and returns; None where it cannot be parsed here.
        unread: why it cannot be parsed.
        missing: the selectors that match nothing, the worst first.
        types: of each metric in a range, as its targets tell.
        intervals: of each metric in a range the longest seconds between two scrapes.
        unjoined: joins of which each side has series, and no pair.
        labels: names of all labels of the series that it reads, where its texts name labels.
        certain: whether all that delivers series in production does so here.
        elsewhere: the ThanosRuler that evaluates it, where no Prometheus does; empty where none does.
    """

    rule: Object | None
    cause: Cause | None = None
    loaded: LoadedRule | None = None
    groups: frozenset[str] = frozenset()
    since: datetime | None = None
    expression: Expression | None = None
    unread: str = ""
    missing: Sequence[Missing] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    intervals: Mapping[str, float] = field(default_factory=dict)
    unjoined: Sequence[Join] = ()
    labels: frozenset[str] = frozenset()
    certain: bool = True
    elsewhere: str = ""


def observe(
    wanted: WantedRule,
    view: ReadApi,
    prometheus: Prometheus,
    alerts: Sequence[str],
    *,
    certain: bool = True,
    usual: float = USUAL,
) -> ObservedRule:
    """Read what the cluster and Prometheus say of a rule.

    Args:
        wanted: the rule.
        view: of the cluster.
        prometheus: that evaluates it.
        alerts: names of all alerts of the layer.
        certain: whether all that delivers series in production does so here.
        usual: seconds between two scrapes of what says no interval itself.
    """
    rule = view.get(RULE_KIND, wanted.rendered.name, wanted.rendered.namespace)
    if rule is None:
        return ObservedRule(None)
    takers = selected_by(rule, view)
    rulers = [] if takers else selected_by(rule, view, RULER_KIND)
    if rulers:
        return ObservedRule(rule, elsewhere=name_of(rulers[0]))
    cause = explain(rule, view)
    if not takers or cause is not None:
        return ObservedRule(rule, cause)
    prometheus = prometheus.of(takers)
    file = f"{wanted.rendered.namespace}-{wanted.rendered.name}-{rule['metadata'].get('uid', '')}"
    mine = [each for each in prometheus.rules() if each.file.startswith(file)]
    groups = frozenset(each.group for each in mine)
    loaded = _loaded(wanted, mine, takers)
    recently = prometheus.now() - timedelta(seconds=MISSED * loaded.interval) if loaded else None
    since = max(changed_at(rule), recently) if recently else None
    try:
        expression = parse(wanted.expression)
    except PromQLError as error:
        return ObservedRule(rule, None, loaded, groups, since, unread=str(error))
    ranged = {each.name for each in expression.selectors if each.window is not None and each.name}
    targets = prometheus.targets() if ranged else ()
    return ObservedRule(
        rule,
        loaded=loaded,
        groups=groups,
        since=since,
        expression=expression,
        missing=missing(expression.selectors, prometheus, alerts, certain=certain),
        types={name: prometheus.type_of(name) for name in ranged},
        intervals={name: _interval(name, prometheus, targets, view, usual) for name in ranged},
        unjoined=[join for join in expression.joins if _never_pairs(join, prometheus)],
        labels=_labels(expression, prometheus) if any(wanted.templated) else frozenset(),
        certain=certain,
    )


def _loaded(wanted: WantedRule, mine: Sequence[LoadedRule], takers: Sequence[Object]) -> LoadedRule | None:
    """Return the rule as Prometheus has it; one with another expression is from before the last change."""
    named = [each for each in mine if (each.group, each.name) == (wanted.group, wanted.name)]
    # The operator writes a namespace into each expression where it is told to enforce that.
    enforced = any(at(taker, "spec", "enforcedNamespaceLabel") for taker in takers)
    return next((each for each in named if enforced or same(each.query, wanted.expression)), None)


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


def _labels(expression: Expression, prometheus: Prometheus) -> frozenset[str]:
    return frozenset(label for each in expression.selectors for label in prometheus.labels(each.metric))


def _never_pairs(join: Join, prometheus: Prometheus) -> bool:
    """Tell whether each side of a join has series and no pair has equal labels."""
    if not prometheus.query(f"count({join.left})") or not prometheus.query(f"count({join.right})"):
        return False
    return not prometheus.query(f"count(({join.left}) and {join.matching} ({join.right}))")
