from __future__ import annotations

import re
from typing import Any

import pytest

from platform_e2e import paths
from platform_e2e.breaks.declaration import load
from platform_e2e.explain import explain
from platform_e2e.explain.monitoring import matched_services, selected_by, takes, without_monitor
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from tests.recorded_view import RecordedView, made

RELEASE = {"release": "kube-prometheus-stack"}


def prometheus(**spec: Any) -> Object:
    written = {"serviceMonitorSelector": {"matchLabels": RELEASE}, "serviceMonitorNamespaceSelector": {}, **spec}
    return made("monitoring.coreos.com/v1/Prometheus", "stack", "monitoring", spec=written)


def monitor(labels: dict[str, str] | None = None, **spec: Any) -> Object:
    return made(
        "monitoring.coreos.com/v1/ServiceMonitor",
        "chat",
        "chat-dev",
        RELEASE if labels is None else labels,
        spec={"selector": {"matchLabels": {"app": "chat"}}, "endpoints": [{"port": "metrics"}], **spec},
    )


def service(name: str = "chat-metrics", labels: dict[str, str] | None = None, port: str = "metrics") -> Object:
    ports = [{"name": port, "port": 9090, "targetPort": 9090}]
    spec = {"selector": {"app": "chat"}, "ports": ports}
    return made("v1/Service", name, "chat-dev", labels or {"app": "chat"}, spec=spec)


def endpoint_slice() -> Object:
    labels = {"kubernetes.io/service-name": "chat-metrics"}
    return made("discovery.k8s.io/v1/EndpointSlice", "x", "chat-dev", labels, endpoints=[{"addresses": ["10.244.0.5"]}])


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
    cause = cause_of(monitor(), prometheus(), service())
    assert cause.id == "monitor-no-endpoints"
    assert "service/chat-metrics -n chat-dev (selector app=chat)" in cause.sentence


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
