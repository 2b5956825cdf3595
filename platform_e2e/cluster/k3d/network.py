"""Predict the addresses of a cluster of k3d, which k3d and Docker assign themselves.

k3d gives the network's first address to the gateway, which is this host, reserves the second for its tools, and gives the next
ones to the servers permanently. Docker gives an agent the lowest free address when the agent starts. So all of them are among
the first addresses, and no pool may have one of these.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.network import links, reservations
from platform_e2e.cluster.network.addressing import Plan

OTHERS = 8
"""Further addresses beside gateway, tools and nodes: k3d's load balancer, a registry, and a probing container."""


def choose(docker: Docker, directory: Path, pools: Sequence[AddressRange], servers: int, agents: int) -> Plan:
    """Plan a cluster's network and reserve it until the cluster's directory is removed.

    Args:
        docker: the Docker whose networks are taken, in addition to this host's addresses and routes.
        directory: the directory of the cluster.
        pools: the address ranges of the layer's IPAddressPools.
        servers: the number of nodes with addresses from k3d.
        agents: the number of nodes with addresses from Docker.

    Returns:
        The plan; the agents may get each other's addresses.

    Raises:
        NoFreeNetwork: every network that could be used is taken.
    """
    nodes = servers + agents

    def taken() -> list[IPv4Network]:
        # Elsewhere Docker runs in a virtual machine, whose networks are not this host's.
        here = links.taken() if sys.platform == "linux" else []
        return [*here, *docker.subnets()]

    plan = reservations.choose(directory, pools, nodes, first=nodes + 2 + OTHERS, taken=taken)
    return foreseen(plan, servers, agents)


def foreseen(plan: Plan, servers: int, agents: int) -> Plan:
    """Return the plan with the addresses that k3d and Docker will assign."""
    gateway, tools, *rest = (plan.segment[number] for number in range(1, servers + agents + 3))
    # When the agents start, k3d's tools have released their address.
    return replace(plan, host=gateway, nodes=(*rest[:servers], *[tools, *rest[servers:]][:agents]))
