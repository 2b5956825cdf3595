"""A container that is a client on a cluster's network, for hosts and users that cannot be one.

Docker Desktop and rootless Docker have networks that this host has no interface on, and an ordinary user may not send frames.
"""

from __future__ import annotations

from platform_e2e.cluster.k3d import docker_objects
from platform_e2e.cluster.k3d.docker import CLUSTER_LABEL, Docker, network_name
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.k3d.nodeimage import LOAD_SECONDS
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache, rootfs
from platform_e2e.toolbox.image_archive import Config, write_image

IMAGE = "docker.io/library/python:3.13-alpine"
"""The image if there is a registry: the probe needs only Python's standard library."""

REPOSITORY = "platform-e2e/k3d-probe"

SLEEP = ("python3", "-c", "import signal; signal.pause()")


def container_name(cluster: str) -> str:
    """Return the name of a cluster's probing container."""
    return f"k3d-{cluster}-probe"


def ensure_built(docker: Docker, timeline: Timeline) -> str:
    """Return the name of an image with Python, made from Debian's packages and loaded if Docker lacks it."""
    made = rootfs.get("chat", timeline)
    name = f"{REPOSITORY}:{made.digest}"
    if not docker.has_image(name):
        with cache.scratch("k3d-probe-image") as scratch:
            write_image(scratch / "image.tar", name, [made.path], Config(SLEEP))
            docker.run("load", "--quiet", "--input", scratch / "image.tar", timeout=LOAD_SECONDS)
    return name


def start(docker: Docker, cluster: str, image: str) -> str:
    """Start the probing container of a cluster and return its address on the cluster's network.

    It has the cluster's label, and is removed with the cluster.

    Raises:
        K3dFailed: it has no address.
    """
    name = container_name(cluster)
    words = ("--name", name, "--network", network_name(cluster), "--label", f"{CLUSTER_LABEL}={cluster}")
    # Docker's default, which a daemon's settings can remove.
    docker.run("run", "--detach", "--init", "--cap-add", "NET_RAW", *words, image, *SLEEP)
    found = docker_objects.addresses(docker, cluster).get(name)
    if found is None:
        raise K3dFailed(
            f"the container {name} must have an address on the network {network_name(cluster)}, got none", "run again"
        )
    return str(found)
