"""The objects that a test commits in its sandbox: settings, gates, hooks and workloads, as small as they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from platform_e2e.errors import BrokenHarness
from platform_e2e.gitops import server
from platform_e2e.kube.objects import Object
from platform_e2e.layer.objects import HOOK, WAVE

if TYPE_CHECKING:
    from platform_e2e.kube.read_api import ReadApi

HOOK_POLICY = "argocd.argoproj.io/hook-delete-policy"
"""Annotation that says when a hook is deleted (the same file)."""

NO_IMAGE = "Platform-E2E/No-Image:1"
"""An image that cannot be had anywhere, nor replaced by a stand-in: a kubelet refuses capital letters in a name before it asks for it."""

_USER = 65532
"""Any user but root: a cluster may demand that."""


def config_map(name: str, /, wave: int | None = None, annotations: dict[str, str] | None = None, **data: str) -> Object:
    """Return a ConfigMap.

    Args:
        name: of it.
        wave: its sync wave; none where it is None.
        annotations: more of them.
        data: its keys.
    """
    return _object("v1", "ConfigMap", name, wave, annotations, data=data)


def service(name: str, *, wave: int | None = None, port: int = 80) -> Object:
    """Return a Service with nothing behind it."""
    return _object("v1", "Service", name, wave, None, spec={"ports": [{"port": port, "protocol": "TCP"}]})


def service_account(name: str, *, wave: int | None = None, **labels: str) -> Object:
    """Return a ServiceAccount, which Argo CD applies early among the kinds of one wave."""
    made = _object("v1", "ServiceAccount", name, wave, None, automountServiceAccountToken=False)
    if labels:
        made["metadata"]["labels"] = labels
    return made


def refused(name: str = "refused") -> Object:
    """Return an object that no API server takes: the quota of a negative number of pods."""
    return _object("v1", "ResourceQuota", name, None, None, spec={"hard": {"pods": "-1"}})


def hook(phase: str, name: str, /, **data: str) -> Object:
    """Return a ConfigMap that is a hook of a sync: it is made anew each time that hooks are run, so its UID tells whether they were."""
    return _object("v1", "ConfigMap", name, None, {HOOK: phase, HOOK_POLICY: "BeforeHookCreation"}, data=data)


def failing_job(phase: str, name: str, image: str) -> Object:
    """Return a Job that is a hook of a sync and ends with status 3."""
    annotations = {HOOK: phase, HOOK_POLICY: "BeforeHookCreation"}
    pod = _pod(image, "exit 3") | {"restartPolicy": "Never"}
    return _object("batch/v1", "Job", name, None, annotations, spec={"backoffLimit": 0, "template": {"spec": pod}})


def deployment(
    name: str, image: str, *, wave: int | None = None, version: str = "1", deadline: int = 600, match: str = ""
) -> Object:
    """Return a Deployment of one pod that only waits.

    Args:
        name: of it.
        image: any that has sh.
        wave: its sync wave; none where it is None.
        version: in the pod's environment, so that another one is another rollout.
        deadline: seconds after which it counts as failed.
        match: value of the label by which it knows its pods; its name where it is empty. It cannot be changed later.
    """
    labels = {"app": match or name}
    pod = _pod(image, "trap 'exit 0' TERM; while :; do sleep 1 & wait; done", version=version)
    spec: dict[str, Any] = {
        "replicas": 1,
        "progressDeadlineSeconds": deadline,
        "revisionHistoryLimit": 3,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return _object("apps/v1", "Deployment", name, wave, None, spec=spec)


def image_of_the_cluster(view: ReadApi) -> str:
    """Return an image with sh that every node has: that of the git server.

    Raises:
        BrokenHarness: the git server is not there.
    """
    for found in view.list("apps/v1/Deployment", server.NAMESPACE, server.LABELS):
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])
    raise BrokenHarness(
        f"namespace {server.NAMESPACE} must have the git server, got no Deployment of it", "bring the cluster up again"
    )


def _pod(image: str, script: str, **env: str) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "main",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", script],
                "env": [{"name": name.upper(), "value": value} for name, value in env.items()],
                "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }


def _object(
    api: str, kind: str, name: str, wave: int | None, annotations: dict[str, str] | None, **fields: Any
) -> Object:
    metadata: dict[str, Any] = {"name": name}
    every = dict(annotations or {}) | ({WAVE: str(wave)} if wave is not None else {})
    if every:
        metadata["annotations"] = every
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}
