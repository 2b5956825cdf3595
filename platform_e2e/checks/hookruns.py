"""Hooks run with a sync alone: where this commit has had none, ask for one, and say what failed.

A hook is nothing that differs, so a commit that changes a hook alone begins no sync; the first one that anything else begins,
such as a heal, then meets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from platform_e2e import timeline
from platform_e2e.diagnosis.causes import unexplained
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.objects import at
from platform_e2e.finding import Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.expect import Expectation, Met, Pending, Timeout, Verdict, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Application
from platform_e2e.layer.objects import located

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube

FAILED = "application-hook-failed"
"""The cause of a hook that was run and failed."""

BY = "platform-e2e"
"""Who has asked for the sync, in Argo CD's records."""

SYNC_SECONDS = 90.0
"""For a sync whose objects are as in Git already, so that it is its hooks' time: the longest patience with a failed one."""


def check(application: Application, sha: str, kube: Kube, *, timeout: float = SYNC_SECONDS) -> list[Finding]:
    """Return the finding that a hook of an Application fails at a sync of the commit that is served.

    Args:
        application: as Git has it; it has converged.
        sha: the commit.
        kube: the cluster.
        timeout: seconds for the sync.
    """
    app = kube.get(argocd.APPLICATION, application.name, application.namespace) or {}
    before = argocd.operation(app)
    if any(set(deployed.revisions) == {sha} for deployed in argocd.history(app)):
        # A heal leaves no entry there, so this was a sync with its hooks.
        return []
    source = kube.one(argocd.APPLICATION, application.name, application.namespace)
    kube.patch(argocd.APPLICATION, application.name, {"operation": _sync(app)}, application.namespace)
    timeline.current().event("disturbance-start", str(application), change="sync")
    what = f"a sync of {application} with its hooks has ended"
    try:
        app = eventually(source, _ended(before), timeout=timeout, what=what) or {}
        if argocd.operation(app).phase == "Succeeded":
            return []
    except Timeout:
        app = kube.get(argocd.APPLICATION, application.name, application.namespace) or {}
    finally:
        timeline.current().event("disturbance-end", str(application))
    done = argocd.operation(app)
    cause = explain(app, kube) or unexplained(f"the sync is {done.phase}: {done.message}")
    observed = f"the sync is {done.phase}: {done.message}"
    expected = "a sync with its hooks succeeds"
    return [Finding(str(application), Promise.APPLICATIONS, expected, observed, located(cause, application.objects))]


def _sync(app: Object) -> Mapping[str, Any]:
    """Return the request for a full sync, as `argocd app sync` makes it; it is not tried again."""
    policy = at(app, "spec", "syncPolicy") or {}
    sync: dict[str, Any] = {"prune": at(policy, "automated", "prune") is True}
    if policy.get("syncOptions"):
        sync["syncOptions"] = policy["syncOptions"]
    return {"initiatedBy": {"username": BY}, "sync": sync}


def _ended(before: argocd.Operation) -> Expectation[Object | None]:
    def judge(app: Object | None) -> Verdict:
        now = argocd.operation(app or {})
        if now.started == before.started and now.initiated_by == before.initiated_by:
            return Pending("the sync has not begun")
        return Pending(f"the sync is {now.phase}: {now.message}") if now.running else Met(app)

    return judge
