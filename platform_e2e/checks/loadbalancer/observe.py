"""Observe a LoadBalancer Service: in the API, on the segment, and from outside."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address

from platform_e2e.addresses import AddressRange
from platform_e2e.checks.container_client import Asker, Container, Here
from platform_e2e.checks.external_client import ProbeResult
from platform_e2e.cluster import providers
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.kept_out import silent_address
from platform_e2e.diagnosis.explain.loadbalancer import ingress, outside_pools, statuses_of
from platform_e2e.diagnosis.explain.metallb_l2 import takes_others
from platform_e2e.diagnosis.explain.metallb_pools import AddressPool, pool, requested_pool
from platform_e2e.diagnosis.explain.metallb_sharing import sharing_key
from platform_e2e.diagnosis.explain.owners import has_ended
from platform_e2e.diagnosis.explain.targets import declared_ports
from platform_e2e.diagnosis.objects import at, endpoints, is_ready, labels_of, name_of, pods_of
from platform_e2e.finding import Cause
from platform_e2e.gitops import pool_remap as moves
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, LoadBalancer, Probe

EVENTS_SECONDS = 50 * 60
"""How long after a Service was made its first events must still exist: the API server keeps them for an hour
(kube-apiserver 1.34, --event-ttl), less ten minutes for clocks that differ."""

ASKED_EACH = 12
"""Requests for each ready endpoint. Kube-proxy chooses one by chance for every connection: that one of two is left out by 24
happens once in eight million times."""

ASKED_MOST = 240
"""Requests in all; on the cluster's segment that is a second."""

ARP_SECONDS = 2.0
"""Seconds without an answer after which an address counts as silent: seven requests."""


@dataclass(frozen=True)
class WantedService:
    """What must be true of one Service.

    Attributes:
        service: as Git has it.
        pools: every pool of Git.
        probe: what it must answer over HTTP, or None where the layer does not say.
        located: names in a cause's remedy the file and line of the field to change.
        outside: the cause that it asks for an address that no pool of Git has, even if one has it on this cluster; or None.
    """

    service: Object
    pools: tuple[AddressPool, ...]
    probe: Probe | None = None
    located: Callable[[Cause], Cause] = lambda cause: cause
    outside: Cause | None = None

    @classmethod
    def of(cls, service: LoadBalancer, layer: Layer, facts: ClusterFacts) -> WantedService:
        """Return what the layer says, with the ranges that the cluster uses in place of those that were not free."""
        return cls.served(service, layer, facts.pool_map)

    @classmethod
    def served(cls, service: LoadBalancer, layer: Layer, pool_map: Mapping[str, str]) -> WantedService:
        """Return what the layer says, with ranges moved as ClusterFacts.pool_map says."""
        rendered = service.service
        written = [declared.rendered.object for declared in layer.pools]
        both = [(pool(obj), pool(moved(obj, pool_map))) for obj in written]
        in_git = [replace(git, written=here.written, stated=git.written) for git, here in both]
        name = requested_pool(rendered.object)
        named = [each for each in in_git if not name or each.name == name]
        return cls(
            moved(rendered.object, pool_map),
            tuple(replace(here, stated=git.written) for git, here in both),
            service.probe,
            partial(layer.located, otherwise=rendered),
            # Without any pool, or any of that name, the cluster tells what is missing.
            outside_pools(rendered.object, named) if named else None,
        )

    @property
    def asked_port(self) -> int | None:
        """Return the port that is asked: the probe's, or the first one."""
        return self.probe.port if self.probe is not None else self.tcp_port

    @property
    def tcp_port(self) -> int | None:
        """Return the first TCP port, for a Service without a probe."""
        ports = at(self.service, "spec", "ports") or ()
        return next((int(p["port"]) for p in ports if p.get("protocol", "TCP") == "TCP"), None)


def moved(obj: Object, pool_map: Mapping[str, str]) -> Object:
    """Return an IPAddressPool or a Service of Git in the form that is served to the cluster.

    Args:
        obj: as written.
        pool_map: for each range that was not free, the one used in its place (ClusterFacts.pool_map).
    """
    ranges = moves.ranges(pool_map)
    if not ranges:
        return obj
    result = copy.deepcopy(obj)
    spec = result.get("spec") or {}
    if "addresses" in spec:
        spec["addresses"] = [_moved_range(str(text), ranges) for text in spec["addresses"]]
    annotations = result.get("metadata", {}).get("annotations") or {}
    for name in moves.PIN_ANNOTATIONS:
        if name in annotations:
            annotations[name] = moves.moved(str(annotations[name]), ranges)
    if spec.get("loadBalancerIP"):
        spec["loadBalancerIP"] = moves.moved(str(spec["loadBalancerIP"]), ranges)
    return result


def _moved_range(text: str, ranges: Mapping[AddressRange, AddressRange]) -> str:
    """Return a pool's entry with the range that is used in its place."""
    written = moves.parse(text)
    new = moves.moved_range(written, ranges) if written is not None else None
    return str(new) if new is not None else text


@dataclass(frozen=True)
class Outside:
    """A client on the cluster's segment: this host, or a container where this host is not on it.

    Attributes:
        interface: of this host on the segment; empty where this host cannot send ARP there.
        address: of the client there.
        nodes: each node's address there.
        container: that asks in this host's place.
        asks: whether the addresses are asked at all; who only reads a live cluster may be no client of it.
    """

    interface: str = ""
    address: str = ""
    nodes: Mapping[str, str] = field(default_factory=dict)
    container: Container | None = None
    asks: bool = True

    @classmethod
    def of(cls, facts: ClusterFacts) -> Outside:
        """Return how a cluster is seen from outside."""
        container = None
        if facts.probe:
            container = Container(partial(providers.choose(facts.provider).ask_from, facts), facts.host_address)
        nodes = {node.name: node.address for node in facts.nodes}
        return cls(facts.host_interface, facts.host_address, nodes, container)

    @property
    def asker(self) -> Asker:
        """Return who asks."""
        return self.container or Here(self.interface, self.address)

    @property
    def on_segment(self) -> bool:
        """Tell whether the segment can be asked by ARP."""
        return bool(self.interface or self.container)


@dataclass(frozen=True)
class ObservedService:
    """What was seen of one Service.

    Attributes:
        service: as the cluster has it, or None.
        namespace_labels: of its namespace.
        nodes: those that say they announce it.
        sharers: for each of its addresses the other Services that have it too, as (name, sharing key).
        events: reasons of its events; None where they may have expired.
        macs: the MAC address that answered for each address, None without an answer; empty where it was not asked.
        node_mac: who answered for the announcing node's own address.
        answer: what came back from outside, or None where it was not asked.
        asked_from: the address that it was asked from; empty where that is not known.
        declared: the ports that the pods declare that it selects, such as `http (8080)`.
        others: by name what makes the pods that answer, where that is more than one workload.
        cause: what the explanations say.
        kept_out: the cause that NetworkPolicies keep the client out, where the address is silent and they do.
        arp_seconds: how long the ARP answer took.
    """

    service: Object | None
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    sharers: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    events: frozenset[str] | None = None
    macs: Mapping[str, str | None] = field(default_factory=dict)
    node_mac: str | None = None
    answer: ProbeResult | None = None
    asked_from: str = ""
    declared: Sequence[str] = ()
    others: Sequence[str] = ()
    cause: Cause | None = None
    kept_out: Cause | None = None
    arp_seconds: float | None = None


def observe(wanted: WantedService, view: ReadApi, host: Outside) -> ObservedService:
    """Read what the cluster says about a Service, and ask from outside.

    Args:
        wanted: the Service.
        view: of the cluster.
        host: where the questions are asked from.
    """
    namespace, name = key(wanted.service)
    service = view.get("v1/Service", name, namespace)
    if service is None:
        return ObservedService(None)
    found = view.get("v1/Namespace", namespace)
    seen = ObservedService(
        service,
        namespace_labels=labels_of(found or {}),
        nodes=tuple(sorted({str(at(s, "status", "node") or "") for s in statuses_of(view, service)} - {""})),
        sharers={address: _sharers(view, service, address) for address in ingress(service)},
        events=_events(view, service),
    )
    known = any(ip_address(address) in pool for address in ingress(service) for pool in wanted.pools)
    if not known or not seen.nodes:
        return replace(seen, cause=explain(service, view))
    if not host.asks:
        return seen
    ready = [endpoint for endpoint in endpoints(view, service) if is_ready(endpoint)]
    seen = _ask(seen, wanted, host, min(ASKED_EACH * len(ready), ASKED_MOST) if len(ready) > 1 else 1)
    troubled = None in seen.macs.values() or (seen.answer is not None and seen.answer.problem)
    if not troubled:
        return seen
    ports = declared_ports([pod for pod in pods_of(view, service) if not has_ended(pod)])
    node = host.nodes.get(seen.nodes[0], "")
    silent = seen.answer is not None and seen.answer.problem and not seen.answer.connected
    return replace(
        seen,
        cause=explain(service, view),
        declared=ports,
        others=takes_others(service, view),
        kept_out=silent_address(service, wanted.asked_port or 0, host.address, node, view) if silent else None,
    )


def asking(wanted: WantedService, view: ReadApi, host: Outside) -> Callable[[], ProbeResult] | None:
    """Return what asks a Service once from outside of the cluster, or None where it has no address or no TCP port.

    Args:
        wanted: the Service.
        view: of the cluster, for its address.
        host: where the question is asked from.
    """
    namespace, name = key(wanted.service)
    address = next(iter(ingress(view.get("v1/Service", name, namespace) or {})), None)
    probe, port, asker = wanted.probe, wanted.tcp_port, host.asker
    if address is None:
        return None
    if probe is not None:
        return lambda: asker.fetch(address, probe)
    return (lambda: asker.connect(address, port)) if port is not None else None


def _sharers(view: ReadApi, service: Object, address: str) -> list[tuple[str, str]]:
    others = [other for other in view.list("v1/Service") if key(other) != key(service) and address in ingress(other)]
    return [(name_of(other), sharing_key(other)) for other in others]


def _events(view: ReadApi, service: Object) -> frozenset[str] | None:
    """Return the reasons of a Service's events, or None where the first of them may have expired."""
    made = datetime.fromisoformat(str(at(service, "metadata", "creationTimestamp")))
    if (datetime.now(UTC) - made).total_seconds() > EVENTS_SECONDS:
        return None
    namespace, name = key(service)
    uid = at(service, "metadata", "uid")
    return frozenset(
        str(event.get("reason"))
        for event in view.events("v1/Service", name, namespace)
        if uid in {at(event, "involvedObject", "uid"), at(event, "regarding", "uid")}
    )


def _ask(seen: ObservedService, wanted: WantedService, host: Outside, times: int) -> ObservedService:
    """Ask for the Service's addresses on the segment, then connect, so many times."""
    addresses = ingress(seen.service or {})
    macs: dict[str, str | None] = {}
    node_mac = arp_seconds = None
    if host.on_segment:
        for address in addresses:
            if ip_address(address).version == 4:
                reply = host.asker.who_has(address, timeout=ARP_SECONDS)
                macs[address] = reply.mac if reply else None
                arp_seconds = reply.seconds if reply else arp_seconds
        node = host.nodes.get(seen.nodes[0], "")
        reply = host.asker.who_has(node, timeout=ARP_SECONDS) if node and macs else None
        node_mac = reply.mac if reply else None
    answer = None
    if wanted.probe is not None:
        answer = host.asker.fetch(addresses[0], wanted.probe, times)
    elif wanted.tcp_port is not None:
        answer = host.asker.connect(addresses[0], wanted.tcp_port, times)
    return replace(seen, macs=macs, node_mac=node_mac, answer=answer, asked_from=host.address, arp_seconds=arp_seconds)
