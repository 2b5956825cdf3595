"""Causes that NetworkPolicies are: a client outside of the cluster, or Prometheus, is kept away from a pod.

Asked only of an address that is silent and of a scrape that fails: a cluster whose network enforces no policies has neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from platform_e2e.diagnosis.explain.loadbalancer import ingress, is_load_balancer
from platform_e2e.diagnosis.explain.network_policies import (
    EGRESS,
    INGRESS,
    Connection,
    Peer,
    Port,
    blocking,
    is_subject,
)
from platform_e2e.diagnosis.explain.targets import resolved
from platform_e2e.diagnosis.objects import annotations_of, at, includes, labels_of, listed, name_of, pods_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

CLIENTS, PROMETHEUS = "network-policy", "network-policy-scrape"
"""Ids of the causes: clients of an address are kept out, and Prometheus may be as well; or Prometheus alone is."""

RELEASE = "meta.helm.sh/release-name"
"""Annotation of what a release of Helm has made (Helm 3, pkg/action/validate.go)."""

PROMETHEUS_NAME = "operator.prometheus.io/name"
"""Label of a Prometheus object's pods with its name (prometheus-operator 0.88.0, pkg/prometheus/statefulset.go)."""

SILENT = re.compile(
    r"connection refused|context deadline exceeded|i/o timeout|no route to host|operation not permitted"
)
"""Errors of a scrape that is kept out: networks refuse packets, as k3s' does, or drop them."""


def silent_address(service: Object, port: int, client: str, node: str, view: ReadApi) -> Cause | None:
    """Return the cause that policies keep a client outside of the cluster away from the pods of a Service; None where none does.

    With externalTrafficPolicy Cluster a node passes requests for pods of other nodes on under its own address, which is then
    the one that their policies judge.

    Args:
        service: of type LoadBalancer.
        port: of the Service, that was asked.
        client: its address; empty where it is not known.
        node: address of the node that announces the Service's; empty where it is not known.
        view: of the cluster.
    """
    asked = next((each for each in at(service, "spec", "ports") or () if each.get("port") == port), None)
    if asked is None or not client:
        return None
    masked = at(service, "spec", "externalTrafficPolicy") != "Local" and node
    for pod in filter(is_subject, pods_of(view, service)):
        number = resolved(asked, pod.get("spec") or {})
        source = node if masked and node != at(pod, "status", "hostIP") else client
        if number is None:
            continue
        found = Connection(Peer((source,)), Peer.of(pod, view), Port(number, asked.get("protocol") or "TCP"))
        policies = blocking(found, INGRESS, view)
        if policies:
            passed_on = f", which node {node} passes on under its own address" if source == node else ""
            local = ", or write externalTrafficPolicy: Local into the Service" if source == node else ""
            return Cause(
                CLIENTS,
                f"{_closed(policies, 'ingress')} to port {number} of the pods of {name_of(service)} from clients outside of "
                f"the cluster, such as {client}{passed_on}",
                f"{_opened(policies, 'ingress', number)} from ipBlock {source}/32 or the network of its clients{local}",
                about=name_of(policies[0]),
                field=("spec", "ingress"),
            )
    return None


def failed_scrape(
    monitor: Object, errors: Mapping[str, tuple[str, Object | None]], takers: Sequence[Object], view: ReadApi
) -> Cause | None:
    """Return the cause that policies keep Prometheus away from a target, or in its own pods; None where none does.

    Args:
        monitor: whose targets they are.
        errors: for each URL that cannot be scraped Prometheus' error, and the pod that it is of where it is one.
        takers: the Prometheus objects that take the monitor.
        view: of the cluster.
    """
    scraping = [pod for taker in takers for pod in _pods(taker, view)]
    for url, (error, pod) in errors.items():
        target = urlsplit(url)
        if not SILENT.search(error) or not target.hostname:
            continue
        server = Peer.of(pod, view) if pod is not None else Peer((target.hostname,))
        port = Port(target.port or (443 if target.scheme == "https" else 80))
        for prometheus in scraping:
            found = Connection(Peer.of(prometheus, view), server, port)
            cause = _scrape(monitor, url, prometheus, found, view)
            if cause is not None:
                return cause
    return None


def _scrape(monitor: Object, url: str, prometheus: Object, found: Connection, view: ReadApi) -> Cause | None:
    says = f"Prometheus finds {url} through {name_of(monitor)} and cannot scrape it"
    policies = blocking(found, EGRESS, view)
    if policies:
        pod = found.server.pod
        whom = _namespace(pod) if pod is not None else f"ipBlock {found.server.addresses[0]}/32"
        return Cause(
            PROMETHEUS,
            f"{says}: {_closed(policies, 'egress')} to it from {name_of(prometheus)}",
            f"{_opened(policies, 'egress', found.port.number)} to {whom}",
            about=name_of(policies[0]),
            field=("spec", "egress"),
        )
    policies = blocking(found, INGRESS, view)
    if not policies:
        return None
    return Cause(
        CLIENTS if _closed_to_clients(found.server, view) else PROMETHEUS,
        f"{says}: {_closed(policies, 'ingress')} to port {found.port.number} from {name_of(prometheus)}",
        f"{_opened(policies, 'ingress', found.port.number)} from {_namespace(prometheus)}",
        about=name_of(policies[0]),
        field=("spec", "ingress"),
    )


def _pods(prometheus: Object, view: ReadApi) -> list[Object]:
    """Return the pods of a Prometheus object."""
    namespace, name = key(prometheus)
    return [pod for pod in view.list("v1/Pod", namespace) if includes({PROMETHEUS_NAME: name}, labels_of(pod))]


def _closed_to_clients(server: Peer, view: ReadApi) -> bool:
    """Tell whether a pod is behind an address that is silent for the same reason: no rule lets anyone outside of the cluster in."""
    pod = server.pod
    for service in view.list("v1/Service", key(pod)[0]) if pod is not None else ():
        selector = at(service, "spec", "selector")
        if not is_load_balancer(service) or not ingress(service) or not selector:
            continue
        ports = [
            Port(number, port.get("protocol") or "TCP")
            for port in at(service, "spec", "ports") or ()
            if (number := resolved(port, (pod or {}).get("spec") or {})) is not None
        ]
        shut = (blocking(Connection(Peer(()), server, port), INGRESS, view) for port in ports)
        if ports and includes(selector, labels_of(pod or {})) and all(shut):
            return True
    return False


def _closed(policies: Sequence[Object], way: str) -> str:
    """Return in words that policies allow nothing in a direction."""
    verb = "allows" if len(policies) == 1 else "allow"
    return f"{listed([name_of(policy) for policy in policies])} {verb} no {way}"


def _opened(policies: Sequence[Object], way: str, port: int) -> str:
    """Return the beginning of a remedy: where a rule for a port is to be added."""
    first = policies[0]
    release = annotations_of(first).get(RELEASE)
    where = (
        f"the NetworkPolicies in the values of the release {release}" if release else f"spec.{way} of {name_of(first)}"
    )
    return f"add a rule to {where}, or another NetworkPolicy to namespace {key(first)[0]}, that allows {way} to port {port}"


def _namespace(pod: Object) -> str:
    return f"namespaceSelector.matchLabels kubernetes.io/metadata.name: {key(pod)[0]}"
