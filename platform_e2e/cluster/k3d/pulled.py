"""k3s' own nodes, pulled from a registry or a mirror of it: their image, and when they are ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_e2e.cluster.k3d import failures, image_sources, versions
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.kubernetes.addons import why_not_ready
from platform_e2e.kube.client import Kube
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.waiting import wait_until

PHASE = "k3d"

PULL_SECONDS = 600.0
"""Timeout for fetching one image: the node image is 250 MB."""

READY_SECONDS = 180.0
"""Timeout for every node to be Ready after k3d has ended; k3s fetches its pods' images meanwhile, but nodes do not wait for them."""

TOOLS = "ghcr.io/k3d-io/k3d-tools"


def pull(docker: Docker, name: str, timeline: Timeline) -> None:
    """Fetch an image if Docker lacks it.

    Raises:
        K3dFailed: it cannot be fetched; a pull limit is named as such.
    """
    if docker.has_image(name):
        return
    timeline.progress(PHASE, f"fetches {name}")
    try:
        docker.run("pull", "--quiet", name, timeout=PULL_SECONDS)
    except CommandError as error:
        raise failures.explain(f"the image {name} cannot be fetched", error.output) from error


def images(mirrors: Mapping[str, str], k3d_version: str) -> tuple[str, str]:
    """Return the names of the node image and of the image for k3d's tools, at a mirror if their registry has one.

    Args:
        mirrors: as `sources.parse_mirror` returns them.
        k3d_version: the version, with its leading v.
    """
    tools = f"{TOOLS}:{k3d_version.removeprefix('v')}"
    return at(versions.K3S_IMAGE, mirrors), at(tools, mirrors)


def at(image: str, mirrors: Mapping[str, str]) -> str:
    """Return an image's name at its registry's mirror, or its own name without a mirror.

    Docker itself supports mirrors only for Docker Hub, from its daemon's configuration.
    """
    registry, _, path = image.partition("/")
    url = mirrors.get(registry) or mirrors.get(image_sources.ALL)
    return f"{url.partition('//')[2]}/{path}" if url else image


def full_name(image: str) -> str:
    """Return an image's name with its registry (distribution/reference, ParseNormalizedNamed)."""
    first, slash, rest = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image if first != "docker.io" or "/" in rest else f"docker.io/library/{rest}"
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


def wait_until_ready(kubeconfig: Path, names: Sequence[str]) -> None:
    """Wait until every node takes pods.

    Raises:
        NotInTime: a node does not; the text has the reason.
    """
    kube = Kube.from_kubeconfig(kubeconfig)

    def look() -> bool | str:
        found = {node["metadata"]["name"]: node for node in kube.list("v1/Node")}
        waiting = [
            f"{name}: {why_not_ready(found[name])}" if name in found else f"{name} has not registered"
            for name in names
            if name not in found or why_not_ready(found[name])
        ]
        return "; ".join(waiting) or True

    wait_until(look, timeout=READY_SECONDS, what="every node is ready", most=0.2)
