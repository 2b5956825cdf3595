"""The cluster's certificates, keys and kubeconfigs, with the names and paths that kubeadm uses."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from platform_e2e.cluster.kubernetes.pki import Authority, Pair, signing_key
from platform_e2e.cluster.network.addressing import Plan

PKI = "/etc/kubernetes/pki"
"""kubeadm's directory of certificates and keys in a node."""

API_PORT = 6443
"""kubeadm's."""

KUBE_ROUTER = "system:kube-router"
"""The user of the program that enforces NetworkPolicies; `addons` gives it its rights."""

MASTERS = "system:masters"
"""The group with all rights, which the API server grants without RBAC."""


@dataclass(frozen=True)
class Identities:
    """The credentials of each machine.

    Attributes:
        nodes: for each node, its files: path in the node to content. All of them get mode 0600.
        admin: an administrator's kubeconfig for this host.
        authority: the CA certificate, with which this host verifies the API server.
        client: the administrator's own certificate and key.
    """

    nodes: Mapping[str, Mapping[str, bytes]]
    admin: bytes
    authority: bytes
    client: Pair


def make(plan: Plan, names: Sequence[str]) -> Identities:
    """Make all keys and certificates of a cluster.

    Args:
        plan: its addresses.
        names: the names of its nodes, the server first.
    """
    authority, front_proxy = Authority("kubernetes"), Authority("front-proxy-ca")
    server = plan.nodes[0]
    api = f"https://{server}:{API_PORT}"

    def kubeconfig(user: str, pair: Pair) -> bytes:
        return _kubeconfig(api, "kubernetes", user, authority.pair.certificate, pair)

    admin = authority.client("kubernetes-admin", MASTERS)
    files: dict[str, dict[str, bytes]] = {}
    for name, address in zip(names, plan.nodes, strict=True):
        kubelet = authority.client(f"system:node:{name}", "system:nodes")
        proxy = authority.client("system:kube-proxy")
        router = authority.client(KUBE_ROUTER)
        files[name] = {
            f"{PKI}/ca.crt": authority.pair.certificate,
            "/etc/kubernetes/kubelet.conf": kubeconfig(f"system:node:{name}", kubelet),
            "/etc/kubernetes/kube-proxy.conf": kubeconfig("system:kube-proxy", proxy),
            "/etc/kubernetes/kube-router.conf": kubeconfig(KUBE_ROUTER, router),
            **_files("/etc/kubernetes/kubelet-serving", authority.server(name, [name, address])),
        }
    names_of_api: list[str | IPv4Address] = [
        *("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"),
        *(names[0], "localhost", server, plan.api, IPv4Address("127.0.0.1")),
    ]
    service_accounts = signing_key()
    manager = authority.client("system:kube-controller-manager")
    scheduler = authority.client("system:kube-scheduler")
    files[names[0]] |= {
        f"{PKI}/ca.key": authority.pair.key,
        **_files(f"{PKI}/apiserver", authority.server("kube-apiserver", names_of_api)),
        **_files(f"{PKI}/apiserver-kubelet-client", authority.client("kube-apiserver-kubelet-client", MASTERS)),
        f"{PKI}/front-proxy-ca.crt": front_proxy.pair.certificate,
        **_files(f"{PKI}/front-proxy-client", front_proxy.client("front-proxy-client")),
        f"{PKI}/sa.pub": service_accounts.certificate,
        f"{PKI}/sa.key": service_accounts.key,
        "/etc/kubernetes/admin.conf": kubeconfig("kubernetes-admin", admin),
        "/etc/kubernetes/controller-manager.conf": kubeconfig("system:kube-controller-manager", manager),
        "/etc/kubernetes/scheduler.conf": kubeconfig("system:kube-scheduler", scheduler),
    }
    return Identities(files, kubeconfig("kubernetes-admin", admin), authority.pair.certificate, admin)


def _files(path: str, pair: Pair) -> dict[str, bytes]:
    return {f"{path}.crt": pair.certificate, f"{path}.key": pair.key}


def _kubeconfig(api: str, cluster: str, user: str, authority: bytes, pair: Pair) -> bytes:
    """Return a self-contained kubeconfig as JSON, which is YAML too."""

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    context = f"{user}@{cluster}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": cluster, "cluster": {"server": api, "certificate-authority-data": text(authority)}},
        ],
        "users": [
            {
                "name": user,
                "user": {"client-certificate-data": text(pair.certificate), "client-key-data": text(pair.key)},
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
        "current-context": context,
    }
    return json.dumps(config, indent=1).encode()


def write(root: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a directory, created so that only their owner can read them.

    Args:
        root: the directory.
        files: for each path below it the content.
    """
    for path, content in files.items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)
