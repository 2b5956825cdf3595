"""What makes the pods that a choice by labels takes in."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.explain.metallb_l2 import takes_others
from platform_e2e.diagnosis.explain.owners import behind, named, owner_of, replicas, scaler_of
from platform_e2e.kube.objects import Object
from tests.fakes.loadbalancers import service
from tests.fakes.recorded_view import RecordedView, made


def owned(
    name: str, kind: str = "", owner: str = "", phase: str = "Running", labels: dict[str, str] | None = None
) -> Object:
    """Return a pod, controlled by an object of a kind such as `apps/v1/ReplicaSet`."""
    version, _, short = kind.rpartition("/")
    references = [{"apiVersion": version, "kind": short, "name": owner, "controller": True}] if kind else []
    return made(
        "v1/Pod", name, "chat-dev", labels or {"app": "chat"}, metadata={"ownerReferences": references},
        spec={"containers": []}, status={"phase": phase},
    )  # fmt: skip


def replicaset(name: str, kind: str, owner: str) -> Object:
    version, _, short = kind.rpartition("/")
    references = [{"apiVersion": version, "kind": short, "name": owner, "controller": True}]
    return made("apps/v1/ReplicaSet", name, "chat-dev", metadata={"ownerReferences": references})


def deployment(name: str, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "chat"}}}
    return made("apps/v1/Deployment", name, "chat-dev", spec={"template": template, **spec})


def test_a_pod_belongs_to_what_stays() -> None:
    view = RecordedView(
        replicaset("chat-1", "apps/v1/Deployment", "chat"), replicaset("x-1", "argoproj.io/v1alpha1/Rollout", "x")
    )
    assert owner_of(owned("a", "apps/v1/ReplicaSet", "chat-1"), view) == ("apps/v1/Deployment", "chat-dev", "chat")
    assert owner_of(owned("a", "apps/v1/ReplicaSet", "x-1"), view) == ("argoproj.io/v1alpha1/Rollout", "chat-dev", "x")
    assert owner_of(owned("a", "apps/v1/StatefulSet", "db"), view) == ("apps/v1/StatefulSet", "chat-dev", "db")
    assert owner_of(owned("a", "apps/v1/ReplicaSet", "gone"), view) == ("apps/v1/ReplicaSet", "chat-dev", "gone")
    assert owner_of(owned("a"), view) is None


@pytest.mark.point("service-takes-others")
def test_pods_of_other_controllers_count_and_one_made_by_hand_does_not() -> None:
    pods = [
        owned("chat-1-a", "apps/v1/ReplicaSet", "chat-1"),
        owned("job-a", "batch/v1/Job", "job"),
        owned("job-b", "batch/v1/Job", "job", phase="Succeeded"),
        owned("job-c", "batch/v1/Job", "job", phase="Failed"),
        owned("by-hand"),
    ]
    makers = [deployment("chat"), replicaset("chat-1", "apps/v1/Deployment", "chat")]
    found = behind(service(), RecordedView(*makers, *pods))
    assert [one["metadata"]["name"] for one in found.workloads] == ["chat"]
    assert [one["metadata"]["name"] for one in found.apart] == ["job-a"]
    alone = behind(service(), RecordedView(owned("by-hand")))
    assert [one["metadata"]["name"] for one in alone.apart] == ["by-hand"]


def test_a_service_of_one_pod_of_a_set_has_that_pod_alone() -> None:
    label = {"statefulset.kubernetes.io/pod-name": "db-0"}
    view = RecordedView(deployment("chat"), owned("db-0", "apps/v1/StatefulSet", "db", labels={"app": "chat", **label}))
    found = behind(service(selector=label), view)
    assert (found.workloads, [one["metadata"]["name"] for one in found.apart]) == ((), ["db-0"])


@pytest.mark.point("service-takes-others")
def test_the_workloads_behind_a_service_are_named_where_they_are_several() -> None:
    pods = [
        owned("chat-1-a", "apps/v1/ReplicaSet", "chat-1"),
        owned("worker-1-a", "apps/v1/ReplicaSet", "worker-1"),
        owned("unready", "apps/v1/StatefulSet", "db"),
    ]
    sets = [replicaset("chat-1", "apps/v1/Deployment", "chat"), replicaset("worker-1", "apps/v1/Deployment", "worker")]

    def slices(*ready: str) -> Object:
        endpoints = [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": name}} for name in ready]
        unready = {
            "addresses": ["10.0.0.9"],
            "conditions": {"ready": False},
            "targetRef": {"kind": "Pod", "name": "unready"},
        }
        labels = {"kubernetes.io/service-name": "chat"}
        return made("discovery.k8s.io/v1/EndpointSlice", "x", "chat-dev", labels, endpoints=[*endpoints, unready])

    both = RecordedView(*pods, *sets, slices("chat-1-a", "worker-1-a"))
    assert takes_others(service(), both) == ["deployment/chat -n chat-dev", "deployment/worker -n chat-dev"]
    assert takes_others(service(), RecordedView(*pods, *sets, slices("chat-1-a"))) == []
    assert named([owned("by-hand")], both) == ["pod/by-hand -n chat-dev"]


def scaler(target: str = "chat", kind: str = "Deployment", version: str = "apps/v1", **spec: Any) -> Object:
    reference = {"apiVersion": version, "kind": kind, "name": target}
    return made(
        "autoscaling/v2/HorizontalPodAutoscaler",
        "chat",
        "chat-dev",
        spec={"scaleTargetRef": reference, "maxReplicas": 4, **spec},
    )


@pytest.mark.point("autoscaler-owns-replicas")
@pytest.mark.parametrize(
    ("live", "bounds", "number"),
    [
        (1, {"minReplicas": 2}, 2),
        (3, {"minReplicas": 2}, 3),
        (9, {"minReplicas": 2}, 4),
        (1, {}, 1),
        (0, {"minReplicas": 2}, 0),
    ],
)
def test_an_autoscaler_owns_the_number_of_pods(live: int, bounds: dict[str, Any], number: int) -> None:
    workload = deployment("chat", replicas=live)
    found = scaler_of(workload, RecordedView(scaler(**bounds)))
    assert found is not None
    assert replicas(workload, deployment("chat", replicas=1), found) == number


def keda(annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"annotations": annotations or {}}
    spec = {"scaleTargetRef": {"name": "chat"}, **spec}
    return made("keda.sh/v1alpha1/ScaledObject", "chat", "chat-dev", metadata=metadata, spec=spec)


@pytest.mark.point("autoscaler-owns-replicas")
@pytest.mark.parametrize(
    ("live", "spec", "number"),
    [
        (1, {"minReplicaCount": 2, "maxReplicaCount": 4}, 2),
        (9, {"maxReplicaCount": 4}, 4),
        (7, {}, 7),
        (0, {"minReplicaCount": 2}, 0),
        (1, {"minReplicaCount": 2, "idleReplicaCount": 1}, 1),
    ],
)
def test_keda_owns_the_number_of_pods(live: int, spec: dict[str, Any], number: int) -> None:
    """It counts also where its HorizontalPodAutoscaler is not made, or not yet."""
    workload = deployment("chat", replicas=live)
    found = scaler_of(workload, RecordedView(keda(**spec)))
    assert found is not None
    assert replicas(workload, deployment("chat", replicas=5), found) == number


@pytest.mark.point("autoscaler-owns-replicas")
def test_keda_holds_the_number_that_it_is_paused_at_and_its_own_autoscaler_comes_first() -> None:
    workload = deployment("chat", replicas=1)
    paused = keda({"autoscaling.keda.sh/paused-replicas": "3"}, maxReplicaCount=9)
    assert replicas(workload, None, scaler_of(workload, RecordedView(paused))) == 3
    theirs = scaler(minReplicas=2)
    assert scaler_of(workload, RecordedView(keda(), theirs)) is theirs


@pytest.mark.parametrize(
    "other",
    [scaler("other"), scaler(kind="StatefulSet"), scaler(version="example.com/v1")],
    ids=["name", "kind", "group"],
)
def test_an_autoscaler_of_something_else_owns_nothing_here(other: Object) -> None:
    assert scaler_of(deployment("chat"), RecordedView(other)) is None
