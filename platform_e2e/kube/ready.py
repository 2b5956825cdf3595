"""What an object of Kubernetes' own kinds is when all is well with it, as an expectation and in words.

Those of rollouts, Jobs and conditions are in `rollouts`; here are the simple ones, and the table of what is expected of which
kind where nobody says more.
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_e2e.kube.objects import Object
from platform_e2e.kube.rollouts import ABSENT, condition, endpoints_ready, job_complete, rolled_out
from platform_e2e.kube.verdict import Expectation, Failed, Met, Pending, Verdict

SERVICE = "v1/Service"
SLICE = "discovery.k8s.io/v1/EndpointSlice"
SERVICE_NAME = "kubernetes.io/service-name"
"""Label of an EndpointSlice that names its Service (discovery.k8s.io/v1, LabelServiceName)."""


def exists(obj: Object | None) -> Verdict:
    """Judge whether an object exists; one that is being deleted still does. The value is the object."""
    return ABSENT if obj is None else Met(obj)


def pod_ready(pod: Object | None) -> Verdict:
    """Judge whether a pod is ready or has done its work; one that has failed cannot become ready. The value is the pod."""
    if pod is None:
        return ABSENT
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return Pending("it is being deleted")
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return Met(pod)
    if status.get("phase") == "Failed":
        return Failed(
            f"it has failed: {status.get('reason') or status.get('message') or 'a container ended with an error'}"
        )
    verdict = condition("Ready")(pod)
    if isinstance(verdict, Met):
        return Met(pod)
    waiting = [
        f"{one.get('name')}: {reason}"
        for one in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        if (reason := ((one.get("state") or {}).get("waiting") or {}).get("reason"))
    ]
    return Pending(
        f"it is {status.get('phase', 'Pending')} and not ready" + (f" ({', '.join(waiting)})" if waiting else "")
    )


def in_phase(phase: str) -> Expectation[Object | None]:
    """Return the expectation that `status.phase` is a phase, `Bound` or `Active`; its value is the object."""

    def judge(obj: Object | None) -> Verdict:
        if obj is None:
            return ABSENT
        found = (obj.get("status") or {}).get("phase")
        if found == phase:
            return Met(obj)
        troubles = [
            str(one.get("message"))
            for one in (obj.get("status") or {}).get("conditions") or []
            if one.get("status") == "True" and one.get("message")
        ]
        return Pending(
            f"its phase is {found or 'not set'}, not {phase}" + (f": {'; '.join(troubles)}" if troubles else "")
        )

    return judge


def addressed(service: Object | None) -> Verdict:
    """Judge whether a Service of type LoadBalancer has an address. The value is the list of addresses or host names."""
    if service is None:
        return ABSENT
    kind = (service.get("spec") or {}).get("type") or "ClusterIP"
    if kind != "LoadBalancer":
        return Pending(f"its type is {kind}, which gets no address from outside")
    entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    found = [
        str(entry.get("ip") or entry.get("hostname")) for entry in entries if entry.get("ip") or entry.get("hostname")
    ]
    return Met(found) if found else Pending("it has no address yet")


def serving(state: tuple[Object | None, list[Object]]) -> Verdict:
    """Judge a Service and its EndpointSlices: an address for type LoadBalancer, and a ready endpoint behind its selector.

    For `all_of(kube.one(SERVICE, ...), kube.many(SLICE, namespace, {SERVICE_NAME: name}))`. The value is the Service. One
    without a selector has what its maker gives it, and one of type ExternalName has no endpoints.
    """
    service, slices = state
    if service is None:
        return ABSENT
    spec = service.get("spec") or {}
    if spec.get("type") == "LoadBalancer":
        verdict = addressed(service)
        if not isinstance(verdict, Met):
            return verdict
    if spec.get("selector") and spec.get("type") != "ExternalName":
        verdict = endpoints_ready()(slices)
        if not isinstance(verdict, Met):
            return verdict
    return Met(service)


@dataclass(frozen=True)
class Ready:
    """What is expected of an object where nobody says more.

    Attributes:
        phrase: in words that follow the object's name: `is rolled out`.
        judge: judges the object, or its absence.
    """

    phrase: str
    judge: Expectation[Object | None]


_ROLLOUT = Ready("is rolled out", rolled_out)

READY: dict[str, Ready] = {
    "apps/v1/Deployment": _ROLLOUT,
    "apps/v1/StatefulSet": _ROLLOUT,
    "apps/v1/DaemonSet": _ROLLOUT,
    "batch/v1/Job": Ready("is complete", job_complete),
    "v1/Pod": Ready("is ready", pod_ready),
    "v1/Node": Ready("is ready", condition("Ready")),
    "v1/Namespace": Ready("is active", in_phase("Active")),
    "v1/PersistentVolumeClaim": Ready("is bound", in_phase("Bound")),
    "apiextensions.k8s.io/v1/CustomResourceDefinition": Ready("is established", condition("Established")),
    "apiregistration.k8s.io/v1/APIService": Ready("is available", condition("Available")),
}
"""By kind. A Service is judged with its EndpointSlices, see `serving`."""
