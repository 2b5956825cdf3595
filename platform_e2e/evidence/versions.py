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
        "nodes": {one["metadata"]["name"]: dict((one.get("status") or {}).get("nodeInfo") or {}) for one in several},
        "foundations": [
            {k: v for k, v in one.items() if k not in {"at", "mono", "pid", "kind", "test"}} for one in foundations
        ],
        "running": _running(pods),
        "on_nodes": {
            one["metadata"]["name"]: sorted(
                " ".join(image.get("names") or ()) for image in (one.get("status") or {}).get("images") or ()
            )
            for one in several
        },
    }


def _running(pods: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return for each image that runs its digest and the pods that run it."""
    found: dict[tuple[str, str], list[str]] = {}
    for pod in pods:
        status, meta = pod.get("status") or {}, pod.get("metadata") or {}
        for one in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            if not one.get("imageID"):
                continue  # it never ran
            image = str(one.get("image", "")), str(one.get("imageID", ""))
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
    lines += [str(one.get("text") or one.get("name")) for one in found["foundations"]]
    lines += [f"{one['image']}  {one['id']}" for one in found["running"]]
    return "\n".join(lines) + "\n"
