"""Two clusters that are made at the same moment must not choose the same network: choosing is done under a lock.

Those of one cache see each other's files; those of another cache on this host, and of other users, see `claims`.
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
"""In a cluster's directory: its plan, so that others keep away from it before its interface exists."""


def choose(
    directory: Path,
    pools: Sequence[AddressRange],
    nodes: int,
    *,
    first: int = 0,
    taken: Callable[[], Sequence[IPv4Network]] | None = None,
) -> Plan:
    """Plan a cluster's network and reserve it until the cluster's directory is removed, on this host until this process ends.

    Args:
        directory: of the cluster.
        pools: the address ranges that the layer's IPAddressPools state.
        nodes: how many nodes there will be.
        first: how many of the segment's first addresses somebody else gives away, so that no pool may have one of them.
        taken: returns the networks that cannot be used; by default those that this host has an address in or a route to.

    Raises:
        NoFreeNetwork: every network that could be used is taken.
        NotInTime: another process of this host does not end its choice.
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
                # It is being removed, or was left half written by a process that was killed.
                continue
    return found
