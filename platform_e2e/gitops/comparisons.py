"""Tell whether an Application's status is from a comparison with Git, or from Argo CD's cache after a failed comparison.

After a failed comparison Argo CD 3.2.11 stores every object as unmodified (controller/state.go, where StateDiffs has an
error; util/argo/diff/diff.go, diffArrayCached). The next comparison without a request uses that cache: the condition disappears,
and the Application is Synced, whatever its objects are. A requested comparison never uses the cache (useDiffCache).
"""

from __future__ import annotations

import copy

from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object

FAILED = "ComparisonError"
"""Condition of an Application whose comparison failed."""


class Comparisons:
    """The last real comparison of each Application.

    It receives every state of an Application, in order: the first state after a requested refresh is that refresh's result.
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._doubted: set[str] = set()
        self._failed: dict[str, Object] = {}

    def look(self, app: Object) -> Object:
        """Return an Application with the result of its last real comparison, which may differ from its present status."""
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
            # Applying includes a comparison, which may have failed unseen.
            self._doubted.add(name)
        return _with(app, self._failed[name]) if name in self._failed else app

    def doubted(self, name: str) -> bool:
        """Tell whether an Application must be compared again before its status counts."""
        return name in self._doubted


def _errors(app: Object) -> list[dict[str, str]]:
    return [condition for condition in argocd.status(app).get("conditions") or () if condition.get("type") == FAILED]


def _with(app: Object, failed: Object) -> Object:
    """Return an Application with the message of its failed comparison."""
    if _errors(app):
        return app
    found = copy.deepcopy(app)
    status = found.setdefault("status", {})
    status["conditions"] = [*(status.get("conditions") or ()), *_errors(failed)]
    status["sync"] = copy.deepcopy(argocd.status(failed).get("sync") or {})
    return found
