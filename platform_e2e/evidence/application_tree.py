"""The resources of every Application as a tree, down to the pods: what Argo CD's own page shows, for a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key, uid


@dataclass
class TreeNode:
    """One object of the tree.

    Attributes:
        object: `kind/name -n namespace`.
        sync: what Argo CD says of it; empty below what is in Git.
        health: the same; of a pod its own state.
        message: why.
        below: what it owns.
    """

    object: str
    sync: str = ""
    health: str = ""
    message: str = ""
    below: list[TreeNode] = field(default_factory=list)

    def lines(self, indent: str = "  ") -> list[str]:
        """Return it and what is below it, a line each."""
        words = "  ".join(word for word in (self.sync, self.health) if word)
        line = f"{indent}{self.object}"
        line = f"{line:<64}  {words}".rstrip() + (f": {self.message}" if self.message else "")
        return [line, *(line for branch in self.below for line in branch.lines(indent + "  "))]


@dataclass
class Root:
    """One Application: its state, its last operation, its conditions, and its tree."""

    application: str
    sync: str
    health: str
    revisions: Sequence[str]
    operation: Mapping[str, Any]
    conditions: Sequence[tuple[str, str]]
    below: list[TreeNode]

    def lines(self) -> list[str]:
        """Return it as text."""
        at = f"  at {', '.join(revision[:12] for revision in self.revisions)}" if self.revisions else ""
        head = [f"application/{self.application}  {self.sync or 'never compared'}  {self.health or 'no health'}{at}"]
        done = self.operation
        if done.get("phase"):
            by = "automated" if done.get("automated") else f"by {done.get('initiated_by') or 'hand'}"
            heal = f", heal {done['self_heal_attempts']}" if done.get("self_heal_attempts") else ""
            when = f"{done.get('started') or '?'} to {done.get('finished') or 'now'}"
            head.append(f"  operation: {done['phase']} ({by}{heal}, {when}): {done.get('message', '')}")
        head += [f"  condition {kind}: {' '.join(message.split())}" for kind, message in self.conditions]
        return [*head, *(line for branch in self.below for line in branch.lines())]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def trees(applications: Iterable[Object], owned: Iterable[Object]) -> list[Root]:
    """Return the tree of each Application.

    Args:
        applications: as the API server has them.
        owned: what controllers make: ReplicaSets, Jobs, Pods, EndpointSlices.
    """
    children: dict[str, list[Object]] = {}
    for obj in owned:
        for owner in (obj.get("metadata") or {}).get("ownerReferences") or ():
            children.setdefault(str(owner.get("uid", "")), []).append(obj)
            # What is in Git is known by its name only.
            where = key(obj)[0]
            children.setdefault(f"{owner.get('kind')}/{where}/{owner.get('name')}", []).append(obj)
    return [_root(app, children) for app in applications]


def _root(app: Object, children: Mapping[str, Sequence[Object]]) -> Root:
    done = argocd.operation(app)
    operation = {
        name: str(value) if name in {"started", "finished"} and value else value for name, value in asdict(done).items()
    }
    below = []
    for resource in argocd.resources(app):
        branch = TreeNode(str(resource), resource.status, resource.health, " ".join(resource.message.split()))
        branch.below = [
            _branch(child, children)
            for child in children.get(f"{resource.kind}/{resource.namespace}/{resource.name}", ())
        ]
        below.append(branch)
    namespace, name = key(app)
    return Root(
        f"{name} -n {namespace}", argocd.sync_status(app), argocd.health(app), argocd.revisions(app), operation,
        argocd.conditions(app), below,
    )  # fmt: skip


def _branch(obj: Object, children: Mapping[str, Sequence[Object]]) -> TreeNode:
    """Return an object that a controller has made, with what it owns in turn."""
    namespace, name = key(obj)
    where = f" -n {namespace}" if namespace else ""
    below = [_branch(child, children) for child in children.get(uid(obj), ())] if uid(obj) else []
    state, message = _state(obj)
    return TreeNode(f"{str(obj.get('kind', '')).lower()}/{name}{where}", "", state, message, below)


def _state(obj: Object) -> tuple[str, str]:
    """Return in two words how an object is, and why."""
    status = obj.get("status") or {}
    if obj.get("kind") == "Pod":
        states = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
        ready = sum(bool(container.get("ready")) for container in status.get("containerStatuses") or ())
        restarts = sum(int(container.get("restartCount") or 0) for container in states)
        said = f"{status.get('phase', '')}, {ready} of {len(status.get('containerStatuses') or ())} ready, {restarts} restarts"
        waiting = [(container.get("state") or {}).get("waiting") or {} for container in states]
        reasons = [
            f"{container.get('reason', '')} {container.get('message', '')}".strip()
            for container in waiting
            if container
        ]
        return said, " ".join("; ".join(reasons).split())
    if obj.get("kind") == "ReplicaSet":
        return f"{status.get('readyReplicas') or 0} of {status.get('replicas') or 0} ready", ""
    return "", ""


def as_text(roots: Iterable[Root]) -> str:
    """Return the trees for a reader."""
    return "\n\n".join("\n".join(root.lines()) for root in roots) + "\n"
