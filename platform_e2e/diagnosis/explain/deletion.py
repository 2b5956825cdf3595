"""Causes of an object that stays after its deletion: finalizers that no controller removes, or what a namespace still has."""

from __future__ import annotations

from platform_e2e.diagnosis.objects import at, listed, name_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, kind_of
from platform_e2e.kube.read_api import ReadApi

REMAINING = ("NamespaceContentRemaining", "NamespaceFinalizersRemaining", "NamespaceDeletionContentFailure")
"""Conditions of a namespace that is being deleted (Kubernetes 1.34, pkg/controller/namespace/deletion/status_condition_utils.go)."""

CASCADE = "resources-finalizer.argocd.argoproj.io"
"""Argo CD's finalizer for an Application whose objects are to go first (pkg/apis/application/v1alpha1/types.go)."""


def held_deletion(obj: Object, _view: ReadApi) -> Cause | None:
    """Return what keeps an object whose deletion was asked for; None for an object without a deletionTimestamp.

    Args:
        obj: the live object.
    """
    since = at(obj, "metadata", "deletionTimestamp")
    if not since:
        return None
    if kind_of(obj) == "v1/Namespace":
        left = [
            " ".join(str(condition.get("message", "")).split())
            for condition in at(obj, "status", "conditions") or ()
            if condition.get("type") in REMAINING and condition.get("status") == "True"
        ]
        return Cause(
            "deletion-held",
            f"{name_of(obj)} is being deleted since {since} and still has something: {listed(left, 'nothing that it names')}",
            "look at the objects that it names; one with a finalizer needs the controller that removes it",
        )
    finalizers = [str(finalizer) for finalizer in at(obj, "metadata", "finalizers") or ()]
    if not finalizers:
        return Cause(
            "deletion-held",
            f"{name_of(obj)} is being deleted and has until {since} to end",
            "wait; a container that does not end on SIGTERM uses all of terminationGracePeriodSeconds",
        )
    cascade = (
        "Argo CD deletes its objects first; " if any(finalizer.startswith(CASCADE) for finalizer in finalizers) else ""
    )
    return Cause(
        "deletion-held",
        f"{name_of(obj)} is being deleted since {since} and held by the finalizers {listed(finalizers)}",
        f"{cascade}see that the controller runs that removes them; remove them by hand only where it will never come back",
    )
