"""Operations on the nodes of a running cluster of k3d: stop, start, load an image."""

from __future__ import annotations

import json
from pathlib import Path

from platform_e2e.cluster import naming
from platform_e2e.cluster.k3d import binary, docker_objects, failures
from platform_e2e.cluster.k3d.docker import Docker, network_name
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.shell import CommandError, run
from platform_e2e.timeline import Timeline

LOAD_SECONDS = 300.0
"""Timeout for loading an image into all nodes; 10 MB take a second."""


def load_image(facts: ClusterFacts, archive: Path) -> None:
    """Load an image into every node, and check that it arrived.

    Args:
        facts: the facts of the cluster.
        archive: an archive in the format of `docker save`.

    Raises:
        K3dFailed: a node lacks it afterwards.
    """
    docker = docker_objects.daemon_of(Path(facts.directory))
    k3d = binary.ensure(Timeline(None))
    words: list[str | Path] = [
        k3d.path,
        "image",
        "import",
        "--cluster",
        naming.on_host(facts.name),
        "--mode",
        "direct",
        archive,
    ]
    try:
        # k3d ends with 0 even if a node refuses the image.
        run(words, timeout=LOAD_SECONDS, env=docker_objects.environment_of(Path(facts.directory)))
    except CommandError as error:
        raise failures.explain(f"k3d could not load {archive}", docker_objects.plain(error.output)) from error
    digests = config_digests(archive)
    for each in facts.nodes:
        for digest in digests:
            command = ("exec", each.name, "ctr", "-n", "k8s.io", "content", "get", digest)
            if docker.run(*command, ok=range(256)).returncode:
                raise K3dFailed(
                    f"node {each.name} must have the image {digest} after {archive} was loaded, got none",
                    f"load the archive again, made for the node's architecture; its images: docker exec {each.name} ctr -n k8s.io images ls",
                )


def config_digests(archive: Path) -> list[str]:
    """Return the configuration digest of each image in an archive, which identifies the image's content.

    Args:
        archive: an archive in the format of `docker save`.
    """
    listing = run(["tar", "--extract", "--to-stdout", "--file", archive, "manifest.json"], timeout=LOAD_SECONDS).stdout
    # `HEX.json` up to Docker 24, `blobs/sha256/HEX` since.
    return [f"sha256:{Path(entry['Config']).stem}" for entry in json.loads(listing)]


def stop_node(facts: ClusterFacts, node: str) -> None:
    """Kill a node's container, as if its power failed, and keep its address for it.

    Docker assigns an agent's address, and would give it to the next container that starts. While the container is stopped, the
    address can be assigned to it permanently.
    """
    docker = docker_objects.daemon_of(Path(facts.directory))
    address = next(each.address for each in facts.nodes if each.name == node)
    docker.run("kill", node, ok=(0, 1))
    pin(docker, naming.on_host(facts.name), node, address)


def pin(docker: Docker, cluster: str, container: str, address: str) -> None:
    """Assign a stopped container's address to it permanently."""
    (found,) = docker.inspect("container", [container])
    endpoint = found["NetworkSettings"]["Networks"].get(network_name(cluster)) or {}
    if (endpoint.get("IPAMConfig") or {}).get("IPv4Address") != address:
        docker.run("network", "disconnect", "--force", network_name(cluster), container)
        docker.run("network", "connect", "--ip", address, network_name(cluster), container)


def start_node(facts: ClusterFacts, node: str) -> None:
    """Start a stopped node's container.

    Raises:
        K3dFailed: it does not start.
    """
    docker = docker_objects.daemon_of(Path(facts.directory))
    try:
        docker.run("start", node)
    except CommandError as error:
        raise failures.explain(f"node {node} does not start again", error.output) from error
