"""The whole of what is scraped: targets of no monitor, of two, dropped ones, objects that the operator leaves out, the configuration."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platform_e2e.checks.monitoring import configuration, inventory
from platform_e2e.checks.monitoring.prometheus import (
    DroppedTarget,
    Loading,
    Prometheus,
    Sample,
    ScrapeTarget,
    dropped_of,
)
from platform_e2e.checks.monitoring.prometheus_replicas import Together
from platform_e2e.checks.monitoring.unmonitored import Identity, unselected
from platform_e2e.kube.objects import Object
from tests.fakes.monitoring import RELEASE, monitor, prometheus, service
from tests.fakes.recorded_view import RecordedView, made

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
POOL = "serviceMonitor/chat-dev/chat/0"
TARGET = ScrapeTarget(POOL, "http://10.244.0.5:9090/metrics", {"job": "chat"}, "up", "", NOW)
DROPPED = DroppedTarget(POOL, "chat-dev", "chat-metrics", "chat-0", "metrics", "Running")


class Scraping(Prometheus):
    """Answer as a Prometheus with these targets does."""

    def __init__(
        self,
        targets: Sequence[ScrapeTarget] = (),
        dropped: Sequence[DroppedTarget] = (),
        samples: Sequence[Sample] = (),
        loading: Loading | None = None,
    ) -> None:
        super().__init__(lambda _path, _parameters: b"")
        self.known, self.left, self.samples = list(targets), list(dropped), list(samples)
        self.loading = loading or Loading(True, NOW)
        self.jobs = {POOL, "serviceMonitor/chat-dev/again/0"}

    def targets(self) -> list[ScrapeTarget]:
        return self.known

    def dropped(self, pool: str = "") -> list[DroppedTarget]:
        return [each for each in self.left if pool in {"", each.pool}]

    def query(self, expression: str) -> list[Sample]:
        assert expression
        return self.samples

    def scrape_jobs(self) -> set[str]:
        return self.jobs

    def loadings(self) -> list[Loading]:
        return [self.loading]

    def now(self) -> datetime:
        return NOW


def causes(view: RecordedView, asked: Scraping, known: set[Identity] | None = None) -> list[str]:
    return [finding.cause.id for finding in inventory.all_of(view, asked, known or set())]


def test_a_target_of_a_monitor_that_is_there_is_explained() -> None:
    view = RecordedView(prometheus(), monitor(), service())
    assert causes(view, Scraping([TARGET])) == []
    assert inventory.figures(view, Scraping([TARGET])) == {"scraped by all monitors": 1, "written out": 0}


def test_a_target_of_a_monitor_that_is_gone_is_told() -> None:
    (finding,) = inventory.all_of(RecordedView(prometheus()), Scraping([TARGET]), set())
    assert (finding.object, finding.cause.id) == ("servicemonitor/chat -n chat-dev", "target-unexplained")
    assert "in the job serviceMonitor/chat-dev/chat/0, and servicemonitor/chat -n chat-dev is not there" in (
        finding.cause.sentence
    )


def _written_out(job: str = "node") -> tuple[Object, Object]:
    text = f"- job_name: '{job}'\n  static_configs:\n  - targets: ['192.0.2.1:9100']\n"
    data = {"jobs.yaml": base64.b64encode(text.encode()).decode()}
    stack = prometheus(additionalScrapeConfigs={"name": "jobs", "key": "jobs.yaml"})
    return stack, made("v1/Secret", "jobs", "monitoring", data=data)


@pytest.mark.parametrize(("job", "told"), [("node", []), ("other", ["target-unexplained"])])
def test_a_job_that_is_written_out_is_explained_by_its_secret(job: str, told: list[str]) -> None:
    asked = Scraping([replace(TARGET, pool="node")])
    view = RecordedView(*_written_out(job))
    assert causes(view, asked) == told
    assert inventory.figures(view, asked)["written out"] == int(not told)
    assert causes(RecordedView(prometheus(additionalScrapeConfigs={"name": "jobs", "key": "x"})), asked)
    # Who reads no Secret knows only that some jobs are written out.
    assert inventory.all_of(view, asked, set(), secrets=False) == []
    assert len(inventory.all_of(RecordedView(prometheus()), asked, set(), secrets=False)) == 1


def test_a_job_of_a_configuration_that_others_write_is_theirs() -> None:
    stack = made("monitoring.coreos.com/v1/Prometheus", "own", "monitoring", spec={})
    assert causes(RecordedView(stack), Scraping([replace(TARGET, pool="node")])) == []


def test_what_two_monitors_scrape_that_have_no_test_of_their_own_is_told_once() -> None:
    again = monitor()
    again["metadata"]["name"] = "again"
    targets = [TARGET, replace(TARGET, pool="serviceMonitor/chat-dev/again/0")]
    view = RecordedView(prometheus(), monitor(), again, service())
    (finding,) = inventory.all_of(view, Scraping(targets), set())
    assert finding.cause.id == "monitor-scraped-twice"
    assert "servicemonitor/chat -n chat-dev and servicemonitor/again -n chat-dev scrape http://10.244.0.5" in (
        finding.cause.sentence
    )
    assert causes(view, Scraping(targets), {("ServiceMonitor", "chat-dev", "chat")}) == []


def test_a_second_scrape_of_one_pool_is_none_of_two_monitors() -> None:
    view = RecordedView(prometheus(), monitor(), service())
    assert causes(view, Scraping([TARGET, TARGET])) == []


DROPS = {"relabelings": [{"action": "drop", "sourceLabels": ["__meta_kubernetes_pod_name"]}]}


@pytest.mark.parametrize(
    ("target", "entry", "said"),
    [
        (
            DROPPED,
            {"port": "metrics", **DROPS},
            "its spec.endpoints[0].relabelings drop them: drop by __meta_kubernetes_pod_name",
        ),
        (DROPPED, {"port": "metrics"}, "it has no relabelings that drop: Prometheus' own do"),
        (replace(DROPPED, port="http"), {"port": "metrics"}, ""),
        (replace(DROPPED, service="chat"), {"port": "metrics"}, ""),
        (replace(DROPPED, phase="Succeeded"), {"port": "metrics"}, ""),
        (DROPPED, {"targetPort": 9090}, ""),
    ],
)
def test_what_relabelling_drops_of_what_a_monitor_selects_is_told(
    target: DroppedTarget, entry: dict[str, Any], said: str
) -> None:
    view = RecordedView(prometheus(), monitor(endpoints=[entry]), service())
    findings = inventory.all_of(view, Scraping([TARGET], [target]), set())
    assert bool(findings) == bool(said)
    for finding in findings:
        assert finding.cause.id == "monitor-targets-dropped"
        assert "selects pod/chat-0 -n chat-dev" in finding.cause.sentence
        assert finding.cause.sentence.endswith(said)
    assert causes(view, Scraping([TARGET], [target]), {("ServiceMonitor", "chat-dev", "chat")}) == []


def test_labels_of_a_discovery_say_what_is_dropped() -> None:
    meta = {
        "namespace": "chat-dev", "service_name": "chat-metrics", "pod_name": "chat-0",
        "endpointslice_port_name": "metrics", "pod_container_port_name": "http", "pod_phase": "Running",
    }  # fmt: skip
    assert dropped_of(POOL, {f"__meta_kubernetes_{name}": value for name, value in meta.items()}) == DROPPED
    assert dropped_of("node", {"__address__": "x"}) == DroppedTarget("node", "", "", "", "", "")


def test_what_one_shard_drops_and_another_takes_is_not_dropped() -> None:
    other = replace(DROPPED, pod="chat-1")
    assert Together([[Scraping(dropped=[DROPPED, other]), Scraping(dropped=[other])]]).dropped() == [other]
    # Each replica scrapes everything.
    assert Together([[Scraping(dropped=[DROPPED])], [Scraping()]]).dropped() == [DROPPED]


@pytest.mark.parametrize(("number", "told"), [(0.0, []), (2.0, ["operator-rejects"])])
def test_what_the_operator_leaves_out_and_does_not_name_is_told(number: float, told: list[str]) -> None:
    asked = Scraping(samples=[Sample({"resource": "PrometheusRule"}, number), Sample({"resource": "Unknown"}, 1.0)])
    assert causes(RecordedView(prometheus()), asked) == told


def _scrape_config(kind: str = "v1alpha1/ScrapeConfig") -> Object:
    return made(f"monitoring.coreos.com/{kind}", "database", "monitoring", RELEASE, spec={"staticConfigs": []})


@pytest.mark.parametrize(
    ("kind", "pool"),
    [("v1alpha1/ScrapeConfig", "scrapeConfig/monitoring/database"), ("v1/Probe", "probe/monitoring/database")],
)
def test_what_is_taken_must_be_in_the_configuration_that_is_loaded(kind: str, pool: str) -> None:
    asked = Scraping()
    view = RecordedView(prometheus(scrapeConfigSelector={}, probeSelector={}), _scrape_config(kind))
    (finding,) = inventory.all_of(view, asked, set())
    assert (finding.cause.id, finding.expected) == ("monitor-not-loaded", f"{pool} is loaded")
    asked.jobs.add(pool)
    assert causes(view, asked) == []
    # What cannot be loaded at all is one fault.
    asked.jobs.clear()
    asked.loading = Loading(False, NOW)
    (finding,) = inventory.all_of(RecordedView(*view.objects, monitor(), service()), asked, set())
    assert (finding.object, finding.cause.id) == ("prometheus/stack -n monitoring", "prometheus-config-not-loaded")


@pytest.mark.parametrize(
    ("target", "scraped", "told"),
    [
        ("https://db.example.com/metrics", [], ["scrape-config-targets"]),
        ("https://db.example.com/metrics", [replace(TARGET, pool="scrapeConfig/monitoring/database")], []),
        ("192.0.2.1:9187", [], []),
    ],
)
def test_a_static_target_that_is_a_url_is_told(target: str, scraped: list[ScrapeTarget], told: list[str]) -> None:
    asked = Scraping(scraped)
    config = _scrape_config()
    config["spec"]["staticConfigs"] = [{"targets": [target]}]
    view = RecordedView(prometheus(scrapeConfigSelector={}), config)
    assert causes(view, asked) == ["monitor-not-loaded"]
    asked.jobs.add("scrapeConfig/monitoring/database")
    assert causes(view, asked) == told


def _rejected(kind: str, **spec: Any) -> tuple[RecordedView, Object]:
    obj = made(f"monitoring.coreos.com/{kind}", "x", "monitoring", RELEASE, spec=spec)
    said = {"reason": "InvalidConfiguration", "message": '"monitoring/x" was rejected due to invalid configuration: no'}
    takes: dict[str, Any] = {"probeSelector": {}, "scrapeConfigSelector": {}, "ruleSelector": {}}
    stack = prometheus(**takes)
    manager = made(
        "monitoring.coreos.com/v1/Alertmanager", "main", "monitoring", spec={"alertmanagerConfigSelector": {}}
    )
    event = {**said, "metadata": {"creationTimestamp": "2026-11-30T12:00:00Z"}, "involvedObject": {"name": "x"}}
    return RecordedView(stack, manager, obj, events={"monitoring/x": [event]}), obj


@pytest.mark.parametrize(
    ("kind", "cause", "rules"),
    [
        ("v1/ServiceMonitor", "monitor-rejected", False),
        ("v1/Probe", "probe-rejected", False),
        ("v1alpha1/ScrapeConfig", "scrape-config-rejected", False),
        ("v1/PrometheusRule", "rule-rejected", True),
        ("v1alpha1/AlertmanagerConfig", "alertmanager-config-rejected", True),
    ],
)
def test_each_kind_that_the_operator_leaves_out_is_told(kind: str, cause: str, rules: bool) -> None:
    view, _ = _rejected(kind, endpoints=[{"port": "metrics"}])
    view.objects += [service()] if kind == "v1/ServiceMonitor" else []
    if kind == "v1/ServiceMonitor":
        # It is not one that selects nothing.
        view.objects[2]["spec"]["namespaceSelector"] = {"any": True}
    (finding,) = unselected(view, set(), "tests", rules=rules)
    assert finding.cause.id == cause
    assert (finding.expected, finding.observed) == ("it is taken", "it is left out")
    # The event names it, so that the operator's count tells nothing more.
    counted = Scraping(samples=[Sample({"resource": kind.partition("/")[2]}, 1.0)])
    assert inventory.rejected(view, counted) == []


def stack(*conditions: dict[str, str]) -> Object:
    return {**prometheus(), "status": {"conditions": list(conditions)}}


def loaded(view: RecordedView, loading: Loading) -> list[str]:
    return [finding.cause.id for finding in configuration.check(view, Scraping(loading=loading))]


def test_a_configuration_that_is_loaded_is_no_finding() -> None:
    assert loaded(RecordedView(stack({"type": "Reconciled", "status": "True"})), Loading(True, NOW)) == []


def test_what_the_operator_cannot_make_is_quoted() -> None:
    bad = stack({"type": "Reconciled", "status": "False", "message": "creating config\n failed: no secret"})
    (finding,) = configuration.check(RecordedView(bad), Scraping())
    assert finding.cause.id == "prometheus-not-reconciled"
    assert finding.cause.sentence.endswith("goes on with the one before: creating config failed: no secret")


def test_a_configuration_that_cannot_be_loaded_is_told_with_the_time_of_the_one_before() -> None:
    (finding,) = configuration.check(RecordedView(stack()), Scraping(loading=Loading(False, NOW)))
    assert finding.cause.id == "prometheus-config-not-loaded"
    assert "goes on with that of 12:00:00" in finding.cause.sentence


@pytest.mark.parametrize(
    ("made_ago", "loaded_ago", "told"),
    [(600, 700, ["prometheus-config-old"]), (600, 500, []), (60, 700, [])],
)
def test_a_configuration_that_is_older_than_the_newest_is_told_once_it_must_have_come(
    made_ago: int, loaded_ago: int, told: list[str]
) -> None:
    written = (NOW - timedelta(seconds=made_ago)).isoformat()
    secret = made("v1/Secret", "prometheus-stack", "monitoring", metadata={"creationTimestamp": written})
    loading = Loading(True, NOW - timedelta(seconds=loaded_ago))
    assert loaded(RecordedView(stack(), secret), loading) == told
    assert configuration.check(RecordedView(stack(), secret), Scraping(loading=loading), secrets=False) == []
