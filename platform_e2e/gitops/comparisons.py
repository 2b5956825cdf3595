"""Comparisons of an Application with Git: whether its status was compared, or comes from Argo CD's cache after a comparison that failed.

After a comparison that fails, Argo CD 3.2.11 remembers every object as not modified (controller/state.go, where StateDiffs has an
error; util/argo/diff/diff.go, diffArrayCached). The next comparison that was not requested takes that from its cache: the
condition goes, and the Application is Synced, whatever its objects are. One that is asked for is always made (useDiffCache).
"""

from __future__ import annotations

import copy

from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object

FAILED = "ComparisonError"
"""Condition of an Application that could not be compared."""


class Comparisons:
    """Knows of each Application whether its last comparison that did not come from the cache has succeeded.

    It is told every state of an Application, in their order: the first one after a refresh was asked for is what that has found.
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._doubted: set[str] = set()
        self._failed: dict[str, Object] = {}

    def look(self, app: Object) -> Object:
        """Return an Application as its last comparison has it, which may be another one than it says now."""
        name = app["metadata"]["name"]
        if argocd.refresh_asked(app):
            self._asked.add(name)
            return app
        asked = name in self._asked
        self._asked.discard(name)
        if _errors(app):
            self._failed[name] = app
            self._doubted.add(name)
        elif asked:
            self._failed.pop(name, None)
            self._doubted.discard(name)
        elif argocd.operation(app).running:
            # What it applies is compared in between, and Argo CD may have failed at that unseen.
            self._doubted.add(name)
        return _with(app, self._failed[name]) if name in self._failed else app

    def doubted(self, name: str) -> bool:
        """Tell whether an Application has to be compared once more before what it says counts."""
        return name in self._doubted


def _errors(app: Object) -> list[dict[str, str]]:
    return [condition for condition in argocd.status(app).get("conditions") or () if condition.get("type") == FAILED]


def _with(app: Object, failed: Object) -> Object:
    """Return an Application with what its comparison that failed has said of it."""
    if _errors(app):
        return app
    found = copy.deepcopy(app)
    status = found.setdefault("status", {})
    status["conditions"] = [*(status.get("conditions") or ()), *_errors(failed)]
    status["sync"] = copy.deepcopy(argocd.status(failed).get("sync") or {})
    return found
