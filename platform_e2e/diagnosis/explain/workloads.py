"""Causes of a Deployment, StatefulSet or DaemonSet that is not complete: most often the first of its pods that is not ready."""

from __future__ import annotations

import re

from platform_e2e.diagnosis.explain.pods import is_ready
from platform_e2e.diagnosis.objects import at, condition, labels_of, name_of, selects, since
from platform_e2e.diagnosis.registry import explain, explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi


@explains("apps/v1/Deployment", "apps/v1/StatefulSet", "apps/v1/DaemonSet", "batch/v1/Job")
def pods_not_ready(workload: Object, view: ReadApi) -> Cause | None:
    """A pod of it is not ready; the newest one, since an older one may belong to a rollout before."""
    selector = at(workload, "spec", "selector")
    pods = [pod for pod in view.list("v1/Pod", key(workload)[0]) if selects(selector, labels_of(pod))]
    for pod in sorted(pods, key=lambda p: str(at(p, "metadata", "creationTimestamp")), reverse=True):
        if not is_ready(pod) and not at(pod, "metadata", "deletionTimestamp"):
            return explain(pod, view)
    return None


REFUSALS = (
    (
        re.compile(r"serviceaccount \"?[\w.-]+\"? not found", re.IGNORECASE),
        "create the ServiceAccount that the pod template names",
        "serviceAccountName",
    ),
    (
        re.compile(r"exceeded quota|failed quota"),
        "raise the quota, or state requests and limits as it demands",
        "containers",
    ),
    (
        re.compile(r"no PriorityClass with name"),
        "create the PriorityClass that the pod template names; a project must permit it",
        "priorityClassName",
    ),
    (
        re.compile(r"RuntimeClass.* not found", re.IGNORECASE),
        "create the RuntimeClass that the pod template names",
        "runtimeClassName",
    ),
    (
        re.compile(r"violates PodSecurity"),
        "set the fields that the message names, or lower the namespace's pod-security label",
        "securityContext",
    ),
    (
        re.compile(r"(?:maximum|minimum) .* usage per|LimitRange"),
        "keep to the namespace's LimitRange, or widen it",
        "containers",
    ),
    (re.compile(r"failed calling webhook"), "look at the pods behind the webhook's Service", ""),
    (
        re.compile(r"admission webhook .* denied the request|ValidatingAdmissionPolicy"),
        "correct what the policy names",
        "",
    ),
)
"""What the API server says when it takes no pod (Kubernetes 1.34, plugin/pkg/admission), what mends it, and the pod's field."""

QUOTA = re.compile(r"exceeded quota|failed quota")


@explains("apps/v1/Deployment", "apps/v1/StatefulSet", "apps/v1/DaemonSet", "batch/v1/Job")
def refused(workload: Object, view: ReadApi) -> Cause | None:
    """Pods cannot be created: a quota, an admission rule, a missing ServiceAccount."""
    failure = condition(workload, "ReplicaFailure")
    namespace, name = key(workload)
    events = since(view.events(_kind(workload), name, namespace), workload)
    created = [e for e in events if e.get("reason") == "FailedCreate"]
    message = failure.get("message") if failure.get("status") == "True" else None
    message = message or (created[-1].get("message") if created else None)
    if not message:
        return None
    said = " ".join(str(message).split())
    remedy, field = next(
        ((remedy, field) for words, remedy, field in REFUSALS if words.search(said)),
        ("correct what the message names", ""),
    )
    return Cause(
        "workload-quota" if QUOTA.search(said) else "workload-refused",
        f"{name_of(workload)} cannot create its pods: {said}",
        remedy,
        field=("spec", "template", "spec", field) if field else (),
    )


def _kind(workload: Object) -> str:
    return f"{workload.get('apiVersion')}/{workload.get('kind')}"
