"""Who changed what: every sync is of a commit that Git has, every heal is Argo CD's own, every other write has a field manager.

Facts about Argo CD are those of 3.2.11: controller/sync.go and controller/state.go, persistRevisionHistory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from platform_e2e.diagnosis.objects import at, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.gitops.convergence import of_each_source
from platform_e2e.kube.objects import Object
from platform_e2e.layer import EXEMPT, Application

ARGO_CD = frozenset({"argocd-controller", "argocd-application-controller", "argocd"})
"""Field managers of its syncs: by server-side and by client-side apply (gitops-engine, pkg/utils/kube/kube.go)."""


@dataclass(frozen=True)
class Write:
    """One entry of an object's managed fields that is not Argo CD's.

    Attributes:
        object: that was written.
        manager: who wrote.
        how: `Update` or `Apply`, with the subresource.
        at: when, as the API server says.
    """

    object: str
    manager: str
    how: str
    at: str


def check(application: Application) -> list[Finding]:
    """Return the finding that an Application keeps no history, so that no sync of it can be traced later.

    Args:
        application: as Git has it.
    """
    if application.exempt(Promise.AUDIT) or at(application.manifest, "spec", "revisionHistoryLimit") != 0:
        return []
    cause = Cause(
        "history-not-kept",
        f"{application} forgets which commit was synced when: {application.spec_path}.revisionHistoryLimit is 0",
        f"remove it in {application.place('spec', 'revisionHistoryLimit')}, the default is 10; or give the reason as "
        f"{EXEMPT}{Promise.AUDIT} on the Application",
    )
    return [Finding(str(application), Promise.AUDIT, "its history has its syncs", "it has none", cause)]


def traced(app: Object, known: Callable[[str], bool]) -> list[Finding]:
    """Return which syncs of an Application lead to no commit or to nobody.

    Args:
        app: the live Application.
        known: tells whether Git has a commit.
    """
    name, operation = name_of(app), argocd.operation(app)
    found = []
    for deployed in argocd.history(app):
        # Sources that are not the layer's have revisions of their own, such as a chart's version.
        layers = [sha for sha in deployed.revisions if sha in _of_layer(app, deployed.revisions)]
        found += [_unknown(name, sha, deployed.at) for sha in layers if not known(sha)]
    anonymous = operation.phase and not operation.automated and not operation.initiated_by
    if anonymous:
        cause = Cause(
            "sync-of-nobody",
            f"an operation of {name} was begun neither by Argo CD itself nor by a user that it knows",
            "look in the audit log who wrote the Application's field `operation`",
        )
        found.append(Finding(name, Promise.AUDIT, "Argo CD or a user has begun it", "it says nobody", cause))
    if operation.self_heal_attempts and not operation.automated:
        cause = Cause(
            "heal-not-automated",
            f"a heal of {name} was begun by {operation.initiated_by or 'nobody'}, and not by Argo CD itself",
            "look in the audit log who wrote the Application's field `operation`",
        )
        found.append(Finding(name, Promise.AUDIT, "an automated operation", operation.initiated_by or "nobody", cause))
    return found


def _of_layer(app: Object, revisions: Sequence[str]) -> frozenset[str]:
    """Return those of an Application's revisions that are commits of the layer."""
    marked = of_each_source(app, "")
    if isinstance(marked, str) or len(marked) != len(revisions):
        return frozenset(revisions)
    return frozenset(sha for sha, other in zip(revisions, marked, strict=True) if not other)


def _unknown(name: str, sha: str, when: object) -> Finding:
    cause = Cause(
        "sync-of-unknown-commit",
        f"{name} was synced to {sha[:12]} at {when}, and no branch of Git has that commit",
        "look whether the branch was rewritten; a revert keeps what a reset loses",
    )
    return Finding(name, Promise.AUDIT, "a commit that Git has", sha[:12], cause)


def writes(objects: Iterable[Object]) -> list[Write]:
    """Return every write to some objects that is still to be seen in them and not Argo CD's, each with its manager and time."""
    return [
        Write(
            name_of(obj),
            str(entry.get("manager") or ""),
            " ".join(filter(None, (str(entry.get("operation", "")), str(entry.get("subresource", ""))))),
            str(entry.get("time", "")),
        )
        for obj in objects
        for entry in at(obj, "metadata", "managedFields") or ()
        if entry.get("manager") not in ARGO_CD
    ]


def anonymous(objects: Iterable[Object]) -> list[Finding]:
    """Return the findings that an object does not tell who wrote it: its managed fields were removed, or name nobody."""
    found = []
    for obj in objects:
        entries = at(obj, "metadata", "managedFields") or ()
        # An apply that changed nothing has no time (kubernetes 1.34, seen).
        if entries and all(entry.get("manager") for entry in entries):
            continue
        name = name_of(obj)
        observed = "an entry has no manager" if entries else "it has no managedFields"
        cause = Cause(
            "writer-unknown",
            f"nothing tells who wrote {name}: {observed}",
            "look in the audit log who emptied metadata.managedFields",
        )
        found.append(Finding(name, Promise.AUDIT, "each field has a manager", observed, cause))
    return found
