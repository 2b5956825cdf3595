"""Who else owns the number of a workload's pods: a HorizontalPodAutoscaler, KEDA, or whatever names what it scales likewise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from platform_e2e.explain import View
from platform_e2e.explain.objects import at
from platform_e2e.kube.objects import Object, key

REPLICAS = "/spec/replicas"
"""The field that an autoscaler writes, through the subresource `scale`."""

AUTOSCALERS = ("autoscaling/v2/HorizontalPodAutoscaler", "keda.sh/v1alpha1/ScaledObject")
"""Kinds that are asked for in a cluster. In Git every object with a spec.scaleTargetRef counts."""


@dataclass(frozen=True)
class Scaled:
    """What an autoscaler scales.

    Attributes:
        group: API group of the workload, `apps` for instance.
        kind: of the workload.
        namespace: of both.
        name: of the workload.
    """

    group: str
    kind: str
    namespace: str
    name: str


def scaled(autoscalers: Iterable[Object]) -> set[Scaled]:
    """Return what autoscalers scale; objects that scale nothing are passed over.

    KEDA lets group and kind of a Deployment be left out (keda.sh/v1alpha1, ScaleTarget).
    """
    found = set()
    for one in autoscalers:
        target = at(one, "spec", "scaleTargetRef")
        if isinstance(target, dict) and target.get("name"):
            group = str(target.get("apiVersion") or "apps/v1").rpartition("/")[0]
            kind = str(target.get("kind") or "Deployment")
            found.add(Scaled(group, kind, key(one)[0], str(target["name"])))
    return found


def is_scaled(workload: Object, view: View) -> bool:
    """Tell whether an autoscaler of the cluster owns the number of a workload's pods."""
    namespace, name = key(workload)
    group = str(workload.get("apiVersion")).rpartition("/")[0]
    own = Scaled(group, str(workload.get("kind")), namespace, name)
    return any(own in scaled(view.list(kind, namespace)) for kind in AUTOSCALERS)
