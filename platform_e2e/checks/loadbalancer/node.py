"""Check a LoadBalancer address on the node itself, through testinfra's host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from platform_e2e.diagnosis.objects import name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object


def addresses_on(host: Any) -> set[str]:
    """Return every address of every interface of a node.

    Args:
        host: testinfra's host of the node.
    """
    lines = host.check_output("ip -oneline address show").splitlines()
    # 2: eth0    inet 10.89.0.2/24 brd 10.89.0.255 scope global eth0 ...
    return {words[3].split("/")[0] for line in lines if len(words := line.split()) > 3}


def rules_for(host: Any, address: str) -> list[str]:
    """Return kube-proxy's rules for traffic to a LoadBalancer address.

    Args:
        host: testinfra's host of the node.
        address: IPv4 address of a Service.

    Returns:
        The rules of the nat table that match the address; kube-proxy in its iptables mode writes at least one for each port.
    """
    rules = host.check_output("iptables-save -t nat").splitlines()
    return [rule for rule in rules if f"-d {address}/32 " in rule and "KUBE-" in rule]


def check(service: Object, addresses: Sequence[str], node: str, host: Any) -> list[Finding]:
    """Return what is wrong on the node that announces a Service's addresses.

    Args:
        service: whose addresses they are.
        addresses: of the Service.
        node: name of the node.
        host: testinfra's host of it.
    """
    findings = []
    present = addresses_on(host)
    for address in addresses:
        if address in present:
            cause = Cause(
                "loadbalancer-on-interface",
                f"{address} of {name_of(service)} sits on an interface of node {node}, so that node answers whoever announces it",
                "look who has added it there: keepalived, kube-vip, or an earlier cluster",
            )
            findings.append(_finding(service, f"{address} is on no interface of node {node}", "it is on one", cause))
        elif not rules_for(host, address):
            cause = Cause(
                "loadbalancer-no-rules",
                f"kube-proxy on node {node} has no rule for {address} of {name_of(service)}",
                "look at kube-proxy's log on that node; a Service without a ready endpoint has none",
            )
            findings.append(
                _finding(service, f"kube-proxy's rules on node {node} take in {address}", "there is none", cause)
            )
    return findings


def _finding(service: Object, expected: str, observed: str, cause: Cause) -> Finding:
    return Finding(name_of(service), Promise.LOADBALANCER, expected, observed, cause)
