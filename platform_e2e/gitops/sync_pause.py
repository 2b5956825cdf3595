"""Keep Argo CD from healing while an incident is investigated, or a fault must last, by its own means: a sync window.

Every AppProject of the layer gets a window that denies syncs. The controllers go on comparing, so the sync and health status of
Applications stays true. No Application differs from Git by the window, as Git does not mention windows, and the ApplicationSet
controller has nothing to revert. Stopping the application controller would be simpler, but every status would be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from platform_e2e.gitops import argocd
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer

WINDOW: Object = {
    "kind": "deny",
    "schedule": "* * * * *",
    # A year: no other window has that duration, so this window is recognised by it.
    "duration": "8760h",
    "applications": ["*"],
    "manualSync": False,
}
"""Denies automated and manual syncs (Argo CD 3.2.11, pkg/apis/application/v1alpha1/types.go, SyncWindow)."""

SAID = "Argo CD heals nothing: a sync window that denies is on the AppProjects {}"


def projects_of(layer: Layer, apps: Iterable[str]) -> list[str]:
    """Return the names of the AppProjects of some Applications.

    Args:
        layer: that has the Applications.
        apps: names of the Applications.
    """
    names = set(apps)
    return sorted({app.project for app in layer.applications if app.name in names})


PASSING_MINUTES = 41
"""How long a window lasts that ends by itself, so that a process which is killed pauses nothing for long; no other window has that
duration."""


def passing() -> Object:
    """Return a window that begins now and ends by itself."""
    now = datetime.now(UTC)
    schedule = f"{now.minute} {now.hour} {now.day} {now.month} *"
    return {**WINDOW, "schedule": schedule, "duration": f"{PASSING_MINUTES}m", "timeZone": "UTC"}


def pause(kube: Kube, projects: Iterable[str], window: Object = WINDOW) -> list[str]:
    """Deny syncs of the Applications of some projects, and return the projects that exist.

    Args:
        kube: the cluster.
        projects: names of AppProjects.
        window: that denies them.

    Raises:
        ApiError: the API server refuses.
    """
    return [name for name in projects if _windows(kube, name, [window])]


def resume(kube: Kube, projects: Iterable[str]) -> None:
    """Undo `pause`; other windows stay.

    Args:
        kube: the cluster.
        projects: names of AppProjects.

    Raises:
        ApiError: the API server refuses.
    """
    for name in projects:
        _windows(kube, name, [])


_OURS = frozenset({WINDOW["duration"], f"{PASSING_MINUTES}m"})
"""Durations by which windows of the harness are recognised."""


def _windows(kube: Kube, name: str, ours: list[Object]) -> bool:
    project = kube.get(argocd.APPPROJECT, name, argocd.NAMESPACE)
    if project is None:
        return False
    others = [
        window for window in (project.get("spec") or {}).get("syncWindows") or () if window.get("duration") not in _OURS
    ]
    kube.patch(argocd.APPPROJECT, name, {"spec": {"syncWindows": others + ours or None}}, argocd.NAMESPACE)
    return True
