"""What Argo CD shows of an Application to who may see it: through its API, as its web page and its CLI ask."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from platform_e2e.diagnosis.objects import at
from platform_e2e.gitops import argocd

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube

ADMINISTRATOR = "argocd-initial-admin-secret"
"""Secret with the password of the user `admin`, which Argo CD makes at its first start (argo-cd 3.2, util/settings/settings.go)."""

SERVER = "argocd-server"

COOKIE = "argocd.token"
"""Cookie with the session's token (common/common.go, AuthCookieName)."""

PARAMETERS = "argocd-cmd-params-cm"

SHOWN = ("", "/managed-resources", "/resource-tree", "/manifests")
"""What its API tells of an Application: the object, the difference between Git and the cluster, the tree, and the manifests
(server/application/application.proto)."""


def shown(kube: Kube, name: str) -> Iterator[tuple[str, str]]:
    """Yield what the API of Argo CD tells an administrator of an Application, each with its path; nothing where there is none to ask as.

    Args:
        kube: the cluster.
        name: of the Application.
    """
    secret = kube.get("v1/Secret", ADMINISTRATOR, argocd.NAMESPACE)
    if secret is None:
        return
    password = base64.b64decode(secret["data"]["password"]).decode()
    answer = _ask(kube, "POST", "/api/v1/session", {"username": "admin", "password": password})
    cookie = {"Cookie": f"{COOKIE}={answer['token']}"}
    for path in SHOWN:
        yield path or "/", json.dumps(_ask(kube, "GET", f"/api/v1/applications/{name}{path}", headers=cookie))


def recorded(kube: Kube, name: str) -> Iterator[tuple[str, str]]:
    """Yield what the cluster keeps of an Application for who may read it there: the object, and its events."""
    yield "the Application", json.dumps(kube.get(argocd.APPLICATION, name, argocd.NAMESPACE))
    events = kube.list("v1/Event", argocd.NAMESPACE)
    yield "its events", json.dumps([each for each in events if at(each, "involvedObject", "name") == name])


def values_in(told: Sequence[tuple[str, str]], *values: str) -> list[str]:
    """Return which views have one of the values, as it is or in Base64.

    Args:
        told: what each view tells.
        values: none of which may be in any.
    """
    sought = [form for value in values for form in (value, base64.b64encode(value.encode()).decode())]
    return [view for view, text in told if any(form in text for form in sought)]


def _ask(kube: Kube, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """Ask the API of Argo CD through the API server."""
    said = at(kube.get("v1/ConfigMap", PARAMETERS, argocd.NAMESPACE), "data", "server.insecure")
    target = f"{SERVER}:80" if str(said).lower() == "true" else f"https:{SERVER}:443"
    prefix = f"/api/v1/namespaces/{argocd.NAMESPACE}/services/{target}/proxy"
    return kube.raw(method, f"{prefix}{path}", body, headers=headers)
