"""Nodes that are built here, in the containers of k3d: their files on this host, and the cluster's first objects.

They are the embedded cluster's nodes in containers. Keys, image store, logs and etcd's data lie in the cluster's directory,
which is mounted into the containers, so the Docker daemon must see this host's files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.cluster.k3d.config import Volume
from platform_e2e.cluster.kubernetes import addons, credentials, node, nodefiles
from platform_e2e.cluster.kubernetes.api import Api
from platform_e2e.cluster.kubernetes.credentials import API_PORT, Identities
from platform_e2e.cluster.kubernetes.node import LOGS, Node
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.toolbox.artifacts import Artifacts
from platform_e2e.toolbox.waiting import wait_until

NODE_SECONDS = 120.0
"""Timeout for every node to be Ready after k3d has ended; 3 s were seen."""

DOCKERS = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Files that Docker provides to a container, and by which nodes find each other."""

MOUNTED = ("/etc/cni/net.d", "/etc/containerd", "/etc/kubernetes")
"""Directories of a node's files."""


@dataclass(frozen=True)
class Built:
    """The prepared nodes of one cluster.

    Attributes:
        plan: the cluster's addresses.
        names: the names of the nodes, the server first.
        identities: their keys and the administrator's.
        volumes: the directories of this host in the containers.
    """

    plan: Plan
    names: tuple[str, ...]
    identities: Identities
    volumes: tuple[Volume, ...]

    def complete(self, directory: Path) -> None:
        """Install the new cluster's DNS and wait until its nodes take pods.

        Args:
            directory: the directory of the cluster.

        Raises:
            NotInTime: a node is not ready; the text has the reason.
            ApiTrouble: the API server refused a request that every cluster accepts.
        """
        api = Api(self.plan, self.identities, directory)
        for path, obj in addons.objects(self.plan):
            api.create(path, obj)
        ready = addons.NodeInitializer(api, self.plan, self.names).ready
        wait_until(ready, timeout=NODE_SECONDS, what="every node is ready", most=0.1)


def lay(
    artifacts: Artifacts, plan: Plan, names: Sequence[str], directory: Path, *, stand_ins: Sequence[str] = ()
) -> Built:
    """Write the files that the nodes read when they start.

    Args:
        artifacts: the artifacts of the nodes.
        plan: the cluster's addresses.
        names: the names of the nodes, the server first.
        directory: the directory of the cluster.
        stand_ins: as in `node.launcher`.
    """
    identities = credentials.make(plan, names)
    volumes: list[Volume] = []
    nodes = [
        Node(name, number, directory / "nodes" / name, directory / "logs" / name) for number, name in enumerate(names)
    ]
    for each in nodes:
        each.make_directories()
        root = each.directory / "upper"
        credentials.write(root, files(each, plan, names, identities, stand_ins))
        volumes += _volumes(each, root)
    with ThreadPoolExecutor() as pool:
        list(pool.map(artifacts.lay, [each.directory / "containerd" for each in nodes]))
    return Built(plan, tuple(names), identities, tuple(volumes))


def files(
    each: Node, plan: Plan, names: Sequence[str], identities: Identities, stand_ins: Sequence[str] = ()
) -> dict[str, bytes]:
    """Return the files that a node reads when it starts: path in the node to content; some are keys.

    Args:
        each: the node.
        plan: the cluster's addresses.
        names: the names of the nodes, the server first.
        identities: their keys and the administrator's.
        stand_ins: as in `node.launcher`.
    """
    # The container decides about privileges in the node: its runtime changes nothing if none is missing.
    plain = nodefiles.files(each, plan, names, clamped=True)
    return {
        **identities.nodes[each.name],
        **_own(each, plan, names, identities, stand_ins),
        **{path: content for path, content in plain.items() if path not in DOCKERS},
    }


def _own(
    each: Node, plan: Plan, names: Sequence[str], identities: Identities, stand_ins: Sequence[str]
) -> dict[str, bytes]:
    """Return the files that only a node under k3d has."""
    neighbours = [f"{name} {plan.pods_of(number)}\n" for number, name in enumerate(names) if name != each.name]
    texts = {
        "/etc/kubernetes/node.json": json.dumps(node.inside(each, plan, contained=True, stand_ins=stand_ins), indent=1),
        "/etc/kubernetes/neighbours": "".join(neighbours),
    }
    if each.is_server:
        items = [obj for _, obj in addons.objects(plan)]
        # JSON is YAML; k3d reads one document after the other.
        texts["/etc/kubernetes/coredns.yaml"] = "".join(f"---\n{json.dumps(obj)}\n" for obj in items)
        texts["/etc/kubernetes/k3s.yaml"] = k3s_kubeconfig(identities.admin)
    return {path: text.encode() for path, text in texts.items()}


def _volumes(each: Node, root: Path) -> list[Volume]:
    where = "server:0" if each.is_server else f"agent:{each.number - 1}"
    places = {"/var/lib/containerd": "containerd", "/var/lib/kubelet": "kubelet"}
    if each.is_server:
        places["/var/lib/etcd"] = "etcd"
    return [
        *(Volume(root / path.lstrip("/"), path, where, read_only=True) for path in MOUNTED),
        *(Volume(each.directory / name, path, where) for path, name in places.items()),
        Volume(each.logs, LOGS, where),
    ]


def k3s_kubeconfig(admin: bytes) -> str:
    """Return an administrator's kubeconfig with k3s' names and address, which k3d replaces."""
    config = json.loads(admin)
    config["clusters"][0]["name"] = config["users"][0]["name"] = config["contexts"][0]["name"] = "default"
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{API_PORT}"
    config["contexts"][0]["context"] = {"cluster": "default", "user": "default"}
    config["current-context"] = "default"
    return json.dumps(config)
