from __future__ import annotations

import re
from typing import Any

import pytest

from platform_e2e import paths
from platform_e2e.breaks.declaration import load
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.monitoring import without_monitor
from platform_e2e.diagnosis.explain.monitors import matched_services, selected_by
from platform_e2e.diagnosis.explain.scrapes import miscounted, undelivered
from platform_e2e.diagnosis.explain.targets import takes
from platform_e2e.diagnosis.objects import since
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from platform_e2e.layer.durations import seconds_of
from tests.fakes.monitoring import endpoint_slice, monitor, prometheus, service
from tests.fakes.recorded_view import RecordedView, made


def cause_of(target: Object, *objects: Object) -> Cause:
    cause = explain(target, RecordedView(target, *objects))
    assert cause is not None
    return cause


def assert_break(name: str, cause: Cause) -> None:
    declared = load(paths.ROOT / "breaks" / f"{name}.yaml")
    assert cause.id == declared.cause
    assert re.search(declared.sentence, cause.sentence), cause.sentence


def test_a_sound_monitor_has_no_cause() -> None:
    target = monitor()
    assert explain(target, RecordedView(target, prometheus(), service(), endpoint_slice())) is None


def test_the_label_is_missing() -> None:
    target = monitor({"team": "platform"})
    target["metadata"].update(name="sealed-secrets", namespace="monitoring")
    assert_break("servicemonitor-label", cause_of(target, prometheus(), service(), endpoint_slice()))


def test_there_is_no_prometheus() -> None:
    assert cause_of(monitor()).id == "monitor-unselected"


def test_a_prometheus_without_a_selector_takes_none() -> None:
    nothing = prometheus()
    del nothing["spec"]["serviceMonitorSelector"]
    assert "takes none at all" in cause_of(monitor(), nothing).sentence


def test_one_of_two_prometheus_is_enough() -> None:
    other = prometheus(serviceMonitorSelector={"matchLabels": {"team": "chat"}})
    target = monitor()
    assert len(selected_by(target, RecordedView(target, other, prometheus()))) == 1


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ({}, {}, True),
        (None, {}, False),
        ({"matchLabels": {"watched": "yes"}}, {"watched": "yes"}, True),
        ({"matchLabels": {"watched": "yes"}}, {}, False),
    ],
)
def test_the_namespace_must_be_selected_too(
    selector: dict[str, Any] | None, labels: dict[str, str], selected: bool
) -> None:
    one = prometheus(serviceMonitorNamespaceSelector=selector)
    target = monitor()
    view = RecordedView(target, one, service(), endpoint_slice(), made("v1/Namespace", "chat-dev", labels=labels))
    cause = explain(target, view)
    assert (cause is None) == selected
    if cause is not None:
        assert cause.id == "monitor-namespace-unselected"
        what = "only where the namespace has watched=yes" if selector else "into its own only"
        assert cause.sentence.endswith(f"prometheus/stack -n monitoring looks {what}")


def test_the_declared_namespace_break_is_said_so() -> None:
    own = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    one = prometheus(serviceMonitorNamespaceSelector=own)
    one["metadata"]["name"] = "kube-prometheus-stack-prometheus"
    namespace = made("v1/Namespace", "chat-dev", labels={"kubernetes.io/metadata.name": "chat-dev"})
    assert_break("servicemonitor-namespace", cause_of(monitor(), one, service(), endpoint_slice(), namespace))


def test_no_selector_means_its_own_namespace() -> None:
    one = prometheus(serviceMonitorNamespaceSelector=None)
    target = monitor()
    target["metadata"]["namespace"] = "monitoring"
    assert selected_by(target, RecordedView(one))


def test_the_selector_matches_no_service() -> None:
    target = monitor(selector={"matchLabels": {"app": "chatt"}}, namespaceSelector={"matchNames": ["chat-dev"]})
    cause = cause_of(target, prometheus(), service(), endpoint_slice())
    assert cause.id == "monitor-service-unmatched"
    assert "nearest is service/chat-metrics -n chat-dev, which lacks app=chatt (it has app=chat)" in cause.sentence


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        ({"matchLabels": {"app": "chat", "part": "metric"}}, ("matchLabels", "part")),
        (
            {
                "matchLabels": {"app": "chat"},
                "matchExpressions": [
                    {"key": "app", "operator": "Exists"},
                    {"key": "part", "operator": "In", "values": ["x"]},
                ],
            },
            ("matchExpressions", 1),
        ),
    ],
)
def test_the_remedy_is_about_the_label_that_differs(selector: dict[str, Any], field: tuple[str | int, ...]) -> None:
    near = service(labels={"app": "chat", "part": "metrics"})
    cause = cause_of(monitor(selector=selector), prometheus(), near)
    assert (cause.id, cause.field) == ("monitor-service-unmatched", ("spec", "selector", *field))


def test_the_remedy_for_an_unselected_monitor_is_about_the_label_that_differs() -> None:
    cause = cause_of(monitor(labels={"app": "chat", "release": "other"}), prometheus())
    assert (cause.id, cause.field) == ("monitor-unselected", ("metadata", "labels", "release"))


def test_the_declared_selector_break_is_said_so() -> None:
    target = monitor(selector={"matchLabels": {"app": "prometheus"}}, namespaceSelector={"matchNames": ["monitoring"]})
    target["metadata"].update(name="prometheus", namespace="monitoring")
    assert_break("servicemonitor-selector", cause_of(target, prometheus(), service()))


def test_services_of_other_namespaces_do_not_count() -> None:
    elsewhere = service()
    elsewhere["metadata"]["namespace"] = "chat-prod"
    target = monitor()
    assert matched_services(target, RecordedView(elsewhere)) == []
    anywhere = monitor(namespaceSelector={"any": True})
    assert matched_services(anywhere, RecordedView(elsewhere)) == [elsewhere]


def test_no_port_has_that_name() -> None:
    target = monitor(endpoints=[{"port": "http-metrics"}])
    assert_break("servicemonitor-port-name", cause_of(target, prometheus(), service(), endpoint_slice()))


def test_a_number_is_no_name() -> None:
    cause = cause_of(monitor(endpoints=[{"port": "9090"}]), prometheus(), service(), endpoint_slice())
    assert cause.id == "monitor-port-name"


@pytest.mark.parametrize(("target", "taken"), [(9090, True), ("metrics", True), (8080, False)])
def test_a_target_port_is_that_of_the_pods(target: int | str, taken: bool) -> None:
    containers = [{"name": "chat", "ports": [{"name": "metrics", "containerPort": 9090}]}]
    pod = made("v1/Pod", "chat-0", "chat-dev", {"app": "chat"}, spec={"containers": containers})
    assert takes({"targetPort": target}, service(), RecordedView(pod)) == taken


def test_nothing_stands_behind_the_service() -> None:
    empty = service()
    empty["spec"]["selector"] = {"app.kubernetes.io/name": "chatt"}
    assert_break("servicemonitor-no-endpoints", cause_of(monitor(), prometheus(), empty))


def test_no_pod_is_asked_for() -> None:
    template = {"metadata": {"labels": {"app": "chat"}}}
    scaled = made("apps/v1/Deployment", "chat", "chat-dev", spec={"replicas": 0, "template": template})
    cause = cause_of(monitor(), prometheus(), service(), scaled)
    assert cause.id == "monitor-no-endpoints"
    assert cause.sentence.endswith("since deployment/chat -n chat-dev is scaled to 0 replicas")


def test_a_speaker_that_is_missing_is_missed_by_addresses_first() -> None:
    of_speakers = service()
    of_speakers["spec"]["selector"] = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
    cause = cause_of(monitor(), prometheus(), of_speakers)
    assert cause.id == "loadbalancer-not-announced-no-speaker"
    assert cause.sentence.startswith(
        "MetalLB has no speaker, which is its DaemonSet with the labels app.kubernetes.io/name=metallb"
    )


def in_monitoring(target: Object) -> Object:
    """Return the ServiceMonitor under the name of the one that the breaks change."""
    target["metadata"].update(name="sealed-secrets", namespace="monitoring")
    target["spec"].setdefault("namespaceSelector", {"matchNames": ["chat-dev"]})
    return target


def test_no_port_is_named_at_all() -> None:
    empty = in_monitoring(monitor(endpoints=[]))
    assert_break("servicemonitor-without-endpoints", cause_of(empty, prometheus(), service(), endpoint_slice()))


SAID = (
    '"monitoring/sealed-secrets" was rejected due to invalid configuration: endpoints[0]: '
    'scrapeTimeout "1m" greater than scrapeInterval "5s"'
)


def test_an_object_as_git_has_it_is_older_than_every_event() -> None:
    event: Object = {"reason": "InvalidConfiguration", "lastTimestamp": "2026-01-01T00:02:00Z"}
    assert since([event], {"kind": "ServiceMonitor", "metadata": {"name": "chat"}}) == [event]


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        ({"eventTime": "2026-01-01T00:01:00.000000Z", "lastTimestamp": None}, True),
        ({"eventTime": "2026-01-01T00:00:59.900000Z", "lastTimestamp": None}, False),
        ({"eventTime": "2026-01-01T00:00:30Z", "series": {"lastObservedTime": "2026-01-01T00:02:00Z"}}, True),
        ({"lastTimestamp": "2026-01-01T00:02:00Z", "reason": "SomethingElse"}, False),
    ],
)
def test_the_operator_rejects_it(event: Object, counts: bool) -> None:
    target = in_monitoring(monitor(endpoints=[{"port": "metrics", "scrapeTimeout": "1m"}]))
    target["metadata"]["managedFields"] = [
        {"manager": "argocd-controller", "time": "2026-01-01T00:01:00Z"},
        {"manager": "operator", "time": "2026-01-01T00:09:00Z", "subresource": "status"},
    ]
    events = {"monitoring/sealed-secrets": [{"reason": "InvalidConfiguration", "message": SAID, **event}]}
    view = RecordedView(target, prometheus(), service(), endpoint_slice(), events=events)
    cause = explain(target, view)
    assert (cause is not None) == counts
    if cause is not None:
        assert_break("servicemonitor-rejected", cause)
        assert cause.sentence.startswith(
            "the Prometheus operator leaves out servicemonitor/sealed-secrets -n monitoring: endp"
        )


@pytest.mark.parametrize(
    ("interval", "seldom"), [("10m", True), ("5m", True), ("4m59s", False), ("", False), ("1h", True)]
)
def test_a_scrape_every_ten_minutes_leaves_gaps(interval: str, seldom: bool) -> None:
    target = in_monitoring(monitor(endpoints=[{"port": "metrics", "interval": interval}]))
    cause = explain(target, RecordedView(target, prometheus(), service(), endpoint_slice()))
    assert (cause is not None) == seldom
    if interval == "10m" and cause is not None:
        assert_break("servicemonitor-interval", cause)


def test_durations_are_read_as_prometheus_writes_them() -> None:
    assert seconds_of("1h30m") == 5400
    assert seconds_of("500ms") == 0.5
    assert seconds_of("") == 0


def test_a_relabeling_that_drops_targets() -> None:
    rule = {"action": "keep", "sourceLabels": ["__meta_kubernetes_pod_label_team"], "regex": "platform"}
    target = in_monitoring(monitor(endpoints=[{"port": "a"}, {"port": "metrics", "relabelings": [rule]}]))
    pool, who = "serviceMonitor/monitoring/sealed-secrets", "deployment/sealed-secrets -n kube-system with 1"
    cause = miscounted(target, f"{pool}/1", [], 1, who)
    assert cause.remedy == "correct spec.endpoints[1].relabelings"
    target["spec"]["endpoints"].pop(0)
    assert_break("servicemonitor-relabeling", miscounted(target, f"{pool}/0", [], 1, who))
    assert miscounted(target, f"{pool}/0", ["a", "b"], 1, who).id == "monitor-target-count", "dropping makes them fewer"


def test_a_pod_too_many_is_named() -> None:
    target = monitor(endpoints=[{"port": "metrics", "relabelings": [{"action": "replace", "targetLabel": "x"}]}])
    target["metadata"]["namespace"] = "chat-prod"
    pods = ["chat-by-hand", "chat-5d9b8-x2x4z", "chat-5d9b8-abcde"]
    cause = miscounted(target, "serviceMonitor/chat-prod/chat/0", pods, 2, "deployment/chat -n chat-prod with 2")
    assert_break("servicemonitor-other-pod", cause)


def test_series_of_pools_need_a_pool() -> None:
    name = "metallb_allocator_addresses_total"
    cause = undelivered(name, RecordedView())
    assert cause is not None
    assert cause.id == "loadbalancer-no-pool"
    assert cause.sentence == f"MetalLB has no series {name}: the cluster has no IPAddressPool"
    pool = made("metallb.io/v1beta1/IPAddressPool", "platform", "metallb-system")
    assert undelivered(name, RecordedView(pool)) is None
    assert undelivered("metallb_k8s_client_config_loaded_bool", RecordedView()) is None


def test_pods_that_crash_are_the_cause_themselves() -> None:
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    last = {"terminated": {"exitCode": 1, "reason": "Error"}}
    status = {"containerStatuses": [{"name": "chat", "restartCount": 3, "state": state, "lastState": last}]}
    pod = made("v1/Pod", "chat-0", "chat-dev", {"app": "chat"}, spec={"containers": []}, status=status)
    target = monitor()
    view = RecordedView(target, prometheus(), service(), pod, logs={"chat-0/chat/previous": "boom\nno such file"})
    cause = explain(target, view)
    assert cause is not None
    assert cause.id == "pod-crash"
    assert "has ended 3 times (Error, exit status 1); its log ends: boom | no such file" in cause.sentence


def test_the_cause_of_a_service_that_nobody_monitors() -> None:
    assert_break("servicemonitor-removed", without_monitor(service(), ["metrics"]))
