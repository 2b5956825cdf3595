"""Compare what is rendered here with what the live Argo CD says of the same Applications."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any

from platform_e2e.kube.client import Kube
from platform_e2e.kube.discovery import group_path
from platform_e2e.kube.errors import NotFound
from platform_e2e.kube.objects import Object

TRACKING = "argocd.argoproj.io/tracking-id"
"""Annotation by which Argo CD knows an Application's objects."""

_SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "ownerReferences", "resourceVersion", "uid")


class Scopes:
    """Which kinds have a namespace, by what the API server says; as Argo CD assumes, also those that are not there.

    Args:
        kube: the cluster.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: dict[str, dict[str, bool]] = {}

    def __call__(self, data: Object) -> bool:
        """Tell whether an object of that kind has a namespace."""
        version = str(data["apiVersion"])
        if version not in self._known:
            try:
                found = self._kube.raw("GET", group_path(version))["resources"]
            except NotFound:
                found = []
            self._known[version] = {each["kind"]: each["namespaced"] for each in found if "/" not in each["name"]}
        return self._known[version].get(data["kind"], True)


def placed(objects: Sequence[Object], namespace: str, scoped: Callable[[Object], bool]) -> list[Object]:
    """Return objects as they are applied: in the destination's namespace where they name none and have one.

    Args:
        objects: as Argo CD's repo server returns them.
        namespace: of the destination.
        scoped: tells whether an object of that kind has a namespace.
    """
    found = copy.deepcopy(list(objects))
    for each in found:
        if not scoped(each):
            each["metadata"].pop("namespace", None)
        elif namespace and not each["metadata"].get("namespace"):
            each["metadata"]["namespace"] = namespace
    return found


def text(objects: Sequence[Object]) -> list[str]:
    """Return objects as lines, in their order, without Argo CD's tracking and without the values of Secrets, which its API hides."""
    return [line for each in objects for line in _lines(_normal(each))]


def generated(application: Object) -> list[str]:
    """Return an Application as lines, without what only a cluster adds."""
    found = {name: value for name, value in application.items() if name not in ("status", "operation")}
    found["metadata"] = {key: value for key, value in found["metadata"].items() if key not in _SERVER_FIELDS}
    return _lines(found)


def _lines(data: Object) -> list[str]:
    return json.dumps(data, indent=1, sort_keys=True).splitlines()


def _normal(data: Object) -> Object:
    found = copy.deepcopy(data)
    annotations: dict[str, Any] = found["metadata"].get("annotations") or {}
    annotations.pop(TRACKING, None)
    if not annotations:
        found["metadata"].pop("annotations", None)
    if found["kind"] == "Secret":
        names = {**found.get("data", {}), **found.pop("stringData", {})}
        found["data"] = dict.fromkeys(names, "hidden")
    return found
