"""Stand-ins: a pod whose images no node has becomes ready, by each kind of probe, and a Job of one ends."""

from __future__ import annotations

from typing import Any

import pytest

from contract.conftest import Standing
from platform_e2e.kube.expect import Met, Pending, Verdict, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.toolbox.images import STAND_IN

IMAGE = "registry.acme.example/nothing"

READY_SECONDS = 60.0
"""Timeout of a pod whose probes are asked every second; 4 s were seen."""

CONFINED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}

PROBES: dict[str, dict[str, Any]] = {
    "http": {"httpGet": {"path": "/ready", "port": 80}},
    "https": {"httpGet": {"path": "/ready", "port": 8443, "scheme": "HTTPS"}},
    "tcp": {"tcpSocket": {"port": 5432}},
    "grpc": {"grpc": {"port": 9090}},
    "exec": {"exec": {"command": ["/bin/is-ready"]}},
}


@pytest.fixture(autouse=True)
def _replaced(standing: Standing) -> None:
    if standing.facts.stand_ins == "none":
        pytest.skip("its nodes fetch images, or run no stand-ins")


def test_a_pod_of_absent_images_is_ready_by_each_probe(standing: Standing) -> None:
    """Also by tag and digest, where it must always be pulled, after an init container, and with no right of its own."""
    containers = [
        {
            "name": name,
            "image": f"{IMAGE}:{name}",
            "securityContext": CONFINED,
            "readinessProbe": {**probe, "periodSeconds": 1},
        }
        for name, probe in PROBES.items()
    ]
    containers[0]["image"] = f"{IMAGE}:1@sha256:{'0' * 64}"
    containers[1]["imagePullPolicy"] = "Always"
    spec = {"initContainers": [{"name": "before", "image": IMAGE}], "containers": containers}
    found = _run(standing, "probed", spec, _ready)
    assert {status["image"] for status in found["status"]["containerStatuses"]} == {STAND_IN}
    asked = [status["image"] for status in found["spec"]["containers"]]
    assert asked[0] == containers[0]["image"]


def test_a_job_of_an_absent_image_ends_with_success(standing: Standing) -> None:
    """What it would have done is not done; what waits for it goes on."""
    _run(standing, "job", {"restartPolicy": "Never", "containers": [{"name": "main", "image": IMAGE}]}, _succeeded)


def _run(standing: Standing, name: str, spec: Object, judge: Any) -> Object:
    metadata = {"name": name, "namespace": "default"}
    standing.kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    source = standing.kube.one("v1/Pod", name, "default")
    found: Object = eventually(source, judge, timeout=READY_SECONDS, what=f"pod {name} does as its stand-ins do")
    standing.kube.delete("v1/Pod", name, "default")
    return found


def _ready(pod: Object | None) -> Verdict:
    conditions = {each["type"]: each for each in ((pod or {}).get("status") or {}).get("conditions") or ()}
    ready = conditions.get("Ready", {})
    return Met(pod) if ready.get("status") == "True" else Pending(str(ready.get("message") or "it is not ready"))


def _succeeded(pod: Object | None) -> Verdict:
    phase = ((pod or {}).get("status") or {}).get("phase")
    return Met(pod) if phase == "Succeeded" else Pending(f"it is {phase}")
