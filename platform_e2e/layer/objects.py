"""One object as Argo CD will apply it, where it was written, and which promises it says it does not make."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.finding import Cause
from platform_e2e.layer import manifests
from platform_e2e.layer.argo_objects import mapping
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.field_locations import Written
from platform_e2e.layer.own_annotations import EXEMPT
from platform_e2e.layer.yamlfile import Document

HOOK = "argocd.argoproj.io/hook"
HELM_HOOK = "helm.sh/hook"
"""Annotations that make an object a hook, the second where the first is not there (gitops-engine, pkg/sync/hook/hook.go)."""

WAVE = "argocd.argoproj.io/sync-wave"
HELM_WEIGHT = "helm.sh/hook-weight"
"""Annotations that say in which wave of its phase an object is applied, the second where the first has no number
(gitops-engine, pkg/sync/syncwaves)."""

SYNC_OPTIONS = "argocd.argoproj.io/sync-options"
"""Annotation with an object's own sync options, separated by commas (Argo CD 3.2.11, docs/user-guide/sync-options.md)."""

SYNC_PHASES = ("PreSync", "Sync", "PostSync")
"""Phases of every sync; hooks of the others, such as SyncFail, run on occasion."""

HELM_PHASES = {
    "pre-install": "PreSync",
    "pre-upgrade": "PreSync",
    "post-install": "PostSync",
    "post-upgrade": "PostSync",
}
"""What Argo CD makes of Helm's hooks (gitops-engine, pkg/sync/hook/helm/type.go)."""

CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "ServiceCIDR",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
        "VolumeSnapshotClass",
    }
)
"""Kinds of Kubernetes itself without a namespace (`kubectl api-resources --namespaced=false`, 1.34). Those of CRDs in the layer
are added from their `scope`."""


POD_SPECS: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Rollout"), ("spec", "template", "spec")
    ),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Kinds that make pods, and where each has the pod's spec."""


@dataclass(frozen=True)
class Rendered:
    """One object that an Application renders.

    Attributes:
        object: as Argo CD applies it, its namespace filled in.
        application: name of the Application that owns it.
        file: where it is written, from the top of the repository that has the layer.
        line: from 1; None where only the file is known.
        written: where each of its fields is written; None where that is not known.
    """

    object: dict[str, Any]
    application: str
    file: str
    line: int | None
    written: Written | None = field(default=None, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """Return the kind alone, such as Deployment."""
        return str(self.object["kind"])

    @property
    def api(self) -> str:
        """Return apiVersion and kind as the Kubernetes client takes them, such as apps/v1/Deployment."""
        return f"{self.object['apiVersion']}/{self.kind}"

    @property
    def name(self) -> str:
        """Return the object's name; of a hook whose name the API server completes, what it begins with."""
        return manifests.name_of(self.object["metadata"])

    @property
    def namespace(self) -> str | None:
        """Return the object's namespace; None for kinds that have none."""
        return self.object["metadata"].get("namespace") or None

    @property
    def annotations(self) -> Mapping[str, str]:
        """Return the object's annotations."""
        return self.object["metadata"].get("annotations") or {}

    @property
    def labels(self) -> Mapping[str, str]:
        """Return the object's labels."""
        return self.object["metadata"].get("labels") or {}

    @property
    def spec(self) -> dict[str, Any]:
        """Return the object's spec, empty where it has none."""
        spec = self.object.get("spec")
        return spec if isinstance(spec, dict) else {}

    @property
    def pod(self) -> Mapping[str, Any]:
        """Return metadata and spec of the pods that the object makes; empty where it makes none."""
        path = POD_SPECS.get(self.kind)
        if path is None:
            return {}
        found: Mapping[str, Any] = self.object
        for key in path[:-1]:
            found = mapping(found.get(key))
        return found

    @property
    def identity(self) -> tuple[str, str, str | None, str]:
        """Return what makes it this object: group, kind, namespace, name. Two versions of a group are one object."""
        group = str(self.object["apiVersion"]).rpartition("/")[0]
        return group, self.kind, self.namespace, self.name

    @property
    def kept(self) -> bool:
        """Tell whether Argo CD keeps the object as Git says: a hook it runs, and what is to be skipped it leaves out.

        Helm's `crd-install` is none (gitops-engine, pkg/sync/hook/helm/hook.go).
        """
        return HOOK not in self.annotations and self.annotations.get(HELM_HOOK, "crd-install") == "crd-install"

    @property
    def hooks(self) -> tuple[str, ...]:
        """Return the phases of a sync in which the object is run as a hook, of PreSync, Sync and PostSync."""
        return () if self.kept else self.phases

    @property
    def phases(self) -> tuple[str, ...]:
        """Return the phases of every sync in which the object is applied; none for a hook that is run on occasion only."""
        if self.kept:
            return ("Sync",)
        own = [text.strip() for text in self.annotations.get(HOOK, "").split(",")]
        helm = [HELM_PHASES.get(text.strip(), "") for text in self.annotations.get(HELM_HOOK, "").split(",")]
        # Helm's count only where there are none of Argo CD's.
        found = own if HOOK in self.annotations else helm
        return tuple(dict.fromkeys(phase for phase in found if phase in SYNC_PHASES))

    @property
    def wave(self) -> int:
        """Return the wave of its phase in which the object is applied."""
        for name in (WAVE, HELM_WEIGHT):
            with contextlib.suppress(ValueError):
                return int(str(self.annotations.get(name, "")))
        return 0

    @property
    def sync_options(self) -> frozenset[str]:
        """Return the sync options that the object has of its own, such as `Prune=false`."""
        return frozenset(option.strip() for option in str(self.annotations.get(SYNC_OPTIONS, "")).split(","))

    @property
    def location(self) -> str:
        """Return the file and line where the object is written; the file alone where the line is not known."""
        return self.place()

    def place(self, *field: str | int) -> str:
        """Return the file and line where a field is written, for a remedy; those of the object where it is nowhere.

        Args:
            field: the keys that lead to it, as `Cause.field` has them; none for the object as a whole. One of a pod is looked
                for in the pod template of what makes pods.
        """
        path = POD_SPECS.get(self.kind)
        if path and len(field) > 1 and field[0] == "spec" and field[1] not in self.spec:
            field = (*path, *field[1:])
        if self.written is not None:
            return self.written.place(self.object, field)
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def document(self) -> Document:
        """Return the object as a document of its file."""
        node = self.written.document.node if self.written is not None else None
        return Document(self.object, self.file, self.line or 1, node, written=self.written)

    def exempt(self, promise: str) -> str | None:
        """Return why the object does not make the promise, or None."""
        return self.annotations.get(EXEMPT + promise)

    def error(self, problem: str, remedy: str = "") -> LayerError:
        """Return an error about this object."""
        return LayerError(self.file, self.line, f"{self}: {problem}", remedy)

    def __str__(self) -> str:
        """Name it as findings do: kind/name -n namespace."""
        return described(self.kind, self.name, self.namespace)


def located(cause: Cause, objects: Iterable[Rendered], otherwise: Rendered | None = None) -> Cause:
    """Return a cause whose remedy names the file and line of the field to change; unchanged where none of the objects has it.

    Args:
        cause: that may name another object to be changed, or one that led to it.
        objects: of the layer.
        otherwise: the object to be changed where the cause names none.
    """
    # `image NAME` is what several objects have in common, and no object.
    about = cause.about if " " not in cause.about.partition(" -n ")[0] else ""
    name = about or cause.through
    found = next((rendered for rendered in objects if str(rendered) == name), None) if name else otherwise
    return cause.located(found.place(*cause.field)) if found is not None else cause


@dataclass(frozen=True)
class Exemption:
    """A promise that something in the layer says it does not make; counted in the report.

    Attributes:
        object: what is exempt, named as in findings.
        promise: which promise.
        reason: why, as the layer says.
        file: where it says so.
    """

    object: str
    promise: str
    reason: str
    file: str


def described(kind: str, name: str, namespace: str | None) -> str:
    """Name an object as findings do: kind/name -n namespace."""
    return f"{kind.lower()}/{name}" + (f" -n {namespace}" if namespace else "")


def exemptions(annotations: Mapping[str, Any], subject: str, file: str, line: int | None) -> list[Exemption]:
    """Return the promises that annotations take an object out of.

    Args:
        annotations: of the object.
        subject: its name, for the report and for errors.
        file: where it is written.
        line: of the object.

    Raises:
        LayerError: an annotation gives no reason.
    """
    found = []
    for key, reason in annotations.items():
        if not key.startswith(EXEMPT):
            continue
        if not isinstance(reason, str) or not reason.strip():
            raise LayerError(
                file,
                line,
                f"{subject}: annotation {key} must say why the promise does not hold, got an empty value",
                "write the reason as its value",
            )
        found.append(Exemption(subject, key.removeprefix(EXEMPT), reason.strip(), file))
    return found
