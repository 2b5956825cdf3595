"""A release is there when all it states is there; the first thing that is not holds it and is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from platform_e2e.foundations.failure import ReleaseFailed
from platform_e2e.foundations.manifests import Object
from platform_e2e.foundations.running import MOUNT_SECONDS, UNPULLED_SECONDS, Running
from platform_e2e.foundations.verify import checks, verify
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Failed, Met, Pending, Verdict
from tests.fakes.scripted_api import ScriptedApi

READY: dict[str, Any] = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "availableReplicas": 1,
    "readyReplicas": 1,
}
SPEC: Object = {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}}


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    yield api
    api.stop()


@pytest.fixture
def kube(api: ScriptedApi) -> Iterator[Kube]:
    with api.client() as kube:
        yield kube


def workload(kind: str = "Deployment", **status: Any) -> Object:
    metadata = {"name": "a", "namespace": "ns", "generation": 1}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": SPEC, "status": status}


def pod(restarts: int = 0, **waiting: str) -> Object:
    status = {"name": "main", "restartCount": restarts, "state": {"waiting": waiting} if waiting else {"running": {}}}
    return {"metadata": {"name": "a-1"}, "status": {"containerStatuses": [status]}}


def running(workload: Object | None, pods: list[Object]) -> Verdict:
    return Running()((workload, pods))


def test_a_workload_runs_when_it_is_rolled_out() -> None:
    assert isinstance(running(workload(**READY), []), Met)
    assert isinstance(running(workload(**{**READY, "availableReplicas": 0}), [pod()]), Pending)
    assert isinstance(running(None, []), Pending)


def test_a_daemon_set_that_no_node_wants_is_not_there() -> None:
    status = {"observedGeneration": 1, "desiredNumberScheduled": 0, "updatedNumberScheduled": 0, "numberAvailable": 0}
    verdict = running(workload("DaemonSet", **status), [])
    assert isinstance(verdict, Failed)
    assert verdict.why == "no node wants a pod of it"


def test_what_no_waiting_mends_fails_at_once() -> None:
    verdict = running(workload(), [pod(reason="ErrImageNeverPull", message="x:1 is not present")])
    assert isinstance(verdict, Failed)
    assert verdict.why == "Pod/a-1 container main: ErrImageNeverPull: x:1 is not present"


def test_a_crashing_container_gets_some_attempts() -> None:
    assert isinstance(running(workload(), [pod(4, reason="CrashLoopBackOff")]), Pending)
    verdict = running(workload(), [pod(5, reason="CrashLoopBackOff")])
    assert isinstance(verdict, Failed)
    assert verdict.why == "Pod/a-1 container main ended 5 times"


def test_an_image_that_cannot_be_pulled_gets_some_attempts() -> None:
    now = 0.0
    judge = Running(clock=lambda: now)
    unpulled, creating = pod(reason="ErrImagePull"), pod(reason="ContainerCreating")
    assert isinstance(judge((workload(), [unpulled])), Pending)
    now = UNPULLED_SECONDS - 1
    assert isinstance(judge((workload(), [pod(reason="ImagePullBackOff")])), Pending)
    assert isinstance(judge((workload(), [creating])), Pending)
    now = UNPULLED_SECONDS + 1
    assert isinstance(judge((workload(), [unpulled])), Pending), "it was pulled meanwhile, so the attempts begin anew"
    now *= 3
    verdict = judge((workload(), [unpulled]))
    assert isinstance(verdict, Failed)
    assert verdict.why == "Pod/a-1 container main: ErrImagePull for 122 s"


@pytest.mark.point("limits-by-progress")
def test_a_pull_limit_is_final_only_when_it_lasts() -> None:
    """A registry answers it for more than one pull a second, too, and the kubelet's next try mends that."""
    message = "failed to pull: 429 Too Many Requests: toomanyrequests: Rate exceeded"
    now = 0.0
    judge = Running(clock=lambda: now)
    refused = pod(reason="ErrImagePull", message=message)
    assert isinstance(judge((workload(), [refused])), Pending)
    now = UNPULLED_SECONDS
    verdict = judge((workload(), [refused]))
    assert isinstance(verdict, Failed)
    assert verdict.why == f"Pod/a-1 container main: ErrImagePull for 60 s: {message}"


@pytest.mark.point("limits-by-progress")
def test_an_image_that_is_pulled_again_has_the_time_that_it_takes() -> None:
    now, pulls = 0.0, ["app:1"]
    judge = Running(clock=lambda: now, pulling=lambda: pulls)
    again = pod(reason="ErrImagePull")
    again["status"]["containerStatuses"][0]["image"] = "app:1"
    assert isinstance(judge((workload(), [again])), Pending)
    now = 300
    assert isinstance(judge((workload(), [again])), Pending)
    pulls.clear()
    assert isinstance(judge((workload(), [again])), Failed)


@pytest.mark.point("limits-by-progress")
def test_a_deployment_that_passes_its_deadline_while_something_moves_is_waited_for() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    item = workload(observedGeneration=1, replicas=1, updatedReplicas=1, conditions=[late])
    creating = [pod(reason="ContainerCreating")]
    assert isinstance(Running()((item, creating)), Pending)
    verdict = Running(still=lambda: MOUNT_SECONDS)((item, creating))
    assert isinstance(verdict, Failed)
    assert verdict.why == "passed its progress deadline: timed out, and nothing moves any more"


@pytest.mark.point("foundation-waits-for-layer")
def test_a_volume_that_came_late_has_the_kubelet_s_longest_pause() -> None:
    item, creating = workload(**{**READY, "availableReplicas": 0}), [pod(reason="ContainerCreating")]
    assert isinstance(Running(still=lambda: MOUNT_SECONDS - 1)((item, creating)), Pending)
    assert isinstance(Running(still=lambda: MOUNT_SECONDS)((item, creating)), Failed)


def test_a_secret_that_comes_with_the_layer_is_waited_for() -> None:
    """Grafana's administrator is a SealedSecret of the layer, which is applied while the release is waited for."""
    waiting = pod(reason="CreateContainerConfigError", message='secret "grafana-admin" not found')
    assert isinstance(running(workload(), [waiting]), Pending)


def of_kind(kind: str, name: str, api_version: str = "v1", **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "ns"}, **fields}


def test_everything_that_a_release_states_is_checked(kube: Kube) -> None:
    rules = [{"resources": ["prometheusrules"]}, {"resources": ["unknown"]}]
    manifest = [
        of_kind("ConfigMap", "c"),
        of_kind("Deployment", "argocd-server", "apps/v1", spec=SPEC),
        of_kind("StatefulSet", "s", "apps/v1", spec=SPEC),
        of_kind("DaemonSet", "d", "apps/v1", spec=SPEC),
        of_kind("Prometheus", "p", "monitoring.coreos.com/v1"),
        of_kind("Alertmanager", "m", "monitoring.coreos.com/v1"),
        of_kind("ValidatingWebhookConfiguration", "w", "admissionregistration.k8s.io/v1", webhooks=[{"rules": rules}]),
        of_kind("CustomResourceDefinition", "inner.example.org", "apiextensions.k8s.io/v1"),
    ]
    outer = of_kind("CustomResourceDefinition", "outer.example.org", "apiextensions.k8s.io/v1")
    found = [check.holder for check in checks(kube, "ns", manifest, [outer])]
    assert found == [
        "CustomResourceDefinition outer.example.org",
        "CustomResourceDefinition inner.example.org",
        "Deployment argocd-server -n ns",
        "StatefulSet s -n ns",
        "DaemonSet d -n ns",
        "Prometheus p -n ns",
        "StatefulSet prometheus-p -n ns",
        "Prometheus p -n ns",
        "Alertmanager m -n ns",
        "StatefulSet alertmanager-m -n ns",
        "Alertmanager m -n ns",
        "ValidatingWebhookConfiguration w",
        "AppProject default -n ns",
    ]


def put(api: ScriptedApi, **status: Any) -> None:
    api.put("deployments", "ns", "a", metadata={"generation": 1}, spec=SPEC, status=status)


def test_verify_waits_for_a_rollout(api: ScriptedApi, kube: Kube) -> None:
    put(api, **READY)
    assert verify(kube, "release", "ns", [workload()], timeout=5) == 1


def test_verify_names_what_holds_the_release(api: ScriptedApi, kube: Kube) -> None:
    put(api, **{**READY, "availableReplicas": 0})
    waiting = {"name": "main", "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    api.put("pods", "ns", "a-1", metadata={"labels": {"app": "a"}}, status={"containerStatuses": [waiting]})
    start = time.monotonic()
    with pytest.raises(ReleaseFailed) as error:
        verify(kube, "release", "ns", [workload()], timeout=0.5)
    assert time.monotonic() - start < 10
    text = str(error.value)
    assert text.startswith("release release is not ready: Deployment a -n ns holds it: ")
    assert "0 of 1 replicas are available" in text
    assert "Pod/a-1 container main waits: ImagePullBackOff" in text
    assert error.value.holder == "Deployment a -n ns"


def test_verify_waits_for_a_crd_and_names_it(kube: Kube) -> None:
    names = {"plural": "widgets", "kind": "Widget"}
    spec = {"group": "example.org", "names": names, "versions": [{"name": "v1", "served": True}]}
    definition = of_kind("CustomResourceDefinition", "widgets.example.org", "apiextensions.k8s.io/v1", spec=spec)
    with pytest.raises(ReleaseFailed, match=r"CustomResourceDefinition widgets.example.org holds it") as error:
        verify(kube, "release", "ns", [], [definition], timeout=0.2)
    assert "/apis/example.org/v1/widgets cannot be listed yet" in str(error.value)


def test_verify_does_not_stop_at_a_release_that_comes_late(api: ScriptedApi, kube: Kube) -> None:
    put(api, observedGeneration=0)
    api.until_watched(0)
    put(api, **READY)
    assert verify(kube, "release", "ns", [workload(), of_kind("ConfigMap", "c")], timeout=5) == 1
