"""The interface of a provider of clusters, and the facts about a cluster that the rest of the harness uses."""

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
from platform_e2e.option_values import CLUSTER_NAME
from platform_e2e.timeline import Timeline

MOST_NODES = 9
"""Upper limit of the option --nodes: more than one machine can run."""


class Images(StrEnum):
    """The source of the images of nodes and pods."""

    REGISTRY = "registry"
    MIRROR = "mirror"
    BUILT = "built"


class Capability(StrEnum):
    """What a provider can do; a test that needs more is skipped with that reason."""

    NODES = "nodes"
    NODE_NETWORK = "node_network"
    LOAD_IMAGES = "load_images"
    STOP_NODE = "stop_node"
    NETWORK_POLICIES = "network_policies"
    SNAPSHOT = "snapshot"
    READ_ONLY = "read_only"


@dataclass(frozen=True)
class ClusterSpec:
    """The requested cluster.

    Attributes:
        name: the name of the cluster, at most 20 characters of [a-z0-9-].
        nodes: the number of nodes, servers included.
        pools: the address ranges of the layer's IPAddressPools; the segment is chosen around them.
        kubernetes: the requested version, empty for the provider's own.
        source: the source of its images.
        mirror: the value of --registry-mirror, if `source` is a mirror.
        servers: the number of nodes with a control plane.
        registries: the known registries of the pods' images; nodes get the user's logins there.
        registry_ca: file with certificates that nodes trust in addition to their own, or empty.
        stand_ins: the value of --stand-ins; nodes that fetch images have none.
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
    stand_ins: str = "none"

    @property
    def replaces(self) -> str:
        """Return the value of --stand-ins that holds for its nodes."""
        return self.stand_ins if self.source is Images.BUILT else "none"

    def __post_init__(self) -> None:
        """Refuse a name that is not a plain directory name, since its directory is removed, and numbers out of range.

        Raises:
            WrongUsage: the name or the number of nodes cannot be used.
        """
        if not CLUSTER_NAME.fullmatch(self.name):
            raise WrongUsage(
                f"the name of a cluster must be 1 to 20 characters of a-z, 0-9 and -, got `{self.name}`",
                "start and end it with a letter or digit",
            )
        if not 1 <= self.nodes <= MOST_NODES:
            raise WrongUsage(f"a cluster must have 1 to {MOST_NODES} nodes, got {self.nodes}", "ask for another number")
        if not 1 <= self.servers <= self.nodes:
            raise WrongUsage(
                f"a cluster of {self.nodes} node(s) must have 1 to {self.nodes} servers, got {self.servers}",
                f"ask for 1 to {self.nodes} with --servers",
            )


@dataclass(frozen=True)
class NodeFacts:
    """One node: its name, its address on the segment, and how testinfra reaches it."""

    name: str
    address: str
    testinfra: str


@dataclass(frozen=True)
class ClusterFacts:
    """The facts of a cluster, stored as `cluster.json` in its directory for every process that attaches.

    Attributes:
        name: the name of the cluster.
        provider: the name of its provider.
        directory: the directory of everything that belongs to it; removed with it.
        kubeconfig: the kubeconfig of an administrator, readable by its owner only.
        kubernetes: the version that the API server reports.
        nodes: the nodes, the server first.
        segment: the network that nodes and LoadBalancer addresses share, as a CIDR, or empty.
        host_address: this host's address on the segment, or that of `probe`; empty if both are missing.
        host_interface: this host's interface on the segment, or empty.
        probe: name of a container that sends requests on the segment in this host's place, or empty.
        stand_ins: which containers of the layer a stand-in replaces: `auto`, `all` or `none`.
        pool_map: for each address range of the layer that was taken, the range used instead.
        images: the source of its images: `built`, `registry` or `mirror`.
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
    stand_ins: str = "none"

    @property
    def network(self) -> IPv4Network | None:
        """Return the segment as a network."""
        return IPv4Network(self.segment) if self.segment else None

    def write(self, path: Path) -> None:
        """Store it atomically."""
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
    """A problem that the doctor found, and its remedy. A problem that is not fatal does not stop a run."""

    what: str
    remedy: str
    fatal: bool = True


class Provider(Protocol):
    """A provider makes, finds and removes clusters."""

    name: str
    capabilities: frozenset[Capability]

    def doctor(self, spec: ClusterSpec) -> Sequence[Problem]:
        """Return what prevents the cluster on this machine, quickly and without changing anything."""
        ...

    def create(self, spec: ClusterSpec, directory: Path, timeline: Timeline) -> ClusterFacts:
        """Make the cluster and wait until its nodes are Ready; after an error nothing of it remains."""
        ...

    def alive(self, facts: ClusterFacts) -> bool:
        """Tell whether a cluster still runs."""
        ...

    def tend(self, name: str, directory: Path) -> None:
        """Do recurring work in the process that made the cluster; called several times a second while the cluster lives."""
        ...

    def load_image(self, facts: ClusterFacts, archive: Path) -> None:
        """Load an image, as `docker save` writes it, into every node; for `Capability.LOAD_IMAGES`."""
        ...

    def stop_node(self, facts: ClusterFacts, node: str) -> None:
        """Stop a node as if its power failed, and return when its processes have ended; for `Capability.STOP_NODE`."""
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
        """Remove every trace of the cluster, also of one that was only partly made."""
        ...

    def leftovers(self, name: str) -> Sequence[str]:
        """Return the existing traces of this cluster: processes, mounts, interfaces, namespaces, cgroups, files."""
        ...
