"""Owners of the pods that a Service or a PodMonitor chooses by their labels: ownership tells, labels alone do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_e2e.diagnosis.objects import WORKLOAD_KINDS, annotations_of, at, includes, labels_of
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.objects import described

Owner = tuple[str, str, str]
"""Kind, namespace and name of what makes pods."""

Chooses = Callable[[Mapping[str, str]], bool]
"""Takes the labels of pods and tells whether they are chosen."""

PASSED_ON = frozenset({"apps/v1/ReplicaSet", "batch/v1/Job"})
"""What makes pods and is most often made by something else, a Deployment, a Rollout or a CronJob."""

FINISHED = frozenset({"Succeeded", "Failed"})
"""Phases of a pod that has ended: it is not an endpoint (endpointslice, IsPodTerminal), and the operator drops it as a target."""

SCALERS = ("autoscaling/v2/HorizontalPodAutoscaler", "keda.sh/v1alpha1/ScaledObject")
"""Kinds of autoscalers that are asked for in a cluster. KEDA makes a HorizontalPodAutoscaler of each of its own, which is asked first:
it has the bounds that hold, where it is there. In Git every object with a spec.scaleTargetRef counts."""

REPLICAS = "/spec/replicas"
"""The field that an autoscaler writes, through the subresource `scale`."""

PAUSED = "autoscaling.keda.sh/paused-replicas"
"""Annotation by which KEDA holds a number of pods (KEDA 2, apis/keda/v1alpha1/scaledobject_types.go)."""

KEDA_MOST = 100
"""What KEDA takes for maxReplicaCount where a ScaledObject has none (KEDA 2, defaultHPAMaxReplicas)."""


@dataclass(frozen=True)
class Makers:
    """What stands behind a choice of pods.

    Attributes:
        workloads: Deployments, StatefulSets and DaemonSets whose pod templates are chosen.
        apart: pods that are chosen and that none of these makes: those of other controllers, and where there is no workload at
            all those that nothing controls. A pod made by hand beside a workload does not count.
    """

    workloads: tuple[Object, ...] = ()
    apart: tuple[Object, ...] = ()

    @property
    def specs(self) -> list[Mapping[str, Any]]:
        """Return the pod specs of all of them."""
        return [spec_of(obj) for obj in (*self.workloads, *self.apart)]


def spec_of(obj: Object) -> Mapping[str, Any]:
    """Return the pod spec of a pod or of a workload's template."""
    return at(obj, "spec", "template", "spec") or (obj.get("spec") or {} if obj.get("kind") == "Pod" else {})


def template_labels(obj: Object) -> Mapping[str, str]:
    """Return the labels of a pod or of a workload's pods."""
    return labels_of(obj) if obj.get("kind") == "Pod" else at(obj, "spec", "template", "metadata", "labels") or {}


def behind(service: Object, view: ReadApi) -> Makers:
    """Return what makes the pods that a Service selects; nothing for one without a selector."""
    selector = at(service, "spec", "selector") or {}
    return makers(view, key(service)[0], lambda labels: includes(selector, labels)) if selector else Makers()


def makers(view: ReadApi, namespace: str | None, chooses: Chooses) -> Makers:
    """Return what makes the pods that are chosen.

    Args:
        view: of the cluster.
        namespace: of the pods; None for every one.
        chooses: by labels.
    """
    workloads = [obj for kind in WORKLOAD_KINDS for obj in view.list(kind, namespace) if chooses(template_labels(obj))]
    made = {(kind_of(obj), *key(obj)) for obj in workloads}
    apart = []
    for pod in view.list("v1/Pod", namespace):
        if not chooses(labels_of(pod)) or has_ended(pod) or at(pod, "metadata", "deletionTimestamp"):
            continue
        owner = owner_of(pod, view)
        if owner not in made if owner else not workloads:
            apart.append(pod)
    return Makers(tuple(workloads), tuple(apart))


def has_ended(pod: Object) -> bool:
    """Tell whether a pod has done its work, or failed at it, for good."""
    return at(pod, "status", "phase") in FINISHED


def owner_of(pod: Object, view: ReadApi) -> Owner | None:
    """Return what makes a pod and stays, its Deployment and not its ReplicaSet; None for a pod that nothing controls."""
    namespace, found, obj = key(pod)[0], None, pod
    while reference := _controller(obj):
        kind, name = f"{reference.get('apiVersion')}/{reference.get('kind')}", str(reference.get("name"))
        found = (kind, namespace, name)
        if kind not in PASSED_ON:
            break
        above = view.get(kind, name, namespace)
        if above is None:
            break
        obj = above
    return found


def _controller(obj: Object) -> Mapping[str, Any] | None:
    """Return the reference to what controls an object (meta/v1, OwnerReference)."""
    return next((owner for owner in at(obj, "metadata", "ownerReferences") or () if owner.get("controller")), None)


def named(pods: Sequence[Object], view: ReadApi) -> list[str]:
    """Return by name what makes pods, each once; a pod that nothing controls by its own name."""
    found = []
    for pod in pods:
        owner = owner_of(pod, view)
        kind, namespace, name = owner or (kind_of(pod), *key(pod))
        found.append(described(kind.rpartition("/")[2], name, namespace))
    return sorted(dict.fromkeys(found))


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

    @classmethod
    def of(cls, workload: Object) -> Scaled:
        """Return a workload as what may be scaled."""
        group, _, kind = kind_of(workload).rpartition("/")
        return cls(group.rpartition("/")[0], kind, *key(workload))


def scaled(autoscalers: Iterable[Object]) -> set[Scaled]:
    """Return what autoscalers scale; objects that scale nothing are passed over.

    KEDA lets group and kind of a Deployment be left out (keda.sh/v1alpha1, ScaleTarget).
    """
    found = set()
    for scaler in autoscalers:
        target = at(scaler, "spec", "scaleTargetRef")
        if isinstance(target, dict) and target.get("name"):
            group = str(target.get("apiVersion") or "apps/v1").rpartition("/")[0]
            kind = str(target.get("kind") or "Deployment")
            found.add(Scaled(group, kind, key(scaler)[0], str(target["name"])))
    return found


def scaler_of(workload: Object, view: ReadApi) -> Object | None:
    """Return the autoscaler of the cluster that owns a workload's replicas, or None."""
    own = Scaled.of(workload)
    every = (scaler for kind in SCALERS for scaler in view.list(kind, own.namespace))
    return next((scaler for scaler in every if own in scaled([scaler])), None)


def bounds(scaler: Object) -> tuple[int, int | None]:
    """Return how many pods an autoscaler keeps at least and at most; None where nothing says how many at most."""
    spec = scaler.get("spec") or {}
    if scaler.get("kind") != "ScaledObject":
        least, most = spec.get("minReplicas"), spec.get("maxReplicas")
        return 1 if least is None else int(least), int(most) if most else None
    held = annotations_of(scaler).get(PAUSED)
    if held is not None and str(held).isdecimal():
        return int(held), int(held)
    idle = spec.get("idleReplicaCount")
    return int(spec.get("minReplicaCount") or 0 if idle is None else idle), int(
        spec.get("maxReplicaCount") or KEDA_MOST
    )


def replicas(workload: Object, declared: Object | None, scaler: Object | None = None) -> int:
    """Return how many pods a workload must have.

    Args:
        workload: as the cluster has it.
        declared: as Git has it, or None.
        scaler: that owns the number; what Git says of it does not count then.
    """
    if kind_of(workload) == "apps/v1/DaemonSet":
        return int(at(workload, "status", "desiredNumberScheduled") or 0)
    live = at(workload, "spec", "replicas")
    number = 1 if live is None else int(live)
    if scaler is not None:
        # At 0 a HorizontalPodAutoscaler does nothing, and KEDA waits for work; else it keeps the number within its bounds, also
        # where it has no metrics (Kubernetes 1.34, pkg/controller/podautoscaler/horizontal.go).
        least, most = bounds(scaler)
        return number and min(max(number, least), most or number)
    stated = at(declared, "spec", "replicas")
    return number if stated is None else int(stated)
