"""Ready-made expectations for Kubernetes' own kinds, and the table of what is expected of each kind by default.

A status counts only when it is about the object's newest generation: until the controller has observed that, the verdict is
`Pending`, whatever the old status says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_e2e.kube.errors import ApiError, KindNotServed, NotFound, Unavailable
from platform_e2e.kube.objects import Object, described, generation
from platform_e2e.kube.verdict import Expectation, Failed, Met, Pending, Verdict

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube
    from platform_e2e.kube.reader import Reader

ABSENT = Pending("does not exist")


def rolled_out(obj: Object | None) -> Verdict:
    """Judge whether a Deployment, StatefulSet or DaemonSet runs its newest template everywhere, by kubectl's rules.

    The value is the object. A Deployment that has passed its progressDeadlineSeconds has failed. A DaemonSet that is wanted on no
    node is complete, as for kubectl.
    """
    if obj is None:
        return ABSENT
    judge = _ROLLOUTS.get(str(obj.get("kind")))
    if judge is None:
        return Failed(f"{described(obj)} has no rollout; kinds that have one: {', '.join(_ROLLOUTS)}")
    return _unseen(obj) or judge(obj, obj.get("spec") or {}, obj.get("status") or {})


def _unseen(obj: Object) -> Pending | None:
    """Return `Pending` while the controller has not observed the newest generation, else None."""
    newest = generation(obj)
    observed = (obj.get("status") or {}).get("observedGeneration") or 0
    if observed < newest:
        return Pending(f"generation {newest} is not observed yet (last observed: {observed or 'none'})")
    return None


def _deployment(obj: Object, spec: Object, status: Object) -> Verdict:
    """Judge a Deployment (kubectl's rollout_status.go, DeploymentStatusViewer)."""
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return Failed(f"passed its progress deadline: {condition.get('message')}")
    wanted = spec.get("replicas", 1)
    total, updated = status.get("replicas") or 0, status.get("updatedReplicas") or 0
    available = status.get("availableReplicas") or 0
    if updated < wanted:
        return Pending(f"{updated} of {wanted} replicas run the newest template")
    if total > updated:
        return Pending(f"{total - updated} old replicas are still to end")
    if available < updated:
        return Pending(f"{available} of {updated} replicas are available")
    return Met(obj)


def _statefulset(obj: Object, spec: Object, status: Object) -> Verdict:
    """Judge a StatefulSet; with a partition, only the replicas above it must be new."""
    wanted = spec.get("replicas", 1)
    ready, updated = status.get("readyReplicas") or 0, status.get("updatedReplicas") or 0
    strategy = spec.get("updateStrategy") or {}
    if ready < wanted:
        return Pending(f"{ready} of {wanted} replicas are ready")
    if (status.get("availableReplicas") or 0) < wanted:
        return Pending(f"{status.get('availableReplicas') or 0} of {wanted} replicas are available")
    if strategy.get("type") == "OnDelete":
        return Met(obj)  # only a person replaces its pods
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if updated < wanted - partition:
        return Pending(f"{updated} of {wanted - partition} replicas run the newest template")
    if not partition and status.get("updateRevision") != status.get("currentRevision"):
        return Pending(f"revision {status.get('updateRevision')} is not the current one yet")
    return Met(obj)


def _daemonset(obj: Object, spec: Object, status: Object) -> Verdict:
    """Judge a DaemonSet."""
    wanted = status.get("desiredNumberScheduled") or 0
    updated, available = status.get("updatedNumberScheduled") or 0, status.get("numberAvailable") or 0
    replaced_by_hand = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    if updated < wanted and not replaced_by_hand:
        return Pending(f"{updated} of {wanted} nodes run the newest template")
    if available < wanted:
        return Pending(f"{available} of {wanted} nodes have an available pod")
    return Met(obj)


_ROLLOUTS: dict[str, Callable[[Object, Object, Object], Verdict]] = {
    "Deployment": _deployment,
    "StatefulSet": _statefulset,
    "DaemonSet": _daemonset,
}


def condition(type_: str, status: str = "True") -> Expectation[Object | None]:
    """Return the expectation that a condition has a status for the object's newest generation; its value is the condition.

    Args:
        type_: of the condition, `Available`, `Established`, ...
        status: `True`, `False` or `Unknown`.
    """

    def judge(obj: Object | None) -> Verdict:
        if obj is None:
            return ABSENT
        conditions = (obj.get("status") or {}).get("conditions") or []
        found = next((c for c in conditions if c.get("type") == type_), None)
        if found is None:
            there = ", ".join(str(c.get("type")) for c in conditions)
            return Pending(f"has no condition {type_} yet (has: {there or 'none'})")
        newest = generation(obj)
        # The generation is in the condition, or in the status as a whole, or absent.
        observed = found.get("observedGeneration", obj["status"].get("observedGeneration"))
        if observed is not None and observed < newest:
            return Pending(f"condition {type_} is about generation {observed}, the newest is {newest}")
        if found.get("status") == status:
            return Met(found)
        words = [part for part in (found.get("reason"), found.get("message")) if part]
        return Pending(f"condition {type_} is {found.get('status')}, not {status}: {', '.join(words) or 'no reason'}")

    return judge


def job_complete(obj: Object | None) -> Verdict:
    """Judge whether a Job has completed; after a failure it can no longer complete. The value is the Job."""
    if obj is None:
        return ABSENT
    status = obj.get("status") or {}
    for found in status.get("conditions") or []:
        if found.get("status") == "True" and found.get("type") == "Complete":
            return Met(obj)
        if found.get("status") == "True" and found.get("type") in {"Failed", "FailureTarget"}:
            return Failed(f"failed: {found.get('reason')}: {found.get('message')}")
    return Pending(
        f"{status.get('succeeded') or 0} of {(obj.get('spec') or {}).get('completions') or 1} completions, "
        f"{status.get('active') or 0} pods active, {status.get('failed') or 0} failed"
    )


def endpoints_ready(at_least: int = 1) -> Expectation[list[Object]]:
    """Return the expectation that a Service has ready endpoints; its value is the sorted list of their addresses.

    For the source `kube.many("discovery.k8s.io/v1/EndpointSlice", namespace, {"kubernetes.io/service-name": service})`.

    Args:
        at_least: number of addresses.
    """

    def judge(slices: list[Object]) -> Verdict:
        endpoints = [endpoint for part in slices for endpoint in part.get("endpoints") or []]
        ready = sorted(
            {a for e in endpoints if (e.get("conditions") or {}).get("ready", True) for a in e.get("addresses") or []}
        )
        if len(ready) >= at_least:
            return Met(ready)
        return Pending(f"{len(ready)} ready endpoints of at least {at_least} ({len(endpoints) - len(ready)} not ready)")

    return judge


def crd_served(kube: Reader, name: str) -> Verdict:
    """Judge, by requests to the API server, whether a CRD is established and each of its served versions can be listed.

    For `poll(lambda: crd_served(kube, name), ...)`: a kind can be listed only a moment after its CRD is established, which no
    watch shows. The value is the list of kinds, `argoproj.io/v1alpha1/Application`.

    Args:
        kube: the client.
        name: of the CRD, `applications.argoproj.io`.
    """
    crd = kube.get("apiextensions.k8s.io/v1/CustomResourceDefinition", name)
    established = condition("Established")(crd)
    if crd is None or not isinstance(established, Met):
        return established
    refused = next(
        (c for c in crd["status"]["conditions"] if c.get("type") == "NamesAccepted" and c.get("status") == "False"),
        None,
    )
    if refused:
        return Failed(f"its names were not accepted: {refused.get('message')}")
    spec = crd["spec"]
    kinds = [f"{spec['group']}/{v['name']}/{spec['names']['kind']}" for v in spec["versions"] if v.get("served")]
    for kind in kinds:
        try:
            if not kube.served(kind):
                return Pending(f"{kind} is not in the API server's discovery yet")
            kube.raw("GET", f"/apis/{kind.rsplit('/', 1)[0]}/{spec['names']['plural']}", params={"limit": 1})
        except (NotFound, Unavailable) as error:
            return Pending(f"{kind} cannot be listed yet: {error.message}")
    return Met(kinds)


def webhook_answering(kube: Kube, probe: Object) -> Verdict:
    """Judge, by a dry run, whether the admission webhooks for an object answer; they may allow or refuse it.

    For `poll(lambda: webhook_answering(kube, probe), ...)`. The value is the answer: the object, or the refusal.

    Args:
        kube: the client.
        probe: an object for which the webhooks are called; it is never stored.
    """
    try:
        return Met(kube.apply(probe, dry_run=True, patience=0))
    except KindNotServed as error:
        return Pending(error.message)
    except ApiError as error:
        # The API server reports an unreachable webhook as 500 "failed calling webhook", a refusal by one as 400 or 403.
        if isinstance(error, Unavailable) or "failed calling webhook" in error.message or error.status == 404:
            return Pending(error.message)
        return Met(error)


SERVICE = "v1/Service"
SLICE = "discovery.k8s.io/v1/EndpointSlice"
SERVICE_NAME = "kubernetes.io/service-name"
"""Label of an EndpointSlice that names its Service (discovery.k8s.io/v1, LabelServiceName)."""


def exists(obj: Object | None) -> Verdict:
    """Judge whether an object exists, even if it is being deleted. The value is the object."""
    return ABSENT if obj is None else Met(obj)


def pod_ready(pod: Object | None) -> Verdict:
    """Judge whether a pod is ready or has succeeded; after a failure it cannot become ready. The value is the pod."""
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
        f"{container.get('name')}: {reason}"
        for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        if (reason := ((container.get("state") or {}).get("waiting") or {}).get("reason"))
    ]
    return Pending(
        f"it is {status.get('phase', 'Pending')} and not ready" + (f" ({', '.join(waiting)})" if waiting else "")
    )


def in_phase(phase: str) -> Expectation[Object | None]:
    """Return the expectation that `status.phase` is a phase, such as `Bound` or `Active`; its value is the object."""

    def judge(obj: Object | None) -> Verdict:
        if obj is None:
            return ABSENT
        found = (obj.get("status") or {}).get("phase")
        if found == phase:
            return Met(obj)
        troubles = [
            str(condition.get("message"))
            for condition in (obj.get("status") or {}).get("conditions") or []
            if condition.get("status") == "True" and condition.get("message")
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

    For `all_of(kube.one(SERVICE, ...), kube.many(SLICE, namespace, {SERVICE_NAME: name}))`. The value is the Service. Endpoints are
    not judged without a selector, since something else manages them, nor for type ExternalName, which has none.
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
    """The default expectation for an object.

    Attributes:
        phrase: words that follow the object's name: `is rolled out`.
        judge: judges the object, or None if it is absent.
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
"""Default expectations by kind. A Service is judged together with its EndpointSlices, see `serving`."""
