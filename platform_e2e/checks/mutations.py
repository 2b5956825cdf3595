"""Choose what to change in the cluster so that a healer has something to heal: one field, one object of each Application.

The choice is made from the layer alone, so tests are known before a cluster exists. What is chosen is what hurts least: a
field that no other test looks at, an object that nothing else hangs on while it is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from platform_e2e.checks.git_differences import escaped, value_at
from platform_e2e.checks.ignore_differences import Rule, rules
from platform_e2e.layer import Application, Layer, Rendered


class MutationKind(StrEnum):
    """Kinds of change."""

    FIELD_EDITED = "field-edited"
    OBJECT_DELETED = "object-deleted"


HARMLESS: Mapping[str, tuple[str, ...]] = {
    "apps/v1/Deployment": ("/spec/revisionHistoryLimit", "/spec/progressDeadlineSeconds", "/spec/minReadySeconds"),
    "apps/v1/StatefulSet": ("/spec/revisionHistoryLimit", "/spec/minReadySeconds"),
    "apps/v1/DaemonSet": ("/spec/revisionHistoryLimit", "/spec/minReadySeconds"),
    "monitoring.coreos.com/v1/PrometheusRule": (
        "/spec/groups/0/rules/0/annotations/summary",
        "/spec/groups/0/rules/0/annotations/description",
    ),
    "argoproj.io/v1alpha1/AppProject": ("/spec/description",),
    "argoproj.io/v1alpha1/Application": ("/spec/syncPolicy/retry/limit",),
}
"""Fields whose change has no effect while it lasts, by kind; the first that Git mentions is taken."""

GENTLEST = (
    "argoproj.io/v1alpha1/AppProject",
    "monitoring.coreos.com/v1/PrometheusRule",
    "apps/v1/Deployment",
    "apps/v1/StatefulSet",
    "apps/v1/DaemonSet",
    "v1/ConfigMap",
    "argoproj.io/v1alpha1/Application",
)
"""Kinds of which a field is edited, the gentlest first; other kinds come after them, by a label or an annotation."""

DELETABLE = (
    "monitoring.coreos.com/v1/PrometheusRule",
    "v1/ConfigMap",
    "argoproj.io/v1alpha1/Application",
    "v1/Service",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "bitnami.com/v1alpha1/SealedSecret",
    "metallb.io/v1beta1/L2Advertisement",
)
"""Kinds of which an object is deleted, the gentlest first: mounted files outlive their ConfigMap, an Application without a
finalizer leaves its objects behind, a Service without an address of its own is a few records. Others are never deleted: pods
and volumes would go with them, or, as with an ApplicationSet and an IPAddressPool, everything that hangs on them."""

FINALIZER = "resources-finalizer.argocd.argoproj.io"
"""With it an Application takes its objects along (argo-cd, docs/user-guide/app_deletion.md)."""

OURS_ALONE = ("app.kubernetes.io/part-of", "app.kubernetes.io/managed-by", "environment")
"""Labels that nothing is selected by as a rule; they are edited before others."""


@dataclass(frozen=True)
class Mutation:
    """One change to make.

    Attributes:
        application: that heals; empty for an Application that its ApplicationSet heals, or nothing does.
        kind: of change.
        target: the object, as Git has it.
        pointer: JSON pointer of the field; empty for a deletion.
        value: what the field is changed to.
    """

    application: str
    kind: MutationKind
    target: Rendered
    pointer: str = ""
    value: Any = None

    def __str__(self) -> str:
        """Name it as a test's id does."""
        return f"{self.application}-{self.kind}"

    @property
    def git_value(self) -> Any:
        """Return what Git says the field is."""
        return value_at(self.target.object, self.pointer)

    @property
    def patch(self) -> list[dict[str, Any]]:
        """Return the change as a JSON patch, which touches this one field also inside of a list."""
        return [
            {"op": "test", "path": self.pointer, "value": self.git_value},
            {"op": "replace", "path": self.pointer, "value": self.value},
        ]


def mutations_of(application: Application) -> list[Mutation]:
    """Return one change of each kind for an Application, as far as it has an object that may be changed so."""
    chosen = (edit(application), deletion(application))
    return [drift for drift in chosen if drift is not None]


def edit(application: Application) -> Mutation | None:
    """Return the field to change, or None where every object of the Application must be left alone."""
    kept = (obj for obj in application.objects if obj.kept)
    ignored = rules(application.manifest, None)
    edits = (edit_of(target, ignored) for target in sorted(kept, key=lambda rendered: _rank(GENTLEST, rendered)))
    return next((drift for drift in edits if drift is not None), None)


def edit_of(target: Rendered, ignored: Sequence[Rule] = ()) -> Mutation | None:
    """Return the change of the most harmless field of an object, or None where it has none that Git mentions and heals.

    Args:
        target: the object.
        ignored: rules of ignoreDifferences; whether what they cover may be covered is another check's to say.
    """
    about = [rule for rule in ignored if rule.about(target)]
    for pointer in _fields(target):
        value = value_at(target.object, pointer)
        if any(rule.covers(pointer, target.object) for rule in about):
            continue
        if isinstance(value, str | int) and not isinstance(value, bool):
            return Mutation(target.application, MutationKind.FIELD_EDITED, target, pointer, other(value))
    return None


def application_edits(layer: Layer) -> list[Mutation]:
    """Return one harmless change of each Application that another Application keeps."""
    ignored = {app.name: rules(app.manifest, None) for app in layer.applications}
    # A foundation of the layer is installed by itself, and its Application skipped, as a hook.
    kept = (each for each in layer.rendered if each.kept and each.api == "argoproj.io/v1alpha1/Application")
    return [
        drift for rendered in kept if (drift := edit_of(rendered, ignored.get(rendered.application, ()))) is not None
    ]


def generated_edits(layer: Layer) -> list[Mutation]:
    """Return one harmless change of each Application that an ApplicationSet makes; no Application heals it."""
    made = [app for app in layer.applications if app.generated_by]
    return [drift for app in made if (drift := edit_of(_rendered(app))) is not None]


def root_edits(layer: Layer) -> list[Mutation]:
    """Return one harmless change of each Application that comes from neither: it was applied by hand."""
    kept = {rendered.name for rendered in layer.rendered if rendered.api == "argoproj.io/v1alpha1/Application"}
    roots = [app for app in layer.applications if not app.generated_by and app.name not in kept]
    return [drift for app in roots if (drift := edit_of(_rendered(app))) is not None]


def _rendered(application: Application) -> Rendered:
    return Rendered(application.manifest, "", application.file, application.line)


def deletion(application: Application) -> Mutation | None:
    """Return the object to delete, or None where none may be."""
    candidates = sorted((obj for obj in application.objects if _may_go(obj)), key=lambda obj: _rank(DELETABLE, obj))
    return Mutation(application.name, MutationKind.OBJECT_DELETED, candidates[0]) if candidates else None


def other(value: str | int) -> str | int:
    """Return a value of the same type that is another one, and valid wherever the first is."""
    return value + 1 if isinstance(value, int) else f"{value}-drifted"


def _rank(order: tuple[str, ...], target: Rendered) -> int:
    return order.index(target.api) if target.api in order else len(order)


def _may_go(target: Rendered) -> bool:
    if target.api not in DELETABLE or not target.kept:
        return False
    if target.kind == "Application":
        return FINALIZER not in (target.object["metadata"].get("finalizers") or ())
    return target.spec.get("type") != "LoadBalancer"


def _fields(target: Rendered) -> Iterator[str]:
    """Yield the fields of an object that may be changed, the most harmless first."""
    yield from HARMLESS.get(target.api, ())
    if target.api == "v1/ConfigMap" and target.object.get("immutable") is not True:
        # The longest text is for people or for Grafana; short ones are settings.
        data = target.object.get("data") or {}
        for key in sorted(data, key=lambda name: len(str(data[name])), reverse=True):
            yield f"/data/{escaped(key)}"
    labels = sorted(target.labels, key=lambda name: (name not in OURS_ALONE, name))
    yield from (f"/metadata/labels/{escaped(name)}" for name in labels)
    yield from (f"/metadata/annotations/{escaped(name)}" for name in target.annotations)
