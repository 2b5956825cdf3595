from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import paths
from platform_e2e.breaks.declaration import load
from platform_e2e.checks import monitoring
from platform_e2e.checks.monitoring import ObservedMonitor, WantedMonitor, figures, unmonitored
from platform_e2e.checks.monitoring.check import check
from platform_e2e.checks.monitoring.observe import observe
from platform_e2e.checks.monitoring.prometheus import DroppedTarget, Prometheus, Sample, ScrapeTarget
from platform_e2e.checks.monitoring.unmonitored import covered, unselected
from platform_e2e.diagnosis.attribution import BlockedByPromise
from platform_e2e.diagnosis.explain.owners import replicas
from platform_e2e.finding import Cause, Finding
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer, MetricsService, Rendered
from platform_e2e.layer.releases import Release
from tests.fakes.monitoring import RELEASE, endpoint_slice, monitor, prometheus, service
from tests.fakes.recorded_view import RecordedView, made

SINCE = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
POOL = "serviceMonitor/chat-dev/chat/0"
LABELS = {"job": "chat", "instance": "10.244.0.5:9090"}
TARGET = ScrapeTarget(POOL, "http://10.244.0.5:9090/metrics", LABELS, "up", "", SINCE + timedelta(seconds=3))
PLACE = "manifests/chat/base/servicemonitor.yaml:1"
WANTED = WantedMonitor(monitor(), ("chat_messages_total",), lambda cause: cause.located(PLACE))
SOUND = ObservedMonitor(
    monitor(),
    takers=(prometheus(),),
    expected={POOL: (1, "deployment/chat -n chat-dev with 1")},
    jobs=frozenset({POOL}),
    targets=(TARGET,),
    samples={TARGET.identity: 42.0},
    delivered={"chat_messages_total": True},
    since=SINCE,
)


def found(seen: ObservedMonitor) -> Finding:
    (finding,) = check(WANTED, seen)
    assert finding.object == "servicemonitor/chat -n chat-dev"
    assert finding.promise == "monitoring"
    assert finding.cause.remedy.endswith(f"({PLACE})")
    return finding


def assert_break(name: str, cause: Cause) -> None:
    declared = load(paths.ROOT / "breaks" / f"{name}.yaml")
    assert cause.id == declared.cause
    assert re.search(declared.sentence, cause.sentence), cause.sentence


def test_nothing_is_wrong_with_a_sound_monitor() -> None:
    assert check(WANTED, SOUND) == []
    assert figures(SOUND) == {"targets": 1, "samples": 42}


def test_a_monitor_that_is_not_there() -> None:
    assert found(ObservedMonitor(None)).cause.id == "object-missing"


def test_a_monitor_that_nobody_selects() -> None:
    cause = Cause("monitor-unselected", "no label", "label it")
    assert found(ObservedMonitor(monitor(), cause=cause)).cause.id == "monitor-unselected"


@pytest.mark.parametrize("number", [0, 2])
def test_as_many_targets_as_replicas_say(number: int) -> None:
    finding = found(replace(SOUND, expected={POOL: (number, "deployment/chat")}))
    assert finding.cause.id == "monitor-target-count"
    wanted = f"{number} targets" if number else "at least one target"
    assert finding.expected.startswith(f"{wanted} in {POOL} (deployment/chat)")
    assert finding.observed == "1 target"
    assert f"should scrape {number or 'at least one'} (" in finding.cause.sentence


def test_no_target_at_all_is_never_right() -> None:
    assert found(replace(SOUND, targets=(), expected={POOL: (0, "nobody")})).cause.id == "monitor-target-count"


def test_a_monitor_that_selects_nothing_is_not_told_a_number() -> None:
    astray = monitor(selector={"matchLabels": {"app": "chatt"}})
    view = RecordedView(astray, prometheus(), service(), endpoint_slice(), deployment())
    wanted = replace(WANTED, monitor=astray, series=())
    (finding,) = check(wanted, observe(wanted, view, Answering(), SINCE))
    assert finding.cause.id == "monitor-service-unmatched"
    assert finding.expected == f"at least one target in {POOL} (no Service that it selects)"


def test_a_monitor_without_endpoints_scrapes_nothing() -> None:
    empty = monitor(endpoints=[])
    view = RecordedView(empty, prometheus(), service(), endpoint_slice(), deployment())
    (finding,) = check(
        replace(WANTED, monitor=empty), observe(replace(WANTED, monitor=empty, series=()), view, Answering(), SINCE)
    )
    assert finding.cause.id == "monitor-without-endpoints"


def test_targets_of_another_endpoint_do_not_count() -> None:
    second = "serviceMonitor/chat-dev/chat/1"
    seen = replace(SOUND, expected={POOL: (1, "x"), second: (1, "x")}, targets=(TARGET, TARGET))
    assert second in found(replace(seen, targets=(TARGET,))).expected or POOL in found(seen).expected


def test_missing_targets_have_the_cause_that_was_worked_out() -> None:
    cause = Cause("monitor-port-name", "no such port", "name it")
    assert found(replace(SOUND, targets=(), cause=cause)).cause.id == "monitor-port-name"


def test_a_configuration_that_prometheus_has_not_loaded() -> None:
    assert found(replace(SOUND, targets=(), jobs=frozenset())).cause.id == "monitor-not-loaded"


@pytest.mark.point("own-events-quoted")
def test_what_the_operator_says_of_prometheus_is_quoted() -> None:
    said = {"type": "Reconciled", "status": "False", "message": "failed to create\n StatefulSet"}
    stack = {**prometheus(), "status": {"conditions": [said, {"type": "Available", "status": "True", "message": ""}]}}
    cause = found(replace(SOUND, targets=(), jobs=frozenset(), takers=(stack,))).cause
    assert cause.sentence.endswith(
        "selects the ServiceMonitor; prometheus/stack -n monitoring is not Reconciled: failed to create StatefulSet"
    )


@pytest.mark.parametrize("error", ["server returned HTTP status 404 Not Found", ""])
def test_every_target_is_up(error: str) -> None:
    finding = found(replace(SOUND, targets=(replace(TARGET, health="down", error=error),)))
    assert finding.cause.id == "scrape-error"
    assert "http://10.244.0.5:9090/metrics" in finding.cause.sentence
    assert (error or "no error given") in finding.cause.sentence


def test_a_target_that_was_never_scraped_is_not_down() -> None:
    finding = found(replace(SOUND, targets=(replace(TARGET, health="unknown"),)))
    assert finding.cause.id == "monitor-stale-scrape"
    assert finding.cause.sentence == "Prometheus has not scraped http://10.244.0.5:9090/metrics yet"


def test_the_scrape_path_break_is_said_so() -> None:
    named = monitor()
    named["metadata"].update(name="sealed-secrets", namespace="monitoring")
    down = replace(
        TARGET, url="http://10.244.0.5:8081/metricz", health="down", error="server returned HTTP status 404 Not Found"
    )
    (finding,) = check(replace(WANTED, monitor=named), replace(SOUND, monitor=named, targets=(down,)))
    assert_break("scrape-path", finding.cause)


def test_a_scrape_from_before_the_test_proves_nothing() -> None:
    finding = found(replace(SOUND, targets=(replace(TARGET, last_scrape=SINCE),)))
    assert finding.cause.id == "monitor-stale-scrape"
    assert finding.cause.sentence.endswith("/metrics last at 12:00:00, before the test began")


def test_a_scrape_a_moment_ago_does_not_excuse_an_interval_of_ten_minutes() -> None:
    cause = Cause("monitor-scrape-interval", "every 10m", "lower it")
    assert found(replace(SOUND, cause=cause)).cause.id == "monitor-scrape-interval"
    assert check(WANTED, replace(SOUND, cause=Cause("monitor-rejected", "just mended", ""))) == []


@pytest.mark.parametrize("samples", [{}, {TARGET.identity: 0.0}])
def test_samples_must_be_left(samples: dict[frozenset[tuple[str, str]], float]) -> None:
    assert_break("samples-dropped", found(replace(SOUND, samples=samples)).cause)


def test_a_declared_series_must_be_delivered() -> None:
    seen = replace(SOUND, delivered={"metallb_allocator_addresses_free": False, "up": True})
    assert_break("series-missing", found(seen).cause)


def test_a_series_that_nobody_can_deliver_has_the_cause_of_that() -> None:
    cause = Cause("loadbalancer-no-pool", "no pool", "add one")
    seen = replace(SOUND, delivered={"metallb_allocator_addresses_total": False}, lacking=cause)
    assert found(seen).cause.id == "loadbalancer-no-pool"


class Answering(Prometheus):
    """Answer as a Prometheus with these targets does."""

    def __init__(self, *targets: ScrapeTarget, series: dict[str, list[Sample]] | None = None) -> None:
        super().__init__(lambda _path, _parameters: b"")
        self.known = list(targets)
        self.jobs = {POOL, "serviceMonitor/other/x/0"}
        self.series = series or {}

    def targets(self) -> list[ScrapeTarget]:
        return self.known

    def dropped(self, pool: str = "") -> list[DroppedTarget]:
        assert pool
        return []

    def scrape_jobs(self) -> set[str]:
        return self.jobs

    def query(self, expression: str) -> list[Sample]:
        if expression == monitoring.SAMPLES:
            return [Sample(target.labels, 42.0) for target in self.known]
        return next((samples for name, samples in self.series.items() if f'"{name}"' in expression), [])


def deployment(number: int | None = 1) -> Object:
    template = {"metadata": {"labels": {"app": "chat"}}}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "chat"}}, "template": template}
    if number is not None:
        spec["replicas"] = number
    return made("apps/v1/Deployment", "chat", "chat-dev", spec=spec)


def test_a_sound_monitor_is_seen_as_such() -> None:
    view = RecordedView(monitor(), prometheus(), service(), endpoint_slice(), deployment())
    api = Answering(
        TARGET,
        replace(TARGET, pool="serviceMonitor/other/x/0", url="http://10.244.0.9:9090/metrics"),
        series={"chat_messages_total": [Sample(LABELS, 1)]},
    )
    seen = observe(WANTED, view, api, SINCE)
    assert seen.targets == (TARGET,)
    assert seen.expected == {POOL: (1, "deployment/chat -n chat-dev with 1")}
    assert seen.jobs == {POOL}
    assert check(WANTED, seen) == []


@pytest.mark.parametrize(
    ("pool", "other"),
    [("serviceMonitor/other/x/0", "servicemonitor/x -n other"), ("podMonitor/a/b/1", "podmonitor/b -n a"), ("node", "the job node")],
)  # fmt: skip
def test_what_another_one_scrapes_too_is_told(pool: str, other: str) -> None:
    view = RecordedView(monitor(), prometheus(), service(), endpoint_slice(), deployment())
    seen = observe(WANTED, view, Answering(TARGET, replace(TARGET, pool=pool)), SINCE)
    cause = found(seen).cause
    assert (cause.id, cause.sentence.partition(" scrape ")[0]) == (
        "monitor-scraped-twice",
        f"servicemonitor/chat -n chat-dev and {other}",
    )


def test_git_says_how_many_replicas_and_not_the_cluster() -> None:
    view = RecordedView(monitor(), prometheus(), service(), endpoint_slice(), deployment(1))
    seen = observe(replace(WANTED, declared=lambda _: deployment(2)), view, Answering(TARGET), SINCE)
    assert seen.expected[POOL] == (2, "deployment/chat -n chat-dev with 2")


def test_a_series_of_somebody_else_does_not_count() -> None:
    view = RecordedView(monitor(), prometheus(), service(), endpoint_slice(), deployment())
    elsewhere = Sample({"job": "chat", "instance": "10.244.0.9:9090"}, 1)
    seen = observe(WANTED, view, Answering(TARGET, series={"chat_messages_total": [elsewhere]}), SINCE)
    assert seen.delivered == {"chat_messages_total": False}


def test_why_a_series_cannot_be_delivered_is_seen() -> None:
    wanted = replace(WANTED, series=("metallb_allocator_addresses_total",))
    pool = made("metallb.io/v1beta1/IPAddressPool", "platform", "metallb-system")
    objects = [monitor(), prometheus(), service(), endpoint_slice(), deployment()]
    lacking = observe(wanted, RecordedView(*objects), Answering(TARGET), SINCE).lacking
    assert lacking is not None
    assert lacking.id == "loadbalancer-no-pool"
    assert observe(wanted, RecordedView(*objects, pool), Answering(TARGET), SINCE).lacking is None


def test_an_unselected_monitor_is_not_asked_further() -> None:
    seen = observe(WANTED, RecordedView(monitor({}), prometheus()), Answering(), SINCE)
    assert not seen.takers
    assert seen.cause is not None
    assert seen.cause.id == "monitor-unselected"


@pytest.mark.parametrize(
    ("workload", "declared", "number"),
    [
        (deployment(3), None, 3),
        (deployment(None), None, 1),
        (deployment(3), deployment(0), 0),
        (made("apps/v1/DaemonSet", "speaker", "m", status={"desiredNumberScheduled": 2}), None, 2),
    ],
)
def test_how_many_pods_a_workload_must_have(workload: Object, declared: Object | None, number: int) -> None:
    assert replicas(workload, declared) == number


def test_policies_that_keep_prometheus_out_are_the_cause_of_a_scrape_that_fails() -> None:
    labels = {"operator.prometheus.io/name": "stack"}
    running = made("v1/Pod", "prometheus-0", "monitoring", labels, status={"phase": "Running", "podIP": "10.244.0.8"})
    target = made("v1/Pod", "chat-0", "chat-dev", {"app": "chat"}, status={"phase": "Running", "podIP": "10.244.0.5"})
    deny = made("networking.k8s.io/v1/NetworkPolicy", "deny", "chat-dev", spec={"podSelector": {}})
    error = "dial tcp 10.244.0.5:9090: connect: connection refused"
    down = replace(TARGET, health="down", error=error, labels={**LABELS, "pod": "chat-0", "namespace": "chat-dev"})
    objects = (monitor(), prometheus(), service(), endpoint_slice(), deployment(), running, target)
    (finding,) = check(WANTED, observe(WANTED, RecordedView(*objects, deny), Answering(down), SINCE))
    assert finding.cause.id == "network-policy-scrape"
    assert "networkpolicy/deny -n chat-dev allows no ingress to port 9090" in finding.cause.sentence
    (finding,) = check(WANTED, observe(WANTED, RecordedView(*objects), Answering(down), SINCE))
    assert finding.cause.id == "scrape-error"
    assert observe(WANTED, RecordedView(*objects, deny), Answering(TARGET), SINCE).kept_out is None


def test_a_service_without_a_selector_counts_by_its_addresses() -> None:
    bare = service()
    del bare["spec"]["selector"]
    written = {**endpoint_slice(), "ports": [{"name": "metrics", "port": 9090}, {"name": "http", "port": 8080}]}
    view = RecordedView(monitor(), prometheus(), bare, written)
    seen = observe(WANTED, view, Answering(TARGET), SINCE)
    assert seen.expected[POOL] == (1, "1 address of service/chat-metrics -n chat-dev")


def rendered(obj: Object) -> Rendered:
    return Rendered(obj, "chat-dev", "manifests/chat/base/service.yaml", 20)


def layer_with(*monitors: Object) -> Layer:
    nothing: Any = ()
    return Layer(
        paths.ROOT,
        (),
        nothing,
        nothing,
        nothing,
        nothing,
        nothing,
        tuple(rendered(one) for one in monitors),
        nothing,
        nothing,
    )


PORT = MetricsService(rendered(service()), service()["spec"]["ports"][0], None)


def test_a_metrics_port_that_nobody_scrapes() -> None:
    (finding,) = covered(PORT, layer_with(), RecordedView())
    assert_break("servicemonitor-removed", finding.cause)
    assert finding.cause.remedy.endswith("(manifests/chat/base/service.yaml:20)")


def test_a_metrics_port_that_is_scraped_or_exempt() -> None:
    assert covered(PORT, layer_with(monitor()), RecordedView()) == []
    assert covered(replace(PORT, exempt="nobody reads it"), layer_with(), RecordedView()) == []


@pytest.mark.parametrize(
    "spec",
    [{"endpoints": [{"port": "http-metrics"}]}, {"selector": {"matchLabels": {"app": "chatt"}}}],
    ids=["port", "selector"],
)
def test_a_monitor_that_is_meant_for_it_and_wrong_is_the_one_finding(spec: dict[str, Any]) -> None:
    wrong = monitor(**spec)
    view = RecordedView(wrong, prometheus(), service(), endpoint_slice())
    with pytest.raises(BlockedByPromise, match="servicemonitor/chat -n chat-dev"):
        covered(PORT, layer_with(wrong), view)


def test_a_wrong_monitor_of_another_namespace_is_not_meant() -> None:
    wrong = monitor(selector={"matchLabels": {"app": "chatt"}}, namespaceSelector={"matchNames": ["other"]})
    assert covered(PORT, layer_with(wrong), RecordedView(wrong, prometheus(), service()))


def test_monitors_that_the_layer_does_not_render_must_be_selected_too() -> None:
    theirs = monitor({})
    theirs["metadata"].update(name="theirs", namespace="argocd")
    mine = monitor({})
    mine["metadata"]["namespace"] = "e2e-1"
    tests = made("v1/Namespace", "e2e-1", labels={"platform-e2e/run": "x"})
    view = RecordedView(prometheus(), theirs, mine, monitor({}), tests)
    (finding,) = unselected(view, {("ServiceMonitor", "chat-dev", "chat")}, "platform-e2e/run")
    assert finding.object == "servicemonitor/theirs -n argocd"
    assert finding.cause.id == "monitor-unselected"


@pytest.mark.parametrize(
    ("kind", "field", "rules", "cause"),
    [
        ("v1/PodMonitor", "podMonitorSelector", False, "monitor-unselected"),
        ("v1/Probe", "probeSelector", False, "monitor-unselected"),
        ("v1alpha1/ScrapeConfig", "scrapeConfigSelector", False, "monitor-unselected"),
        ("v1/PrometheusRule", "ruleSelector", True, "rule-unselected"),
    ],
)
def test_each_kind_that_prometheus_selects_must_be_selected(kind: str, field: str, rules: bool, cause: str) -> None:
    theirs = made(f"monitoring.coreos.com/{kind}", "theirs", "argocd", {"release": "other"})
    takes = {field: {"matchLabels": RELEASE}, field.replace("Selector", "NamespaceSelector"): {}}
    (finding,) = unselected(RecordedView(prometheus(**takes), theirs), set(), "x", rules=rules)
    assert (finding.cause.id, finding.promise) == (cause, "rules" if rules else "monitoring")
    assert f"give the {kind.partition('/')[2]} the labels that {field} asks for" in finding.cause.remedy
    assert unselected(RecordedView(prometheus(**takes), theirs), set(), "x", rules=not rules) == []
    every: dict[str, Any] = {field: {}, field.replace("Selector", "NamespaceSelector"): {}}
    assert unselected(RecordedView(prometheus(**every), theirs), set(), "x", rules=rules) == []


SEALED_SECRETS = {"meta.helm.sh/release-name": "sealed-secrets", "meta.helm.sh/release-namespace": "kube-system"}


def release(name: str, namespace: str) -> Release:
    """Return a release of the chart of its name."""
    return Release(name, name, "", "", "", namespace, Path())


RELEASES = (release("sealed-secrets", "kube-system"),)


def of_release(**annotations: str) -> Object:
    """Return the metrics Service of a release, which is in no file of the layer."""
    theirs = service("sealed-secrets-metrics")
    theirs["metadata"]["annotations"] = {**SEALED_SECRETS, **annotations}
    return theirs


def test_a_release_whose_monitor_was_removed_from_git() -> None:
    (finding,) = unmonitored.unwatched(RecordedView(of_release(), prometheus()), RELEASES)
    assert finding.object == "service/sealed-secrets-metrics -n chat-dev"
    assert_break("servicemonitor-of-release-removed", finding.cause)


@pytest.mark.parametrize(
    "endpoint", [{"port": "metrics"}, {"targetPort": 9090}], ids=["by the port's name", "by the pods' port"]
)
def test_a_release_that_is_watched(endpoint: dict[str, Any]) -> None:
    pods = deployment()
    pods["spec"]["template"]["spec"] = {"containers": [{"ports": [{"containerPort": 9090}]}]}
    # An unselected one counts: that nobody selects it is a finding of its own.
    view = RecordedView(of_release(), prometheus(), monitor({}, endpoints=[endpoint]), pods)
    assert unmonitored.unwatched(view, RELEASES) == []


def test_a_port_that_the_upstream_chart_itself_scrapes_is_a_metrics_port_whatever_its_name() -> None:
    stack = {"meta.helm.sh/release-name": "kube-prometheus-stack", "meta.helm.sh/release-namespace": "monitoring"}
    theirs = service("kube-prometheus-stack-prometheus")
    theirs["metadata"].update(
        annotations=stack,
        labels={
            "app": "kube-prometheus-stack-prometheus",
            "release": "kube-prometheus-stack",
            "self-monitor": "true",
        },
    )
    theirs["spec"]["ports"] = [{"name": "http-web", "port": 9090}]
    releases = (release("kube-prometheus-stack", "monitoring"),)
    (finding,) = unmonitored.unwatched(RecordedView(theirs, prometheus()), releases)
    assert finding.cause.id == "release-without-monitor"
    assert "has the metrics port http-web" in finding.cause.sentence
    watched = monitor({}, selector={"matchLabels": {"app": "kube-prometheus-stack-prometheus"}})
    watched["spec"]["endpoints"] = [{"port": "http-web"}]
    assert unmonitored.unwatched(RecordedView(theirs, prometheus(), watched), releases) == []


def test_another_port_of_a_release_is_not_its_metrics() -> None:
    theirs = of_release()
    theirs["spec"]["ports"].append({"name": "http", "port": 80})
    view = RecordedView(theirs, prometheus(), monitor(endpoints=[{"port": "http"}]))
    assert [finding.cause.id for finding in unmonitored.unwatched(view, RELEASES)] == ["release-without-monitor"]


def test_what_is_no_release_of_the_layer_or_says_why_is_let_be() -> None:
    reason = {"platform-e2e/exempt-monitoring": "scraped by the provider"}
    theirs = service("kube-dns")
    view = RecordedView(of_release(**reason), theirs, prometheus())
    assert unmonitored.unwatched(view, RELEASES) == []
    assert unmonitored.excused(view, RELEASES) == [
        "service/sealed-secrets-metrics -n chat-dev (scraped by the provider)"
    ]
    assert unmonitored.unwatched(RecordedView(of_release(), prometheus()), ()) == []


def test_a_wrong_monitor_that_is_meant_for_a_release_is_the_one_finding() -> None:
    wrong = monitor(endpoints=[{"port": "http-metrics"}])
    with pytest.raises(BlockedByPromise, match="servicemonitor/chat -n chat-dev"):
        unmonitored.unwatched(RecordedView(of_release(), prometheus(), wrong), RELEASES)


def template(name: str, number: int, **labels: str) -> Object:
    """Return a Deployment whose pods declare a port for requests and one for metrics."""
    ports = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]
    spec = {
        "metadata": {"labels": {"app": "chat", **labels}},
        "spec": {"containers": [{"name": "chat", "ports": ports}]},
    }
    return made("apps/v1/Deployment", name, "chat-dev", spec={"replicas": number, "template": spec})


def pod_monitor(labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """Return a PodMonitor of the same pods."""
    found = monitor(labels, podMetricsEndpoints=[{"port": "metrics"}], **spec)
    del found["spec"]["endpoints"]
    return {**found, "kind": "PodMonitor"}


def expected(target: Object, *objects: Object) -> tuple[int, str]:
    """Return how many targets the first entry of a monitor must have, and who says so."""
    taking = prometheus(podMonitorSelector={}, podMonitorNamespaceSelector={})
    seen = observe(WantedMonitor(target), RecordedView(target, taking, *objects), Answering(), SINCE)
    return next(iter(seen.expected.values()))


@pytest.mark.point("pod-monitors")
def test_a_podmonitor_is_judged_by_its_pods() -> None:
    target, pool = pod_monitor(), "podMonitor/chat-dev/chat/0"
    taking = prometheus(podMonitorSelector={}, podMonitorNamespaceSelector={})
    pods = [made("v1/Pod", "chat-0", "chat-dev", {"app": "chat"}, status={"phase": "Running", "podIP": "10.244.0.5"})]
    view = RecordedView(target, taking, template("chat", 1), *pods)
    wanted = WantedMonitor(target)
    assert wanted.pools == [pool]
    good = Answering(replace(TARGET, pool=pool))
    good.jobs = {pool}
    assert check(wanted, observe(wanted, view, good, SINCE)) == []
    (finding,) = check(wanted, observe(wanted, view, Answering(), SINCE))
    assert (finding.object, finding.cause.id) == ("podmonitor/chat -n chat-dev", "monitor-not-loaded")
    assert finding.expected == f"1 target in {pool} (deployment/chat -n chat-dev with 1)"
    (finding,) = check(wanted, observe(wanted, RecordedView(taking), Answering(), SINCE))
    assert (finding.cause.id, finding.expected) == ("object-missing", "the PodMonitor exists")


@pytest.mark.point("pod-monitors")
def test_a_podmonitor_counts_no_pod_that_has_ended() -> None:
    def of_job(name: str, phase: str) -> Object:
        by = [{"apiVersion": "batch/v1", "kind": "Job", "name": "job", "controller": True}]
        spec = {"containers": [{"name": "job", "ports": [{"name": "metrics", "containerPort": 1}]}]}
        return made(
            "v1/Pod",
            name,
            "chat-dev",
            {"app": "chat"},
            metadata={"ownerReferences": by},
            spec=spec,
            status={"phase": phase},
        )

    jobs = [of_job("running", "Running"), of_job("done", "Succeeded"), of_job("failed", "Failed")]
    number, words = expected(pod_monitor(), template("chat", 2), *jobs)
    assert (number, words) == (3, "deployment/chat -n chat-dev with 2, 1 pod of job/job -n chat-dev")


@pytest.mark.point("monitor-target-port")
def test_a_port_of_the_containers_counts_as_that_of_the_service() -> None:
    named = service()
    named["spec"]["ports"] = [{"name": "metrics", "port": 80, "targetPort": "metrics"}]
    for entry in ({"targetPort": 9090}, {"targetPort": "metrics"}, {"port": "metrics"}):
        number, words = expected(monitor(endpoints=[entry]), named, template("chat", 2), endpoint_slice())
        assert (number, words) == (2, "deployment/chat -n chat-dev with 2"), entry


@pytest.mark.point("service-takes-others")
def test_a_canary_is_one_more_target() -> None:
    both = [template("chat", 2), template("chat-canary", 1, track="canary")]
    number, words = expected(monitor(), service(), *both, endpoint_slice())
    assert (number, words) == (3, "deployment/chat -n chat-dev with 2, deployment/chat-canary -n chat-dev with 1")


@pytest.mark.point("autoscaler-owns-replicas")
def test_an_autoscaler_says_how_many_targets_there_are() -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 4}
    scaler = made("autoscaling/v2/HorizontalPodAutoscaler", "chat", "chat-dev", spec=spec)
    view = RecordedView(monitor(), prometheus(), service(), endpoint_slice(), template("chat", 3), scaler)
    seen = observe(replace(WANTED, declared=lambda _: template("chat", 1)), view, Answering(), SINCE)
    assert seen.expected[POOL] == (3, "deployment/chat -n chat-dev with 3 by horizontalpodautoscaler/chat -n chat-dev")


@pytest.mark.point("monitor-target-port")
def test_a_metrics_port_that_is_scraped_by_the_containers_port() -> None:
    named = service()
    entry = {"name": "metrics", "port": 80, "targetPort": "metrics"}
    named["spec"]["ports"] = [entry]
    port = MetricsService(rendered(named), entry, None)
    by_number, pods = monitor(endpoints=[{"targetPort": 9090}]), template("chat", 1)
    assert covered(port, layer_with(by_number), RecordedView(named, pods)) == []
    # Before anything runs Git tells what the pods will declare.
    assert covered(port, layer_with(by_number, pods), RecordedView()) == []
    assert covered(port, layer_with(pod_monitor()), RecordedView(named, pods)) == []
    wrong = monitor(endpoints=[{"targetPort": 8080}])
    (finding,) = covered(port, layer_with(wrong), RecordedView(named, pods, wrong, prometheus(), endpoint_slice()))
    assert finding.cause.id == "service-without-monitor"


@pytest.mark.point("one-fault-one-failure")
def test_a_monitor_that_looks_elsewhere_is_the_one_finding() -> None:
    lost = monitor()
    lost["metadata"]["namespace"] = "monitoring"
    view = RecordedView(lost, prometheus(), of_release(), endpoint_slice())
    with pytest.raises(BlockedByPromise, match="servicemonitor/chat -n monitoring"):
        unmonitored.unwatched(view, RELEASES)
    with pytest.raises(BlockedByPromise, match="servicemonitor/chat -n monitoring"):
        covered(PORT, layer_with(lost), RecordedView(lost, prometheus(), service(), endpoint_slice()))


@pytest.mark.point("one-fault-one-failure")
def test_a_podmonitor_that_takes_nothing_is_the_one_finding() -> None:
    wrong = pod_monitor(RELEASE)
    wrong["spec"]["podMetricsEndpoints"] = [{"portNumber": 80}]
    taking = prometheus(podMonitorSelector={}, podMonitorNamespaceSelector={})
    with pytest.raises(BlockedByPromise, match="podmonitor/chat -n chat-dev"):
        covered(PORT, layer_with(wrong), RecordedView(wrong, taking, service(), template("chat", 1)))


@pytest.mark.point("pod-monitors")
def test_a_podmonitor_that_the_layer_does_not_render_must_be_selected_too() -> None:
    taking = prometheus(podMonitorSelector={"matchLabels": RELEASE}, podMonitorNamespaceSelector={})
    view = RecordedView(taking, monitor(), pod_monitor({}))
    (finding,) = unselected(view, {("ServiceMonitor", "chat-dev", "chat")}, "platform-e2e/run")
    assert finding.object == "podmonitor/chat -n chat-dev"


@pytest.mark.point("service-takes-others")
def test_a_target_that_is_down_for_it_is_of_another_workload() -> None:
    def of(name: str, owner: str) -> Object:
        by = [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner, "controller": True}]
        return made("v1/Pod", name, "chat-dev", {"app": "chat"}, metadata={"ownerReferences": by}, spec=PORTS)

    def scraped(pod: str, health: str) -> ScrapeTarget:
        labels = {"pod": pod, "namespace": "chat-dev", "instance": pod}
        return replace(
            TARGET, labels=labels, url=f"http://{pod}/metrics", health=health, error="" if health == "up" else "refused"
        )

    view = RecordedView(
        monitor(), prometheus(), service(), endpoint_slice(), of("chat-0", "chat"), of("chat-1", "chat"), of("w-0", "w")
    )
    up = [scraped("chat-0", "up"), scraped("chat-1", "up")]
    (finding,) = check(
        WantedMonitor(monitor()), observe(WantedMonitor(monitor()), view, Answering(*up, scraped("w-0", "down")), SINCE)
    )
    assert finding.cause.id == "scrape-error"
    assert finding.cause.sentence.endswith(
        "refused; it is of statefulset/w -n chat-dev, and those of other workloads are scraped"
    )
    assert finding.cause.remedy.startswith(
        "let spec.selector of the Service leave out the pods of statefulset/w -n chat-dev"
    )
    both = Answering(up[0], scraped("chat-1", "down"), scraped("w-0", "up"))
    (finding,) = check(WantedMonitor(monitor()), observe(WantedMonitor(monitor()), view, both, SINCE))
    assert finding.cause.sentence.endswith("cannot scrape it: refused")


PORTS = {"containers": [{"name": "chat", "ports": [{"name": "metrics", "containerPort": 9090}]}]}
