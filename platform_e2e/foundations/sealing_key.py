"""Objects that must exist before a release starts: its namespace, Secrets it needs, and the team's sealing key."""

from __future__ import annotations

import secrets
from pathlib import Path

from platform_e2e.foundations.crds import MANAGER
from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.client import Kube
from platform_e2e.layer import sealing_keys

MEMBERLIST_BYTES = 16
"""Bytes of the key that MetalLB's controller makes, 128 bits (internal/k8s/k8s.go, CreateMlSecret)."""


def prepare(kube: Kube, chart: str, release: str, namespace: str) -> None:
    """Make the release's namespace and the Secrets that its pods need.

    Args:
        kube: the client.
        chart: name of the upstream chart.
        release: name of the release.
        namespace: the namespace of the release.

    Raises:
        ApiError: the API server refused.
    """
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, manager=MANAGER)
    if chart == "metallb":
        _memberlist(kube, release, namespace)


def restore_sealing_key(kube: Kube, path: Path) -> list[str]:
    """Load the team's backup of its Sealed Secrets key, which must happen before the controller's first start.

    A running controller would not see the key: it reads its keys when it starts.

    Args:
        kube: the client.
        path: a file with one or more Secrets of type kubernetes.io/tls, each with a key and its certificate.

    Returns:
        The names of the Secrets.

    Raises:
        WrongUsage: the file has other content.
        ApiError: the API server refused.
    """
    keys = sealing_keys.read(path)
    for key in keys:
        kube.apply(sealing_keys.portable(key), manager=MANAGER)
    return [key.name for key in keys]


def _memberlist(kube: Kube, release: str, namespace: str) -> None:
    """Make the Secret that the speakers mount; the controller makes it only after its start, and kubelets retry late."""
    name = f"{release}-memberlist" if "metallb" in release else f"{release}-metallb-memberlist"
    if kube.get("v1/Secret", name, namespace) is None:
        secret: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "type": "Opaque",
            "stringData": {"secretkey": secrets.token_urlsafe(MEMBERLIST_BYTES)},
        }
        kube.apply(secret, manager=MANAGER)
