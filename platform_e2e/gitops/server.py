"""The git server inside the cluster: one small Deployment that Argo CD reads from."""

from __future__ import annotations

from typing import Any

NAMESPACE = "platform-e2e-git"
NAME = "git"
PORT = 9418
"""The port of git's own protocol (IANA; git-daemon(1))."""

REPOSITORY = "/srv/platform.git"
URL = f"git://{NAME}.{NAMESPACE}.svc.cluster.local/platform.git"
"""The path from which Argo CD reads the layer."""

LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "platform-e2e"}

_USER = 999
"""The user of Argo CD's image (its Dockerfile); any user but root would do."""

_SCRIPT = f"""
set -e
[ -e {REPOSITORY}/HEAD ] || git init --quiet --bare --initial-branch=main {REPOSITORY}
git -C {REPOSITORY} config gc.auto 0
git -C {REPOSITORY} config receive.autogc false
git -C {REPOSITORY} config uploadpack.allowAnySHA1InWant true
exec git daemon --verbose --reuseaddr --export-all --informative-errors --max-connections=0 --base-path=/srv /srv
"""
"""Pushes go through `kubectl exec`; the network allows only reading."""


def manifests(image: str) -> list[dict[str, Any]]:
    """Return the objects of the server, in the order to apply them.

    Args:
        image: any image with sh and git; every node has Argo CD's already.
    """
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {**LABELS, "pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
            "spec": {"selector": LABELS, "ports": [{"name": "git", "port": PORT, "targetPort": "git"}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
            "spec": {
                "replicas": 1,
                # Two pods would be two repositories.
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": _pod(image)},
            },
        },
    ]


def _pod(image: str) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # git daemon keeps nothing that needs an orderly end, and as PID 1 it ignores SIGTERM.
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "git",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", _SCRIPT],
                "ports": [{"name": "git", "containerPort": PORT}],
                "readinessProbe": {"tcpSocket": {"port": "git"}, "periodSeconds": 1},
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "256Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "env": [{"name": "HOME", "value": "/srv"}],
                "volumeMounts": [{"name": "srv", "mountPath": "/srv"}],
            }
        ],
        "volumes": [{"name": "srv", "emptyDir": {}}],
    }
