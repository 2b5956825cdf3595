"""Namespaces that Argo CD watches: its own, and others only where it is configured to.

Sources: Argo CD 3.2.11, cmd/argocd-application-controller/commands (--application-namespaces, from `application.namespaces` of
the ConfigMap argocd-cmd-params-cm) and util/glob (a pattern, or a regular expression between slashes).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from platform_e2e.diagnosis.explain.applications import APPLICATION_KIND, COMPONENT
from platform_e2e.diagnosis.objects import at, listed, name_of
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

PARAMETERS = "argocd-cmd-params-cm"
SETTING, ARGUMENT, VARIABLE = "application.namespaces", "--application-namespaces", "ARGOCD_APPLICATION_NAMESPACES"
"""The same setting as a key of that ConfigMap, as an argument, and as a variable of the controller's container."""


@explains(APPLICATION_KIND)
def not_watched(application: Object, view: ReadApi) -> Cause | None:
    """It lies in a namespace that no application controller reads."""
    if argocd.sync_status(application) and not argocd.refresh_asked(application):
        return None
    namespace = key(application)[0]
    controllers = [
        controller
        for kind in ("apps/v1/StatefulSet", "apps/v1/Deployment")
        for controller in view.list(kind, labels={COMPONENT: "application-controller"})
    ]
    if not controllers or any(_reads(controller, namespace, view) for controller in controllers):
        return None
    homes = sorted({key(controller)[0] for controller in controllers})
    return Cause(
        "application-namespace-unwatched",
        f"Argo CD does not look at {name_of(application)}: its controller in namespace {listed(homes)} reads Applications of "
        f"{listed(sorted({word for controller in controllers for word in (key(controller)[0], *_others(controller, view))}))} only",
        f"move the Application to namespace {homes[0]}, or let Argo CD read {namespace}: {SETTING} in the ConfigMap {PARAMETERS} "
        "(configs.params of the chart), and spec.sourceNamespaces of its AppProject",
        about=f"namespace/{namespace}",
    )


def _reads(controller: Object, namespace: str, view: ReadApi) -> bool:
    """Tell whether an application controller reads Applications of a namespace."""
    return key(controller)[0] == namespace or any(_matches(word, namespace) for word in _others(controller, view))


def _matches(pattern: str, namespace: str) -> bool:
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        try:
            return re.search(pattern[1:-1], namespace) is not None
        except re.error:
            return False
    return fnmatchcase(namespace, pattern)


def _others(controller: Object, view: ReadApi) -> Iterator[str]:
    """Yield the namespaces, or patterns of them, that a controller reads beside its own."""
    settings = view.get("v1/ConfigMap", PARAMETERS, key(controller)[0])
    texts = [str(at(settings, "data", SETTING) or "")]
    for container in at(controller, "spec", "template", "spec", "containers") or ():
        words = [str(word) for word in (*(container.get("command") or ()), *(container.get("args") or ()))]
        texts += [word.partition("=")[2] for word in words if word.startswith(f"{ARGUMENT}=")]
        texts += [after for word, after in itertools.pairwise(words) if word == ARGUMENT]
        texts += [
            str(variable.get("value") or "")
            for variable in container.get("env") or ()
            if variable.get("name") == VARIABLE
        ]
    for text in texts:
        yield from (word.strip() for word in text.split(",") if word.strip())
