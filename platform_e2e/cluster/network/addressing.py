"""Choose the addresses of a cluster: its segment holds the layer's pools if that network is free, else another one.

This module only calculates; `links` makes the network, and `reservations` keeps two clusters from the same choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from platform_e2e.addresses import AddressRange
from platform_e2e.errors import BrokenHarness
from platform_e2e.paths import command

USUAL_PREFIX = 24
"""Prefix length of a segment that fits the pools: the usual one of a home or office network."""

SHORTEST_PREFIX = 16
"""Shortest prefix length: pools that need a larger network are not in one network."""

PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"))
"""Private networks: RFC 1918, and the one for benchmarks of network devices (RFC 2544)."""

CANDIDATES = tuple(
    IPv4Network(text) for text in ("10.89.0.0/16", "10.88.0.0/16", "172.30.0.0/16", "192.168.0.0/16", "198.18.0.0/15")
)
"""Networks that are searched for a free segment, in this order; the last is for hosts whose VPN routes all of RFC 1918."""

INNER = (
    (IPv4Network("10.42.0.0/16"), IPv4Network("10.43.0.0/16")),
    (IPv4Network("10.244.0.0/16"), IPv4Network("10.96.0.0/16")),
)
"""Networks of pods and Services: those of k3s, else those of kubeadm. They exist only inside nodes, so that of the host's
networks only the segment's matter."""


class NoFreeNetwork(BrokenHarness):
    """Every network for another cluster's segment is taken."""


@dataclass(frozen=True)
class Plan:
    """The addresses of one cluster.

    Attributes:
        segment: the network that nodes, LoadBalancer addresses and this host share.
        host: this host's address on the segment.
        nodes: the nodes' addresses on the segment, the server's first.
        pods: the network of all pods; each node has a /24 of it.
        services: the network of the Services' cluster addresses.
        pool_map: for each address range of the layer that is taken, the range used instead.
    """

    segment: IPv4Network
    host: IPv4Address
    nodes: tuple[IPv4Address, ...]
    pods: IPv4Network
    services: IPv4Network
    pool_map: dict[str, str] = field(default_factory=dict)

    @property
    def api(self) -> IPv4Address:
        """Return the cluster address of the Service `kubernetes`: always the first of the network."""
        return self.services[1]

    @property
    def dns(self) -> IPv4Address:
        """Return the cluster address of the Service `kube-dns`: the tenth, as in kubeadm."""
        return self.services[10]

    def pods_of(self, node: int) -> IPv4Network:
        """Return the network of one node's pods.

        Args:
            node: its index; the server's is 0.
        """
        return list(self.pods.subnets(new_prefix=24))[node]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "segment": str(self.segment),
            "host": str(self.host),
            "nodes": [str(node) for node in self.nodes],
            "pods": str(self.pods),
            "services": str(self.services),
            "pool_map": self.pool_map,
        }


def plan(pools: Sequence[AddressRange], nodes: int, taken: Sequence[IPv4Network], *, first: int = 0) -> Plan:
    """Choose the addresses of a cluster.

    Args:
        pools: the address ranges of the layer's IPAddressPools.
        nodes: the number of nodes.
        taken: networks of this host's addresses and routes, and of other clusters.
        first: how many of the segment's first addresses others assign, so that no pool may have one of them.

    Returns:
        A plan whose segment holds every pool unchanged, if such a network is private and free; else one in a free network, with a
        range of the same size for each pool.

    Raises:
        NoFreeNetwork: every network that could be used is taken.
    """
    around = _around(pools, nodes, first)
    if around is not None and not _clashes(around, taken):
        return _filled(around, pools, nodes, {})
    for segment in _candidates(pools, max(nodes, first)):
        if not _clashes(segment, taken):
            moved = _moved(pools, segment, first)
            mapping = {str(old): str(new) for old, new in moved.items()}
            return _filled(segment, list(moved.values()), nodes, mapping)
    raise NoFreeNetwork(
        f"every network in {', '.join(map(str, CANDIDATES))} clashes with an address or route of this host",
        f"see `ip route`; take a VPN down or remove clusters that are no longer needed (`{command('cluster')} list`)",
    )


def _clashes(network: IPv4Network, taken: Sequence[IPv4Network]) -> bool:
    return any(network.overlaps(other) for other in taken)


def _around(pools: Sequence[AddressRange], nodes: int, first: int) -> IPv4Network | None:
    """Return the smallest usual network that holds every pool and has addresses for the host and the nodes."""
    if not pools:
        return None
    lowest, last = min(pool.first for pool in pools), max(pool.last for pool in pools)
    for prefix in range(USUAL_PREFIX, SHORTEST_PREFIX - 1, -1):
        network = IPv4Network((lowest, prefix), strict=False)
        if last not in network or not any(network.subnet_of(private) for private in PRIVATE):
            continue
        if len(_free(network, pools, nodes + 1)) == nodes + 1 and _begins_free(network, pools, first):
            return network
    return None


def _begins_free(network: IPv4Network, pools: Sequence[AddressRange], first: int) -> bool:
    """Tell whether that many first addresses of a network are outside of all pools."""
    return _free(network, pools, first) == list(itertools.islice(network.hosts(), first))


def _free(network: IPv4Network, pools: Sequence[AddressRange], wanted: int) -> list[IPv4Address]:
    """Return the first addresses of a network that are outside of all pools."""
    found: list[IPv4Address] = []
    for address in network.hosts():
        if len(found) == wanted:
            break
        if not any(address in pool for pool in pools):
            found.append(address)
    return found


def _filled(segment: IPv4Network, pools: Sequence[AddressRange], nodes: int, mapping: dict[str, str]) -> Plan:
    """Return the plan in that segment."""
    host, *others = _free(segment, pools, nodes + 1)
    pods, services = next(pair for pair in INNER if not _clashes(segment, pair))
    return Plan(segment, host, tuple(others), pods, services, mapping)


def _size(pool: AddressRange) -> int:
    return int(pool.last) - int(pool.first) + 1


def _candidates(pools: Sequence[AddressRange], nodes: int) -> Iterator[IPv4Network]:
    """Yield the networks that a segment of the needed size could have."""
    # Ranges are packed into the upper half, each from a multiple of its size rounded up to a power of two; the host and the
    # nodes have the lower half.
    room = max(sum(1 << (_size(pool) - 1).bit_length() for pool in set(pools)), nodes + 2)
    prefix = min(USUAL_PREFIX, 32 - (2 * room - 1).bit_length())
    for network in CANDIDATES:
        if prefix >= network.prefixlen:
            yield from network.subnets(new_prefix=prefix)


def _moved(pools: Sequence[AddressRange], segment: IPv4Network, first: int) -> dict[AddressRange, AddressRange]:
    """Return for each range a range of the same size in the segment."""
    kept = _same_places(pools, segment, first)
    if kept is not None:
        return kept
    moved: dict[AddressRange, AddressRange] = {}
    place = int(segment.network_address) + segment.num_addresses // 2
    # The largest first: then each starts at a multiple of its own size, so that a CIDR stays a CIDR.
    for pool in sorted(set(pools), key=_size, reverse=True):
        moved[pool] = AddressRange(IPv4Address(place), IPv4Address(place + _size(pool) - 1))
        place += 1 << (_size(pool) - 1).bit_length()
    return moved


def _same_places(
    pools: Sequence[AddressRange], segment: IPv4Network, first: int
) -> dict[AddressRange, AddressRange] | None:
    """Return the ranges with only the network's part exchanged, where they come from one network of the same size."""
    networks = {
        IPv4Network((end, segment.prefixlen), strict=False) for pool in pools for end in (pool.first, pool.last)
    }
    if len(networks) != 1:
        return None
    offset = int(segment.network_address) - int(networks.pop().network_address)
    moved = {pool: AddressRange(pool.first + offset, pool.last + offset) for pool in pools}
    # A pool that fills its network leaves no address for the nodes.
    half = segment.num_addresses // 2
    used = list(moved.values())
    return moved if len(_free(segment, used, half)) >= min(half, 16) and _begins_free(segment, used, first) else None
