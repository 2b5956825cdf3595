"""A server of the harness's own in a cluster: a namespace, a Service, and a Deployment of one pod that the strictest policy admits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from platform_e2e.kube.objects import Object


def manifests(
    name: str,
    namespace: str,
    marks: Mapping[str, Mapping[str, str]],
    *,
    user: int,
    containers: Sequence[Object],
    volumes: Sequence[Object] = (),
) -> list[Object]:
    """Return the objects of a server, in the order to apply them; the Service has the port of each container, under its name.

    Args:
        name: of the Service and of the Deployment.
        namespace: of its own.
        marks: `labels` and `annotations` of each object; the labels choose the pod.
        user: id of the user and group that it runs as.
        containers: as `container` returns them.
        volumes: of the pod, which belong to that group.
    """
    metadata = {"name": name, "namespace": namespace, **marks}
    labels = marks["labels"]
    ports = [port for each in containers for port in each["ports"]]
    security: dict[str, Any] = {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": user}
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # It keeps nothing that needs an orderly end, and as PID 1 most programs ignore SIGTERM.
        "terminationGracePeriodSeconds": 0,
        "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": list(containers),
    }
    if volumes:
        pod["securityContext"]["fsGroup"] = user
        pod["volumes"] = list(volumes)
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": namespace,
                **marks,
                "labels": {**labels, "pod-security.kubernetes.io/enforce": "restricted"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "selector": labels,
                "ports": [
                    {"name": port["name"], "port": port["containerPort"], "targetPort": port["name"]} for port in ports
                ],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {
                "replicas": 1,
                # Two pods would each have a part of what it keeps.
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {"metadata": marks, "spec": pod},
            },
        },
    ]


def container(
    name: str,
    image: str,
    script: str,
    *,
    port: tuple[str, int],
    env: Mapping[str, str],
    mounts: Sequence[Object] = (),
) -> Object:
    """Return a container that runs a shell script, which serves one port.

    Args:
        name: of the container.
        image: that has `sh` and what the script calls.
        script: for `sh -c`.
        port: name and number.
        env: variables of the script.
        mounts: of the pod's volumes.
    """
    mounted = {"volumeMounts": list(mounts)} if mounts else {}
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "ports": [{"name": port[0], "containerPort": port[1]}],
        "readinessProbe": {"tcpSocket": {"port": port[0]}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        **mounted,
    }
