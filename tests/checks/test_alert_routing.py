"""Each alert of a layer is led to a receiver, and what keeps it from one is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.checks import helm_values
from platform_e2e.checks.alerts import routing
from platform_e2e.checks.alerts.alertmanager import Silence
from platform_e2e.checks.alerts.routes import Matcher, Routing
from platform_e2e.checks.rules.wanted import WantedRule
from platform_e2e.kube.objects import Object
from tests.fakes.rendered import rendered
from tests.fakes.series import NOW, loaded, stored

RULE = """
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: rules, namespace: shop}
spec: {groups: [{name: g, rules: [{}]}]}
"""

ROUTES = """
route:
  receiver: nothing
  routes:
  - {matchers: [severity = critical], receiver: on-call}
  - {matchers: [severity = empty], receiver: empty}
  - {matchers: [severity = night], receiver: on-call, mute_time_intervals: [always]}
  - {matchers: ['team =~ "shop|bank"'], receiver: team}
receivers:
- name: nothing
- name: empty
- name: on-call
  pagerduty_configs: [{routing_key: <secret>}]
- name: team
  slack_configs: [{channel: "#team"}]
time_intervals: [{name: always, time_intervals: [{}]}]
"""

LAYER: Any = SimpleNamespace(releases=[], located=lambda cause, _: cause)


def alert(labels: Mapping[str, str], expr: str = "up == 0") -> WantedRule:
    """Return an alert of a layer."""
    (rule,) = rendered(RULE)
    return WantedRule("g", {"alert": "Down", "expr": expr, "labels": dict(labels)}, rule, (0, 0))


def causes(labels: Mapping[str, str], *silences: Silence, series: Sequence[str] = ()) -> list[str]:
    """Return the ids of what is found of an alert with labels."""
    down = alert(labels)
    sets = routing.label_sets(down, stored(*series), ["severity", "team"])
    seen = routing.Routed(sets, [Routing.parse(ROUTES)], silences)
    return [finding.cause.id for finding in routing.check(down, seen, LAYER, NOW)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"severity": "critical"}, []),
        ({"severity": "page"}, ["alert-unrouted"]),
        ({}, ["alert-unrouted"]),
        ({"severity": "empty"}, ["alert-receiver-empty"]),
        ({"severity": "night"}, ["alert-muted"]),
        ({"team": "bank"}, []),
        ({"team": "shopping"}, ["alert-unrouted"]),
    ],
)
def test_alert_that_no_receiver_gets_is_told(labels: dict[str, str], expected: list[str]) -> None:
    assert causes(labels) == expected


def test_label_of_the_series_leads_an_alert_too() -> None:
    assert causes({}, series=['up{team="shop"}']) == []
    assert causes({"team": "{{ $labels.owner }}"}, series=['up{owner="bank"}']) == []


def test_alert_is_routed_by_any_of_its_series() -> None:
    assert causes({}, series=['up{team="shop"}', 'up{team="nobody"}']) == []


def test_label_that_the_expression_drops_leads_nowhere() -> None:
    down = alert({}, 'count by (job) (up{job="chat"}) > 0')
    found = routing.label_sets(down, stored('up{job="chat", team="shop"}'), ["team"])
    assert found == [{"alertname": "Down", "prometheus": "monitoring/main"}]


@pytest.mark.parametrize(("days", "expected"), [(400, ["alert-silenced"]), (2, [])])
def test_silence_that_outlasts_a_repair_is_told(days: int, expected: list[str]) -> None:
    silence = Silence("1", (Matcher("alertname", "=~", "Do.*"),), NOW + timedelta(days=days), "a person")
    assert causes({"severity": "critical"}, silence) == expected


def test_silence_of_other_alerts_is_none_of_this_one() -> None:
    silence = Silence("1", (Matcher("alertname", "=", "Up"),), NOW + timedelta(days=400), "a person")
    assert causes({"severity": "critical"}, silence) == []


class Cluster:
    """A cluster with one Alertmanager that has a configuration."""

    def __init__(self, config: str) -> None:
        self._config = config

    def list(self, *_: Any, **__: Any) -> Sequence[Object]:
        """Return the Service of the Alertmanager."""
        return [{"metadata": {"namespace": "monitoring", "name": "alertmanager-operated"}}]

    def proxy(self, *place: Any, **_: Any) -> bytes:
        """Answer with the configuration, and with no silence."""
        return json.dumps({"config": {"original": self._config}} if place[3].endswith("status") else []).encode()


@pytest.mark.parametrize(
    ("rule", "unknown"),
    [
        ("equal: [job]", []),
        ("equal: [alertname, prometheus, severity]", []),
        ("equal: [jop]", ["jop"]),
        ("source_matchers: [severity = critical], target_matchers: [sevrity = warning], equal: [job]", ["sevrity"]),
        ("equal: [instance]", ["instance"]),
    ],
)
def test_inhibition_by_a_label_that_no_alert_has_is_told(
    rule: str, unknown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helm_values, "of_chart", lambda *_: iter([[{}]]))
    rules = [loaded('count by (job) (up{job="chat"}) == 0', labels={"severity": "critical"})]
    prometheus = stored('up{job="chat", instance="a"}', loaded=rules)
    found = routing.inhibitions(LAYER, prometheus, Cluster(f"inhibit_rules: [{{{rule}}}]"))
    assert [finding.observed for finding in found] == [f"no alert has {name}" for name in unknown]


def test_inhibitions_of_the_chart_alone_are_not_the_layers_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm_values, "of_chart", lambda *_: iter([None]))
    assert routing.inhibitions(LAYER, stored(), Cluster("inhibit_rules: [{equal: [jop]}]")) == []


def test_alert_is_observed_with_the_routes_that_are_loaded() -> None:
    seen = routing.observe(alert({"severity": "critical"}), stored(), Cluster(ROUTES))
    assert seen.receivers == ["on-call"]
    assert seen.labels[0]["alertname"] == "Down"
