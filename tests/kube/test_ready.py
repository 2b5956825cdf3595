"""When an object of Kubernetes' own kinds is as it should be, where nobody says more."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.kube.expect import Failed, Met, Pending, Verdict
from platform_e2e.kube.objects import Object
from platform_e2e.kube.ready import READY, addressed, exists, in_phase, pod_ready, serving


def pod(phase: str = "Running", ready: str = "True", **status: Any) -> Object:
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": {"name": "p"}, "status": {"phase": phase, "conditions": conditions, **status}}


WAITING = [{"name": "chat", "state": {"waiting": {"reason": "ErrImagePull"}}}]


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (None, Pending("does not exist")),
        (pod(ready="False"), Pending("it is Running and not ready")),
        (
            pod("Pending", "False", containerStatuses=WAITING),
            Pending("it is Pending and not ready (chat: ErrImagePull)"),
        ),
        (pod("Failed", "False", reason="Evicted"), Failed("it has failed: Evicted")),
        (pod("Failed", "False"), Failed("it has failed: a container ended with an error")),
        ({**pod(), "metadata": {"deletionTimestamp": "x"}}, Pending("it is being deleted")),
    ],
)
def test_a_pod_that_is_not_ready_says_why(obj: Object | None, expected: Verdict) -> None:
    assert pod_ready(obj) == expected


def test_a_pod_that_is_ready_or_has_done_its_work_is_met() -> None:
    assert pod_ready(pod()) == Met(pod())
    done = pod("Succeeded", "False")
    assert pod_ready(done) == Met(done)


def test_a_phase_names_the_troubles_that_conditions_tell() -> None:
    left = {"status": "True", "message": "1 ConfigMap remains"}
    namespace = {"status": {"phase": "Terminating", "conditions": [left, {"status": "False", "message": "fine"}]}}
    assert in_phase("Active")(namespace) == Pending("its phase is Terminating, not Active: 1 ConfigMap remains")
    assert in_phase("Active")({}) == Pending("its phase is not set, not Active")
    assert in_phase("Active")(None) == Pending("does not exist")
    assert isinstance(in_phase("Bound")({"status": {"phase": "Bound"}}), Met)


def service(kind: str = "ClusterIP", *, selector: bool = True, **entry: str) -> Object:
    status = {"loadBalancer": {"ingress": [entry] if entry else []}}
    return {"spec": {"type": kind, **({"selector": {"a": "b"}} if selector else {})}, "status": status}


READY_SLICE: Object = {"endpoints": [{"addresses": ["10.0.0.1"]}]}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (None, Pending("does not exist")),
        (service(), Pending("its type is ClusterIP, which gets no address from outside")),
        (service("LoadBalancer"), Pending("it has no address yet")),
        (service("LoadBalancer", ip="1.2.3.4"), Met(["1.2.3.4"])),
        (service("LoadBalancer", hostname="lb.example.org"), Met(["lb.example.org"])),
    ],
)
def test_an_address(obj: Object | None, expected: Verdict) -> None:
    assert addressed(obj) == expected


@pytest.mark.parametrize(
    ("obj", "slices", "why"),
    [
        (None, [], "does not exist"),
        (service("LoadBalancer"), [READY_SLICE], "it has no address yet"),
        (service("LoadBalancer", ip="1.2.3.4"), [], "0 ready endpoints of at least 1 (0 not ready)"),
        (service(), [], "0 ready endpoints of at least 1 (0 not ready)"),
        (service("LoadBalancer", ip="1.2.3.4"), [READY_SLICE], None),
        (service(), [READY_SLICE], None),
        (service(selector=False), [], None),
        (service("ExternalName"), [], None),
    ],
)
def test_a_service_serves(obj: Object | None, slices: list[Object], why: str | None) -> None:
    assert serving((obj, slices)) == (Pending(why) if why else Met(obj))


def test_existing_is_all_that_is_asked_of_what_has_no_status() -> None:
    assert exists(None) == Pending("does not exist")
    assert exists({"a": 1}) == Met({"a": 1})


@pytest.mark.parametrize("kind", READY)
def test_no_kind_is_as_it_should_be_while_it_is_absent_or_has_no_status(kind: str) -> None:
    assert READY[kind].judge(None) == Pending("does not exist")
    version, _, short = kind.rpartition("/")
    fresh = {"apiVersion": version, "kind": short, "metadata": {"generation": 1}, "spec": {"replicas": 1}}
    assert isinstance(READY[kind].judge(fresh), Pending)
