"""The parts of a cluster in Docker: containers, volumes and network, found, judged and removed by the cluster's name.

That is its name on this host (`cluster.naming`): all caches share Docker, with each other and with foreign clusters.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster import naming
from platform_e2e.cluster.k3d import daemon
from platform_e2e.cluster.k3d.daemon import Silence
from platform_e2e.cluster.k3d.docker import Docker, network_name
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.cluster.provider import ClusterSpec
from platform_e2e.paths import command
from platform_e2e.shell import CommandError

DAEMON = "docker.json"
"""File in a cluster's directory with the address of its daemon."""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LINES_KEPT = "300"
"""Lines kept of each container's log."""


def daemon_of(directory: Path) -> Docker:
    """Return the daemon of a cluster.

    Args:
        directory: the directory of the cluster.
    """
    return Docker.read(directory / DAEMON)


def environment_of(directory: Path) -> dict[str, str]:
    """Return the variables for k3d's commands about a cluster.

    k3d never removes the files that it writes to the directory for temporary files: its configuration, and the nodes' hosts files
    (5.9.0, cmd/util/config/config.go and pkg/client/hooks.go). So it gets such a directory, which is removed with the cluster.

    Args:
        directory: the directory of the cluster.
    """
    scratch = directory / "scratch"
    scratch.mkdir(mode=0o700, exist_ok=True)
    return {**daemon_of(directory).environment, "TMPDIR": str(scratch)}


def plain(text: str) -> str:
    """Return k3d's output without colours."""
    return COLOURS.sub("", text).rstrip()


def node_names(cluster: str, servers: int, agents: int) -> list[str]:
    """Return k3d's names of the nodes, which their containers and Node objects have too, the servers first."""
    return [
        *(f"k3d-{cluster}-server-{number}" for number in range(servers)),
        *(f"k3d-{cluster}-agent-{number}" for number in range(agents)),
    ]


def name_of(container: Mapping[str, Any]) -> str:
    """Return a container's name."""
    return str(container["Name"]).lstrip("/")


def addresses(docker: Docker, cluster: str) -> dict[str, IPv4Address]:
    """Return the address of each container of a cluster on the cluster's network."""
    found = {}
    for each in docker.containers(cluster):
        endpoint = each["NetworkSettings"]["Networks"].get(network_name(cluster)) or {}
        if endpoint.get("IPAddress"):
            found[name_of(each)] = IPv4Address(endpoint["IPAddress"])
    return found


def keep_out_of_pools(spec: ClusterSpec, plan: Plan, found: Mapping[str, IPv4Address]) -> None:
    """Refuse a cluster with a container's address in a pool: the container would answer for a Service.

    Args:
        spec: the requested cluster, with the layer's pools.
        plan: the plan, with the ranges that replace them.
        found: address of each container.

    Raises:
        K3dFailed: a container has such an address.
    """
    pools = [AddressRange.parse(plan.pool_map.get(str(pool), str(pool))) for pool in spec.pools]
    everybody = {"the gateway": plan.host, **found}
    for name, address in everybody.items():
        for pool in pools:
            if address in pool:
                raise K3dFailed(
                    f"{name} has the address {address}, which is in the pool {pool}",
                    "report this: Docker assigns addresses in another order than platform_e2e/cluster/k3d/network.py predicts",
                )


def bridge(docker: Docker, cluster: str) -> str:
    """Return the name of this host's interface on a cluster's network; empty if this host has none."""
    described = docker.network(cluster) or {}
    options = described.get("Options") or {}
    name = str(options.get("com.docker.network.bridge.name") or f"br-{str(described.get('Id', ''))[:12]}")
    return name if (Path("/sys/class/net") / name).exists() else ""


def running(docker: Docker, cluster: str) -> set[str]:
    """Return the names of a cluster's running containers; empty if the daemon does not answer."""
    if isinstance(daemon.ask(docker), Silence):
        return set()
    return {name_of(each) for each in docker.containers(cluster) if each["State"]["Running"]}


def keep_logs(docker: Docker, cluster: str, directory: Path) -> None:
    """Write the end of each container's log to the directory of the supervisor's logs, as far as they can be read."""
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(CommandError):
        for each in docker.containers(cluster):
            said = docker.run("logs", "--tail", LINES_KEPT, str(each["Id"]), ok=range(256))
            (directory / f"{name_of(each)}.log").write_text(said.stdout + said.stderr)


def find(docker: Docker, cluster: str) -> list[str]:
    """Return the parts of a cluster in Docker; empty if no daemon answers."""
    if isinstance(daemon.ask(docker), Silence):
        return []
    return [
        *(f"container {name_of(each)}" for each in docker.containers(cluster)),
        *(f"volume {volume}" for volume in docker.volumes(cluster)),
        *([f"network {network_name(cluster)}"] if docker.network(cluster) else []),
    ]


def remove(docker: Docker, cluster: str) -> None:
    """Remove all parts of a cluster from Docker, also of one that was only partly made.

    Raises:
        K3dFailed: no daemon answers; the cluster's files must stay, because they record the rest.
    """
    there = daemon.ask(docker)
    if isinstance(there, Silence):
        raise K3dFailed(
            f"cluster {naming.in_cache(cluster)} cannot be removed: {there.reason}",
            f"{there.remedy}, then run: {command('cluster')} down {naming.in_cache(cluster)}",
        )
    containers = [str(each["Id"]) for each in docker.containers(cluster)]
    if containers:
        docker.run("rm", "--force", "--volumes", *containers)
    volumes = docker.volumes(cluster)
    if volumes:
        docker.run("volume", "rm", "--force", *volumes)
    if docker.network(cluster) is not None:
        docker.run("network", "rm", network_name(cluster))
