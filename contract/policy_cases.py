"""What NetworkPolicies close and leave open, case by case as they are documented (networking.k8s.io/v1).

The cases are tried on a cluster (`test_network_policies`), and what the diagnosis says of them is compared with it
(`tests/diagnosis`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAMESPACES = {"near": {"team": "a"}, "apart": {"team": "b"}}
"""The namespaces of the pods, with their labels; policies are made in the first."""

TCP = {8080: "http", 8081: "", 8090: "range", 8099: "", 8443: ""}
"""The ports that a pod answers at over TCP and UDP, as CoreDNS does, with the names that its container gives them."""


@dataclass(frozen=True)
class Try:
    """A connection: from which pod or from `host`, to which pod or `dns`, and the port.

    Attributes:
        source: name of a pod, or `host`.
        target: name of a pod, or `dns` for the cluster's DNS by its Service.
        port: at the target.
        protocol: `tcp` or `udp`.
    """

    source: str
    target: str
    port: int
    protocol: str = "tcp"

    def __str__(self) -> str:
        """Return it in a few words, for the names of tests and for errors."""
        return f"{self.source} -> {self.target}:{self.port}/{self.protocol}"


HTTP, OTHER, RANGE, IN_RANGE, ABOVE = TCP

NEAR = [Try(source, "server", HTTP) for source in ("client", "stranger", "far")]
APART = Try("apart/client", "server", HTTP)
HOST = Try("host", "server", HTTP)
CLIENTS = [*NEAR, APART, HOST]
"""All that can ask `server`: three pods of its namespace, one of them on another node, one of another namespace, and this host."""

DNS = Try("client", "dns", 53, "udp")
OUT = [Try("client", "server", HTTP), Try("client", "far", HTTP), Try("client", "apart/client", HTTP), DNS]
"""What `client` may ask."""

SERVER, CLIENT = {"matchLabels": {"app": "server"}}, {"matchLabels": {"app": "client"}}
TEAM_B = {"matchLabels": {"team": "b"}}
EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Case:
    """Policies, and what they leave open of all that is tried.

    Attributes:
        name: of the test.
        specs: of the policies; texts in braces are replaced by addresses of pods (`{client}`) and of this host (`{host}`).
        tried: the connections; without policies all of them are open.
        left: those of them that stay open.
    """

    name: str
    specs: Sequence[Mapping[str, Any]]
    tried: Sequence[Try]
    left: Sequence[Try]


def ingress(*rules: Any, pods: Any = SERVER) -> dict[str, Any]:
    """Return the spec of a policy for what comes to pods."""
    return {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": list(rules)}


def egress(*rules: Any, pods: Any = CLIENT) -> dict[str, Any]:
    """Return the spec of a policy for what pods send."""
    return {"podSelector": pods, "policyTypes": ["Egress"], "egress": list(rules)}


def peers(*found: Any) -> dict[str, Any]:
    """Return a rule that lets peers in."""
    return {"from": list(found)}


def ports(*found: Any) -> dict[str, Any]:
    """Return the ports of a rule."""
    return {"ports": list(found)}


def to_server(*numbers: int, source: str = "client") -> list[Try]:
    """Return connections to ports of the server."""
    return [Try(source, "server", number) for number in numbers]


ALL_PORTS = [*to_server(*TCP), Try("client", "server", HTTP, "udp")]

CASES = [
    Case(
        "default deny",
        [ingress(pods={})],
        [*CLIENTS, Try("client", "apart/client", HTTP)],
        [Try("client", "apart/client", HTTP)],
    ),
    Case("types by default", [{"podSelector": {}}], [*CLIENTS, DNS], [DNS]),
    Case("other pods", [ingress(pods={"matchLabels": {"app": "nothing"}})], CLIENTS, CLIENTS),
    Case("allow all", [ingress(pods={}), ingress({})], [*CLIENTS, Try("server", "client", HTTP)], CLIENTS),
    Case("pods", [ingress(peers({"podSelector": CLIENT}))], CLIENTS, [NEAR[0]]),
    Case(
        "pods by expression",
        [
            ingress(
                peers(
                    {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["stranger"]}]}}
                )
            )
        ],
        CLIENTS,
        [NEAR[0], NEAR[2]],
    ),
    Case(
        "pods of another node", [ingress(peers({"podSelector": {"matchLabels": {"app": "far"}}}))], CLIENTS, [NEAR[2]]
    ),
    Case("own namespace", [ingress(peers({"podSelector": {}}))], CLIENTS, NEAR),
    Case("namespace", [ingress(peers({"namespaceSelector": TEAM_B}))], CLIENTS, [APART]),
    Case("every namespace", [ingress(peers({"namespaceSelector": {}}))], CLIENTS, [*NEAR, APART]),
    Case(
        "pods of a namespace", [ingress(peers({"namespaceSelector": TEAM_B, "podSelector": CLIENT}))], CLIENTS, [APART]
    ),
    Case(
        "none of those pods of a namespace",
        [ingress(peers({"namespaceSelector": TEAM_B, "podSelector": SERVER}), peers({"podSelector": CLIENT}))],
        CLIENTS,
        [NEAR[0]],
    ),
    Case(
        "either of two peers",
        [ingress(peers({"podSelector": CLIENT}, {"namespaceSelector": TEAM_B}))],
        CLIENTS,
        [NEAR[0], APART],
    ),
    Case("block", [ingress(peers({"ipBlock": {"cidr": "{host}/32"}}))], CLIENTS, [HOST]),
    Case(
        "block of everything", [ingress(peers({"ipBlock": {"cidr": EVERYWHERE}}))], [*CLIENTS, *OUT], [*CLIENTS, *OUT]
    ),
    Case(
        "block with exceptions",
        [ingress(peers({"ipBlock": {"cidr": EVERYWHERE, "except": ["{host}/32", "{client}/32"]}}))],
        CLIENTS,
        [*NEAR[1:], APART],
    ),
    Case("port", [ingress(ports({"port": HTTP}))], [*ALL_PORTS, HOST], [*to_server(HTTP), HOST]),
    Case(
        "port of UDP",
        [ingress(ports({"port": HTTP, "protocol": "UDP"}))],
        ALL_PORTS,
        [Try("client", "server", HTTP, "udp")],
    ),
    Case("every port of a protocol", [ingress(ports({"protocol": "TCP"}))], ALL_PORTS, to_server(*TCP)),
    Case("named port", [ingress(ports({"port": "http"}))], ALL_PORTS, to_server(HTTP)),
    Case("name of no port", [ingress(ports({"port": "https"}), ports({"port": OTHER}))], ALL_PORTS, to_server(OTHER)),
    Case(
        "range of ports", [ingress(ports({"port": RANGE, "endPort": IN_RANGE}))], ALL_PORTS, to_server(RANGE, IN_RANGE)
    ),
    Case(
        "peer and port",
        [ingress({**peers({"podSelector": CLIENT}), **ports({"port": OTHER})})],
        [*to_server(*TCP), *to_server(HTTP, OTHER, source="stranger")],
        to_server(OTHER),
    ),
    Case(
        "two rules",
        [ingress({**peers({"podSelector": CLIENT}), **ports({"port": OTHER})}, ports({"port": HTTP}))],
        [*to_server(*TCP), *to_server(HTTP, OTHER, source="stranger")],
        [*to_server(OTHER, HTTP), *to_server(HTTP, source="stranger")],
    ),
    Case(
        "policies add up",
        [ingress(pods={}), ingress(peers({"podSelector": CLIENT})), ingress(ports({"port": OTHER}))],
        [*CLIENTS, Try("apart/client", "server", OTHER)],
        [NEAR[0], Try("apart/client", "server", OTHER)],
    ),
    Case("default deny of egress", [egress(pods={})], [*OUT, APART], [APART]),
    Case("egress of others", [egress(pods=SERVER)], [*OUT, Try("server", "client", HTTP)], OUT),
    Case(
        "egress to DNS",
        [
            egress(
                {
                    "to": [
                        {
                            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                        }
                    ],
                    **ports({"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}),
                }
            )
        ],
        OUT,
        [DNS],
    ),
    Case("egress to pods", [egress({"to": [{"podSelector": SERVER}]})], OUT, [OUT[0]]),
    Case("egress to a namespace", [egress({"to": [{"namespaceSelector": TEAM_B}]})], OUT, [OUT[2]]),
    Case("egress to a block", [egress({"to": [{"ipBlock": {"cidr": "{far}/32"}}]})], OUT, [OUT[1]]),
    Case(
        "egress to a block with exceptions",
        [egress({"to": [{"ipBlock": {"cidr": EVERYWHERE, "except": ["{far}/32"]}}]})],
        OUT,
        [OUT[0], OUT[2], DNS],
    ),
    Case(
        "egress to a named port",
        [egress({"to": [{"podSelector": SERVER}], **ports({"port": "http"})})],
        ALL_PORTS,
        to_server(HTTP),
    ),
    Case(
        "egress to a range of ports",
        [egress(ports({"port": RANGE, "endPort": IN_RANGE}))],
        ALL_PORTS,
        to_server(RANGE, IN_RANGE),
    ),
    Case(
        "both ends",
        [ingress(peers({"podSelector": CLIENT})), egress({"to": [{"podSelector": SERVER}]})],
        [*CLIENTS, *OUT],
        [NEAR[0]],
    ),
    Case(
        "both types in one",
        [
            {
                "podSelector": {},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [peers({"podSelector": CLIENT})],
                "egress": [{"to": [{"podSelector": SERVER}]}],
            }
        ],
        [*CLIENTS, *OUT, Try("stranger", "far", HTTP)],
        [NEAR[0]],
    ),
]
