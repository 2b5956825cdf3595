"""The configuration file for `k3d cluster create`: complete in one file, which the cluster keeps and the log names."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DISABLED = ("servicelb", "traefik")
"""Parts of k3s to leave out: one gives Services the nodes' addresses and hides a failing MetalLB, the other takes ports."""

KUBELET = ("sync-frequency=2s", "node-status-update-frequency=5s")
"""Settings that make tests fast, as in `kubernetes.nodefiles.kubelet`; watching ConfigMaps and Secrets is a kubelet's default."""


IN_USER_NAMESPACE = "feature-gates=KubeletInUserNamespace=true"
"""Without it a kubelet ends if it must not write kernel settings; k3s sets it only for its own --rootless (k3d's page on
rootless daemons, docs/usage/advanced/podman.md)."""


MIRRORS_ONLY = "--disable-default-registry-endpoint"
"""Without it containerd asks the registry itself if a mirror fails (k3s documentation, "Default Endpoint Fallback")."""

GIVEN = "PLATFORM_E2E_NODE_"
"""Start of the name of k3d's variable that carries the value of a node's variable."""


@dataclass(frozen=True)
class Volume:
    """A directory of this host in a node.

    Attributes:
        source: the path on this host.
        target: the path in the node.
        node: k3d's filter, such as `server:0`.
        read_only: whether the node cannot write.
    """

    source: Path
    target: str
    node: str
    read_only: bool = False


@dataclass(frozen=True)
class K3dSpec:
    """The requested cluster, in k3d's terms.

    Attributes:
        name: the name of the cluster.
        image: the image of the nodes.
        servers: the number of nodes with a control plane.
        agents: the number of nodes without.
        subnet: the subnet of the cluster's network.
        api: this host's address on which the API server is published.
        volumes: the directories of this host in the nodes.
        host: name or address of the API server, if it differs from `api`.
        registries: file with k3s' own registries.yaml, or None.
        mirrored: whether nodes take images only from their mirrors, and never silently from elsewhere.
        environment: names of the nodes' variables; k3d has the values among its own, so that no file contains them.
        files: files in the directory of this configuration, each with its path in the nodes.
        rootless: whether the daemon runs without root, which the kubelet must be told.
        device_mapper: whether the nodes need the /dev/mapper of the daemon's host, as on btrfs (k3d's FAQ).
    """

    name: str
    image: str
    servers: int
    agents: int
    subnet: IPv4Network
    api: str = "127.0.0.1"
    volumes: tuple[Volume, ...] = ()
    host: str = ""
    registries: Path | None = None
    mirrored: bool = False
    environment: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    rootless: bool = False
    device_mapper: bool = False


def render(shape: K3dSpec) -> str:
    """Return the configuration file.

    k3d chooses the port of the API server, the kubeconfig is not written, and there is no load balancer in front of the
    servers: it would be another image to fetch, and the first server replaces it.
    """
    servers, every = ["server:*"], ["all"]
    kubelet = (*KUBELET, *((IN_USER_NAMESPACE,) if shape.rootless else ()))
    volumes = [
        {"volume": f"{each.source}:{each.target}{':ro' if each.read_only else ''}", "nodeFilters": [each.node]}
        for each in shape.volumes
    ]
    if shape.device_mapper:
        volumes.append({"volume": "/dev/mapper:/dev/mapper", "nodeFilters": every})
    arguments = [
        *({"arg": f"--disable={part}", "nodeFilters": servers} for part in DISABLED),
        *({"arg": f"--kubelet-arg={setting}", "nodeFilters": every} for setting in kubelet),
        *([{"arg": MIRRORS_ONLY, "nodeFilters": every}] if shape.mirrored else []),
    ]
    variables = [
        f"PLATFORM_E2E_CLUSTER_NAME={shape.name}",
        *(f"{name}=${{{GIVEN}{name}}}" for name in shape.environment),
    ]
    config: dict[str, Any] = {
        "apiVersion": "k3d.io/v1alpha5",
        "kind": "Simple",
        "metadata": {"name": shape.name},
        "servers": shape.servers,
        "agents": shape.agents,
        "image": shape.image,
        "subnet": str(shape.subnet),
        "kubeAPI": {"hostIP": shape.api, **({"host": shape.host} if shape.host else {})},
        "volumes": volumes,
        # The first variable identifies the cluster's processes, as in embedded clusters.
        "env": [{"envVar": each, "nodeFilters": every} for each in variables],
        "options": {
            # k3d rolls nothing back: the harness removes what it leaves, after reading its logs.
            "k3d": {"wait": True, "disableLoadbalancer": True, "disableRollback": True},
            "k3s": {"extraArgs": arguments},
            "kubeconfig": {"updateDefaultKubeconfig": False, "switchCurrentContext": False},
        },
    }
    if shape.registries:
        config["registries"] = {"config": str(shape.registries)}
    if shape.files:
        config["files"] = [
            {"source": source, "destination": target, "nodeFilters": every} for source, target in shape.files.items()
        ]
    yaml = YAML()
    yaml.default_flow_style = False
    text = io.StringIO()
    yaml.dump(config, text)
    return text.getvalue()
