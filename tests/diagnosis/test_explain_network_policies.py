"""What NetworkPolicies keep out, by the cases that are tried on a cluster (contract/policy_cases.py), and the causes of it."""

from __future__ import annotations

from typing import Any

import pytest

from contract.policy_cases import CASES, NAMESPACES, TCP, Case, Try
from platform_e2e.diagnosis.explain.kept_out import failed_scrape, silent_address
from platform_e2e.diagnosis.explain.network_policies import (
    EGRESS,
    INGRESS,
    POLICY_KIND,
    Connection,
    Peer,
    Port,
    blocking,
    restricts,
)
from platform_e2e.finding import Cause
from platform_e2e.kube.errors import Forbidden
from platform_e2e.kube.objects import Object
from tests.fakes import loadbalancers, monitoring
from tests.fakes.recorded_view import RecordedView, made

ADDRESSES = {
    "server": "10.42.0.2",
    "client": "10.42.0.3",
    "stranger": "10.42.0.4",
    "far": "10.42.1.2",
    "apart/client": "10.42.1.3",
    "dns": "10.42.0.9",
    "host": "10.89.0.1",
}


def pod_of(name: str) -> Object:
    namespace, _, app = ("near/" + name).rpartition("/") if "/" not in name else name.rpartition("/")
    labels = {"app": app}
    if name == "dns":
        namespace, labels = "kube-system", {"k8s-app": "kube-dns"}
    named = [{"containerPort": port, **({"name": text} if text else {})} for port, text in TCP.items()]
    spec = {"containers": [{"name": "main", "ports": named}]}
    return made(
        "v1/Pod", app, namespace.rstrip("/"), labels, spec=spec, status={"phase": "Running", "podIP": ADDRESSES[name]}
    )


PODS = {name: pod_of(name) for name in ADDRESSES if name != "host"}


def namespace(name: str, labels: dict[str, str]) -> Object:
    return made("v1/Namespace", name, labels={"kubernetes.io/metadata.name": name, **labels})


SPACES = [namespace(name, labels) for name, labels in {**NAMESPACES, "kube-system": {}, "monitoring": {}}.items()]


def policy(spec: Any, name: str = "p0", of: str = "near") -> Object:
    return made("networking.k8s.io/v1/NetworkPolicy", name, of, spec=spec)


def filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: filled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each) for each in value]
    return value.format(**ADDRESSES) if isinstance(value, str) else value


def is_open(each: Try, view: RecordedView) -> bool:
    client = Peer.of(PODS[each.source], view) if each.source in PODS else Peer((ADDRESSES[each.source],))
    found = Connection(client, Peer.of(PODS[each.target], view), Port(each.port, each.protocol.upper()))
    return not any(blocking(found, direction, view) for direction in (INGRESS, EGRESS))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_what_is_closed_on_a_cluster_is_said_to_be_closed(case: Case) -> None:
    policies = [policy(filled(spec), f"p{number}") for number, spec in enumerate(case.specs)]
    view = RecordedView(*SPACES, *PODS.values(), *policies)
    assert [each for each in case.tried if is_open(each, view)] == [each for each in case.tried if each in case.left]
    without = RecordedView(*SPACES, *PODS.values())
    assert all(is_open(each, without) for each in case.tried)


@pytest.mark.parametrize(
    ("spec", "directions"),
    [
        ({"podSelector": {}}, {INGRESS}),
        ({"podSelector": {}, "egress": [{}]}, {INGRESS, EGRESS}),
        ({"podSelector": {}, "policyTypes": ["Egress"]}, {EGRESS}),
        ({"podSelector": {"matchLabels": {"app": "client"}}}, set()),
    ],
)
def test_types_of_a_policy_that_names_none_are_those_that_the_api_server_writes(
    spec: Any, directions: set[str]
) -> None:
    assert {way for way in (INGRESS, EGRESS) if restricts(policy(spec), PODS["server"], way)} == directions


@pytest.mark.parametrize("change", [{"spec": {"hostNetwork": True}}, {"status": {"phase": "Succeeded"}}])
def test_no_policy_holds_for_a_pod_of_the_hosts_network_nor_for_one_that_has_ended(change: Any) -> None:
    pod = {**PODS["server"], **{name: {**PODS["server"][name], **value} for name, value in change.items()}}
    view = RecordedView(*SPACES, pod, policy({"podSelector": {}}))
    assert not blocking(Connection(Peer(("10.89.0.1",)), Peer.of(pod, view), Port(8080)), INGRESS, view)


def chat(node: str = "10.89.0.2") -> Object:
    return loadbalancers.pod(hostIP=node, podIP="10.42.0.5")


def test_an_address_is_kept_silent_by_a_policy_that_is_named_with_its_remedy() -> None:
    deny = policy({"podSelector": {}}, "default-deny", "chat-dev")
    service = loadbalancers.service()
    cause = silent_address(service, 80, "10.89.0.1", "10.89.0.2", RecordedView(*SPACES, service, chat(), deny))
    assert cause == Cause(
        "network-policy",
        "networkpolicy/default-deny -n chat-dev allows no ingress to port 8080 of the pods of service/chat -n chat-dev from "
        "clients outside of the cluster, such as 10.89.0.1",
        "add a rule to spec.ingress of networkpolicy/default-deny -n chat-dev, or another NetworkPolicy to namespace chat-dev, "
        "that allows ingress to port 8080 from ipBlock 10.89.0.1/32 or the network of its clients",
        about="networkpolicy/default-deny -n chat-dev",
    )
    assert cause.field == ("spec", "ingress")


@pytest.mark.parametrize(
    ("node", "traffic", "closed"),
    [("10.89.0.2", "Cluster", False), ("10.89.0.3", "Cluster", True), ("10.89.0.3", "Local", False)],
)
def test_a_node_that_passes_requests_on_needs_a_rule_of_its_own(node: str, traffic: str, closed: bool) -> None:
    rule = {"from": [{"ipBlock": {"cidr": "10.89.0.1/32"}}]}
    service = loadbalancers.service(externalTrafficPolicy=traffic)
    view = RecordedView(
        *SPACES, service, chat(node), policy({"podSelector": {}, "ingress": [rule]}, "chat", "chat-dev")
    )
    cause = silent_address(service, 80, "10.89.0.1", "10.89.0.2", view)
    assert (cause is not None) == closed
    if cause is not None:
        assert cause.sentence.endswith("such as 10.89.0.1, which node 10.89.0.2 passes on under its own address")
        assert "externalTrafficPolicy: Local" in cause.remedy


@pytest.mark.parametrize(("port", "client"), [(81, "10.89.0.1"), (80, "")])
def test_where_the_port_or_the_client_is_not_known_no_policy_is_blamed(port: int, client: str) -> None:
    service = loadbalancers.service()
    view = RecordedView(*SPACES, service, chat(), policy({"podSelector": {}}, "default-deny", "chat-dev"))
    assert silent_address(service, port, client, "", view) is None


def scraping() -> Object:
    labels = {"operator.prometheus.io/name": "stack", "app.kubernetes.io/name": "prometheus"}
    return made("v1/Pod", "prometheus-stack-0", "monitoring", labels, status={"phase": "Running", "podIP": "10.42.0.8"})


REFUSED = 'Get "http://10.42.0.5:9090/metrics": dial tcp 10.42.0.5:9090: connect: connection refused'


def scrape(
    *policies: Object, error: str = REFUSED, pod: Object | None = None, services: tuple[Object, ...] = ()
) -> Any:
    target = chat() if pod is None else pod
    view = RecordedView(*SPACES, namespace("chat-dev", {}), scraping(), target, *services, *policies)
    errors = {"http://10.42.0.5:9090/metrics": (error, target)}
    return failed_scrape(monitoring.monitor(), errors, [monitoring.prometheus()], view)


def test_a_scrape_is_kept_out_by_a_policy_of_the_target() -> None:
    cause = scrape(policy({"podSelector": {}, "ingress": [{"ports": [{"port": "http"}]}]}, "chat", "chat-dev"))
    assert cause.id == "network-policy-scrape"
    assert cause.sentence == (
        "Prometheus finds http://10.42.0.5:9090/metrics through servicemonitor/chat -n chat-dev and cannot scrape it: "
        "networkpolicy/chat -n chat-dev allows no ingress to port 9090 from pod/prometheus-stack-0 -n monitoring"
    )
    assert cause.remedy.endswith("port 9090 from namespaceSelector.matchLabels kubernetes.io/metadata.name: monitoring")
    assert cause.field == ("spec", "ingress")


def test_a_scrape_is_kept_in_by_a_policy_of_prometheus() -> None:
    cause = scrape(policy({"podSelector": {}, "policyTypes": ["Egress"]}, "closed", "monitoring"))
    assert cause.id == "network-policy-scrape"
    assert cause.sentence.endswith(
        "networkpolicy/closed -n monitoring allows no egress to it from pod/prometheus-stack-0 -n monitoring"
    )
    assert cause.remedy.endswith(
        "allows egress to port 9090 to namespaceSelector.matchLabels kubernetes.io/metadata.name: chat-dev"
    )
    assert cause.field == ("spec", "egress")


def test_policies_that_keep_out_users_as_well_are_one_cause_with_the_silent_address() -> None:
    deny = policy({"podSelector": {}}, "default-deny", "chat-dev")
    assert scrape(deny, services=(loadbalancers.service(),)).id == "network-policy"
    assert scrape(deny, services=(loadbalancers.service(address=""),)).id == "network-policy-scrape"
    users = policy({"podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]}, "users", "chat-dev")
    assert scrape(deny, users, services=(loadbalancers.service(),)).id == "network-policy-scrape"


@pytest.mark.parametrize(
    "error", ["server returned HTTP status 404 Not Found", "x509: certificate signed by unknown authority"]
)
def test_a_scrape_that_gets_an_answer_is_kept_out_by_nothing(error: str) -> None:
    assert scrape(policy({"podSelector": {}}, "default-deny", "chat-dev"), error=error) is None


def test_a_policy_that_allows_the_scrape_is_not_blamed() -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert scrape(policy({"podSelector": {}, "ingress": [{"from": peers}]}, "chat", "chat-dev")) is None
    assert scrape() is None


def test_a_policy_of_a_release_is_changed_in_its_values() -> None:
    deny = policy({"podSelector": {}}, "default-deny", "chat-dev")
    deny["metadata"]["annotations"] = {"meta.helm.sh/release-name": "chat"}
    assert "the NetworkPolicies in the values of the release chat" in scrape(deny).remedy


class Closed(RecordedView):
    """A cluster whose NetworkPolicies may not be read."""

    def list(self, kind: str, *args: Any, **options: Any) -> Any:
        if kind == POLICY_KIND:
            raise Forbidden(f"list {kind}", 403, "Forbidden", "no right")
        return super().list(kind, *args, **options)


def test_policies_that_may_not_be_read_are_no_cause_and_no_error() -> None:
    service = loadbalancers.service()
    view = Closed(*SPACES, service, chat(), policy({"podSelector": {}}, "default-deny", "chat-dev"))
    assert silent_address(service, 80, "10.89.0.1", "", view) is None
