"""What ran: the cluster, its nodes, the foundations with what ran in place of a pinned version, images by digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def versions(
    cluster: str,
    nodes: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
    foundations: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return every version as plain data.

    Args:
        cluster: the API server's version.
        nodes: as the API server has them; their status lists the images that they hold.
        pods: as the API server has them; their status says by which digest each container runs.
        foundations: facts of the timeline, one for each release.
    """
    several = list(nodes)
    return {
        "kubernetes": cluster,
        "nodes": {node["metadata"]["name"]: dict((node.get("status") or {}).get("nodeInfo") or {}) for node in several},
        "foundations": [
            {k: v for k, v in release.items() if k not in {"at", "mono", "pid", "kind", "test"}}
            for release in foundations
        ],
        "running": _running(pods),
        "on_nodes": {
            node["metadata"]["name"]: sorted(
                " ".join(image.get("names") or ()) for image in (node.get("status") or {}).get("images") or ()
            )
            for node in several
        },
    }


def _running(pods: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return for each image that runs its digest and the pods that run it."""
    found: dict[tuple[str, str], list[str]] = {}
    for pod in pods:
        status, meta = pod.get("status") or {}, pod.get("metadata") or {}
        for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            if not container.get("imageID"):
                continue  # it never ran
            image = str(container.get("image", "")), str(container.get("imageID", ""))
            found.setdefault(image, []).append(f"{meta.get('namespace')}/{meta.get('name')}")
    return [
        {"image": image, "id": digest, "pods": " ".join(sorted(set(users)))}
        for (image, digest), users in sorted(found.items())
    ]


def as_text(found: Mapping[str, Any]) -> str:
    """Return the versions for a reader."""
    lines = [f"Kubernetes {found['kubernetes']}"]
    for name, info in found["nodes"].items():
        shown = ("kubeletVersion", "containerRuntimeVersion", "osImage", "kernelVersion", "architecture")
        lines.append(f"node {name}: " + ", ".join(str(info[key]) for key in shown if info.get(key)))
    lines += [str(release.get("text") or release.get("name")) for release in found["foundations"]]
    lines += [f"{image['image']}  {image['id']}" for image in found["running"]]
    return "\n".join(lines) + "\n"
