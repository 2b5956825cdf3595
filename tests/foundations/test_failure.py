"""A failing release names the object that holds it, what its pods say, its events and the end of its log."""

from __future__ import annotations

from typing import Any

from platform_e2e.errors import BrokenPlatform
from platform_e2e.foundations.failure import ReleaseFailed, evidence
from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.errors import Unavailable
from tests.fakes.memory_kube import MemoryKube

LABELS = {"app": "a"}
DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "a", "namespace": "ns"},
    "spec": {"selector": {"matchLabels": LABELS}},
}


def pod(*containers: Object, **status: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a-1", "namespace": "ns", "labels": LABELS},
        "status": {"containerStatuses": list(containers), **status},
    }


def container(ready: bool = False, restarts: int = 0, **state: Any) -> Object:
    return {"name": "main", "ready": ready, "restartCount": restarts, "state": state}


def event(reason: str, message: str, name: str = "a-1") -> Object:
    return {"reason": reason, "message": message, "involvedObject": {"kind": "Pod", "name": name}}


def test_the_error_is_about_the_platform_and_says_who_holds_it() -> None:
    error = ReleaseFailed("metallb", "Deployment a -n ns", "0 of 1 replicas are available", "\n    evidence", "mend it")
    assert isinstance(error, BrokenPlatform)
    assert str(error) == (
        "release metallb is not ready: Deployment a -n ns holds it: 0 of 1 replicas are available\n    evidence\n"
        "  remedy: mend it"
    )


def test_others_that_failed_are_named_with_the_first() -> None:
    error = ReleaseFailed("metallb", "Deployment a -n ns", "late", "\n    evidence", "mend it")
    other = ReleaseFailed("argocd", "", "Helm could not apply it")
    error = error.beside([other])
    assert error.others == (other,)
    assert "\n    evidence\n    also not ready: argocd\n  remedy: mend it" in str(error)
    assert error.release == "metallb"


def test_a_container_that_waits_is_told_with_its_message_and_events() -> None:
    waiting = container(waiting={"reason": "ErrImagePull", "message": "not found: quay.io/x:1"})
    memory = MemoryKube(pod(waiting))
    memory.told = [event("Failed", f"Error {number}:\n ErrImagePull") for number in range(7)]
    lines = evidence(memory.kube, DEPLOYMENT).splitlines()
    assert "    Pod/a-1 container main waits: ErrImagePull: not found: quay.io/x:1" in lines
    assert "    last events:" in lines
    assert "      Failed Pod/a-1: Error 6: ErrImagePull" in lines
    assert sum("Failed Pod/a-1" in line for line in lines) == 5


def test_a_container_that_crashes_is_told_with_the_log_of_its_last_run() -> None:
    memory = MemoryKube(pod(container(restarts=3, waiting={"reason": "CrashLoopBackOff"})))
    memory.written["a-1", "previous"] = "starting\npanic: no kind is registered\n"
    shown = evidence(memory.kube, DEPLOYMENT)
    assert "end of the log of Pod/a-1 container main:\n      starting\n      panic: no kind is registered" in shown


def test_a_container_that_ended_or_fails_its_probe_is_told_with_its_log() -> None:
    memory = MemoryKube(pod(container(terminated={"exitCode": 2, "reason": "Error"})))
    memory.written["a-1", "main"] = "flag provided but not defined"
    shown = evidence(memory.kube, DEPLOYMENT)
    assert "Pod/a-1 container main ended with status 2 (Error)" in shown
    assert "flag provided but not defined" in shown
    memory = MemoryKube(pod(container(restarts=1, running={})))
    shown = evidence(memory.kube, DEPLOYMENT)
    assert "Pod/a-1 container main runs and is not ready, 1 restarts" in shown
    assert "no log of Pod/a-1 container main: container is waiting to start" in shown


def test_a_pod_that_finds_no_node_and_a_workload_without_pods_are_told() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    shown = evidence(MemoryKube(pod(conditions=[unscheduled])).kube, DEPLOYMENT)
    assert "Pod/a-1 is not scheduled: 0/1 nodes are available" in shown
    assert "it has no pod" in evidence(MemoryKube().kube, DEPLOYMENT)


def test_a_ready_pod_is_not_told() -> None:
    assert "Pod/" not in evidence(MemoryKube(pod(container(ready=True, running={}))).kube, DEPLOYMENT)


def test_what_stands_behind_a_webhook_is_told() -> None:
    webhook: Object = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "hook"},
        "webhooks": [{"clientConfig": {"service": {"name": "svc", "namespace": "ns"}}}],
    }
    assert "it calls Service/svc -n ns, which does not exist" in evidence(MemoryKube().kube, webhook)
    metadata = {"name": "svc", "namespace": "ns"}
    service: Object = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": LABELS}}
    assert "which has 0 pods" in evidence(MemoryKube(service).kube, webhook)
    shown = evidence(MemoryKube(service, pod(container(waiting={"reason": "CrashLoopBackOff"}))).kube, webhook)
    assert "which has 1 pods\n    Pod/a-1 container main waits: CrashLoopBackOff" in shown


def test_the_failure_is_told_although_the_api_server_has_gone() -> None:
    class Gone(MemoryKube):
        def events(self, kind: str, name: str, namespace: str | None) -> list[Object]:
            raise Unavailable("GET events", 0, "Refused", "connection refused")

    assert "no more is known" in evidence(Gone(pod()).kube, DEPLOYMENT)
    assert evidence(MemoryKube().kube, None) == ""
