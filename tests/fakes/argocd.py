"""An Application as Argo CD leaves it, and a client whose objects are in a dictionary: what the tests of gitops share."""

from __future__ import annotations

import copy
import threading
import time
from typing import Any

from platform_e2e.gitops import argocd
from platform_e2e.kube.expect import Polled

SHA = "a" * 40

REFRESH_SECONDS = 0.05
"""How long a refresh takes here: several readings, so that each who waits has seen it."""

Object = dict[str, Any]


def converged(name: str = "app", sha: str = SHA) -> Object:
    """Return an Application as Argo CD 3.2 leaves it when all is well."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "annotations": {}},
        "spec": {"syncPolicy": {"automated": {"prune": True, "selfHeal": True}}},
        "status": {
            "sync": {"status": "Synced", "revision": sha},
            "health": {"status": "Healthy"},
            "reconciledAt": "2026-01-01T10:00:05Z",
            "operationState": {
                "phase": "Succeeded",
                "message": "successfully synced (all tasks run)",
                "startedAt": "2026-01-01T10:00:03Z",
                "finishedAt": "2026-01-01T10:00:04Z",
                "operation": {"initiatedBy": {"automated": True}, "retry": {"limit": 5}, "sync": {"revision": sha}},
                "syncResult": {
                    "revision": sha,
                    "resources": [
                        {"kind": "ConfigMap", "name": "a", "status": "Synced", "message": "configmap/a created"}
                    ],
                },
            },
            "resources": [
                {"version": "v1", "kind": "ConfigMap", "namespace": "n", "name": "a", "status": "Synced"},
                {"group": "batch", "version": "v1", "kind": "Job", "namespace": "n", "name": "hook", "hook": True},
            ],
            "history": [
                {"id": 0, "revision": sha, "deployedAt": "2026-01-01T10:00:04Z", "initiatedBy": {"automated": True}}
            ],
        },
    }


class ChangingKube:
    """Objects that change by themselves: each reading may be answered by a function of how often it was read."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Any] = {}
        self.patches: list[tuple[str, str, Any]] = []
        self.lock = threading.Lock()
        self.on_patch: Any = lambda kind, name, patch: None
        self._refreshing: dict[tuple[str, str], float] = {}

    def put(self, kind: str, obj: Object) -> None:
        self.objects[kind, obj["metadata"]["name"]] = obj

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        with self.lock:
            return self._seen(kind, name) if (kind, name) in self.objects else None

    def _seen(self, kind: str, name: str) -> Object:
        """Return an object as it is read; a refresh that was asked for is seen for a moment, and done then."""
        found: Object = copy.deepcopy(self.objects[kind, name])
        if time.monotonic() < self._refreshing.get((kind, name), 0.0):
            found["metadata"].setdefault("annotations", {})[argocd.REFRESH] = "normal"
        return found

    def one(self, kind: str, name: str, namespace: str | None = None) -> Polled[Object | None]:
        return Polled(lambda: self.get(kind, name, namespace), f"{kind} {name}", first=0.001, most=0.01)

    def many(self, kind: str, namespace: str | None = None, labels: Any = None) -> Polled[list[Object]]:
        def read() -> list[Object]:
            with self.lock:
                found = [self._seen(of, name) for of, name in sorted(self.objects) if of == kind]
                return [obj for obj in found if namespace in (None, obj["metadata"]["namespace"])]

        return Polled(read, f"{kind} objects", first=0.001, most=0.01)

    def patch(self, kind: str, name: str, patch: Any, namespace: str | None = None) -> Object:
        with self.lock:
            self.patches.append((kind, name, patch))
            self.on_patch(kind, name, patch)
            if kind == argocd.APPLICATION and argocd.REFRESH in patch.get("metadata", {}).get("annotations", {}):
                self._refreshing[kind, name] = time.monotonic() + REFRESH_SECONDS
            found: Object = self.objects.get((kind, name), {})
            return found
