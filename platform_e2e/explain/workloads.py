"""Why a Deployment, StatefulSet or DaemonSet is not complete: most often the first of its pods that is not ready."""

from __future__ import annotations

from platform_e2e.explain.objects import at, condition, labels_of, name_of, selects
from platform_e2e.explain.pods import is_ready
from platform_e2e.explain.registry import View, explain, explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key


@explains("apps/v1/Deployment", "apps/v1/StatefulSet", "apps/v1/DaemonSet", "batch/v1/Job")
def pods_not_ready(workload: Object, view: View) -> Cause | None:
    """A pod of it is not ready; the newest one, since an older one may belong to a rollout before."""
    selector = at(workload, "spec", "selector")
    pods = [pod for pod in view.list("v1/Pod", key(workload)[0]) if selects(selector, labels_of(pod))]
    for pod in sorted(pods, key=lambda p: str(at(p, "metadata", "creationTimestamp")), reverse=True):
        if not is_ready(pod) and not at(pod, "metadata", "deletionTimestamp"):
            return explain(pod, view)
    return None


@explains("apps/v1/Deployment", "apps/v1/StatefulSet", "apps/v1/DaemonSet")
def refused(workload: Object, view: View) -> Cause | None:
    """Pods cannot be created: a quota, an admission rule, a missing ServiceAccount."""
    failure = condition(workload, "ReplicaFailure")
    namespace, name = key(workload)
    created = [e for e in view.events(_kind(workload), name, namespace) if e.get("reason") == "FailedCreate"]
    message = failure.get("message") or (created[-1].get("message") if created else None)
    if not message:
        return None
    return Cause(
        "workload-quota",
        f"{name_of(workload)} cannot create its pods: {' '.join(str(message).split())}",
        "raise the quota, or correct what the admission rule names",
    )


def _kind(workload: Object) -> str:
    return f"{workload.get('apiVersion')}/{workload.get('kind')}"
