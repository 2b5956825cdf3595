"""The field that a cause says must change: its line is what a remedy names."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.scrapes import scrape_error, scraped_ports
from platform_e2e.diagnosis.objects import keys_to
from platform_e2e.finding import Cause, Finding
from platform_e2e.kube.objects import Object
from tests.diagnosis.test_explain_monitors import workload
from tests.fakes import loadbalancers
from tests.fakes.monitoring import endpoint_slice, monitor, prometheus
from tests.fakes.monitoring import service as metrics_service
from tests.fakes.recorded_view import RecordedView, made

POOL = "metallb.io/address-pool"


def cause_of(target: Object, *objects: Object) -> Cause:
    cause = explain(target, RecordedView(target, *objects))
    assert cause is not None
    return cause


def pod(*containers: dict[str, Any], events: tuple[dict[str, Any], ...] = (), **fields: Any) -> Cause:
    spec = {"containers": list(containers), **fields.pop("spec", {})}
    target = made("v1/Pod", "chat-1", "n", spec=spec, **fields)
    cause = explain(target, RecordedView(target, events={"n/chat-1": list(events)}))
    assert cause is not None
    return cause


def test_of_a_service_without_an_address() -> None:
    unknown = loadbalancers.service(address="", annotations={POOL: "gold"})
    assert cause_of(unknown, *loadbalancers.platform()).field == ("metadata", "annotations", POOL)
    other = loadbalancers.service(address="", loadBalancerClass="other")
    assert cause_of(other, *loadbalancers.platform()).field == ("spec", "loadBalancerClass")


def test_of_a_pool_that_gives_no_address_it_is_the_pools() -> None:
    closed = loadbalancers.pool("platform", autoAssign=False)
    cause = cause_of(loadbalancers.service(address=""), closed)
    assert cause.id == "loadbalancer-pool-not-allowed"
    assert (cause.about, cause.field) == ("ipaddresspool/platform -n metallb-system", ("spec", "autoAssign"))


def test_a_named_target_port_says_which_the_pods_declare() -> None:
    ports = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]
    running = loadbalancers.pod()
    running["spec"] = {"containers": [{"name": "chat", "ports": ports}]}
    objects = loadbalancers.without(loadbalancers.platform(), "Pod")
    lost = loadbalancers.service(ports=[{"port": 443, "targetPort": "metrics"}, {"port": 80, "targetPort": "web"}])
    cause = cause_of(lost, *objects, running)
    assert (cause.id, cause.field) == ("loadbalancer-target-port", ("spec", "ports", 1, "targetPort"))
    assert cause.remedy.endswith("; its pods declare http (8080), metrics (9090)")


def test_of_a_pod() -> None:
    waiting = {"name": "chat", "image": "x:1", "state": {"waiting": {"reason": "ErrImagePull"}}}
    cause = pod({"name": "chat"}, status={"containerStatuses": [waiting]})
    assert cause.field == ("spec", "containers", "chat", "image")
    cause = pod({"name": "a"}, spec={"initContainers": [{"name": "chat"}]}, status={"initContainerStatuses": [waiting]})
    assert cause.field == ("spec", "initContainers", "chat", "image")


def test_of_a_pod_that_lacks_a_secret_it_is_where_the_secret_is_named() -> None:
    source = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "signing-key", "key": "k"}}}
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "signing-key" not found'}
    cause = pod(
        {"name": "injected"},
        {"name": "chat", "env": [{"name": "A"}, source]},
        status={"containerStatuses": [{"name": "chat", "state": {"waiting": waiting}}]},
    )
    assert cause.field == ("spec", "containers", "chat", "env", "KEY", "valueFrom", "secretKeyRef", "name")


def test_of_a_probe_it_is_that_of_the_events_container() -> None:
    told = {
        "reason": "Unhealthy",
        "message": "Readiness probe failed: 404",
        "involvedObject": {"fieldPath": "spec.containers{chat}"},
    }
    assert pod({"name": "chat"}, events=(told,)).field == ("spec", "containers", "chat", "readinessProbe")
    assert pod({"name": "chat"}, events=({**told, "involvedObject": {}},)).field == (), "it is not told which"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", ("spec", "nodeSelector")),
        ("0/1 nodes are available: 1 Insufficient cpu.", ("spec", "containers", 0, "resources", "requests")),
        ("something else", ()),
    ],
)
def test_of_a_pod_that_no_node_takes(message: str, field: tuple[str | int, ...]) -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": message}
    container = {"name": "chat", "resources": {"requests": {"cpu": "9"}}}
    assert pod(container, spec={"nodeSelector": {"a": "b"}}, status={"conditions": [condition]}).field == field


def test_of_a_workload_that_may_make_no_pods() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": 'serviceaccount "chat" not found'}
    cause = cause_of(made("apps/v1/Deployment", "chat", "n", status={"conditions": [failure]}))
    assert cause.field == ("spec", "template", "spec", "serviceAccountName")


def test_of_a_monitor() -> None:
    objects = (prometheus(), metrics_service(), workload(), endpoint_slice())
    assert cause_of(monitor({"release": "x"}), *objects).field == ("metadata", "labels", "release")
    unmatched = monitor(selector={"matchLabels": {"app": "other"}})
    assert cause_of(unmatched, *objects).field == ("spec", "selector", "matchLabels", "app")
    named = monitor(endpoints=[{"port": "metrics"}, {"port": "http-metrics"}])
    assert cause_of(named, *objects).field == ("spec", "endpoints", 1, "port")
    numbered = monitor(endpoints=[{"targetPort": 80}])
    assert cause_of(numbered, *objects).field == ("spec", "endpoints", 0, "targetPort")
    seldom = monitor(endpoints=[{"port": "metrics", "interval": "10m"}])
    assert cause_of(seldom, *objects).field == ("spec", "endpoints", 0, "interval")


def test_of_a_monitor_whose_service_leads_nowhere_it_is_the_services() -> None:
    lost = metrics_service()
    lost["spec"]["ports"] = [{"name": "metrics", "port": 9090, "targetPort": "metricz"}]
    cause = cause_of(monitor(), prometheus(), lost, workload(), endpoint_slice())
    assert cause.about == "service/chat-metrics -n chat-dev"
    assert cause.field == ("spec", "ports", 0, "targetPort")


@pytest.mark.parametrize(("number", "wrong"), [(9091, True), (9090, False)])
def test_a_scrape_that_is_refused_says_which_ports_the_pods_declare(number: int, wrong: bool) -> None:
    target, lost = monitor(), metrics_service()
    lost["spec"]["ports"] = [{"name": "metrics", "port": 9090, "targetPort": number}]
    view = RecordedView(target, lost, workload(), endpoint_slice())
    refused = {f"http://10.244.0.5:{number}/metrics": "dial tcp: connect: connection refused"}
    cause = scrape_error(target, refused, (), 0, scraped_ports(target, 0, view))
    assert cause.remedy.endswith("; its pods declare http (8080), metrics (9090)")
    if wrong:
        assert cause.remedy.startswith("correct targetPort of service/chat-metrics -n chat-dev, ")
        assert (cause.about, cause.field) == ("service/chat-metrics -n chat-dev", ("spec", "ports", 0, "targetPort"))
    else:
        assert (cause.about, cause.field) == ("", ("spec", "endpoints", 0, "port"))
    missing = scrape_error(
        target, {"http://x": "server returned HTTP status 404"}, (), 0, scraped_ports(target, 0, view)
    )
    assert (missing.remedy.partition(";")[0], missing.field) == (
        "correct path of the endpoint",
        ("spec", "endpoints", 0, "path"),
    )


def test_keys_to_a_text() -> None:
    obj = {"a": [{"b": "x"}, {"name": "c", "d": ["y", "x"]}], "e": "z"}
    assert keys_to(obj, "z") == ("e",)
    assert keys_to(obj, "x") == ("a", 0, "b")
    assert keys_to(obj, "y") == ("a", "c", "d", 0)
    assert keys_to(obj, "nothing") == ()


def test_the_field_is_stored_nowhere() -> None:
    finding = Finding("a", "b", "c", "d", Cause("e", "f", "g", field=("spec", 0)))
    assert "field" not in finding.as_json()["cause"]
    assert Finding.from_json(finding.as_json()) == finding
