"""What is done to a cluster of k3d that stands: its nodes stopped and started again, images loaded into them."""

from __future__ import annotations

import json
from pathlib import Path

from platform_e2e.cluster import naming
from platform_e2e.cluster.k3d import binary, failures, parts
from platform_e2e.cluster.k3d.docker import Docker, network_name
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.shell import CommandError, run
from platform_e2e.timeline import Timeline

LOAD_SECONDS = 300.0
"""For loading an image into all nodes; 10 MB take a second."""


def load_image(facts: ClusterFacts, archive: Path) -> None:
    """Load an image into every node, and see that it is there.

    Args:
        facts: of the cluster.
        archive: as `docker save` writes it.

    Raises:
        K3dFailed: a node does not have it afterwards.
    """
    docker = parts.daemon_of(Path(facts.directory))
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
        # k3d ends with 0 also where a node refuses.
        run(words, timeout=LOAD_SECONDS, env=parts.environment_of(Path(facts.directory)))
    except CommandError as error:
        raise failures.explain(f"k3d could not load {archive}", parts.plain(error.output)) from error
    digests = config_digests(archive)
    for each in facts.nodes:
        for digest in digests:
            command = ("exec", each.name, "ctr", "-n", "k8s.io", "content", "get", digest)
            if docker.run(*command, ok=range(256)).returncode:
                raise K3dFailed(
                    f"node {each.name} has no image {digest} after {archive} was loaded",
                    f"see what it says: docker exec {each.name} ctr -n k8s.io images ls",
                )


def config_digests(archive: Path) -> list[str]:
    """Return the digest of the configuration of each image in an archive: that is what tells an image's content.

    Args:
        archive: as `docker save` writes it.
    """
    listing = run(["tar", "--extract", "--to-stdout", "--file", archive, "manifest.json"], timeout=LOAD_SECONDS).stdout
    # `HEX.json` up to Docker 24, `blobs/sha256/HEX` since.
    return [f"sha256:{Path(entry['Config']).stem}" for entry in json.loads(listing)]


def stop_node(facts: ClusterFacts, node: str) -> None:
    """Kill a node's container, as if its power failed, and keep its address for it.

    An agent's address is Docker's to give: the next container that starts would get it. While the container is stopped, its
    address can be made its own for good.
    """
    docker = parts.daemon_of(Path(facts.directory))
    address = next(each.address for each in facts.nodes if each.name == node)
    docker.run("kill", node, ok=(0, 1))
    pin(docker, naming.on_host(facts.name), node, address)


def pin(docker: Docker, cluster: str, container: str, address: str) -> None:
    """Make the address of a stopped container its own for good."""
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
    docker = parts.daemon_of(Path(facts.directory))
    try:
        docker.run("start", node)
    except CommandError as error:
        raise failures.explain(f"node {node} does not start again", error.output) from error
