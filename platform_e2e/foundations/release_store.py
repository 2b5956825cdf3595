"""Helm's store of releases in the cluster: a Secret for each revision, with status, manifest, and our fingerprint as a label."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from platform_e2e.foundations.manifests import Object, parse
from platform_e2e.kube.client import Kube
from platform_e2e.shell import CommandError

FINGERPRINT = "platform-e2e/fingerprint"
"""The label with the fingerprint of a release's chart and values."""

INTERRUPTED = frozenset({"pending-install", "pending-upgrade", "pending-rollback"})
"""Statuses that a killed Helm leaves behind, and that make it refuse every later upgrade."""


class NamedRelease(Protocol):
    """The name and namespace of a release."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def namespace(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Stored:
    """The newest revision of a release.

    Attributes:
        secret: the name of its Secret.
        revision: its number.
        status: `deployed`, `failed`, `pending-install`, ...
        fingerprint: the fingerprint of its inputs; empty if this harness did not make it.
        manifest: the objects that Helm applied.
    """

    secret: str
    revision: int
    status: str
    fingerprint: str
    manifest: tuple[Object, ...]


def newest(kube: Kube, release: str, namespace: str) -> Stored | None:
    """Return the newest revision of a release, or None if it was never installed.

    Args:
        kube: the client.
        release: its name.
        namespace: the namespace of the release.
    """
    secret = _newest(kube, release, namespace)
    if secret is None:
        return None
    labels = secret["metadata"]["labels"]
    return Stored(
        secret["metadata"]["name"],
        int(labels["version"]),
        labels["status"],
        labels.get(FINGERPRINT, ""),
        tuple(parse(str(_unpacked(secret).get("manifest") or ""))),
    )


def others(kube: Kube, releases: Iterable[NamedRelease]) -> list[str]:
    """Return the releases that this harness made, except the given ones, as `release NAME -n NAMESPACE`.

    Args:
        kube: the client.
        releases: the releases of the layer.
    """
    wanted = {(release.namespace, release.name) for release in releases}
    made = {
        (str(secret["metadata"]["namespace"]), str(secret["metadata"]["labels"].get("name")))
        for secret in kube.list("v1/Secret", None, {"owner": "helm"})
        if FINGERPRINT in secret["metadata"]["labels"]
    }
    return [f"release {name} -n {namespace}" for namespace, name in sorted(made - wanted)]


def hooks(kube: Kube, release: str, namespace: str) -> list[tuple[str, str]]:
    """Return kind and name of each hook of a release's newest revision that Helm waits for: its Jobs and pods.

    Args:
        kube: the client.
        release: its name.
        namespace: the namespace of the release.
    """
    secret = _newest(kube, release, namespace)
    told = _unpacked(secret).get("hooks") if secret is not None else None
    kinds = {"Job": "batch/v1/Job", "Pod": "v1/Pod"}
    return [(kinds[hook["kind"]], str(hook["name"])) for hook in told or () if hook.get("kind") in kinds]


def forget_interrupted(kube: Kube, release: str, namespace: str) -> None:
    """Remove the newest revision if Helm was killed while making it; the next run accepts the objects that it had applied."""
    found = newest(kube, release, namespace)
    if found is not None and found.status in INTERRUPTED:
        kube.delete("v1/Secret", found.secret, namespace)


def _newest(kube: Kube, release: str, namespace: str) -> Object | None:
    """Return the Secret of the newest revision of a release."""
    secrets = kube.list("v1/Secret", namespace, {"owner": "helm", "name": release})
    return max(secrets, key=lambda secret: int(secret["metadata"]["labels"]["version"]), default=None)


def _unpacked(secret: Object) -> dict[str, Any]:
    """Return the content of Helm's release Secret.

    Raises:
        CommandError: the Secret is not one of Helm's.
    """
    name, namespace = secret["metadata"]["name"], secret["metadata"].get("namespace")
    try:
        packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
        release: dict[str, Any] = json.loads(gzip.decompress(packed))
    except (KeyError, ValueError, OSError, binascii.Error) as error:
        raise CommandError(
            ["helm", "status"], f"left the Secret {name} -n {namespace} unreadable: {error}", remedy=f"delete {name}"
        ) from error
    return release
