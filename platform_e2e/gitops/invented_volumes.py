"""Provide a directory of the node as the volume of each claim that nothing else would serve: storage of the layer's is a stand-in's."""

from __future__ import annotations

import contextlib

from platform_e2e.gitops.invented_secrets import LABEL
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError, Conflict
from platform_e2e.kube.objects import Object, key

CLAIM = "v1/PersistentVolumeClaim"

DIRECTORY = "/var/lib/platform-e2e/volumes"
"""Where the nodes have them; they go with the cluster."""


def provide(kube: Kube) -> None:
    """Make a volume for every claim that waits for one and does not name it itself."""
    # What the API server refuses is tried again by the next call.
    with contextlib.suppress(ApiError):
        for claim in kube.list(CLAIM):
            if _waits(claim):
                # One that has its volume already may not have taken it yet.
                with contextlib.suppress(Conflict):
                    kube.create(manifest(claim))


def _waits(claim: Object) -> bool:
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    stated = spec.get("volumeName") or spec.get("selector") or spec.get("volumeMode") == "Block"
    return not stated and status.get("phase", "Pending") == "Pending"


def manifest(claim: Object) -> Object:
    """Return the volume for one claim, which no other can take."""
    namespace, name = key(claim)
    spec, uid = claim.get("spec") or {}, claim["metadata"]["uid"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"invented-{uid}", "labels": {LABEL: "true"}},
        "spec": {
            "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
            "capacity": {"storage": ((spec.get("resources") or {}).get("requests") or {}).get("storage", "1Gi")},
            "claimRef": {"namespace": namespace, "name": name, "uid": uid},
            "hostPath": {"path": f"{DIRECTORY}/{uid}", "type": "DirectoryOrCreate"},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": spec.get("storageClassName") or "",
        },
    }
