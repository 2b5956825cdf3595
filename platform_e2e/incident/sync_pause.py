"""Keep Argo CD from healing while an incident is looked at, in the way that Argo CD itself has for it: a sync window.

A window that denies is put on every AppProject of the layer. The controllers go on comparing, so that what Applications say of
sync and health stays true; no Application differs from Git by it, as Git does not mention windows; and the ApplicationSet
controller has nothing to revert. To stop the application controller would be simpler, and every status would be a lie.
"""

from __future__ import annotations

from collections.abc import Iterable

from platform_e2e.diagnosis.objects import at
from platform_e2e.gitops import argocd
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer

WINDOW: Object = {
    "kind": "deny",
    "schedule": "* * * * *",
    # A year: no other window has that, so this one is recognised by it.
    "duration": "8760h",
    "applications": ["*"],
    "manualSync": False,
}
"""Denies automated and manual syncs (Argo CD 3.2.11, pkg/apis/application/v1alpha1/types.go, SyncWindow)."""

SAID = "Argo CD heals nothing: a sync window that denies is on the AppProjects {}"


def projects_of(layer: Layer, apps: Iterable[str]) -> list[str]:
    """Return the AppProjects of some Applications.

    Args:
        layer: that has them.
        apps: their names.
    """
    names = set(apps)
    return sorted({app.project for app in layer.applications if app.name in names})


def pause(kube: Kube, projects: Iterable[str]) -> list[str]:
    """Let no Application of some projects be synced, and return the projects.

    Args:
        kube: the cluster.
        projects: names of AppProjects.

    Raises:
        ApiError: the API server refused.
    """
    return [name for name in projects if _windows(kube, name, [WINDOW])]


def resume(kube: Kube, projects: Iterable[str]) -> None:
    """Undo `hold`; other windows stay."""
    for name in projects:
        _windows(kube, name, [])


def _windows(kube: Kube, name: str, ours: list[Object]) -> bool:
    project = kube.get(argocd.APPPROJECT, name, argocd.NAMESPACE)
    if project is None:
        return False
    others = [
        window for window in at(project, "spec", "syncWindows") or () if window.get("duration") != WINDOW["duration"]
    ]
    kube.patch(argocd.APPPROJECT, name, {"spec": {"syncWindows": others + ours or None}}, argocd.NAMESPACE)
    return True
