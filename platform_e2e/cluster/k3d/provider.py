"""The provider `k3d`: k3s nodes in Docker containers, made by the real k3d."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from platform_e2e.cluster.embedded import materials, remains
from platform_e2e.cluster.embedded.identity import write
from platform_e2e.cluster.k3d import binary, built, config, network, nodeimage
from platform_e2e.cluster.k3d.config import Shape
from platform_e2e.cluster.k3d.docker import Docker, network_name
from platform_e2e.cluster.provider import Capability, ClusterFacts, ClusterSpec, NodeFacts, Problem
from platform_e2e.kube.client import Kube
from platform_e2e.shell import run, stream
from platform_e2e.timeline import Timeline

log = logging.getLogger(__name__)

NAME = "k3d"

CREATE_SECONDS = 600.0
"""For `k3d cluster create`: 15 s were seen with all images there; the rest is for fetching them."""

COMMAND_SECONDS = 60.0
"""For k3d's other commands, which ask Docker a few questions."""

DAEMON = "docker.json"
"""In a cluster's directory: which daemon it lives on."""


class K3dProvider:
    """Make clusters with k3d."""

    name = NAME
    capabilities = frozenset({Capability.NODES, Capability.NODE_NETWORK, Capability.LOAD_IMAGES, Capability.STOP_NODE})

    def doctor(self, spec: ClusterSpec) -> Sequence[Problem]:
        """Return what keeps the cluster from being made on this machine; nothing is changed."""
        del spec
        return []

    def create(self, spec: ClusterSpec, directory: Path, timeline: Timeline) -> ClusterFacts:
        """Make the cluster and return when every node takes pods.

        Args:
            spec: what is asked for.
            directory: of the cluster; everything of it that is not in Docker goes there.
            timeline: shows what is being done, k3d's own words included.
        """
        docker = Docker.of_environment()
        docker.write(directory / DAEMON)
        stock = materials.ensure(timeline)
        k3d = binary.ensure(timeline)
        image = nodeimage.ensure(docker, stock, timeline)
        tools = nodeimage.ensure_tools(docker, timeline)
        plan = network.choose(docker, directory, spec.pools, 1, spec.nodes - 1)
        names = node_names(spec.name, 1, spec.nodes - 1)
        nodes = built.lay(stock, plan, names, directory)
        shape = Shape(spec.name, image, 1, spec.nodes - 1, plan.segment, volumes=nodes.volumes)
        file = directory / "k3d.yaml"
        file.write_text(config.render(shape))
        timeline.progress("cluster", f"segment {plan.segment}, {spec.nodes} node(s), k3d {k3d.version} with {file}")
        logs = directory / "logs" / "k3d"
        logs.mkdir(parents=True)
        try:
            stream(
                [k3d.path, "cluster", "create", "--config", file],
                timeout=CREATE_SECONDS,
                on_line=lambda line: timeline.progress("cluster", f"k3d: {line}"),
                log_file=logs / "create.log",
                env={**docker.environment, "K3D_IMAGE_TOOLS": tools, "K3D_FIX_DNS": "0", "NO_COLOR": "1"},
                tied=True,
            )
            kubeconfig = directory / "kubeconfig"
            told = run([k3d.path, "kubeconfig", "get", spec.name], timeout=COMMAND_SECONDS, env=docker.environment)
            write(directory, {kubeconfig.name: told.stdout.encode()})
            nodes.complete(directory)
        except BaseException:
            self._keep_logs(docker, spec.name, directory)
            raise
        timeline.progress("cluster", f"{spec.nodes} node(s) ready")
        containers = {str(each["Name"]).lstrip("/"): each for each in docker.containers(spec.name)}
        described = docker.network(spec.name) or {}
        return ClusterFacts(
            name=spec.name,
            provider=self.name,
            directory=str(directory),
            kubeconfig=str(kubeconfig),
            kubernetes=Kube.from_kubeconfig(kubeconfig).version(),
            nodes=tuple(NodeFacts(name, address_of(containers[name]), f"docker://{name}") for name in names),
            segment=str(plan.segment),
            host_address=str(plan.host),
            host_interface=bridge_of(described),
            pool_map=plan.pool_map,
        )

    def _keep_logs(self, docker: Docker, cluster: str, directory: Path) -> None:
        """Write each container's log to where the supervisor finds it."""
        for each in docker.containers(cluster):
            said = docker.run("logs", "--tail", "200", str(each["Id"]), ok=range(256))
            file = directory / "logs" / "k3d" / f"{str(each['Name']).lstrip('/')}.log"
            file.write_text(said.stdout + said.stderr)

    def alive(self, facts: ClusterFacts) -> bool:
        """Tell whether every node of the cluster still runs."""
        docker = Docker.read(Path(facts.directory) / DAEMON)
        running = {str(each["Name"]).lstrip("/") for each in docker.containers(facts.name) if each["State"]["Running"]}
        return running >= {each.name for each in facts.nodes}

    def delete(self, name: str, directory: Path) -> None:
        """Remove every trace of the cluster, whoever made it and however far it came."""
        Docker.read(directory / DAEMON).remove(name)
        remains.remove(name, directory)

    def leftovers(self, name: str) -> Sequence[str]:
        """Return what of this cluster still exists."""
        docker = Docker.of_environment()
        return [
            *(f"container {str(each['Name']).lstrip('/')}" for each in docker.containers(name)),
            *(f"volume {volume}" for volume in docker.volumes(name)),
            *([f"network {network_name(name)}"] if docker.network(name) else []),
            *remains.find(name),
        ]


def node_names(cluster: str, servers: int, agents: int) -> list[str]:
    """Return the names that k3d gives the nodes, and by that their containers and Node objects, the servers first."""
    return [
        *(f"k3d-{cluster}-server-{number}" for number in range(servers)),
        *(f"k3d-{cluster}-agent-{number}" for number in range(agents)),
    ]


def address_of(container: dict[str, Any]) -> str:
    """Return a container's address on the cluster's network."""
    return next(str(each["IPAddress"]) for each in container["NetworkSettings"]["Networks"].values())


def bridge_of(described: dict[str, Any]) -> str:
    """Return the name of this host's interface on a Docker network."""
    chosen = described.get("Options", {}).get("com.docker.network.bridge.name")
    return str(chosen or f"br-{described['Id'][:12]}")
