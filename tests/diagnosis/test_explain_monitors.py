"""What monitors take: the targets that the operator's configuration and Prometheus' discovery make of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from platform_e2e import paths
from platform_e2e.breaks.declaration import load
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.monitors import looks_at, matched_pods, selected_by
from platform_e2e.diagnosis.explain.scrapes import scrape_error
from platform_e2e.diagnosis.explain.targets import takes_port, targets_per_pod
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from tests.fakes.monitoring import RELEASE, endpoint_slice, monitor, prometheus, service
from tests.fakes.recorded_view import RecordedView, made

TWO_PORTS = [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]
SPEC = {"containers": [{"name": "chat", "ports": TWO_PORTS}]}


def workload(
    name: str = "chat", namespace: str = "chat-dev", labels: dict[str, str] | None = None, **spec: Any
) -> Object:
    template = {"metadata": {"labels": labels or {"app": "chat"}}, "spec": {**SPEC, **spec}}
    return made("apps/v1/Deployment", name, namespace, spec={"replicas": 2, "template": template})


def pod_monitor(labels: dict[str, str] | None = None, name: str = "chat-rooms", **spec: Any) -> Object:
    written = {"selector": {"matchLabels": {"app": "chat"}}, "podMetricsEndpoints": [{"port": "metrics"}], **spec}
    return made(
        "monitoring.coreos.com/v1/PodMonitor", name, "chat-prod", RELEASE if labels is None else labels, spec=written
    )


def taking(**spec: Any) -> Object:
    return prometheus(podMonitorSelector={"matchLabels": RELEASE}, podMonitorNamespaceSelector={}, **spec)


def pod(name: str = "chat-0", **status: Any) -> Object:
    status = {"phase": "Running", "podIP": "10.244.0.5", "conditions": [{"type": "Ready", "status": "True"}], **status}
    return made("v1/Pod", name, "chat-prod", {"app": "chat"}, spec=SPEC, status=status)


def cause_of(target: Object, *objects: Object) -> Cause:
    cause = explain(target, RecordedView(target, *objects))
    assert cause is not None
    return cause


def assert_break(name: str, cause: Cause) -> None:
    declared = load(paths.ROOT / "breaks" / f"{name}.yaml")
    assert cause.id == declared.cause
    assert re.search(declared.sentence, cause.sentence), cause.sentence


@pytest.mark.point("monitor-target-port")
@pytest.mark.parametrize(
    ("entry", "ports", "number"),
    [
        ({"port": "metrics"}, [{"name": "metrics", "port": 80, "targetPort": "metrics"}], 1),
        ({"port": "metrics"}, [{"name": "metrics", "port": 80, "targetPort": 1234}], 1),
        ({"port": "metrics"}, [{"name": "metrics", "port": 80, "targetPort": "metricz"}], 0),
        ({"port": "http|metrics"}, [{"name": "metrics", "port": 1}, {"name": "http", "port": 2}], 2),
        ({"port": "met"}, [{"name": "metrics", "port": 80}], 0),
        ({"targetPort": 9090}, [{"name": "metrics", "port": 80, "targetPort": "metrics"}], 1),
        ({"targetPort": "metrics"}, [{"name": "other", "port": 80, "targetPort": "http"}], 1),
        ({"targetPort": 9090}, [{"port": 80, "targetPort": 9090}], 1),
        ({"targetPort": 80}, [{"name": "metrics", "port": 80, "targetPort": "metrics"}], 0),
        ({"targetPort": "9090"}, [{"name": "metrics", "port": 80, "targetPort": "metrics"}], 0),
        ({"port": "metrics", "targetPort": 1}, [{"name": "metrics", "port": 80, "targetPort": "metrics"}], 1),
        ({}, [{"name": "web", "port": 80, "targetPort": 1234}], 3),
    ],
)
def test_how_many_targets_a_pod_behind_a_service_is(entry: dict[str, Any], ports: list[Any], number: int) -> None:
    behind = service()
    behind["spec"]["ports"] = ports
    assert targets_per_pod(entry, SPEC, behind) == number


@pytest.mark.point("pod-monitors")
@pytest.mark.parametrize(
    ("entry", "number"),
    [
        ({"port": "metrics"}, 1),
        ({"portNumber": 9090}, 1),
        ({"targetPort": 9090}, 1),
        ({"targetPort": "metrics"}, 1),
        ({"port": "metrics", "portNumber": 1}, 1),
        ({"portNumber": 80}, 0),
        ({"port": "web"}, 0),
        ({}, 3),
    ],
)
def test_how_many_targets_a_pod_is_for_a_podmonitor(entry: dict[str, Any], number: int) -> None:
    spec = {"containers": [*SPEC["containers"], {"name": "side"}], "initContainers": []}
    assert targets_per_pod(entry, spec, None) == number


@pytest.mark.point("pod-monitors")
def test_a_port_of_an_init_container_is_one_of_the_pod() -> None:
    spec = {"containers": [], "initContainers": [{"name": "proxy", "ports": [{"name": "metrics", "containerPort": 1}]}]}
    assert targets_per_pod({"port": "metrics"}, spec, None) == 1


@pytest.mark.point("monitors-all-selected")
@pytest.mark.parametrize(
    ("selector", "labels", "taken"),
    [({}, {}, True), (None, RELEASE, False), ({"matchLabels": RELEASE}, {}, False), ({"matchLabels": RELEASE}, RELEASE, True),
     ({"matchExpressions": [{"key": "ignored", "operator": "DoesNotExist"}]}, {}, True)],
)  # fmt: skip
def test_an_empty_selector_takes_all_and_an_absent_one_none(
    selector: dict[str, Any] | None, labels: dict[str, str], taken: bool
) -> None:
    one = prometheus(serviceMonitorSelector=selector, podMonitorSelector=selector, podMonitorNamespaceSelector={})
    for target in (monitor(labels), pod_monitor(labels)):
        assert bool(selected_by(target, RecordedView(one))) == taken


@pytest.mark.point("monitors-all-selected")
def test_each_kind_has_selectors_of_its_own() -> None:
    one = prometheus(serviceMonitorSelector={}, podMonitorSelector={"matchLabels": RELEASE})
    assert selected_by(monitor({}), RecordedView(one))
    assert not selected_by(pod_monitor({}), RecordedView(one))
    # Without a namespace selector it looks for PodMonitors in its own namespace only.
    assert not selected_by(pod_monitor(), RecordedView(one))


@pytest.mark.point("remedies-fit")
def test_a_label_is_not_advised_where_no_label_would_do() -> None:
    nothing = prometheus(podMonitorSelector=None)
    cause = cause_of(pod_monitor({}), nothing)
    assert "takes none at all" in cause.sentence
    assert cause.remedy.startswith("set podMonitorSelector in the values of Prometheus' release")


@pytest.mark.point("pod-monitors")
def test_the_podmonitor_breaks_are_said_so() -> None:
    stack = taking()
    stack["metadata"]["name"] = "kube-prometheus-stack-prometheus"
    mine = workload(namespace="chat-prod")
    assert_break("podmonitor-label", cause_of(pod_monitor({}), stack, mine, pod()))
    ofservice = {"matchLabels": {"app": "chat", "app.kubernetes.io/component": "metrics"}}
    assert_break("podmonitor-selector", cause_of(pod_monitor(selector=ofservice), stack, mine, pod()))
    assert_break("podmonitor-port", cause_of(pod_monitor(podMetricsEndpoints=[{"portNumber": 80}]), stack, mine, pod()))
    assert explain(pod_monitor(), RecordedView(pod_monitor(), stack, mine, pod())) is None


@pytest.mark.point("pod-monitors")
def test_a_podmonitor_of_pods_that_do_not_run() -> None:
    idle = workload(namespace="chat-prod")
    idle["spec"]["replicas"] = 0
    cause = cause_of(pod_monitor(), taking(), idle)
    assert cause.id == "monitor-no-endpoints"
    assert cause.sentence == (
        "podmonitor/chat-rooms -n chat-prod has nothing to scrape: deployment/chat -n chat-prod is scaled to 0 replicas"
    )
    crashing = pod(podIP="", conditions=[], containerStatuses=[
        {"name": "chat", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": {"exitCode": 1}}}])  # fmt: skip
    assert cause_of(pod_monitor(), taking(), workload(namespace="chat-prod"), crashing).id == "pod-crash"


@pytest.mark.point("pod-monitors")
@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({}, ["chat-prod"]),
        ({"namespaceSelector": {"any": True}}, ["chat-dev", "chat-prod"]),
        ({"namespaceSelector": {"matchNames": ["chat-dev"]}}, ["chat-dev"]),
        (
            {"selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["chat", "x"]}]}},
            ["chat-prod"],
        ),
        ({"selector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}}, []),
        ({"selector": {}}, ["chat-prod"]),
    ],
)
def test_which_pods_a_podmonitor_selects(spec: dict[str, Any], found: list[str]) -> None:
    view = RecordedView(workload(), workload(namespace="chat-prod"))
    chosen = matched_pods(pod_monitor(**spec), view)
    assert [one["metadata"]["namespace"] for one in chosen.workloads] == found


@pytest.mark.point("monitor-target-port")
def test_the_target_port_break_is_said_so() -> None:
    named = service()
    named["spec"]["ports"] = [{"name": "metrics", "port": 80, "targetPort": "metrics"}]
    target = monitor(endpoints=[{"targetPort": 80}])
    assert_break("servicemonitor-target-port", cause_of(target, prometheus(), named, workload(), endpoint_slice()))
    fine = monitor(endpoints=[{"targetPort": 9090}])
    assert explain(fine, RecordedView(fine, prometheus(), named, workload(), endpoint_slice())) is None


@pytest.mark.point("monitor-target-port")
def test_a_port_of_the_service_that_leads_nowhere() -> None:
    lost = service()
    lost["spec"]["ports"] = [{"name": "metrics", "port": 9090, "targetPort": "metricz"}]
    cause = cause_of(monitor(), prometheus(), lost, workload(), endpoint_slice())
    assert cause.id == "monitor-target-port"
    assert cause.sentence.endswith(
        "goes to a container port named metricz, and its pods declare http (8080), metrics (9090)"
    )


@pytest.mark.parametrize(
    ("target", "taken"),
    [
        (monitor(endpoints=[{"targetPort": 9090}]), True),
        (monitor(endpoints=[{"targetPort": "metrics"}]), True),
        (monitor(endpoints=[{"targetPort": 8080}]), False),
        (monitor(endpoints=[{"port": "metrics"}]), True),
        (monitor(endpoints=[{}]), True),
        (pod_monitor(namespaceSelector={"any": True}), True),
        (pod_monitor(), False),
        (pod_monitor(namespaceSelector={"any": True}, podMetricsEndpoints=[{"port": "http"}]), False),
    ],
)
@pytest.mark.point("monitor-target-port")
def test_whether_a_metrics_port_is_taken_by_whatever_way(target: Object, taken: bool) -> None:
    named = service()
    port = {"name": "metrics", "port": 80, "targetPort": "metrics"}
    named["spec"]["ports"] = [port, {"name": "web", "port": 81, "targetPort": "http"}]
    assert takes_port(target, named, port, [workload()]) == taken


def test_where_a_monitor_looks() -> None:
    assert looks_at(monitor(), "chat-dev")
    assert not looks_at(monitor(), "other")
    assert looks_at(monitor(namespaceSelector={"any": True}), "other")


def named_service(name: str, namespace: str, labels: dict[str, str], port: str = "metrics") -> Object:
    found = service(name, labels, port)
    found["metadata"]["namespace"] = namespace
    return found


REPO = {"app.kubernetes.io/name": "argocd-repo-server-metrics", "app.kubernetes.io/component": "repo-server"}


def in_monitoring(**spec: Any) -> Object:
    target = monitor(selector={"matchLabels": REPO}, **spec)
    target["metadata"].update(name="argocd-repo-server", namespace="monitoring")
    return target


@pytest.mark.point("remedies-fit")
def test_a_namespace_selector_that_is_missing_is_what_is_advised() -> None:
    theirs = named_service("argocd-repo-server-metrics", "argocd", REPO)
    beside = named_service("other", "monitoring", {"app": "other"})
    cause = cause_of(in_monitoring(), prometheus(), theirs, beside)
    assert_break("servicemonitor-other-namespace", cause)
    assert cause.remedy == "write spec.namespaceSelector.matchNames: [argocd] into the ServiceMonitor"
    wrong = cause_of(
        in_monitoring(namespaceSelector={"matchNames": ["argo"]}), prometheus(), theirs, made("v1/Namespace", "argocd")
    )
    assert (
        "in namespaces argo; there is no namespace argo; service/argocd-repo-server-metrics -n argocd" in wrong.sentence
    )


@pytest.mark.point("remedies-fit")
def test_the_nearest_service_is_the_one_with_the_port() -> None:
    has = {"app": "chat", "component": "backend"}
    target = monitor(selector={"matchLabels": {"app": "chat", "component": "metrics"}})
    mine = [named_service("chat", "chat-dev", has, "http"), named_service("chat-metrics", "chat-dev", has)]
    # The same in another environment has a monitor of its own, and is not what this one means.
    right = {"app": "chat", "component": "metrics"}
    other = monitor(selector={"matchLabels": right})
    other["metadata"]["namespace"] = "chat-staging"
    cause = cause_of(target, prometheus(), *mine, named_service("chat-metrics", "chat-staging", right), other)
    assert cause.sentence.endswith(
        "the nearest is service/chat-metrics -n chat-dev, which lacks component=metrics (it has component=backend)"
    )
    assert "namespaceSelector.matchNames" not in cause.remedy


REJECTED = (
    '"chat-prod/chat-rooms" was rejected due to invalid configuration: endpoint[0]: basicAuth: failed to get basic auth '
    'username: unable to get secret "scrape-login": secrets "scrape-login" not found'
)
KEY = REJECTED.replace(
    'unable to get secret "scrape-login": secrets "scrape-login" not found',
    'key "user" in secret "scrape-login" not found',
)


def rejected(target: Object, message: str, *objects: Object, **event: Any) -> Cause | None:
    told = {"reason": "InvalidConfiguration", "message": message, "lastTimestamp": "2026-01-01T00:02:00Z", **event}
    namespace, name = target["metadata"]["namespace"], target["metadata"]["name"]
    view = RecordedView(
        target, taking(), workload(namespace="chat-prod"), pod(), *objects, events={f"{namespace}/{name}": [told]}
    )
    return explain(target, view)


@pytest.mark.point("own-events-quoted")
@pytest.mark.parametrize("message", [REJECTED, KEY])
def test_the_operators_word_about_a_secret_is_quoted(message: str) -> None:
    elsewhere = made("v1/Secret", "scrape-login", "other")
    cause = rejected(pod_monitor(), message, elsewhere)
    assert cause is not None
    assert cause.id == "monitor-rejected"
    assert cause.sentence.startswith(
        "the Prometheus operator leaves out podmonitor/chat-rooms -n chat-prod: endpoint[0]: basicAuth"
    )
    assert "secret scrape-login" in cause.remedy
    assert "in namespace chat-prod" in cause.remedy


def test_the_declared_login_break_is_said_so() -> None:
    target = monitor(namespaceSelector={"matchNames": ["chat-dev"]})
    target["metadata"].update(name="sealed-secrets", namespace="monitoring")
    message = REJECTED.replace("endpoint[0]", "endpoints[0]").replace(
        "chat-prod/chat-rooms", "monitoring/sealed-secrets"
    )
    cause = rejected(target, message)
    assert cause is not None
    assert_break("servicemonitor-login-missing", cause)


@pytest.mark.point("events-of-now")
def test_a_secret_that_has_come_since_is_no_cause() -> None:
    there = made("v1/Secret", "scrape-login", "chat-prod", data={"user": "eA=="})
    assert rejected(pod_monitor(), REJECTED, there) is None
    assert rejected(pod_monitor(), KEY, there) is None
    assert rejected(pod_monitor(), KEY, made("v1/Secret", "scrape-login", "chat-prod", data={})) is not None


@pytest.mark.point("events-of-now")
@pytest.mark.parametrize(
    ("version", "when", "counts"),
    [
        ("7", "2026-01-01T00:01:00.900000Z", True),
        ("6", "2026-01-01T00:01:00.100000Z", False),
        ("6", "2026-01-01T00:01:01.000000Z", True),
        ("", "2026-01-01T00:01:00.100000Z", True),
        ("7", "2026-01-01T00:00:59.900000Z", False),
    ],
)
def test_an_event_of_earlier_content_is_no_cause(version: str, when: str, counts: bool) -> None:
    target = pod_monitor()
    target["metadata"].update(resourceVersion="7", managedFields=[{"time": "2026-01-01T00:01:00Z"}])
    about = {"kind": "PodMonitor", "name": "chat-rooms", "uid": "uid-chat-rooms", "resourceVersion": version}
    cause = rejected(target, REJECTED, eventTime=when, lastTimestamp=None, involvedObject=about)
    assert (cause is not None) == counts


@pytest.mark.point("events-of-now")
@pytest.mark.parametrize("about", [{"name": "chat-rooms-2"}, {"kind": "Service"}, {"uid": "of one before"}])
def test_an_event_of_another_object_is_no_cause(about: dict[str, str]) -> None:
    of = {"kind": "PodMonitor", "name": "chat-rooms", "uid": "uid-chat-rooms", **about}
    assert rejected(pod_monitor(), REJECTED, involvedObject=of) is None


@pytest.mark.point("remedies-fit")
@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ('Get "https://10.0.0.1:1/metrics": http: server gave HTTP response to HTTPS client', "write scheme: http "),
        ("server returned HTTP status 400 Bad Request", "write scheme: https "),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "tlsConfig the ca"),
        ("remote error: tls: certificate required", "a cert and a keySecret"),
        ("server returned HTTP status 401 Unauthorized", "log in"),
        ("server returned HTTP status 404 Not Found", "correct path"),
        ("dial tcp 10.0.0.1:1: connect: connection refused", "correct the port"),
        ("context deadline exceeded", "NetworkPolicy"),
        ("something else", "correct path, scheme or port of the ServiceMonitor's endpoint"),
    ],
)
def test_the_remedy_for_a_scrape_fits_its_error(error: str, remedy: str) -> None:
    assert remedy in scrape_error(monitor(), {"http://10.0.0.1:1/metrics": error}).remedy


def test_the_declared_scheme_break_is_said_so() -> None:
    target = monitor()
    target["metadata"].update(name="sealed-secrets", namespace="monitoring")
    url = "https://10.244.0.5:8081/metrics"
    assert_break(
        "scrape-scheme", scrape_error(target, {url: f'Get "{url}": http: server gave HTTP response to HTTPS client'})
    )
