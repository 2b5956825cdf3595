"""The node image that is built here: the embedded cluster's root file system and programs, with k3s' command line.

It is loaded into Docker under a tag with its digest, and stays there for later clusters, as pulled images do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.kubernetes import nodefiles
from platform_e2e.cluster.kubernetes.node import CONTAINERD_SOCKET, PATH, PROGRAMS
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache, image_archive, images
from platform_e2e.toolbox.artifacts import Artifacts
from platform_e2e.toolbox.image_archive import Config, LayerEntry
from platform_e2e.toolbox.images import Image
from platform_e2e.toolbox.programs import KUBERNETES_NAMES, Programs

PHASE = "k3d"

REPOSITORY = "platform-e2e/k3d-node"
TOOLS = "platform-e2e/k3d-tools"

LAUNCHER = Path(__file__).parent / "node" / "k3s"

CONFIG = Config(
    entrypoint=("/bin/k3s",),
    arguments=("agent",),
    environment={
        "PATH": PATH,
        "KUBECONFIG": "/etc/kubernetes/admin.conf",
        # `k3d image import` runs ctr in the node.
        "CONTAINERD_ADDRESS": CONTAINERD_SOCKET,
        "CONTAINERD_NAMESPACE": "k8s.io",
    },
)

BUILT = ("etcd", "kube-router", "kubernetes", "node", "oci-runtime", "stand-ins")
"""The programs of a node that are built; all others are Debian's."""

LOAD_SECONDS = 300.0
"""Timeout for loading the image into Docker; 6 s were seen."""


def ensure(docker: Docker, artifacts: Artifacts, timeline: Timeline) -> str:
    """Return the name of the node image, assembling and loading it if Docker lacks it.

    Args:
        docker: the Docker that gets it.
        artifacts: the root file system and the programs.
        timeline: shows the progress.
    """
    made_of = [artifacts.programs.keys[name] for name in BUILT]
    key = cache.digest(LAUNCHER, artifacts.rootfs.parent.name, repr(CONFIG), *made_of)
    name = f"{REPOSITORY}:{key}"
    if not docker.has_image(name):
        with cache.held("k3d-node-image", phase=PHASE, timeline=timeline):
            if not docker.has_image(name):
                timeline.progress(PHASE, "assembles the node image and loads it into Docker")
                _load(docker, name, artifacts.rootfs, entries(artifacts.programs))
    return name


def entries(programs: Programs) -> Sequence[LayerEntry]:
    """Return the image's content beside the root file system: the launcher and the programs."""
    return [
        LayerEntry("/usr/bin/k3s", source=LAUNCHER),
        *(LayerEntry(f"{PROGRAMS}/{name}", source=programs.path(name)) for name in BUILT),
        *(LayerEntry(f"{PROGRAMS}/{name}", link="kubernetes") for name in KUBERNETES_NAMES),
    ]


def _load(docker: Docker, name: str, rootfs: Path, added: Sequence[LayerEntry]) -> None:
    with cache.scratch("k3d-node-image") as scratch:
        layers = [scratch / "rootfs.tar", scratch / "programs.tar"]
        image_archive.write_tree(layers[0], rootfs)
        image_archive.write_entries(layers[1], added)
        image_archive.write_image(scratch / "image.tar", name, layers, CONFIG)
        for layer in layers:
            layer.unlink()
        docker.run("load", "--quiet", "--input", scratch / "image.tar", timeout=LOAD_SECONDS)


def ensure_tools(docker: Docker, timeline: Timeline) -> str:
    """Return the name of an image for k3d's tools container, which only has to stay alive."""
    pause = next(each for each in images.ensure(timeline) if each.name == nodefiles.PAUSE)
    name = f"{TOOLS}:{pause.key}"
    if not docker.has_image(name):
        _load_as(docker, pause, name)
    return name


def _load_as(docker: Docker, image: Image, name: str) -> None:
    with cache.scratch("k3d-tools-image") as scratch:
        dataclasses.replace(image, name=name).write(scratch / "image.tar")
        docker.run("load", "--quiet", "--input", scratch / "image.tar", timeout=LOAD_SECONDS)
