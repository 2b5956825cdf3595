"""Reserve a cluster's network under a lock, so that two clusters made at the same moment choose different ones.

Clusters of one cache read each other's files; for those of other caches and users on this host see `claims`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster.network import addressing, claims, links
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.toolbox.locks import FileLock

FILE = "network.json"
"""File in a cluster's directory with its plan, which other clusters avoid before its interface exists."""


def choose(
    directory: Path,
    pools: Sequence[AddressRange],
    nodes: int,
    *,
    first: int = 0,
    taken: Callable[[], Sequence[IPv4Network]] | None = None,
) -> Plan:
    """Plan a cluster's network and reserve it: for this cache until the cluster's directory is removed, else until this process ends.

    Args:
        directory: the directory of the cluster.
        pools: the address ranges of the layer's IPAddressPools.
        nodes: the number of nodes.
        first: how many of the segment's first addresses others assign, so that no pool may have one of them.
        taken: returns the unusable networks; by default those of this host's addresses and routes.

    Raises:
        NoFreeNetwork: every network that could be used is taken.
        NotInTime: another process of this host has been choosing for too long.
    """
    with FileLock(directory.parent / ".networks.lock").held("choosing a network"), claims.choosing():
        claims.drop(directory)
        reserved = [*others(directory), *claims.claimed()]
        plan = addressing.plan(pools, nodes, [*(taken or links.taken)(), *reserved], first=first)
        claims.claim(directory, plan.segment)
        (directory / FILE).write_text(json.dumps(plan.as_json(), indent=1))
    return plan


def others(directory: Path) -> list[IPv4Network]:
    """Return the segments that other clusters of this user have reserved."""
    found = []
    for path in directory.parent.glob(f"*/{FILE}"):
        if path.parent != directory:
            try:
                found.append(IPv4Network(json.loads(path.read_text())["segment"]))
            except (FileNotFoundError, json.JSONDecodeError):
                # It is being removed, or a killed process left it half written.
                continue
    return found
