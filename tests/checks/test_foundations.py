"""A release that its own values hold is a finding with the value's file and line; what follows from it is blocked by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.checks.foundations import RELEASE, broken, follows_from, promise_of_release, stands_on
from platform_e2e.checks.helm_values import location_in
from platform_e2e.diagnosis.explain.metallb_l2 import SPEAKER
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.foundations import ReleaseFailed
from platform_e2e.foundations.running import Running
from platform_e2e.kube.expect import Failed, Pending
from platform_e2e.layer import Release
from tests.fakes.recorded_view import RecordedView, made

VALUES = """\
# MetalLB announces by ARP only.
controller:
  image:
    tag: v0.15.3
speaker:
  frr:
    enabled: false
  nodeSelector:
    disk: nvme
  tolerations: []
  image:
    tag: v9.9.9
"""


@pytest.fixture
def release(tmp_path: Path) -> Release:
    values = tmp_path / "foundations" / "values" / "metallb.yaml"
    values.parent.mkdir(parents=True)
    values.write_text(VALUES)
    return Release("metallb", "metallb", "https://x", "0.15.3", "v0.15.3", "metallb-system", values)


def workload(name: str, kind: str = "DaemonSet", **spec: Any) -> dict[str, Any]:
    pod = {"spec": spec}
    labels = {"app.kubernetes.io/component": name.rpartition("-")[2]}
    return made(
        f"apps/v1/{kind}", name, "metallb-system", labels, spec={"selector": {"matchLabels": labels}, "template": pod}
    )


@pytest.mark.point("foundation-by-values")
@pytest.mark.parametrize(
    ("item", "said", "place"),
    [
        (
            workload("metallb-speaker", nodeSelector={"disk": "nvme"}),
            "no node wants a pod of it",
            "foundations/values/metallb.yaml:9, speaker.nodeSelector.disk",
        ),
        (
            workload("metallb-speaker", containers=[{"image": "quay.io/metallb/speaker:v9.9.9"}]),
            "Pod/metallb-speaker-x container speaker: ImagePullBackOff for 60 s",
            "foundations/values/metallb.yaml:12, speaker.image.tag",
        ),
        (
            workload("metallb-controller", "Deployment", containers=[{"image": "quay.io/metallb/controller:v0.15.3"}]),
            "Pod/metallb-controller-x container controller: ImagePullBackOff for 60 s",
            "foundations/values/metallb.yaml:4, controller.image.tag",
        ),
        (
            None,
            "values don't meet the specifications of the schema(s): metallb: speaker.frr.enabled: Invalid type",
            "foundations/values/metallb.yaml:7, speaker.frr.enabled",
        ),
        (
            None,
            "- at '/speaker/tolerations': got string, want array",
            "foundations/values/metallb.yaml:10, speaker.tolerations",
        ),
        (workload("metallb-speaker"), "Pod/x container speaker ended 5 times", "foundations/values/metallb.yaml"),
        (None, "chart requires kubeVersion: >= 1.40", "foundations/values/metallb.yaml"),
    ],
)
def test_the_value_that_holds_a_release_has_its_line(
    tmp_path: Path, release: Release, item: dict[str, Any] | None, said: str, place: str
) -> None:
    assert location_in(tmp_path, release, item, said) == place


def node(**labels: str) -> dict[str, Any]:
    return made("v1/Node", "server-0", labels=labels)


@pytest.mark.point("foundation-by-values")
def test_a_speaker_on_no_node_breaks_the_promise_of_addresses(tmp_path: Path, release: Release) -> None:
    status = {"observedGeneration": 1, "desiredNumberScheduled": 0}
    speaker = workload("metallb-speaker", nodeSelector={"disk": "nvme"})
    speaker["metadata"] |= {"labels": dict(SPEAKER), "generation": 1}
    speaker["status"] = status
    failure = ReleaseFailed(
        "metallb", "DaemonSet metallb-speaker -n metallb-system", "no node wants a pod of it", item=speaker
    )
    found = broken(failure, release, tmp_path, RecordedView(speaker, node()))
    assert (found.object, found.promise) == ("release/metallb -n metallb-system", Promise.LOADBALANCER)
    assert found.cause.id == "loadbalancer-not-announced-no-speaker"
    assert "disk=nvme" in found.cause.sentence
    assert found.cause.remedy.endswith("(foundations/values/metallb.yaml:9, speaker.nodeSelector.disk)")


@pytest.mark.point("foundation-by-values")
@pytest.mark.parametrize(
    ("chart", "promise"),
    [
        ("metallb", "loadbalancer"),
        ("kube-prometheus-stack", "monitoring"),
        ("argo-cd", "applications"),
        ("sealed-secrets", "applications"),
    ],
)
def test_what_no_explanation_covers_is_told_as_it_was_seen(
    tmp_path: Path, release: Release, chart: str, promise: str
) -> None:
    one = replace(release, chart=chart)
    assert promise_of_release(one) == promise
    item = workload("metallb-controller", "Deployment")
    failure = ReleaseFailed("metallb", "Deployment metallb-controller -n metallb-system", "0 of 1 replicas", item=item)
    found = broken(failure, one, tmp_path, RecordedView(item))
    assert (found.promise, found.cause.id) == (promise, "foundation-not-ready")
    assert "Deployment metallb-controller -n metallb-system of release/metallb" in found.cause.sentence
    refused = broken(
        ReleaseFailed("metallb", "", "Helm could not apply it", "\n    no such value"), one, tmp_path, RecordedView()
    )
    assert refused.cause.id == "foundation-not-applied"
    assert refused.cause.sentence == "release/metallb -n metallb-system: Helm could not apply it: no such value"


def finding(cause: str, promise: Promise, **details: Any) -> Finding:
    return Finding("service/chat -n chat-dev", promise, "x", "y", Cause(cause, "s", "r"), details)


@pytest.mark.point("foundation-by-values")
def test_what_follows_from_a_release_is_blocked_by_it_and_nothing_else(release: Release) -> None:
    told = finding("pod-image", Promise.LOADBALANCER, **{RELEASE: "metallb"})
    releases = [(release, told)]
    silent = finding("loadbalancer-arp-silent", Promise.LOADBALANCER)
    assert follows_from([silent], releases) is told
    assert follows_from([finding("application-webhook", Promise.APPLICATIONS)], releases) is told
    assert follows_from([finding("loadbalancer-arp-silent", Promise.MONITORING)], releases) is told
    assert follows_from([told], releases) is None, "it is the release's own test that reports it"
    assert follows_from([finding("loadbalancer-pool-unknown", Promise.LOADBALANCER)], releases) is None
    assert follows_from([finding("pod-image", Promise.APPLICATIONS)], releases) is None
    assert follows_from([silent, finding("pod-image", Promise.APPLICATIONS)], releases) is None
    assert follows_from([silent], []) is None
    assert stands_on("loadbalancer", releases) is told
    assert stands_on("monitoring", releases) is None


def pod(*, message: str = "", **waiting: str) -> dict[str, Any]:
    conditions = [{"type": "PodScheduled", "status": "False", "message": message}] if message else []
    containers = [{"name": "main", "ready": False, "state": {"waiting": waiting} if waiting else {"running": {}}}]
    return {
        "metadata": {"name": "a-1"},
        "status": {"conditions": conditions, "containerStatuses": [] if message else containers},
    }


PENDING = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 0}


def unready() -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "a", "generation": 1},
        "spec": {"replicas": 1},
        "status": PENDING,
    }


@pytest.mark.point("foundation-by-values")
@pytest.mark.point("wait-ends-when-still")
def test_a_pod_that_no_node_takes_is_final_after_a_while() -> None:
    now = 0.0
    judge = Running(clock=lambda: now)
    pods = [pod(message="0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")]
    unbound = [pod(message="0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.")]
    assert isinstance(judge((unready(), pods)), Pending)
    now = 30
    verdict = judge((unready(), pods))
    assert isinstance(verdict, Failed)
    assert verdict.why.startswith("Pod/a-1 is not scheduled: 0/1 nodes are available")
    assert isinstance(judge((unready(), unbound)), Pending)
    now = 90
    assert isinstance(judge((unready(), unbound)), Pending), "a volume may come while something moves"


@pytest.mark.point("foundation-by-values")
@pytest.mark.point("wait-ends-when-still")
@pytest.mark.parametrize(
    ("pods", "quiet", "ends"),
    [
        ([], 25, True),
        ([pod(reason="CrashLoopBackOff")], 25, True),
        ([pod(reason="ContainerCreating")], 25, False),
        ([pod()], 25, False),
        ([pod()], 65, True),
        ([pod(reason="CreateContainerConfigError")], 25, False),
    ],
)
def test_a_workload_is_waited_for_as_long_as_something_moves(
    pods: list[dict[str, Any]], quiet: float, ends: bool
) -> None:
    assert isinstance(Running(still=lambda: 0.0)((unready(), pods)), Pending)
    assert isinstance(Running(still=lambda: quiet)((unready(), pods)), Failed if ends else Pending)
