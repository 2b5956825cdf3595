"""The provider `k3d`: k3s nodes in Docker containers, made by the real k3d."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from platform_e2e import paths
from platform_e2e.cluster import cleanup, machine, naming
from platform_e2e.cluster.k3d import (
    binary,
    daemon,
    docker_objects,
    image_sources,
    judging,
    making,
    mirrors,
    network,
    node_ops,
)
from platform_e2e.cluster.k3d.daemon import Silence
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.k3d.making import Making
from platform_e2e.cluster.provider import Capability, ClusterFacts, ClusterSpec, Images, Problem
from platform_e2e.timeline import Timeline


class K3dProvider:
    """Make clusters with k3d. They belong to Docker and need no process of ours."""

    name = making.NAME
    capabilities = frozenset(
        {
            Capability.NODES,
            Capability.NODE_NETWORK,
            Capability.LOAD_IMAGES,
            Capability.STOP_NODE,
            Capability.NETWORK_POLICIES,
        }
    )

    def doctor(self, spec: ClusterSpec) -> Sequence[Problem]:
        """Return what prevents the cluster on this machine; changes nothing."""
        docker = Docker.of_environment()
        found = daemon.ask(docker)
        if isinstance(found, Silence):
            return [Problem(f"k3d needs Docker: {found.reason}", found.remedy)]
        problems = judging.judge(found, spec)
        if spec.source is Images.BUILT:
            problems += machine.judge(machine.observe(), spec)
        else:
            # Memory, processors and disk are those of the daemon's machine.
            judged = machine.resources if found.local else machine.disk
            problems += judged(machine.observe(), built=False)
        if spec.source is Images.MIRROR:
            problems += mirrors.judge(image_sources.parse_mirror(spec.mirror), found, docker.gateway())
        if spec.source is Images.BUILT and spec.servers > 1:
            problems.append(
                Problem(
                    "nodes that are built here form clusters with one server only",
                    "use --servers 1, or --images registry",
                )
            )
        ours = (paths.clusters() / spec.name).exists()  # a kept cluster is used again
        if not ours and docker.containers(naming.on_host(spec.name)):
            # Its owner still needs it: traces of our own runs were removed before this check.
            problems.append(
                Problem(
                    f"Docker has a k3d cluster {naming.on_host(spec.name)} already",
                    f"choose another name with --cluster, or remove it: k3d cluster delete {naming.on_host(spec.name)}",
                )
            )
        return problems

    def create(self, spec: ClusterSpec, directory: Path, timeline: Timeline) -> ClusterFacts:
        """Make the cluster and return when every node takes pods.

        Args:
            spec: the requested cluster.
            directory: the directory for all files of the cluster that are not in Docker.
            timeline: shows the progress, with k3d's own output.

        Raises:
            K3dFailed: k3d or Docker failed; the text has the meaning of their message.
            NoFreeNetwork: every network that could be used is taken.
            NotInTime: a node is not ready.
        """
        docker = Docker.of_environment()
        docker.write(directory / docker_objects.DAEMON)
        there = daemon.ask(docker)
        if isinstance(there, Silence):
            raise K3dFailed(f"k3d needs Docker: {there.reason}", there.remedy)
        k3d = binary.ensure(timeline)
        agents = spec.nodes - spec.servers
        plan = network.choose(docker, directory, spec.pools, spec.servers, agents)
        names = docker_objects.node_names(naming.on_host(spec.name), spec.servers, agents)
        return Making(spec, docker, there, k3d, plan, names, directory, timeline).run()

    def alive(self, facts: ClusterFacts) -> bool:
        """Tell whether every node of the cluster still runs."""
        running = docker_objects.running(docker_objects.daemon_of(Path(facts.directory)), naming.on_host(facts.name))
        return running >= {each.name for each in facts.nodes}

    def tend(self, name: str, directory: Path) -> None:
        """Do nothing: Docker runs the cluster."""

    def load_image(self, facts: ClusterFacts, archive: Path) -> None:
        """Load an image, as `docker save` writes it, into every node."""
        node_ops.load_image(facts, archive)

    def stop_node(self, facts: ClusterFacts, node: str) -> None:
        """Kill a node's container."""
        node_ops.stop_node(facts, node)

    def start_node(self, facts: ClusterFacts, node: str) -> None:
        """Start a stopped node's container with the address that it had."""
        node_ops.start_node(facts, node)

    def enter(self, facts: ClusterFacts, node: str) -> Sequence[str]:
        """Return the command line of a shell in a node."""
        environment = docker_objects.daemon_of(Path(facts.directory)).environment
        variables = [f"{name}={value}" for name, value in environment.items()]
        return ["env", *variables, "docker", "exec", "--interactive", "--tty", node, "/bin/sh"]

    def ask_from(self, facts: ClusterFacts, words: Sequence[str], timeout: float) -> str:
        """Run a program in the probing container of the cluster, and return its standard output."""
        docker = docker_objects.daemon_of(Path(facts.directory))
        return docker.run("exec", facts.probe, *words, timeout=timeout).stdout

    def delete(self, name: str, directory: Path) -> None:
        """Remove every trace of the cluster, also of one that was only partly made.

        Raises:
            K3dFailed: no daemon answers; the cluster's files stay, because they record the rest.
        """
        docker_objects.remove(docker_objects.daemon_of(directory), naming.on_host(name))
        if sys.platform == "linux":
            cleanup.remove(name, directory)
        else:
            cleanup.forget(directory)

    def leftovers(self, name: str) -> Sequence[str]:
        """Return the existing traces of this cluster."""
        directory = paths.clusters() / name
        here = cleanup.find(name) if sys.platform == "linux" else [f"directory {directory}"] * directory.exists()
        return [*docker_objects.find(Docker.of_environment(), naming.on_host(name)), *here]
