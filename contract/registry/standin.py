"""The node image in place of k3s': a built node that takes all images from the mirror, made for one cluster.

It contains the cluster's keys, so it fits clusters of one name with one node. k3s itself cannot be built from a Go module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from platform_e2e.addresses import AddressRange
from platform_e2e.cluster.k3d import built, docker_objects, network, nodeimage
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.kubernetes import credentials
from platform_e2e.cluster.kubernetes.node import Node
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import image_archive, programs, rootfs
from platform_e2e.toolbox.image_archive import LayerEntry

LAUNCHER = Path(__file__).parent / "node" / "k3s"

VOLUMES = ("/var/lib/containerd", "/var/lib/etcd", "/var/lib/kubelet")
"""Directories that cannot lie on a container's own file system, as in k3s' image."""

MIRRORS = """
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
"""
"""The end of containerd's configuration: the launcher writes k3d's mirrors there."""


def plan(docker: Docker, pools: Sequence[AddressRange], scratch: Path) -> Plan:
    """Return addresses for the files of a node; the cluster may get other ones in the end (`node/k3s`)."""
    directory = scratch / "plan"
    directory.mkdir()
    return network.choose(docker, directory, pools, 1, 0)


def write(path: Path, name: str, cluster: str, addresses: Plan, *, scratch: Path, timeline: Timeline) -> None:
    """Write the node image of a cluster.

    Args:
        path: the path of the archive.
        name: the name of the image.
        cluster: its name on this host.
        addresses: the addresses of the cluster.
        scratch: a directory with room for the image's layers.
        timeline: shows the progress.
    """
    names = docker_objects.node_names(cluster, 1, 0)
    root = rootfs.ensure("node", timeline)
    node = Node(names[0], 0, scratch / "node", scratch / "logs")
    files = built.files(node, addresses, names, credentials.make(addresses, names))
    files["/etc/containerd/config.toml"] += MIRRORS.encode()
    own = [LayerEntry(path, content=content, mode=0o600) for path, content in files.items()]
    launchers = [
        LayerEntry("/usr/bin/k3s", source=LAUNCHER),
        LayerEntry("/usr/libexec/k3s-built", source=nodeimage.LAUNCHER),
    ]
    added = [entry for entry in nodeimage.entries(programs.ensure(timeline)) if entry.path != "/usr/bin/k3s"]
    layers = [scratch / "rootfs.tar", scratch / "programs.tar", scratch / "own.tar"]
    image_archive.write_tree(layers[0], root)
    image_archive.write_entries(layers[1], [*added, *launchers])
    image_archive.write_entries(layers[2], own)
    image_archive.write_image(path, name, layers, nodeimage.CONFIG, VOLUMES)
    for layer in layers:
        layer.unlink()
