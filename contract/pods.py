"""Pods for the contract, from CoreDNS' image, which every cluster has, with only a health page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contract.conftest import Standing
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.expect import Failed, Met, Pending, Verdict, eventually, poll
from platform_e2e.kube.objects import Object

PORT = 8080
COREFILE = f".:5353 {{\n  errors\n  health :{PORT}\n}}\n"

RUNNING_SECONDS = 60.0
"""Timeout of a pod whose image is on the node; a second is usual."""


def dns_image(standing: Standing) -> str:
    """Return the image of the cluster's DNS."""
    (found,) = standing.kube.list("apps/v1/Deployment", "kube-system", {"k8s-app": "kube-dns"})
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def run(
    standing: Standing,
    name: str,
    node: str,
    volumes: Sequence[Object] = (),
    *,
    namespace: str = "default",
    **container: Any,
) -> Object:
    """Run a pod on a node, with its name as its label `app`, and return it once it runs.

    Args:
        standing: the cluster.
        name: the name of the pod.
        node: the node to bind it to.
        volumes: the volumes of the pod.
        namespace: its namespace.
        container: fields of its container.
    """
    metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
    spec = {
        "nodeName": node,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "volumes": list(volumes),
        "containers": [{"name": "main", "imagePullPolicy": "Never", **container}],
    }
    standing.kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    found: Object = eventually(
        standing.kube.one("v1/Pod", name, namespace), runs, timeout=RUNNING_SECONDS, what=f"pod {name} runs on {node}"
    )
    return found


def runs(pod: Object | None) -> Verdict:
    """Judge whether a pod runs and has an address."""
    status = (pod or {}).get("status") or {}
    if status.get("phase") == "Running" and status.get("podIP"):
        return Met(pod)
    if status.get("phase") == "Failed":
        return Failed(f"it ended: {status.get('containerStatuses')}")
    waiting = [each["state"].get("waiting", {}).get("reason", "") for each in status.get("containerStatuses") or []]
    return Pending(f"it is {status.get('phase')} {' '.join(waiting)}".strip())


def check_health(standing: Standing, name: str, node: str) -> None:
    """Run a pod with a health page on a node, check that the API server reaches it, and remove it."""
    kube = standing.kube
    metadata = {"name": name, "namespace": "default"}
    kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": COREFILE}})
    run(
        standing,
        name,
        node,
        volumes=[{"name": "config", "configMap": {"name": name}}],
        image=dns_image(standing),
        args=["-conf", "/config/Corefile"],
        volumeMounts=[{"name": "config", "mountPath": "/config"}],
    )
    path = f"/api/v1/namespaces/default/pods/{name}:{PORT}/proxy/health"

    def look() -> Verdict:
        try:
            said = kube.raw("GET", path)
        except ApiError as error:
            return Pending(error.problem)
        return Met(said) if said == "OK" else Pending(f"it says {said[:100]}")

    poll(look, timeout=RUNNING_SECONDS, what=f"pod {name} on {node} answers the API server")
    kube.delete("v1/Pod", name, "default")
    kube.delete("v1/ConfigMap", name, "default")
