"""What only the node itself knows about a LoadBalancer address, read through testinfra's host."""

from __future__ import annotations

from typing import Any


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
