"""Observe one rule: what selects its PrometheusRule, how Prometheus evaluates it, and the series that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.expressions import USUAL, ReadExpression, read
from platform_e2e.checks.monitoring.prometheus import ActiveAlert, LoadedRule, Prometheus, PrometheusError
from platform_e2e.checks.rules.wanted import WantedRule
from platform_e2e.diagnosis.cached import CachedReader
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.monitors import (
    RULE_KIND,
    RULER_KIND,
    selected_by,
)
from platform_e2e.diagnosis.objects import at, changed_at, labels_of, name_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.promql import PromQLError, same

ACTIVE = frozenset({"pending", "firing"})
"""States of an alert of which the condition is met (Prometheus 3, docs/querying/api)."""

OWN = re.compile(r"e2e-[0-9a-f]{8}")
"""The name of a namespace that a test makes for itself (fixtures/probes.py)."""

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
        read: what it reads and returns; empty where it cannot be parsed here.
        unread: why it cannot be parsed.
        refused: of one that cannot be parsed here, why Prometheus would not load it either.
        held: of an alert that is pending, seconds for which its condition has been met.
        there: of an alert that is pending, seconds for which all that it reads has been there.
        certain: whether all that delivers series in production does so here.
        elsewhere: the ThanosRuler that evaluates it, where no Prometheus does; empty where none does.
    """

    rule: Object | None
    cause: Cause | None = None
    loaded: LoadedRule | None = None
    groups: frozenset[str] = frozenset()
    since: datetime | None = None
    read: ReadExpression = field(default_factory=ReadExpression)
    unread: str = ""
    refused: str = ""
    held: float = 0.0
    there: float = 0.0
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
    view = CachedReader(view)
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
    if loaded is not None and loaded.state in ACTIVE and meant_by_tests(wanted.name, prometheus, view):
        loaded = replace(loaded, state="inactive")
    seen = ObservedRule(rule, None, loaded, groups, since)
    return _with_expression(seen, wanted, view, prometheus, alerts, certain=certain, usual=usual)


def unloaded(
    wanted: WantedRule,
    view: ReadApi,
    prometheus: Prometheus,
    alerts: Sequence[str],
    *,
    certain: bool = True,
    usual: float = USUAL,
) -> ObservedRule:
    """Return what would be seen of a rule if Prometheus had loaded it: its expression is evaluated now, and for the time before.

    Args:
        wanted: the rule, which the cluster need not have.
        view: of the cluster.
        prometheus: that would evaluate it.
        alerts: names of all alerts.
        certain: whether all that delivers series in production does so here.
        usual: seconds between two scrapes of what says no interval itself.
    """
    seen = ObservedRule(wanted.rendered.object, None, _evaluated(wanted, prometheus), frozenset({wanted.group}))
    return _with_expression(seen, wanted, view, prometheus, alerts, certain=certain, usual=usual)


def _evaluated(wanted: WantedRule, prometheus: Prometheus) -> LoadedRule:
    """Return a rule that is not loaded as Prometheus would have it now."""
    found = LoadedRule("", wanted.group, wanted.name, wanted.expression, "ok", "", None)
    try:
        met = bool(prometheus.query(wanted.expression))
        held = prometheus.held(wanted.expression) if met and wanted.alert else 0.0
    except PrometheusError as refused:
        return replace(found, health="err", error=refused.problem)
    waits = wanted.held
    state = "inactive" if not met else "firing" if held >= waits else "pending"
    return replace(found, state=state if wanted.alert else "")


def _with_expression(
    seen: ObservedRule,
    wanted: WantedRule,
    view: ReadApi,
    prometheus: Prometheus,
    alerts: Sequence[str],
    *,
    certain: bool,
    usual: float,
) -> ObservedRule:
    try:
        found = read(wanted.expression, view, prometheus, alerts, certain=certain, usual=usual)
    except PromQLError as error:
        return replace(seen, unread=str(error))
    seen = replace(seen, read=found, certain=certain)
    if seen.loaded is None or seen.loaded.state != "pending" or found.expression is None:
        return seen
    there = min((prometheus.held(f"count({each})") for each in found.expression.selectors), default=0.0)
    return replace(seen, held=prometheus.held(wanted.expression, _of_tests(view, prometheus.alerts())), there=there)


def meant_by_tests(name: str, prometheus: Prometheus, view: ReadApi) -> bool:
    """Tell whether an alert is active for nothing but what tests break on purpose in namespaces of their own.

    Args:
        name: of the alert.
        prometheus: that evaluates it.
        view: of the cluster.
    """
    alerts = prometheus.alerts()
    active = [alert for alert in alerts if alert.alert == name]
    theirs = _of_tests(view, alerts)
    return bool(active) and all(theirs & set(alert.labels.values()) for alert in active)


def _of_tests(view: ReadApi, alerts: Iterable[ActiveAlert]) -> frozenset[str]:
    """Return the namespaces that tests make for themselves, whose names their Applications have too: what is broken there is meant so.

    An alert outlives the namespace that it is about.
    """
    there = {key(space)[1] for space in view.list("v1/Namespace") if TESTS in labels_of(space)}
    told = {value for alert in alerts for value in alert.labels.values() if OWN.fullmatch(value)}
    return frozenset(there | told)


def _loaded(wanted: WantedRule, mine: Sequence[LoadedRule], takers: Sequence[Object]) -> LoadedRule | None:
    """Return the rule as Prometheus has it; one with another expression is from before the last change."""
    named = [each for each in mine if (each.group, each.name) == (wanted.group, wanted.name)]
    # The operator writes a namespace into each expression where it is told to enforce that.
    enforced = any(at(taker, "spec", "enforcedNamespaceLabel") for taker in takers)
    return next((each for each in named if enforced or same(each.query, wanted.expression)), None)
