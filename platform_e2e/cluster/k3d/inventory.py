"""The objects of Docker at one moment, to compare a host before and after a run, and which of them belong to other clusters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from platform_e2e.cluster.k3d import daemon, docker_objects
from platform_e2e.cluster.k3d.daemon import Silence
from platform_e2e.cluster.k3d.docker import Docker, network_name


def lines() -> list[str]:
    """Return a line for each container, volume and network of the daemon; empty if no daemon answers."""
    docker = Docker.of_environment()
    if isinstance(daemon.ask(docker), Silence):
        return []
    listings = {
        "container": ("ps", "--all", "--format", "{{.Names}}"),
        "volume": ("volume", "ls", "--format", "{{.Name}}"),
        "network": ("network", "ls", "--format", "{{.Name}}"),
    }
    return [f"docker {kind} {name}" for kind, words in listings.items() for name in docker.run(*words).stdout.split()]


def belongings(clusters: Iterable[str]) -> frozenset[str]:
    """Return the words that identify lines about these clusters: ids, names, interfaces, mount points.

    Args:
        clusters: the names on this host of clusters of this cache, of all providers.
    """
    docker = Docker.of_environment()
    if isinstance(daemon.ask(docker), Silence):
        return frozenset()
    found: set[str] = set()
    for cluster in clusters:
        for each in docker.containers(cluster):
            found |= {str(each["Id"]), docker_objects.name_of(each)}
            found.add(str(each["NetworkSettings"].get("SandboxKey") or ""))
            found.add(str((each.get("GraphDriver") or {}).get("Data", {}).get("MergedDir") or ""))
        found |= set(docker.volumes(cluster))
        if docker.network(cluster):
            bridge = docker_objects.bridge(docker, cluster)
            found |= {network_name(cluster), bridge}
            found |= {port.name for port in (Path("/sys/class/net") / bridge / "brif").glob("*")} if bridge else set()
    return frozenset(found - {""})
