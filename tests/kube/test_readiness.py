"""Ready-made expectations: rollouts, conditions, Jobs, endpoints, CRDs, webhooks, and the table of what is ready by kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Failed, Met, Pending, Verdict
from platform_e2e.kube.objects import Object
from platform_e2e.kube.readiness import (
    READY,
    addressed,
    condition,
    crd_served,
    endpoints_ready,
    exists,
    in_phase,
    job_complete,
    pod_ready,
    rolled_out,
    serving,
    webhook_answering,
)
from tests.fakes.scripted_api import ScriptedApi


def workload(kind: str, generation: int, spec: Object, **status: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "chat", "namespace": "chat-dev", "generation": generation},
        "spec": spec,
        "status": status,
    }


DONE = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
DAEMONS = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}
SET = {**DONE, "updateRevision": "r2", "currentRevision": "r2"}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "expected"),
    [
        ("Deployment", {"replicas": 2}, DONE, None),
        (
            "Deployment",
            {"replicas": 2},
            {**DONE, "observedGeneration": 1},
            "generation 2 is not observed yet (last observed: 1)",
        ),
        ("Deployment", {"replicas": 2}, {}, "generation 2 is not observed yet (last observed: none)"),
        ("Deployment", {"replicas": 3}, DONE, "2 of 3 replicas run the newest template"),
        ("Deployment", {"replicas": 2}, {**DONE, "replicas": 3}, "1 old replicas are still to end"),
        ("Deployment", {"replicas": 2}, {**DONE, "availableReplicas": 1}, "1 of 2 replicas are available"),
        ("Deployment", {}, {"observedGeneration": 2}, "0 of 1 replicas run the newest template"),
        ("Deployment", {"replicas": 0}, {"observedGeneration": 2}, None),
        ("StatefulSet", {"replicas": 2}, SET, None),
        ("StatefulSet", {"replicas": 2}, {**SET, "readyReplicas": 1}, "1 of 2 replicas are ready"),
        ("StatefulSet", {"replicas": 2}, {**SET, "availableReplicas": 1}, "1 of 2 replicas are available"),
        ("StatefulSet", {"replicas": 2}, {**SET, "updatedReplicas": 1}, "1 of 2 replicas run the newest template"),
        ("StatefulSet", {"replicas": 2}, {**SET, "currentRevision": "r1"}, "revision r2 is not the current one yet"),
        (
            "StatefulSet",
            {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
            {**SET, "updatedReplicas": 1, "currentRevision": "r1"},
            None,
        ),
        (
            "StatefulSet",
            {"replicas": 2, "updateStrategy": {"type": "OnDelete"}},
            {**SET, "currentRevision": "r1"},
            None,
        ),
        ("DaemonSet", {}, DAEMONS, None),
        ("DaemonSet", {}, {**DAEMONS, "updatedNumberScheduled": 1}, "1 of 3 nodes run the newest template"),
        ("DaemonSet", {}, {**DAEMONS, "numberAvailable": 2}, "2 of 3 nodes have an available pod"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, {**DAEMONS, "updatedNumberScheduled": 0}, None),
    ],
)
def test_rolled_out(kind: str, spec: Object, status: Object, expected: str | None) -> None:
    obj = workload(kind, 2, spec, **status)
    assert rolled_out(obj) == (Pending(expected) if expected else Met(obj))


def test_rolled_out_of_what_is_absent_or_has_no_rollout() -> None:
    assert rolled_out(None) == Pending("does not exist")
    assert isinstance(rolled_out(workload("ReplicaSet", 1, {})), Failed)


def test_a_deployment_past_its_deadline_has_failed() -> None:
    stuck = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet x has timed out"}
    verdict = rolled_out(workload("Deployment", 2, {"replicas": 2}, **{**DONE, "conditions": [stuck]}))
    assert verdict == Failed("passed its progress deadline: ReplicaSet x has timed out")


def conditioned(observed: int | None = None, overall: int | None = None, **fields: str) -> Object:
    found: Object = {"type": "Ready", **fields}
    if observed is not None:
        found["observedGeneration"] = observed
    status: Object = {"conditions": [found]}
    if overall is not None:
        status["observedGeneration"] = overall
    return {"metadata": {"generation": 3}, "status": status}


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        (None, "does not exist"),
        ({"metadata": {}}, "has no condition Ready yet (has: none)"),
        (conditioned(status="True"), None),
        (conditioned(status="True", observed=3), None),
        (conditioned(status="True", observed=2), "condition Ready is about generation 2, the newest is 3"),
        (conditioned(status="True", overall=2), "condition Ready is about generation 2, the newest is 3"),
        (conditioned(status="True", observed=3, overall=2), None),
        (
            conditioned(status="False", reason="Bad", message="no luck"),
            "condition Ready is False, not True: Bad, no luck",
        ),
        (conditioned(status="Unknown"), "condition Ready is Unknown, not True: no reason"),
    ],
)
def test_condition_is_believed_for_the_newest_generation_only(obj: Object | None, why: str | None) -> None:
    verdict = condition("Ready")(obj)
    assert verdict == Pending(why) if why else isinstance(verdict, Met)


def test_condition_may_be_wanted_false() -> None:
    assert isinstance(condition("Ready", "False")(conditioned(status="False")), Met)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"conditions": [{"type": "Complete", "status": "True"}]}, Met),
        (
            {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"}]},
            Failed,
        ),
        ({"active": 1}, Pending),
        ({}, Pending),
    ],
)
def test_job_complete(status: Object, expected: type[Verdict]) -> None:
    assert isinstance(job_complete({"spec": {"completions": 1}, "status": status}), expected)


def test_job_complete_says_how_far_it_is() -> None:
    assert job_complete(None) == Pending("does not exist")
    job = {"spec": {"completions": 3}, "status": {"succeeded": 1, "active": 2}}
    assert job_complete(job) == Pending("1 of 3 completions, 2 pods active, 0 failed")


def test_endpoints_ready_counts_addresses_that_are_ready() -> None:
    slices: list[Object] = [
        {"endpoints": [{"addresses": ["10.0.0.2"], "conditions": {"ready": True}}, {"addresses": ["10.0.0.1"]}]},
        {"endpoints": [{"addresses": ["10.0.0.3"], "conditions": {"ready": False}}]},
    ]
    assert endpoints_ready(2)(slices) == Met(["10.0.0.1", "10.0.0.2"])
    assert endpoints_ready(3)(slices) == Pending("2 ready endpoints of at least 3 (1 not ready)")
    assert endpoints_ready()([]) == Pending("0 ready endpoints of at least 1 (0 not ready)")


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    api.serve("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
    yield api
    api.stop()


@pytest.fixture
def kube(api: ScriptedApi) -> Iterator[Kube]:
    with api.client(patience=0) as kube:
        yield kube


def test_a_crd_is_served_when_its_kind_can_be_listed(api: ScriptedApi, kube: Kube) -> None:
    name = "widgets.example.org"
    spec = {
        "group": "example.org",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [{"name": "v1", "served": True}],
    }
    assert crd_served(kube, name) == Pending("does not exist")
    api.put("customresourcedefinitions", "", name, spec=spec)
    assert crd_served(kube, name) == Pending("has no condition Established yet (has: none)")
    status = {"conditions": [{"type": "Established", "status": "True"}]}
    api.put("customresourcedefinitions", "", name, spec=spec, status=status)
    assert crd_served(kube, name) == Pending("example.org/v1/Widget is not in the API server's discovery yet")
    api.serve("example.org/v1", "widgets", "Widget")
    api.fail("GET", "/apis/example.org/v1/widgets", 503)
    assert crd_served(kube, name) == Pending("example.org/v1/Widget cannot be listed yet: as the test asked")
    assert crd_served(kube, name) == Met(["example.org/v1/Widget"])


def test_a_crd_whose_names_are_taken_has_failed(api: ScriptedApi, kube: Kube) -> None:
    conditions = [
        {"type": "Established", "status": "True"},
        {"type": "NamesAccepted", "status": "False", "message": "widgets is taken"},
    ]
    api.put("customresourcedefinitions", "", "w", spec={}, status={"conditions": conditions})
    assert crd_served(kube, "w") == Failed("its names were not accepted: widgets is taken")


def test_a_webhook_answers_when_it_allows_or_refuses(api: ScriptedApi, kube: Kube) -> None:
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}}
    absent = {"kind": "Status", "reason": "InternalError", "message": 'failed calling webhook "w": connection refused'}
    api.fail("PATCH", "configmaps/a", 500, body=absent)
    assert webhook_answering(kube, probe) == Pending('failed calling webhook "w": connection refused')
    api.fail("PATCH", "configmaps/a", 403)
    assert isinstance(webhook_answering(kube, probe), Met)
    assert isinstance(webhook_answering(kube, probe), Met)
    assert isinstance(webhook_answering(kube, {**probe, "apiVersion": "example.org/v1"}), Pending)


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
