"""What somebody changed in a release is named, without values, and put right; what nobody stated is left alone."""

from __future__ import annotations

from platform_e2e.foundations import crds
from platform_e2e.foundations.manifests import Object
from platform_e2e.foundations.release_drift import drift, repair
from tests.fakes.memory_kube import MemoryKube


def deployment(**spec: object) -> Object:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"paused": False, **spec}}


def secret(value: str) -> Object:
    metadata = {"name": "s", "namespace": "ns"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"auth": value}}


def role() -> Object:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": []}


def live(item: Object, **more: object) -> Object:
    metadata = {**item["metadata"], "resourceVersion": "7", "generation": 3, "managedFields": [{}]}
    if item["kind"] != "ClusterRole":
        metadata["namespace"] = "ns"
    return {**item, "metadata": metadata, "status": {"ready": 1}, **more}


def test_what_is_as_it_was_is_no_drift() -> None:
    memory = MemoryKube(live(deployment(replicas=1)), live(secret("a")), live(role()))
    assert drift(memory.kube, [deployment(), secret("a"), role()], "ns") == []
    assert memory.applied == []


def test_a_field_that_the_release_does_not_state_is_no_drift() -> None:
    there = live(deployment(replicas=1, revisionHistoryLimit=2))
    there["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    assert drift(MemoryKube(there).kube, [deployment()], "ns") == []


def test_a_changed_field_is_named_and_put_right() -> None:
    memory = MemoryKube(live(deployment(paused=True, replicas=1)))
    (found,) = drift(memory.kube, [deployment()], "ns")
    assert str(found) == "Deployment a -n ns was changed: spec.paused"
    repair(memory.kube, [found])
    assert drift(memory.kube, [deployment()], "ns") == []


def test_the_dry_run_has_a_manager_of_its_own() -> None:
    # With the one that CRDs are applied by before Helm comes, the dry run would take away what that apply alone had stated.
    memory = MemoryKube(live(deployment(replicas=1)))
    drift(memory.kube, [deployment()], "ns")
    assert memory.managers
    assert crds.MANAGER not in memory.managers


def test_a_deleted_object_is_named_and_made_again() -> None:
    memory = MemoryKube()
    found = drift(memory.kube, [deployment(), role()], "ns")
    assert [str(one) for one in found] == ["Deployment a -n ns was deleted", "ClusterRole r was deleted"]
    repair(memory.kube, found)
    assert drift(memory.kube, [deployment(), role()], "ns") == []


def test_a_workload_scaled_to_zero_is_drift_although_the_chart_states_no_replicas() -> None:
    memory = MemoryKube(live(deployment(replicas=0)))
    (found,) = drift(memory.kube, [deployment()], "ns")
    assert found.fields == ("spec.replicas",)
    assert found.wanted["spec"]["replicas"] == 1


def test_the_value_of_a_secret_is_never_told() -> None:
    (found,) = drift(MemoryKube(live(secret("c2VjcmV0"))).kube, [secret("dHJ1ZQ==")], "ns")
    assert str(found) == "Secret s -n ns was changed: data.auth"


def test_many_fields_are_counted() -> None:
    before = {f"f{number}": 1 for number in range(9)}
    (found,) = drift(
        MemoryKube(live(deployment(replicas=1, **dict.fromkeys(before, 2)))).kube, [deployment(**before)], "ns"
    )
    assert str(found).endswith("spec.f0, spec.f1, spec.f2, spec.f3, spec.f4 and 4 more")


def test_items_of_lists_are_compared_one_by_one() -> None:
    there = live(deployment(replicas=1, items=[{"a": 1}, {"a": 2}]))
    (found,) = drift(MemoryKube(there).kube, [deployment(items=[{"a": 1}, {"a": 3}])], "ns")
    assert found.fields == ("spec.items[1].a",)
