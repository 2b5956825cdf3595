"""Find and repair drift: objects of a release that differ from what Helm applied, found by asking the API server.

`helm upgrade` compares a custom resource with the previous release, not with the cluster, so it would not restore a changed
Prometheus or pool. This module applies every object again as a dry run: where the result differs from the live object, a field
that the release states was changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import described, kind_of

MANAGER = "platform-e2e-drift"
"""Field manager of repaired objects. It must differ from all others: an apply removes fields that its manager applied before and
no longer states, and the CRDs that were applied before Helm have marks that the release does not state."""

AT_ONCE = 8
"""Dry runs in parallel: each mostly waits, and a hundred of them take a second."""

SHOWN = 5
"""Fields of one object that a sentence names."""

BOOKKEEPING = ("managedFields", "generation", "resourceVersion", "creationTimestamp", "uid")
"""Metadata fields that the API server writes."""

CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)
"""Kinds in charts that have no namespace."""


@dataclass(frozen=True)
class Drifted:
    """An object of a release that differs from what Helm applied.

    Attributes:
        name: `Kind/name -n namespace`.
        fields: paths of the differing fields; empty if the object is gone.
        wanted: the object as in the release.
    """

    name: str
    fields: tuple[str, ...]
    wanted: Object

    def __str__(self) -> str:
        """Return the drift as a sentence without any value, which could be a Secret's."""
        if not self.fields:
            return f"{self.name} was deleted"
        more = f" and {len(self.fields) - SHOWN} more" if len(self.fields) > SHOWN else ""
        return f"{self.name} was changed: {', '.join(self.fields[:SHOWN])}{more}"


def drift(kube: Kube, manifest: Sequence[Object], namespace: str) -> list[Drifted]:
    """Return the objects of a release that were changed or deleted since Helm applied them.

    Args:
        kube: the client.
        manifest: the objects of the release, from `release_store.newest`.
        namespace: the namespace of the release, for objects without one.

    Raises:
        ApiError: the API server refused a dry run.
    """

    def compare(item: Object) -> Drifted | None:
        wanted = _placed(item, namespace)
        live = kube.get(kind_of(wanted), wanted["metadata"]["name"], wanted["metadata"].get("namespace"))
        if live is None:
            return Drifted(described(wanted), (), wanted)
        applied = kube.apply(wanted, manager=MANAGER, dry_run=True)
        fields = tuple(_differences(_stated(live), _stated(applied)))
        return Drifted(described(wanted), fields, wanted) if fields else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [found for found in pool.map(compare, manifest) if found is not None]


def repair(kube: Kube, drifted: Sequence[Drifted]) -> None:
    """Apply the objects again as in the release.

    Raises:
        ApiError: the API server refused an object.
    """
    for found in drifted:
        kube.apply(found.wanted, manager=MANAGER)


def _placed(item: Object, namespace: str) -> Object:
    """Return the object with the defaults for what a chart may omit: its namespace, and the number of replicas."""
    metadata = item["metadata"]
    if not metadata.get("namespace") and item["kind"] not in CLUSTER_SCOPED:
        item = {**item, "metadata": {**metadata, "namespace": namespace}}
    if item["kind"] in {"Deployment", "StatefulSet"} and "replicas" not in item["spec"]:
        # Kubernetes' default is 1; without it a workload that was scaled to 0 would count as rolled out.
        item = {**item, "spec": {**item["spec"], "replicas": 1}}
    return item


def _stated(item: Object) -> Object:
    """Return an object without its status and the API server's metadata."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in BOOKKEEPING}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def _differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield the paths at which two JSON values differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(one, other, f"{path}[{number}]")
    elif before != after:
        yield path
