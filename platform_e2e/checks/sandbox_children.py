"""An app of apps in a sandbox: an Application that another one makes, and what both must be allowed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from platform_e2e.checks.sandbox import Sandbox, application
from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.layer.objects import WAVE

if TYPE_CHECKING:
    from platform_e2e.kube.objects import Object

SERVER = "https://kubernetes.default.svc"


def child_application(sandbox: Sandbox, *, path: str = "child") -> Object:
    """Return an Application of another directory of the sandbox's branch, which the sandbox's own makes in wave 0.

    Args:
        sandbox: the sandbox.
        path: the directory.
    """
    child = application(sandbox.namespace, sandbox.branch.url, sandbox.branch.name, self_heal=True)
    child["metadata"] |= {"name": f"{sandbox.namespace}-{path}", "annotations": {WAVE: "0"}}
    child["spec"]["source"]["path"] = path
    return child


def allowing_children(sandbox: Sandbox) -> dict[str, Any]:
    """Return the change of a sandbox's AppProject with which its Application may make others."""
    namespaces = (sandbox.namespace, argocd.NAMESPACE)
    return {"spec": {"destinations": [{"server": SERVER, "namespace": namespace} for namespace in namespaces]}}


def below(path: str, *objects: Object) -> dict[str, bytes | None]:
    """Return the files of objects in a directory of the branch."""
    return {f"{path}/{obj['metadata']['name']}.json": json.dumps(obj).encode() for obj in objects}


def look(sandbox: Sandbox, name: str) -> None:
    """Have Argo CD compare an Application of a sandbox with what Git has now."""
    argocd_requests.ask_refresh(sandbox.kube, name)
