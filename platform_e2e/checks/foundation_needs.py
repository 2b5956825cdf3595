"""The objects of the layer that a foundation waits for: a Secret, a ConfigMap, a volume claim, a ServiceAccount, a priority class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from platform_e2e.diagnosis.objects import at
from platform_e2e.layer import Rendered

KINDS = {
    "secret": "Secret",
    "configmap": "ConfigMap",
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "serviceaccount": "ServiceAccount",
    "priorityclass": "PriorityClass",
}
"""How the kubelet, the scheduler and the controllers write a kind that they miss, and the kind."""

MISSED = (
    re.compile(
        r'\b(?P<kind>secret|configmap|persistentvolumeclaim|serviceaccount) "(?P<name>[^"]+)" not found', re.IGNORECASE
    ),
    re.compile(r"\bcouldn't find key \S+ in (?P<kind>Secret|ConfigMap) (?:[^\s/]+/)?(?P<name>[\w.-]+\w)"),
    re.compile(r"\bno (?P<kind>PriorityClass) with name (?P<name>[\w.-]+) was found"),
)
"""How they say what a pod lacks (Kubernetes 1.34: pkg/kubelet/kubelet_pods.go, pkg/volume, the scheduler's volumebinding, the
admission plug-ins serviceaccount and priority)."""

SECRET_NAMES = (("spec", "secretName"), ("spec", "target", "name"))
"""Where an object of another kind says which Secret a controller makes of it: a Certificate, an ExternalSecret."""


@dataclass(frozen=True)
class Need:
    """An object that a pod cannot start without.

    Attributes:
        kind: of it.
        name: of it.
        namespace: that it is looked for in.
    """

    kind: str
    name: str
    namespace: str

    def __str__(self) -> str:
        """Write it as findings name objects."""
        return f"{self.kind.lower()}/{self.name} -n {self.namespace}"


def need(said: str, namespace: str) -> Need | None:
    """Return what a pod cannot start without, by what is said of it, or None.

    Args:
        said: by the kubelet, the scheduler or a controller.
        namespace: of the pod.
    """
    for words in MISSED:
        found = words.search(said)
        if found:
            return Need(KINDS[found["kind"].lower()], found["name"], namespace)
    return None


def bringing(wanted: Need, rendered: Sequence[Rendered]) -> Rendered | None:
    """Return the object of the layer that brings what is needed: itself, or what a controller makes it of; None where none does."""
    near = [candidate for candidate in rendered if candidate.namespace in {wanted.namespace, None}]
    return next((obj for obj in near if obj.kind == wanted.kind and obj.name == wanted.name), None) or next(
        (obj for obj in near if wanted.kind == "Secret" and wanted.name in _secrets(obj)), None
    )


def _secrets(rendered: Rendered) -> set[str]:
    """Return the names of the Secrets that a controller may make of an object."""
    stated = {str(at(rendered.object, *path)) for path in SECRET_NAMES if at(rendered.object, *path)}
    return stated or ({rendered.name} if rendered.kind.endswith("Secret") else set())
