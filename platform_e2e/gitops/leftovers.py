"""Leftovers of earlier layers and settings in a kept cluster: removed, or named where they cannot be.

Argo CD removes what it tracks for an Application that is there. It leaves the objects of an Application that went without a
finalizer, the Applications that were applied by hand, and whatever it tracked by another method than now: after a change of the
method it takes an object with the old mark for Synced (3.2.11, util/argo/resource_tracking.go, Normalize) and hears of no change
to it. So every Application is synced once more then, and what still bears an old mark alone is left over.
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
from platform_e2e.kube.errors import ApiError, Conflict, KindNotServed, NotFound
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll
from platform_e2e.kube.kinds import kinds
from platform_e2e.kube.objects import Object, described, kind_of, uid
from platform_e2e.layer import Layer
from platform_e2e.paths import command

CONTROLLER = "argocd-controller"
"""Field manager of what Argo CD has applied (3.2.11, common/common.go, ArgoCDSSAManager)."""

TRACKING = "argocd.argoproj.io/tracking-id"
"""Annotation by which an object is tracked: APPLICATION:GROUP/KIND:NAMESPACE/NAME; on a copy the rest is not the copy's own."""

LABEL_KEY, METHOD = "application.instanceLabelKey", "application.resourceTrackingMethod"
"""Settings in argocd-cm: the label by which an object is tracked, and by which of both it is."""

DEFAULT_LABEL, DEFAULT_METHOD = "app.kubernetes.io/instance", "annotation"
"""Of Argo CD since 3.0."""

SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
NOT_PRUNED = frozenset({"Prune=false", "Prune=confirm"})
"""Options of an object or an Application (3.2.11, docs/user-guide/sync-options.md)."""

COPIES = frozenset({"Endpoints", "EndpointSlice", "Event"})
"""Kinds that get labels of other objects, or are too many to be asked for."""

GONE_SECONDS = 60.0
"""For what is left over to be gone; only a finalizer without a controller takes longer than some seconds."""

_ROOTS = (argocd.APPLICATIONSET, argocd.APPLICATION, argocd.APPPROJECT)
"""Kinds that are applied by hand, what makes others first."""


class MadeForAnother(BrokenHarness):
    """A kept cluster has of an earlier layer what cannot be removed, and a new one would not have."""

    def __init__(self, cluster: str, what: str) -> None:
        super().__init__(
            f"the kept cluster {cluster} is not what a new one would be: {what}",
            f"make it again: {command('cluster')} down {cluster}, then the same command",
        )


@dataclass
class Found:
    """What was found.

    Attributes:
        left: objects of an earlier layer.
        stale: objects of this layer that Argo CD does not know as its own.
        unpruned: objects that Git has no more, and that Argo CD keeps because it was told to.
        label: by which Argo CD may have marked them.
    """

    left: list[Object] = field(default_factory=list)
    stale: list[Object] = field(default_factory=list)
    unpruned: list[Object] = field(default_factory=list)
    label: str = DEFAULT_LABEL


@dataclass(frozen=True)
class Tracking:
    """How Argo CD knows its objects.

    Attributes:
        label: by which label.
        method: `annotation`, `label` or `annotation+label`.
        objects: what each Application has, by the name that marks have for it.
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
                _instance(app): frozenset(
                    (resource.group, resource.kind, resource.namespace, resource.name)
                    for resource in argocd.resources(app)
                )
                for app in kube.list(argocd.APPLICATION)
            },
        )

    def mark(self, obj: Object) -> bool:
        """Tell whether an object has the mark that Argo CD looks for."""
        metadata = obj["metadata"]
        if self.method == "label":
            return self.label in (metadata.get("labels") or {})
        return TRACKING in (metadata.get("annotations") or {})

    def judge(self, obj: Object, found: Found) -> None:
        """Take an object that Argo CD has applied into what was found, if it belongs there."""
        metadata = obj["metadata"]
        managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
        if CONTROLLER not in managers or metadata.get("ownerReferences") or metadata.get("deletionTimestamp"):
            return
        by_label = (metadata.get("labels") or {}).get(self.label, "")
        by_annotation, _, own = (metadata.get("annotations") or {}).get(TRACKING, "").partition(":")
        if own != _own(obj, own):
            by_annotation = ""
        seen = by_label if self.method == "label" else by_annotation
        if not (seen or by_label or by_annotation):
            return
        if any(_identity(obj) in objects for objects in self.objects.values()):
            if not seen:
                found.stale.append(obj)
        elif seen not in self.objects:
            # One that Argo CD sees for an Application that is there it removes itself, or was told not to.
            found.left.append(obj)


def remove(kube: Kube, layer: Layer, *, cluster: str, spared: str, settled: bool) -> list[str]:
    """Remove what a kept cluster has of earlier layers; for when all Applications have converged.

    Of a Namespace that Git has no more only Argo CD's mark is taken: the layer's own objects are in it.

    Args:
        kube: the cluster.
        layer: that was applied.
        cluster: its name, for the error's text.
        spared: label of what tests make for themselves.
        settled: whether every Application was synced with Argo CD's settings as they are now. Before that an object that lacks
            their mark is not told: the foundations may be upgraded at the same time, and the sync is still to come.

    Returns:
        `kind/name -n namespace` of what was removed.

    Raises:
        MadeForAnother: something does not go, or does not get Argo CD's mark.
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
    """Return what of earlier layers and settings is in a cluster.

    Args:
        kube: the cluster.
        layer: that was applied.
        spared: label of what tests make for themselves.
    """
    found = Found(list(_roots(kube, layer, spared)))
    if found.left:
        # What these have made is told by their absence.
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
    """Yield what Argo CD still has for its own although Git has it no more: it was told not to prune it."""
    for app in kube.list(argocd.APPLICATION):
        for resource in argocd.resources(app):
            obj = (
                kube.get(resource.api, resource.name, resource.namespace or None) if resource.requires_pruning else None
            )
            if obj is not None and tracking.mark(obj) and _kept(app, obj):
                yield {**obj, "apiVersion": resource.api.rpartition("/")[0], "kind": resource.kind}


def _kept(app: Object, obj: Object) -> bool:
    """Tell whether Argo CD was told to keep an object that Git has no more."""
    policy = (app.get("spec") or {}).get("syncPolicy") or {}
    options = [*(policy.get("syncOptions") or ()), (obj["metadata"].get("annotations") or {}).get(SYNC_OPTIONS, "")]
    said = {word.strip() for option in options for word in str(option).split(",")}
    return bool(said & NOT_PRUNED) or not (policy.get("automated") or {}).get("prune")


def _let_go(kube: Kube, obj: Object, label: str) -> None:
    """Delete an object that Git has no more; of a Namespace only take Argo CD's mark."""
    if obj["kind"] != "Namespace":
        _delete(kube, obj)
        return
    marks = {"annotations": {TRACKING: None}, "labels": {label: None}}
    kube.patch(kind_of(obj), obj["metadata"]["name"], {"metadata": marks})


def _roots(kube: Kube, layer: Layer, spared: str) -> Iterator[Object]:
    """Yield what this harness has applied for an earlier layer, as a team does by hand."""
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
    """Return all objects of a kind; none where it is gone meanwhile, or is served by an API service that does not answer."""
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


def _instance(app: Object) -> str:
    """Return how marks call an Application (3.2.11, types.go, InstanceName)."""
    metadata = app["metadata"]
    name, namespace = str(metadata["name"]), str(metadata["namespace"])
    return name if namespace == argocd.NAMESPACE else f"{namespace}_{name}"


def _identity(obj: Object) -> tuple[str, str, str, str]:
    metadata = obj["metadata"]
    group = str(obj["apiVersion"]).rpartition("/")[0]
    return group, str(obj["kind"]), str(metadata.get("namespace") or ""), str(metadata["name"])


def _own(obj: Object, mark: str) -> str:
    """Return what has to follow the Application's name in an object's mark; without a namespace it has its Application's."""
    group, kind, namespace, name = _identity(obj)
    # Names of RBAC's kinds have colons of their own.
    place = mark.split(":", 1)[-1].partition("/")[0]
    return f"{group}/{kind}:{namespace or place}/{name}"


def _some(objects: list[Object]) -> str:
    more = f" and {len(objects) - 1} more" if len(objects) > 1 else ""
    return f"{described(objects[0])}{more}"


def sync_again(kube: Kube, layer: Layer, names: Mapping[str, Any]) -> None:
    """Ask for a sync of every automated Application among some, so that its objects are as Argo CD applies them now.

    Args:
        kube: the cluster.
        layer: whose they are.
        names: of those that have converged.
    """

    def asked(name: str, namespace: str) -> Verdict:
        app = kube.get(argocd.APPLICATION, name, namespace)
        if app is None or not argocd.automated(app):
            return Met()
        if argocd.busy(app):
            # Argo CD forgets what is asked for beside it, or joins both: a heal of single objects takes no other ones in.
            return Pending("another operation goes on")
        try:
            argocd_requests.ask_sync(kube, app)
        except Conflict:
            return Pending("it was changed meanwhile")
        return Met()

    def ask(place: tuple[str, str]) -> None:
        namespace, name = place
        # One that is never free is told by the marks that its objects lack.
        with contextlib.suppress(Timeout):
            poll(lambda: asked(name, namespace), timeout=GONE_SECONDS, what=f"application {name} is free", most=0.5)

    in_parallel(ask, [(one.namespace, one.name) for one in layer.applications if one.name in names])
