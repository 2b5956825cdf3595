"""Kinds of an Application that the cluster does not serve: a missing CRD, or another version."""

from __future__ import annotations

import re
from dataclasses import dataclass

KUBERNETES = frozenset({"", "apps", "autoscaling", "batch", "extensions", "policy"})
"""API groups of Kubernetes itself without a dot; the others end with `.k8s.io`, which CRDs under approval do, too."""

OF_KUBERNETES = re.compile(
    r"(?:admissionregistration|apiextensions|apiregistration|authentication|authorization|certificates|coordination|discovery"
    r"|events|flowcontrol\.apiserver|internal\.apiserver|networking|node|rbac\.authorization|resource|scheduling|storage)\.k8s\.io"
)
"""The others (`kubectl api-versions` of Kubernetes 1.34)."""

REPLACED = {
    "CronJob": "batch/v1",
    "CSIStorageCapacity": "storage.k8s.io/v1",
    "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "EndpointSlice": "discovery.k8s.io/v1",
    "FlowSchema": "flowcontrol.apiserver.k8s.io/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "IngressClass": "networking.k8s.io/v1",
    "MutatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "PriorityClass": "scheduling.k8s.io/v1",
    "PriorityLevelConfiguration": "flowcontrol.apiserver.k8s.io/v1",
    "ReplicaSet": "apps/v1",
    "RuntimeClass": "node.k8s.io/v1",
    "StatefulSet": "apps/v1",
    "ValidatingWebhookConfiguration": "admissionregistration.k8s.io/v1",
}
"""Kinds of which Kubernetes has removed a version, and the one that it serves (its Deprecated API Migration Guide, to 1.34)."""

OTHER_VERSION = re.compile(
    r"could not find version \\?\"(?P<version>[\w.]+)\\?\" of (?P<group>[\w.-]*)/(?P<kind>\w+)\b"
    r"(?:.*?Version \\?\"(?P<served>[\w.]+)\\?\" of (?P<where>[\w.-]*)/\w+ is installed)?"
)
NO_RESOURCE = re.compile(r"could not find (?P<group>[\w.-]*)/(?P<kind>\w+) for requested resource")
"""Argo CD's own words (3.2.11, util/argo/argo.go, AugmentSyncMsg)."""

NO_MATCH = re.compile(
    r"no matches for kind \\?\"?(?P<kind>\w+)\\?\"? in version \\?\"?(?:(?P<group>[\w.-]+)/)?(?P<version>[\w.]+)"
)
"""The API server's and its client's (apimachinery, meta.NoKindMatchError)."""


@dataclass(frozen=True)
class Unserved:
    """A kind that a cluster does not serve in the version at hand.

    Attributes:
        kind: with group and version as far as they are told, `policy/v1beta1 PodDisruptionBudget`.
        instead: apiVersion that is served; empty where it is not known.
        builtin: whether its group is one of Kubernetes itself, which no CRD brings.
    """

    kind: str
    instead: str
    builtin: bool


def unserved(message: str) -> Unserved | None:
    """Return the kind that a message says is not served, where its version is at fault and not a missing CRD; else None."""
    found = OTHER_VERSION.search(message) or NO_RESOURCE.search(message) or NO_MATCH.search(message)
    if found is None:
        return None
    parts = found.groupdict()
    group, kind, version = parts.get("group") or "", str(parts["kind"]), parts.get("version") or ""
    builtin = group in KUBERNETES or OF_KUBERNETES.fullmatch(group) is not None
    instead = f"{parts['where']}/{parts['served']}".lstrip("/") if parts.get("served") else ""
    instead = instead or (REPLACED.get(kind, "") if builtin else "")
    if not builtin and not instead:
        return None
    shown = "/".join(part for part in (group, version) if part)
    return Unserved(f"{shown} {kind}".strip(), instead, builtin)
