"""Find and remove the leftovers of earlier layers and settings in a kept cluster.

Argo CD removes objects that it tracks for an existing Application. It leaves those of an Application that was deleted without a
finalizer, Applications that were applied by hand, and objects that it tracked by another method: after a change of the method
it takes an object with the old mark for Synced (3.2.11, util/argo/resource_tracking.go, Normalize) and does not watch it. So
every Application is synced again then, and what still has only an old mark is a leftover.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.errors import BrokenHarness
from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.gitops.convergence import in_parallel
from platform_e2e.kube.client import MANAGER, Kube
from platform_e2e.kube.discovery import kinds
from platform_e2e.kube.errors import ApiError, Conflict, KindNotServed, NotFound
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll
from platform_e2e.kube.objects import Object, described, kind_of, uid
from platform_e2e.layer import Layer
from platform_e2e.layer.objects import SYNC_OPTIONS
from platform_e2e.paths import command

CONTROLLER = "argocd-controller"
"""Field manager of Argo CD (3.2.11, common/common.go, ArgoCDSSAManager)."""

TRACKING = "argocd.argoproj.io/tracking-id"
"""Tracking annotation: APPLICATION:GROUP/KIND:NAMESPACE/NAME; on a copy the last part names the original."""

LABEL_KEY, METHOD = "application.instanceLabelKey", "application.resourceTrackingMethod"
"""Settings in argocd-cm: the tracking label, and the tracking method."""

DEFAULT_LABEL, DEFAULT_METHOD = "app.kubernetes.io/instance", "annotation"
"""Argo CD's default since 3.0."""

NOT_PRUNED = frozenset({"Prune=false", "Prune=confirm"})
"""Sync options of an object or an Application (3.2.11, docs/user-guide/sync-options.md)."""

COPIES = frozenset({"Endpoints", "EndpointSlice", "Event"})
"""Kinds that inherit labels from other objects, or have too many objects to list."""

GONE_SECONDS = 60.0
"""Timeout for the removal of leftovers; only a finalizer without a controller takes longer than some seconds."""

_ROOTS = (argocd.APPLICATIONSET, argocd.APPLICATION, argocd.APPPROJECT)
"""Kinds that are applied by hand, those that make others first."""


class MadeForAnother(BrokenHarness):
    """A kept cluster has leftovers of an earlier layer that cannot be removed and that a new cluster would not have."""

    def __init__(self, cluster: str, what: str) -> None:
        super().__init__(
            f"the kept cluster {cluster} differs from a new one: {what}",
            f"make it again: {command('cluster')} down {cluster}, then the same command",
        )


@dataclass
class Found:
    """The result of the search.

    Attributes:
        left: objects of an earlier layer.
        stale: objects of this layer that Argo CD does not track.
        unpruned: objects that are no longer in Git, and that Argo CD was told to keep.
        label: the label by which Argo CD may have marked them.
    """

    left: list[Object] = field(default_factory=list)
    stale: list[Object] = field(default_factory=list)
    unpruned: list[Object] = field(default_factory=list)
    label: str = DEFAULT_LABEL


@dataclass(frozen=True)
class Tracking:
    """Argo CD's tracking of objects.

    Attributes:
        label: the tracking label.
        method: `annotation`, `label` or `annotation+label`.
        objects: for each Application, by its name in marks, its objects.
    """

    label: str
    method: str
    objects: Mapping[str, frozenset[tuple[str, str, str, str]]]

    @classmethod
    def read(cls, kube: Kube) -> Tracking:
        """Read Argo CD's settings and its Applications."""
        data = (kube.get("v1/ConfigMap", "argocd-cm", argocd.NAMESPACE) or {}).get("data") or {}
        return cls(
            data.get(LABEL_KEY) or DEFAULT_LABEL,
            data.get(METHOD) or DEFAULT_METHOD,
            {
                instance(app): frozenset(
                    (resource.group, resource.kind, resource.namespace, resource.name)
                    for resource in argocd.resources(app)
                )
                for app in kube.list(argocd.APPLICATION)
            },
        )

    def mark(self, obj: Object) -> bool:
        """Tell whether an object has the mark of the present method."""
        metadata = obj["metadata"]
        if self.method == "label":
            return self.label in (metadata.get("labels") or {})
        return TRACKING in (metadata.get("annotations") or {})

    def judge(self, obj: Object, found: Found) -> None:
        """Add an object that Argo CD has applied to the result, if it belongs there."""
        metadata = obj["metadata"]
        managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
        if CONTROLLER not in managers or metadata.get("ownerReferences") or metadata.get("deletionTimestamp"):
            return
        by_label = (metadata.get("labels") or {}).get(self.label, "")
        by_annotation, _, own = (metadata.get("annotations") or {}).get(TRACKING, "").partition(":")
        if own != own_mark(obj, own):
            by_annotation = ""
        seen = by_label if self.method == "label" else by_annotation
        if not (seen or by_label or by_annotation):
            return
        if any(_identity(obj) in objects for objects in self.objects.values()):
            if not seen:
                found.stale.append(obj)
        elif seen not in self.objects:
            # Argo CD itself removes what it tracks for an existing Application, unless it was told not to.
            found.left.append(obj)


def remove(kube: Kube, layer: Layer, *, cluster: str, spared: str, settled: bool) -> list[str]:
    """Remove the leftovers of earlier layers from a kept cluster; for when all Applications have converged.

    A Namespace that is no longer in Git loses only Argo CD's mark: the layer's own objects are in it.

    Args:
        kube: the cluster.
        layer: the applied layer.
        cluster: its name, for the error's text.
        spared: label of the objects that tests make.
        settled: whether every Application was synced with Argo CD's present settings. Before that, objects without their mark are
            ignored: the foundations may be upgraded at the same time, and the sync is still to come.

    Returns:
        `kind/name -n namespace` of the removed objects.

    Raises:
        MadeForAnother: an object cannot be removed, or does not get Argo CD's mark.
    """
    removed: dict[str, None] = {}
    found = Found()

    def look() -> Verdict:
        nonlocal found
        found = find(kube, layer, spared)
        for obj in found.left:
            removed[described(obj)] = None
        in_parallel(lambda obj: _delete(kube, obj), found.left)
        for obj in found.unpruned:
            removed[f"{described(obj)}, which Git has no more and Argo CD was told to keep"] = None
        in_parallel(lambda obj: _let_go(kube, obj, found.label), found.unpruned)
        rest = [*found.left, *found.unpruned, *(found.stale if settled else ())]
        return Pending(f"{described(rest[0])} is there as it was") if rest else Met()

    try:
        poll(look, timeout=GONE_SECONDS, what="what earlier layers left is gone", first=0.2, most=1.0)
    except Timeout:
        rest = [*found.left, *found.unpruned]
        if rest:
            raise MadeForAnother(cluster, f"{_some(rest)} of an earlier layer cannot be removed") from None
        mark = "still has the mark of another tracking method of Argo CD"
        raise MadeForAnother(cluster, f"{_some(found.stale)} {mark}") from None
    return list(removed)


def find(kube: Kube, layer: Layer, spared: str) -> Found:
    """Return the leftovers of earlier layers and settings in a cluster.

    Args:
        kube: the cluster.
        layer: the applied layer.
        spared: label of the objects that tests make.
    """
    found = Found(list(_roots(kube, layer, spared)))
    if found.left:
        # The objects of these show by their absence.
        return found
    tracking = Tracking.read(kube)
    served = [
        kind.resource.kind
        for kind in kinds(kube).all
        if kind.resource.short not in COPIES and {"list", "delete"} <= kind.resource.verbs
    ]
    for objects in in_parallel(lambda kind: _list(kube, kind), served):
        for obj in objects:
            tracking.judge(obj, found)
    found.label = tracking.label
    found.unpruned += _unpruned(kube, tracking)
    return found


def _unpruned(kube: Kube, tracking: Tracking) -> Iterator[Object]:
    """Yield the objects that Argo CD still tracks although they are no longer in Git: it was told not to prune them."""
    for app in kube.list(argocd.APPLICATION):
        for resource in argocd.resources(app):
            obj = (
                kube.get(resource.api, resource.name, resource.namespace or None) if resource.requires_pruning else None
            )
            if obj is not None and tracking.mark(obj) and _kept(app, obj):
                yield {**obj, "apiVersion": resource.api.rpartition("/")[0], "kind": resource.kind}


def _kept(app: Object, obj: Object) -> bool:
    """Tell whether Argo CD was told to keep an object that is no longer in Git."""
    policy = (app.get("spec") or {}).get("syncPolicy") or {}
    options = [*(policy.get("syncOptions") or ()), (obj["metadata"].get("annotations") or {}).get(SYNC_OPTIONS, "")]
    said = {word.strip() for option in options for word in str(option).split(",")}
    return bool(said & NOT_PRUNED) or not (policy.get("automated") or {}).get("prune")


def _let_go(kube: Kube, obj: Object, label: str) -> None:
    """Delete an object that is no longer in Git; a Namespace only loses Argo CD's mark."""
    if obj["kind"] != "Namespace":
        _delete(kube, obj)
        return
    marks = {"annotations": {TRACKING: None}, "labels": {label: None}}
    kube.patch(kind_of(obj), obj["metadata"]["name"], {"metadata": marks})


def _roots(kube: Kube, layer: Layer, spared: str) -> Iterator[Object]:
    """Yield the objects that this harness applied for an earlier layer, as a team does by hand."""
    wanted = {
        *((argocd.APPLICATION, app.namespace, app.name) for app in layer.applications),
        *((argocd.APPLICATIONSET, appset.namespace, appset.name) for appset in layer.applicationsets),
        *((argocd.APPPROJECT, project.namespace or argocd.NAMESPACE, project.name) for project in layer.projects),
    }
    for kind in _ROOTS:
        for obj in _list(kube, kind):
            metadata = obj["metadata"]
            ours = any(
                entry.get("manager") == MANAGER and entry.get("operation") == "Apply"
                for entry in metadata.get("managedFields") or ()
            )
            known = (kind, metadata["namespace"], metadata["name"]) in wanted
            if ours and not known and spared not in (metadata.get("labels") or {}):
                yield obj


def _list(kube: Kube, kind: str) -> list[Object]:
    """Return all objects of a kind; empty if the kind is gone, or its API service does not answer."""
    try:
        return [
            {**obj, "apiVersion": kind.rpartition("/")[0], "kind": kind.rpartition("/")[2]} for obj in kube.list(kind)
        ]
    except ApiError:
        return []


def _delete(kube: Kube, obj: Object) -> None:
    metadata = obj["metadata"]
    try:
        kube.delete(kind_of(obj), metadata["name"], metadata.get("namespace"), uid=uid(obj))
    except (NotFound, KindNotServed):
        return


def instance(app: Object) -> str:
    """Return an Application's name in marks (3.2.11, types.go, InstanceName)."""
    metadata = app["metadata"]
    name, namespace = str(metadata["name"]), str(metadata["namespace"])
    return name if namespace == argocd.NAMESPACE else f"{namespace}_{name}"


def _identity(obj: Object) -> tuple[str, str, str, str]:
    metadata = obj["metadata"]
    group = str(obj["apiVersion"]).rpartition("/")[0]
    return group, str(obj["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"])


def own_mark(obj: Object, mark: str) -> str:
    """Return the part of an object's mark after the Application's name; an object without a namespace has its Application's.

    Args:
        obj: of the cluster.
        mark: that it has, which says that namespace.
    """
    group, kind, namespace, name = _identity(obj)
    # Names of RBAC objects may have colons.
    place = mark.split(":", 1)[-1].partition("/")[0]
    return f"{group}/{kind}:{namespace or place}/{name}"


def _some(objects: list[Object]) -> str:
    more = f" and {len(objects) - 1} more" if len(objects) > 1 else ""
    return f"{described(objects[0])}{more}"


def sync_again(kube: Kube, layer: Layer, names: Mapping[str, Any]) -> None:
    """Request a sync of every automated Application among the given ones, so that its objects get Argo CD's present mark.

    Args:
        kube: the cluster.
        layer: the layer of the Applications.
        names: the names of the converged Applications.
    """

    def asked(name: str, namespace: str) -> Verdict:
        app = kube.get(argocd.APPLICATION, name, namespace)
        if app is None or not argocd.automated(app):
            return Met()
        if argocd.busy(app):
            # Argo CD drops a request during another operation, or joins both: a heal of single objects does not sync the others.
            return Pending("another operation goes on")
        try:
            argocd_requests.ask_sync(kube, app)
        except Conflict:
            return Pending("it was changed meanwhile")
        return Met()

    def ask(place: tuple[str, str]) -> None:
        namespace, name = place
        # An Application that is never free shows by objects without the mark.
        with contextlib.suppress(Timeout):
            poll(lambda: asked(name, namespace), timeout=GONE_SECONDS, what=f"application {name} is free", most=0.5)

    in_parallel(
        ask,
        [(application.namespace, application.name) for application in layer.applications if application.name in names],
    )
