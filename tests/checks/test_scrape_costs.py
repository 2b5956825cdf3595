"""Limits that a team states: what scrapes cost, and how late a critical alert may be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks.monitoring.check import check, unknown
from platform_e2e.checks.monitoring.observe import observe
from platform_e2e.checks.monitoring.prometheus import Prometheus, Sample, ScrapeTarget
from platform_e2e.checks.monitoring.prometheus_replicas import Together
from platform_e2e.checks.monitoring.scrape_costs import costs, over
from platform_e2e.checks.rules.check import check as check_rule
from platform_e2e.diagnosis.explain.scrapes import scrape_error
from platform_e2e.layer.limits import Limits
from tests.checks.test_inventory import NOW
from tests.checks.test_monitoring import SINCE, SOUND, WANTED, Answering
from tests.checks.test_rules import SOUND as ALERT
from tests.checks.test_rules import Case
from tests.fakes.monitoring import monitor
from tests.fakes.recorded_view import RecordedView, made

LABELS = {"job": "chat", "instance": "a"}
TARGET = ScrapeTarget("serviceMonitor/chat-dev/chat/0", "http://a/metrics", LABELS, "up", "", NOW)


class Costly(Prometheus):
    def __init__(self, **values: float) -> None:
        super().__init__(lambda _path, _parameters: b"")
        self.values_of = values

    def query(self, expression: str) -> list[Sample]:
        return [Sample(LABELS, self.values_of[expression])]

    def label_counts(self, selector: str) -> dict[str, int]:
        assert selector == '{job="chat", instance="a"}'
        return {"chat_messages_total": 12, "up": 4}


USUAL = Costly(scrape_duration_seconds=0.5, scrape_samples_scraped=100.0)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(), None),
        (Limits(scrapeDuration="1s", samplesPerScrape=100, labelsPerSeries=12), None),
        (Limits(scrapeDuration="400ms"), ("scrape-too-slow", "takes 0.5 s", "0.4 s", "scrapeDuration")),
        (Limits(samplesPerScrape=99), ("scrape-too-large", "delivers 100 samples", "99", "samplesPerScrape")),
        (
            Limits(labelsPerSeries=11),
            ("series-too-wide", "delivers chat_messages_total with 12 labels", "11", "labelsPerSeries"),
        ),
    ],
)
def test_a_limit_is_judged_where_it_is_stated(limits: Limits, told: tuple[str, ...] | None) -> None:
    found = costs([TARGET], limits, USUAL)
    assert bool(found) == (limits != Limits())
    assert [over(each, limits) for each in found] == [told] * len(found)


def test_nothing_is_asked_without_limits_or_targets() -> None:
    assert costs([TARGET], Limits(criticalFor="5m"), Costly()) == []
    assert costs([], Limits(samplesPerScrape=1), Costly()) == []


def test_the_finding_names_monitor_target_value_and_limit() -> None:
    limits = Limits(samplesPerScrape=99)
    seen = replace(SOUND, costs=costs([TARGET], limits, USUAL))
    (finding,) = check(replace(WANTED, limits=limits), seen)
    assert finding.cause.id == "scrape-too-large"
    said = "http://a/metrics of servicemonitor/chat -n chat-dev delivers 100 samples, and the team's limit samplesPerScrape is 99"
    assert finding.cause.sentence == said
    assert check(WANTED, seen) == []


def test_several_prometheis_have_as_many_labels_as_the_one_with_most() -> None:
    assert Together([[USUAL], [USUAL]]).label_counts('{job="chat", instance="a"}') == {
        "chat_messages_total": 12,
        "up": 4,
    }


@pytest.mark.parametrize(
    ("error", "field"),
    [
        ("sample limit exceeded", "sampleLimit"),
        ("label_limit exceeded (metric: up, number of labels: 5, limit: 2)", "labelLimit"),
        ("body size limit exceeded", "bodySizeLimit"),
    ],
)
def test_a_scrape_beyond_a_monitors_own_limit_is_told_with_the_field(error: str, field: str) -> None:
    cause = scrape_error(monitor(), {"http://a/metrics": error})
    assert (cause.id, cause.field) == ("scrape-over-limit", ("spec", field))
    assert f"than spec.{field} of the monitor says" in cause.sentence


def test_what_an_agent_scrapes_is_not_known() -> None:
    spec: dict[str, Any] = {"serviceMonitorSelector": {}, "serviceMonitorNamespaceSelector": {}}
    agent = made("monitoring.coreos.com/v1alpha1/PrometheusAgent", "edge", "monitoring", spec=spec)
    seen = observe(WANTED, RecordedView(agent, monitor()), Answering(), SINCE)
    assert seen.agent == "prometheusagent/edge -n monitoring"
    assert check(WANTED, seen) == []
    assert unknown(WANTED, seen) is None, "it is of no layer"
    assert check(WANTED, observe(WANTED, RecordedView(monitor()), Answering(), SINCE))


@pytest.mark.parametrize(
    ("severity", "after", "limit", "late"),
    [
        ("critical", "1h", "15m", True),
        ("critical", "15m", "15m", False),
        ("critical", "1h", None, False),
        ("warning", "1h", "15m", False),
        ("critical", None, "15m", False),
    ],
)
def test_a_critical_alert_must_fire_within_the_limit(
    severity: str, after: str | None, limit: str | None, late: bool
) -> None:
    case = Case(ALERT)
    entry: dict[str, Any] = dict(case.wanted.entry)
    entry["labels"] = {"severity": severity}
    entry.update({"for": after} if after else {})
    case.wanted = replace(case.wanted, entry=entry)
    case.layer.limits = Limits(criticalFor=limit)
    found = check_rule(case.wanted, case.seen(), case.layer)
    assert [each.cause.id for each in found] == (["alert-too-late"] if late else [])
