"""What every provider of clusters offers, and what a cluster is to the rest of the harness."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Protocol

from platform_e2e.addresses import AddressRange as AddressRange  # noqa: PLC0414 - callers know it from here
from platform_e2e.atomic import atomic_write
from platform_e2e.errors import WrongUsage
from platform_e2e.settings import CLUSTER_NAME
from platform_e2e.timeline import Timeline

MOST_NODES = 9
"""As the option --nodes has it: more than one machine can run."""


class Images(StrEnum):
    """Where the images of nodes and pods come from."""

    REGISTRY = "registry"
    MIRROR = "mirror"
    BUILT = "built"


class Capability(StrEnum):
    """What a provider can do; a test that needs more is skipped with that reason."""

    NODES = "nodes"
    NODE_NETWORK = "node_network"
    LOAD_IMAGES = "load_images"
    STOP_NODE = "stop_node"
    SNAPSHOT = "snapshot"
    READ_ONLY = "read_only"


@dataclass(frozen=True)
class ClusterSpec:
    """What is asked of a provider.

    Attributes:
        name: of the cluster, at most 20 characters of [a-z0-9-].
        nodes: how many nodes, the servers included.
        pools: the address ranges that the layer's IPAddressPools state; the segment is laid around them.
        kubernetes: version asked for, empty for the provider's own.
        source: where images come from.
        mirror: of the registries, as the option --registry-mirror has it, where `source` is that.
        servers: how many of the nodes have a control plane.
        registries: that the pods' images come from, as far as that is known; the user's logins there go to the nodes.
        registry_ca: file with certificates that nodes trust beside their own, or empty.
    """

    name: str
    nodes: int = 1
    pools: tuple[AddressRange, ...] = ()
    kubernetes: str = ""
    source: Images = Images.BUILT
    mirror: str = ""
    servers: int = 1
    registries: tuple[str, ...] = ()
    registry_ca: str = ""

    def __post_init__(self) -> None:
        """Refuse a name that is more than a name, since directories that are removed are called so, and senseless sizes.

        Raises:
            WrongUsage: the name or the number of nodes cannot be used.
        """
        if not CLUSTER_NAME.fullmatch(self.name):
            raise WrongUsage(
                f"`{self.name}` is no name for a cluster",
                "use 1 to 20 characters of a-z, 0-9 and -, starting and ending with a letter or digit",
            )
        if not 1 <= self.nodes <= MOST_NODES:
            raise WrongUsage(f"a cluster has from 1 to {MOST_NODES} nodes, not {self.nodes}", "ask for another number")
        if not 1 <= self.servers <= self.nodes:
            raise WrongUsage(
                f"of {self.nodes} node(s) {self.servers} cannot be servers", f"ask for 1 to {self.nodes} with --servers"
            )


@dataclass(frozen=True)
class NodeFacts:
    """One node: its name, its address on the segment, and how testinfra reaches it."""

    name: str
    address: str
    testinfra: str


@dataclass(frozen=True)
class ClusterFacts:
    """A cluster as it is written to `cluster.json` in its directory, for every process that attaches.

    Attributes:
        name: of the cluster.
        provider: name of the provider that made it.
        directory: of everything that belongs to it; removed with it.
        kubeconfig: of an administrator, readable by its owner only.
        kubernetes: version that the API server states.
        nodes: its nodes, the server first.
        segment: the network that nodes and LoadBalancer addresses share, as a CIDR, or empty.
        host_address: this host's address on the segment, or that of `probe`; empty where neither is there.
        host_interface: this host's interface on the segment, or empty.
        probe: name of a container that asks on the segment in this host's place, or empty.
        pool_map: for each address range of the layer that was not free, the range used in its place.
        images: where the images of its nodes and pods come from: `built`, `registry` or `mirror`.
    """

    name: str
    provider: str
    directory: str
    kubeconfig: str
    kubernetes: str
    nodes: tuple[NodeFacts, ...]
    segment: str = ""
    host_address: str = ""
    host_interface: str = ""
    pool_map: dict[str, str] = field(default_factory=dict)
    images: str = Images.BUILT.value
    probe: str = ""

    @property
    def network(self) -> IPv4Network | None:
        """Return the segment as a network."""
        return IPv4Network(self.segment) if self.segment else None

    def write(self, path: Path) -> None:
        """Store it so that a reader sees the whole or nothing."""
        data = {k: v for k, v in self.__dict__.items() if k != "nodes"}
        atomic_write(path, json.dumps({**data, "nodes": [n.__dict__ for n in self.nodes]}, indent=1))

    @classmethod
    def read(cls, path: Path) -> ClusterFacts:
        """Load what `write` stored."""
        data: dict[str, Any] = json.loads(path.read_text())
        nodes = tuple(NodeFacts(**node) for node in data.pop("nodes"))
        return cls(nodes=nodes, **data)


@dataclass(frozen=True)
class Problem:
    """Something that the doctor found: what, and the remedy. A warning does not stop a run."""

    what: str
    remedy: str
    fatal: bool = True


class Provider(Protocol):
    """Makes, finds and removes clusters of one sort."""

    name: str
    capabilities: frozenset[Capability]

    def doctor(self, spec: ClusterSpec) -> Sequence[Problem]:
        """Return what keeps this provider from making the cluster on this machine, quickly, changing nothing."""
        ...

    def create(self, spec: ClusterSpec, directory: Path, timeline: Timeline) -> ClusterFacts:
        """Make the cluster, its nodes Ready; on an error leave nothing behind."""
        ...

    def alive(self, facts: ClusterFacts) -> bool:
        """Tell whether a cluster that was made is still running."""
        ...

    def tend(self, name: str, directory: Path) -> None:
        """Do what the cluster needs of the process that has made it; called several times a second as long as it lives."""
        ...

    def load_image(self, facts: ClusterFacts, archive: Path) -> None:
        """Load an image, as `docker save` writes it, into every node; for `Capability.LOAD_IMAGES`."""
        ...

    def stop_node(self, facts: ClusterFacts, node: str) -> None:
        """Stop a node as if its power failed, and return when nothing of it runs; for `Capability.STOP_NODE`."""
        ...

    def start_node(self, facts: ClusterFacts, node: str) -> None:
        """Start a stopped node with the address that it had, and return when its first process runs."""
        ...

    def enter(self, facts: ClusterFacts, node: str) -> Sequence[str]:
        """Return the command line of a shell in a node."""
        ...

    def ask_from(self, facts: ClusterFacts, words: Sequence[str], timeout: float) -> str:
        """Run a program in the container `facts.probe`, which asks in this host's place, and return its standard output.

        Args:
            facts: of the cluster, with a probe.
            words: the program, such as `python3`, and its arguments.
            timeout: seconds.

        Raises:
            CommandError: the container is gone, or the program has failed.
        """
        ...

    def delete(self, name: str, directory: Path) -> None:
        """Remove every trace of the cluster, also of one that was made only halfway."""
        ...

    def leftovers(self, name: str) -> Sequence[str]:
        """Return what of this cluster still exists: processes, mounts, interfaces, namespaces, cgroups, files."""
        ...
