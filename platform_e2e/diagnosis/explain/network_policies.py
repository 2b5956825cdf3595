"""NetworkPolicies that keep a client away from a pod: by what the policies say, not by what was tried.

The rules are those of the API's documentation (networking.k8s.io/v1, NetworkPolicySpec and what it consists of). They are read
only where an address is silent or a scrape fails: whether the cluster enforces policies, its objects do not say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from platform_e2e.diagnosis.explain.owners import has_ended
from platform_e2e.diagnosis.objects import at, labels_of, selects
from platform_e2e.kube.errors import Forbidden
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

POLICY_KIND = "networking.k8s.io/v1/NetworkPolicy"

INGRESS, EGRESS = "Ingress", "Egress"
"""The two directions that a policy can restrict, as spec.policyTypes has them."""

_RULES = {INGRESS: ("ingress", "from"), EGRESS: ("egress", "to")}
"""For each direction the field of a policy with its rules, and the field of a rule with its peers."""


@dataclass(frozen=True)
class Peer:
    """One end of a connection.

    Attributes:
        addresses: its addresses.
        pod: where it is a pod with an address of its own; None for what is outside of the cluster, and for the host's network.
        namespace_labels: of the pod's namespace.
    """

    addresses: tuple[str, ...]
    pod: Object | None = None
    namespace_labels: Mapping[str, str] | None = None

    @classmethod
    def of(cls, pod: Object, view: ReadApi) -> Peer:
        """Return a pod as a peer; one in the host's network is known by its address alone."""
        found = tuple(str(each["ip"]) for each in at(pod, "status", "podIPs") or () if each.get("ip"))
        addresses = found or tuple(filter(None, (str(at(pod, "status", "podIP") or ""),)))
        if not is_subject(pod):
            return cls(addresses)
        namespace = view.get("v1/Namespace", key(pod)[0])
        return cls(addresses, pod, labels_of(namespace or {}))


@dataclass(frozen=True)
class Port:
    """The port of a connection at the pod that answers it."""

    number: int
    protocol: str = "TCP"


def is_subject(pod: Object) -> bool:
    """Tell whether policies hold for a pod: not in the host's network, where what they do is undefined, nor when it has ended."""
    return not at(pod, "spec", "hostNetwork") and not has_ended(pod)


@dataclass(frozen=True)
class Connection:
    """A connection that is asked about: who connects, to whom, and at which port."""

    client: Peer
    server: Peer
    port: Port

    def end(self, direction: str) -> Peer:
        """Return the end whose policies of a direction judge it."""
        return self.server if direction == INGRESS else self.client

    def other(self, direction: str) -> Peer:
        """Return the end that the rules of a direction name."""
        return self.client if direction == INGRESS else self.server


def blocking(connection: Connection, direction: str, view: ReadApi) -> list[Object]:
    """Return the policies of a direction that keep a connection from being made; none where it is allowed.

    Policies add up: what one of them allows is allowed. A pod that none selects for a direction is open in it. A connection
    needs both: egress of the client, and ingress of the server.

    Args:
        connection: to be made.
        direction: `INGRESS` or `EGRESS`.
        view: of the cluster.
    """
    pod = connection.end(direction).pod
    if pod is None:
        return []
    found = [policy for policy in _policies(key(pod)[0], view) if restricts(policy, pod, direction)]
    rules = ((policy, rule) for policy in found for rule in at(policy, "spec", _RULES[direction][0]) or ())
    return [] if any(_allows(policy, rule, direction, connection) for policy, rule in rules) else found


def _policies(namespace: str, view: ReadApi) -> Sequence[Object]:
    """Return the policies of a namespace; none for whom may not read them, who then learns of another cause."""
    try:
        return view.list(POLICY_KIND, namespace)
    except Forbidden:
        return ()


def restricts(policy: Object, pod: Object, direction: str) -> bool:
    """Tell whether a policy isolates a pod of its namespace in a direction.

    Args:
        policy: the NetworkPolicy.
        pod: of any namespace.
        direction: `INGRESS` or `EGRESS`.
    """
    types = at(policy, "spec", "policyTypes") or [INGRESS, *([EGRESS] if at(policy, "spec", "egress") else [])]
    return (
        key(policy)[0] == key(pod)[0]
        and direction in types
        and selects(at(policy, "spec", "podSelector") or {}, labels_of(pod))
    )


def _allows(policy: Object, rule: Mapping[str, Any], direction: str, connection: Connection) -> bool:
    """Tell whether a rule allows a connection: a rule without peers allows all of them, one without ports every port."""
    peers, ports = rule.get(_RULES[direction][1]) or (), rule.get("ports") or ()
    return (not peers or any(_is_peer(peer, policy, connection.other(direction)) for peer in peers)) and (
        not ports or any(_is_port(written, connection) for written in ports)
    )


def _is_peer(peer: Mapping[str, Any], policy: Object, other: Peer) -> bool:
    block = peer.get("ipBlock")
    if block is not None:
        return any(
            _in(address, [block.get("cidr")]) and not _in(address, block.get("except") or ())
            for address in other.addresses
        )
    if other.pod is None:
        return False
    pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
    if namespaces is None:
        # Pods of the policy's own namespace.
        return key(other.pod)[0] == key(policy)[0] and selects(pods, labels_of(other.pod))
    return selects(namespaces, other.namespace_labels or {}) and (pods is None or selects(pods, labels_of(other.pod)))


def _in(address: str, blocks: Iterable[Any]) -> bool:
    asked = ip_address(address)
    return any(asked in ip_network(str(block), strict=False) for block in blocks if block)


def _is_port(written: Mapping[str, Any], connection: Connection) -> bool:
    """Tell whether a port of a rule is the one asked for: by number, from `port` to `endPort`, or by a container's name for it."""
    port = connection.port
    if (written.get("protocol") or "TCP") != port.protocol:
        return False
    number = written.get("port")
    if number is None:
        return True
    if isinstance(number, str):
        return port.number in _named(number, port.protocol, connection.server.pod)
    return bool(number <= port.number <= (written.get("endPort") or number))


def _named(name: str, protocol: str, pod: Object | None) -> set[int]:
    """Return the numbers that a pod's containers have given a port name; none for what is no pod."""
    containers = [*(at(pod, "spec", "containers") or ()), *(at(pod, "spec", "initContainers") or ())]
    return {
        int(port["containerPort"])
        for container in containers
        for port in container.get("ports") or ()
        if port.get("name") == name and (port.get("protocol") or "TCP") == protocol
    }
