"""Explain an object that does not exist: no such namespace, another name, another namespace, or its Application."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from platform_e2e.diagnosis.causes import OBJECT_MISSING
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.objects import at, listed, name_of
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.objects import described

NEAR = 3
"""How many names a person is offered."""


def why_not_found(kind: str, name: str, namespace: str | None, view: ReadApi) -> Cause:
    """Return why an object is not there, as far as it can be told.

    Args:
        kind: as in a manifest, `v1/Service`.
        name: of the object.
        namespace: of the object, or None for a kind without.
        view: of the cluster.
    """
    wanted = described(kind.rsplit("/", 1)[1], name, namespace)
    owner = _owner(kind, name, namespace, view)
    if owner is not None:
        return explain(owner, view) or Cause(
            OBJECT_MISSING,
            f"{wanted} belongs to {name_of(owner)} and is not there",
            "with automated sync Argo CD makes it; look at the Application's conditions and its last operation",
        )
    if namespace and view.get("v1/Namespace", namespace) is None:
        near = _near(namespace, [key(obj)[1] for obj in view.list("v1/Namespace")])
        return Cause(OBJECT_MISSING, f"there is no namespace {namespace} for {wanted}", _offer(near, "-n "))
    others = list(view.list(kind))
    elsewhere = sorted(key(other)[0] for other in others if key(other)[1] == name)
    if elsewhere:
        return Cause(
            OBJECT_MISSING,
            f"{wanted} does not exist; there is one of that name in {listed(elsewhere[:NEAR])}",
            f"give {' or '.join(f'-n {place}' for place in elsewhere[:NEAR])}",
        )
    near = _near(name, [key(other)[1] for other in others if namespace in {None, key(other)[0]}])
    return Cause(OBJECT_MISSING, f"{wanted} does not exist, and no Application has it", _offer(near, ""))


def _owner(kind: str, name: str, namespace: str | None, view: ReadApi) -> Object | None:
    """Return the Application that should have made an object."""
    for app in view.list(argocd.APPLICATION):
        for resource in at(app, "status", "resources") or ():
            group = f"{resource['group']}/" if resource.get("group") else ""
            api = f"{group}{resource.get('version')}/{resource.get('kind')}"
            if (api, resource.get("name"), resource.get("namespace") or None) == (kind, name, namespace):
                return app
    return None


def _near(name: str, names: Sequence[str]) -> list[str]:
    return difflib.get_close_matches(name, sorted(set(names)), n=NEAR, cutoff=0.6)


def _offer(near: Sequence[str], before: str) -> str:
    offered = " or ".join(f"{before}{obj}" for obj in near)
    return f"did you mean {offered}?" if near else "create it, or correct its name and namespace"
