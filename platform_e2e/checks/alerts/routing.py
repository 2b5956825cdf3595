"""Each alert reaches a receiver that has an integration, by the configuration that the live Alertmanager has loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from platform_e2e import promql
from platform_e2e.checks import helm_values
from platform_e2e.checks.alerts.alertmanager import Silence, answering
from platform_e2e.checks.alerts.routes import Matcher, Route, Routing
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.prometheus_replicas import Asks
from platform_e2e.checks.rules.wanted import WantedRule
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.foundations.alertmanager_settings import CHART
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.renderer import Reason
from platform_e2e.promql import Expression, PromQLError, parse

SILENT = timedelta(days=7)
"""How long a silence may last yet: one for a repair is over within days; one that outlasts a week hides the alert."""

SETS = 100
"""How many sets of labels of one alert are tried; each is one that a route may tell from the others."""

_WHOLE = re.compile(r"\{\{-?\s*\$labels\.(\w+)\s*-?\}\}")
"""A label of an alert that is just that of its series."""


@dataclass(frozen=True)
class Routed:
    """How an alert is routed.

    Attributes:
        labels: the sets of labels that it may have, as far as a route looks at them.
        routings: of each Alertmanager.
        silences: that are active.
    """

    labels: Sequence[Mapping[str, str]]
    routings: Sequence[Routing]
    silences: Sequence[Silence] = ()

    @property
    def taking(self) -> list[tuple[Routing, Route]]:
        """Return the routes that take it with any of its sets of labels."""
        return [
            (routing, route)
            for routing in self.routings
            for labels in self.labels
            for route in routing.root.taking(labels)
        ]

    @property
    def receivers(self) -> list[str]:
        """Return the names of the receivers that get it, at some time of the day at least."""
        return sorted(
            {
                route.receiver
                for routing, route in self.taking
                if routing.integrations.get(route.receiver) and not routing.always.intersection(route.muted)
            }
        )


def observe(alert: WantedRule, prometheus: Prometheus, client: Asks) -> Routed:
    """Return how an alert is routed now.

    Args:
        alert: of the layer.
        prometheus: that evaluates it.
        client: of the cluster.
    """
    here = answering(client)
    routings = [routing for routing, _ in here]
    looked = {matcher.name for routing in routings for route in routing.root.all() for matcher in route.matchers}
    silences = [silence for _, several in here for silence in several]
    return Routed(label_sets(alert, prometheus, looked), routings, silences)


def label_sets(alert: WantedRule, prometheus: Prometheus, looked: Iterable[str]) -> list[Mapping[str, str]]:
    """Return the sets of labels that an alert may have: its own with those that its series have.

    Args:
        alert: of the layer.
        prometheus: that evaluates it.
        looked: names of the labels that matter.
    """
    fixed = {**prometheus.external_labels(), "alertname": alert.alert}
    # The operator drops it from alerts, so that those of two replicas are one (prometheus-operator 0.88.0, pkg/prometheus/promcfg.go).
    fixed.pop("prometheus_replica", None)
    taken: dict[str, str] = {}
    for name, written in alert.texts("labels").items():
        whole = _WHOLE.fullmatch(written.strip())
        if whole:
            taken[name] = whole[1]
        elif "{{" not in written:
            fixed[name] = written
    read = [name for name in {*looked, *taken.values()} if name not in fixed]
    found = {
        tuple(sorted({**fixed, **series, **{name: series.get(label, "") for name, label in taken.items()}}.items()))
        for series in _series(alert, prometheus, read)
    }
    return [dict(each) for each in sorted(found)[:SETS]]


def _series(alert: WantedRule, prometheus: Prometheus, names: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """Yield what series of the alert's expression have of some labels; one set without any where they have none."""
    try:
        expression: Expression | None = parse(alert.expression)
    except PromQLError:
        expression = None
    there = False
    for selector in expression.selectors if expression and names else ():
        assert expression is not None  # noqa: S101  else there is no selector
        wanted = ", ".join(sorted(names))
        for sample in prometheus.query(f"group by ({wanted}) ({selector})"):
            known = frozenset(sample.labels)
            yield {name: value for name, value in sample.labels.items() if expression.labels.may_have(name, known)}
            there = True
    if not there:
        yield {}


def check(alert: WantedRule, seen: Routed, layer: Layer, now: datetime | None = None) -> list[Finding]:
    """Return what keeps an alert from each receiver, or an empty list.

    Args:
        alert: of the layer.
        seen: how it is routed.
        layer: that has it.
        now: the time, by default now; a silence is judged by when it ends.
    """
    if not seen.routings:
        # That there is no Alertmanager is a finding of its own (`rules.lost`).
        return []
    routed = [(routing, route) for routing, route in seen.taking if routing.integrations.get(route.receiver)]
    silence = _silence(seen, now or datetime.now(UTC))
    if not routed:
        observed, cause = _unrouted(alert, seen, layer)
    elif all(routing.always.intersection(route.muted) for routing, route in routed):
        observed, cause = _muted(alert, routed, layer)
    elif silence is not None:
        observed, cause = _silenced(alert, silence)
    else:
        return []
    located = layer.located(cause, alert.rendered) if cause.field else cause
    return [
        Finding(str(alert.rendered), Promise.ALERTS, "a receiver gets it", observed, located, {"alert": alert.alert})
    ]


def unasked(alert: WantedRule) -> NotJudged:
    """Return what is not proven of an alert where no Alertmanager tells its routes.

    Args:
        alert: of the layer.
    """
    where = alert.rendered
    problem = f"no Alertmanager tells which receiver gets {alert}"
    return NotJudged(str(where), Reason.ALERT, problem, "look at the pods of Alertmanager", where.file, where.line, ())


def _unrouted(alert: WantedRule, seen: Routed, layer: Layer) -> tuple[str, Cause]:
    severity = alert.texts("labels").get("severity", "")
    by = f"with severity={severity}" if severity else "without a severity"
    name, chosen = min((route.receiver, route is not routing.root) for routing, route in seen.taking)
    if chosen:
        cause = Cause(
            "alert-receiver-empty",
            f"{alert} {by} has a route to the receiver {name}, which has no integration",
            f"give the receiver one ({_where(layer, 'receivers')})",
        )
    else:
        cause = Cause(
            "alert-unrouted",
            f"no route takes {alert} {by}: it goes to the receiver {name}, which has no integration",
            f"give it a route ({_where(layer, 'route')}), or a severity that has one",
            field=alert.field("labels", "severity"),
        )
    return "none gets it", cause


def _muted(alert: WantedRule, routed: Sequence[tuple[Routing, Route]], layer: Layer) -> tuple[str, Cause]:
    routing, route = routed[0]
    name = min(routing.always.intersection(route.muted))
    cause = Cause(
        "alert-muted",
        f"{alert} goes to the receiver {route.receiver}, by a route that the time interval {name} mutes, which is always",
        f"end the interval, or take mute_time_intervals from the route ({_where(layer, 'route')})",
    )
    return "it is muted always", cause


def _silenced(alert: WantedRule, silence: Silence) -> tuple[str, Cause]:
    words = ", ".join(map(str, silence.matchers))
    cause = Cause(
        "alert-silenced",
        f"{alert} is silenced until {silence.ends:%Y-%m-%d} by {silence.author or 'an unknown author'} ({words})",
        f"end the silence {silence.id} (amtool silence expire), or narrow it",
    )
    return "it is silenced", cause


def _silence(seen: Routed, now: datetime) -> Silence | None:
    """Return a silence that lasts and keeps back every set of labels."""
    lasting = [each for each in seen.silences if each.ends - now > SILENT]
    for silence in lasting:
        if all(all(matcher.matches(labels) for matcher in silence.matchers) for labels in seen.labels):
            return silence
    return None


def _where(layer: Layer, *keys: str) -> str:
    """Return where the values of the stack say a part of Alertmanager's configuration."""
    release = next((each for each in layer.releases if each.chart == CHART), None)
    if release is None:
        return "its configuration"
    return helm_values.location_of(layer.directory, release, "alertmanager", "config", *keys)


def inhibitions(layer: Layer, prometheus: Prometheus, client: Asks) -> list[Finding]:
    """Return the inhibitions of the layer's own that name a label which no alert has: they keep back nothing, or too much.

    Args:
        layer: whose values have inhibitions; the defaults of the chart name labels of its own alerts.
        prometheus: that evaluates the alerts.
        client: of the cluster.
    """
    if not any(helm_values.of_chart(layer, CHART, "alertmanager", "config", "inhibit_rules")):
        return []
    routings = [routing for routing, _ in answering(client)]
    rules = [(rule.query, rule.labels) for rule in prometheus.rules() if rule.state]
    known = {"alertname", *prometheus.external_labels()} | {name for _, labels in rules for name in labels}
    wanted = {name for routing in routings for each in routing.inhibitions for name in _names(each.source, each.target)}
    wanted |= {name for routing in routings for each in routing.inhibitions for name in each.equal}
    unknown = {name for name in wanted - known if not _had(name, rules, prometheus)}
    return [
        _inhibition(each.number, name, name in each.equal, layer)
        for routing in routings
        for each in routing.inhibitions
        for name in sorted({*each.equal, *_names(each.source, each.target)} & unknown)
    ]


def _names(*several: Sequence[Matcher]) -> set[str]:
    return {matcher.name for each in several for matcher in each}


def _had(name: str, rules: Sequence[tuple[str, Mapping[str, str]]], prometheus: Prometheus) -> bool:
    """Tell whether the result of an alert's expression may have a label."""
    for written, _ in rules:
        try:
            expression = parse(written)
        except PromQLError:
            # What cannot be read may have it.
            return True
        read = (
            frozenset({name}) if any(_selects(each.metric, name, prometheus) for each in expression.selectors) else ()
        )
        if expression.labels.may_have(name, frozenset(read)):
            return True
    return False


def _selects(metric: str, label: str, prometheus: Prometheus) -> bool:
    having = promql.Matcher(label, promql.NOT_EQUAL, "")
    return bool(metric) and bool(prometheus.query(f"count({promql.narrowed(metric, [having])})"))


def _inhibition(number: int, name: str, equal: bool, layer: Layer) -> Finding:  # noqa: FBT001  which of two lists has it
    what = "as equal" if equal else "in a matcher"
    cause = Cause(
        "inhibition-label-unknown",
        f"the inhibition number {number + 1} of Alertmanager names the label {name} {what}, and no alert has it",
        f"name a label that its alerts have ({_where(layer, 'inhibit_rules')})",
    )
    release = next(
        (f"release/{each.name} -n {each.namespace}" for each in layer.releases if each.chart == CHART), CHART
    )
    return Finding(release, Promise.ALERTS, "labels that alerts have", f"no alert has {name}", cause)
