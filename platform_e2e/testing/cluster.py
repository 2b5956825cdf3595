"""The cluster that the tests of a run share, and its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from platform_e2e.cluster import nodes
from platform_e2e.cluster.lease import Lease
from platform_e2e.cluster.provider import ClusterFacts, NodeFacts


@dataclass(frozen=True)
class Node:
    """One node of the cluster.

    Attributes:
        facts: its name and address.
    """

    facts: NodeFacts

    @property
    def name(self) -> str:
        """Return its name, which is also the name of its Node object."""
        return self.facts.name

    @property
    def address(self) -> str:
        """Return its address on the segment."""
        return self.facts.address

    @cached_property
    def host(self) -> Any:
        """Return testinfra's host, by which the node itself is inspected, such as its interfaces and firewall rules."""
        return nodes.host(self.facts)


@dataclass(frozen=True)
class Cluster:
    """The cluster that the run's tests share.

    Attributes:
        facts: the provider's description of it.
        lease: of this process on it.
    """

    facts: ClusterFacts
    lease: Lease

    @property
    def name(self) -> str:
        """Return its name."""
        return self.facts.name

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Return its nodes, the server first."""
        return tuple(Node(facts) for facts in self.facts.nodes)

    def node(self, name: str) -> Node:
        """Return the node of that name; a KeyError names those that exist."""
        found = {node.name: node for node in self.nodes}
        if name not in found:
            raise KeyError(f"{name}: the cluster has {', '.join(found)}")
        return found[name]
