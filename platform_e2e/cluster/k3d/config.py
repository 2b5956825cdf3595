"""The configuration file for `k3d cluster create`: one file that says all, kept with the cluster and shown."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DISABLED = ("servicelb", "traefik")
"""Parts of k3s: the one would give Services the nodes' addresses and hide that MetalLB does not, the other takes ports."""

KUBELET = ("sync-frequency=2s", "node-status-update-frequency=5s")
"""What makes tests fast, as `embedded.nodefiles.kubelet` has it; watching ConfigMaps and Secrets is a kubelet's default."""


IN_USER_NAMESPACE = "feature-gates=KubeletInUserNamespace=true"
"""Without it a kubelet ends where it may not write kernel settings; k3s sets it for its own --rootless only (k3d's page on
rootless daemons, docs/usage/advanced/podman.md)."""


MIRRORS_ONLY = "--disable-default-registry-endpoint"
"""containerd else goes on to the registry itself where a mirror does not answer (k3s documentation, "Default Endpoint Fallback")."""

GIVEN = "PLATFORM_E2E_NODE_"
"""Before the name of a node's variable: the variable of k3d that has its value."""


@dataclass(frozen=True)
class Volume:
    """A directory of this host in a node.

    Attributes:
        source: of this host.
        target: in the node.
        node: k3d's filter, such as `server:0`.
        read_only: for the node.
    """

    source: Path
    target: str
    node: str
    read_only: bool = False


@dataclass(frozen=True)
class Shape:
    """What is asked of k3d.

    Attributes:
        name: of the cluster.
        image: of the nodes.
        servers: nodes with a control plane.
        agents: nodes without.
        subnet: of the cluster's network.
        api: this host's address that the API server is published on.
        volumes: what the nodes see of this host.
        host: name or address under which the API server is reached, where that is not `api`.
        registries: file with k3s' own registries.yaml, or None.
        mirrored: whether nodes take images from their mirrors only, and never from elsewhere without a word.
        environment: names of variables of the nodes; k3d finds the values among its own, so that no file has them.
        files: of the directory of this configuration, and where the nodes have each.
        rootless: whether the daemon has no root, so that the kubelet must be told.
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


def render(shape: Shape) -> str:
    """Return the configuration file.

    The port of the API server is k3d's choice, the kubeconfig goes nowhere, and there is no load balancer before the
    servers: it would be another image to fetch, and the first server takes its place.
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
        # By the first the processes of a cluster are known, as the embedded ones' are.
        "env": [{"envVar": each, "nodeFilters": every} for each in variables],
        "options": {
            # Nothing is rolled back by k3d: what it leaves is removed here, after its logs were read.
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
