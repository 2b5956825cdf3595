"""Causes of a Service without a ready endpoint: its pods are not ready, no workload makes any, or its selector selects none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_e2e.diagnosis.explain.owners import has_ended
from platform_e2e.diagnosis.objects import (
    SERVICE_NAME_LABEL,
    WORKLOAD_KINDS,
    at,
    endpoints,
    is_ready,
    listed,
    name_of,
    pods_of,
    unmet,
    workloads_of,
)
from platform_e2e.diagnosis.registry import explain, explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

SELECTOR_REMEDY = "correct spec.selector of the Service, or the labels of the pods"


def nothing_ready(service: Object, view: ReadApi, cause_id: str) -> Cause | None:
    """Return why a Service without a ready endpoint has none; None where its pods are only about to be ready.

    Args:
        service: that has none.
        view: of the cluster.
        cause_id: of the cause that lies in the Service itself, or in who makes its pods.
    """
    pods, workloads = pods_of(view, service), workloads_of(view, service)
    ended = [name_of(pod) for pod in pods if has_ended(pod)]
    if ended and len(ended) == len(pods) and not workloads:
        return Cause(
            cause_id,
            f"{name_of(service)} has no endpoint: what it selects has ended, {listed(ended)}",
            "select pods that stay, or run what ends, such as a Job, as a Deployment",
            field=("spec", "selector"),
        )
    if pods or workloads:
        return nothing_made(f"{name_of(service)} has no endpoint", pods, workloads, view, cause_id)
    if not at(service, "spec", "selector"):
        return Cause(
            cause_id,
            f"{name_of(service)} has no selector, and no EndpointSlice of it has a ready address",
            f"write the addresses into an EndpointSlice with the label {SERVICE_NAME_LABEL}, or give the Service a selector",
        )
    selector = _pairs(at(service, "spec", "selector") or {}) or "empty"
    sentence = f"the selector of {name_of(service)} ({selector}) selects no pod of its namespace"
    near, label = _nearest(service, view)
    return Cause(cause_id, sentence, f"{SELECTOR_REMEDY}{near}", field=("spec", "selector", *label))


def nothing_made(
    effect: str, pods: Sequence[Object], workloads: Sequence[Object], view: ReadApi, cause_id: str
) -> Cause | None:
    """Return why no pod is ready of those that are chosen; None where they are only about to be ready.

    Args:
        effect: what comes of it, as a main clause; empty where the caller says it.
        pods: that are chosen.
        workloads: whose pods are chosen.
        view: of the cluster.
        cause_id: of the cause that lies in what makes the pods.
    """
    for obj in [*pods, *workloads]:
        cause = explain(obj, view)
        if cause is not None:
            return cause
    if pods or not workloads:
        return None
    idle = [name_of(workload) for workload in workloads if at(workload, "spec", "replicas") == 0]
    if idle and len(idle) == len(workloads):
        return Cause(
            cause_id,
            f"{effect}, since {listed(idle)} is scaled to 0 replicas"
            if effect
            else f"{listed(idle)} is scaled to 0 replicas",
            f"scale it up, in Git where Git says how many: `kubectl scale {idle[0]} --replicas 1`; metadata.managedFields "
            "tells who scaled it down",
        )
    made = f"{listed([name_of(workload) for workload in workloads])} has made no pod"
    return Cause(
        cause_id,
        f"{effect}: {made}" if effect else made,
        "wait; if it stays so, look at the events of the workload and of its ReplicaSet",
    )


@explains("v1/Service")
def nothing_behind(service: Object, view: ReadApi) -> Cause | None:
    """Nothing ready stands behind a Service of another type than LoadBalancer; that type is `announcing`'s."""
    if not at(service, "spec", "selector") or at(service, "spec", "type") in {"LoadBalancer", "ExternalName"}:
        return None
    if any(is_ready(endpoint) for endpoint in endpoints(view, service)):
        return None
    return nothing_ready(service, view, "service-no-endpoints")


def _nearest(service: Object, view: ReadApi) -> tuple[str, tuple[str | int, ...]]:
    """Return in words which workload of the namespace has the most of the labels that a Service asks for, and the first it lacks."""
    selector = at(service, "spec", "selector") or {}
    found = []
    for kind in WORKLOAD_KINDS:
        for workload in view.list(kind, key(service)[0]):
            labels = at(workload, "spec", "template", "metadata", "labels") or {}
            has = {name: labels[name] for name in selector if name in labels}
            if has:
                missing = sum(labels.get(name) != value for name, value in selector.items())
                found.append((missing, name_of(workload), has))
    if not found:
        return ", or deploy what makes such pods", ()
    _, name, has = min(found, key=lambda candidate: candidate[:2])
    return f"; the pods of {name} have {_pairs(has)}", unmet({"matchLabels": selector}, has)[1:]


def _pairs(labels: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in labels.items())
