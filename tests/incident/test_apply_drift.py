"""Laying drift over: the same fields, the same objects; nothing of the other cluster's own, nothing that is redacted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.checks.drifted_objects import EXTRA, MISSING, ROLLING
from platform_e2e.checks.git_differences import Difference
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.foundations import sealing_backup
from platform_e2e.gitops import sync_pause
from platform_e2e.incident import apply_drift, rollouts
from platform_e2e.incident.apply_drift import apply, lose_address, patch_of
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Rendered, sealing_keys
from tests.fakes import incidents, layers
from tests.fakes.incidents import drift
from tests.fakes.scripted_api import ScriptedApi


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = incidents.serve(ScriptedApi())
    incidents.platform(api, "a" * 40)
    yield api
    api.stop()


@pytest.fixture
def kube(api: ScriptedApi) -> Iterator[Kube]:
    with api.client() as kube:
        yield kube


def live(**fields: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "labels": {"a": "b"}}, **fields}


@pytest.mark.parametrize(
    ("path", "observed", "patch"),
    [
        ("/spec/replicas", 3, {"spec": {"replicas": 3}}),
        ("/metadata/labels/a", None, {"metadata": {"labels": {"a": None}}}),
        ("/metadata/annotations/x~1y", "z", {"metadata": {"annotations": {"x/y": "z"}}}),
        ("/spec/ports/1/port", 9, {"spec": {"ports": [{"port": 1, "name": "a"}, {"port": 9}]}}),
        ("/spec/ports", [], {"spec": {"ports": []}}),
        ("/spec/ports/7/port", 9, {}),
    ],
)
def test_a_patch_says_only_what_differed(path: str, observed: Any, patch: Object) -> None:
    obj = live(spec={"replicas": 1, "ports": [{"port": 1, "name": "a"}, {"port": 2}]})
    assert patch_of(obj, [Difference(path, "?", observed)]) == patch


def test_a_changed_field_is_changed(api: ScriptedApi, kube: Kube) -> None:
    done = apply(kube, drift())
    assert str(done) == "configmap/one -n one: changed /data/key"
    assert api.objects["configmaps", "one", "one"]["data"] == {"key": "other"}


def test_what_is_redacted_cannot_be_applied_and_says_so(api: ScriptedApi, kube: Kube) -> None:
    both = drift(
        differences=(Difference("/data/password", "[redacted]", "[redacted]"), Difference("/data/key", 1, "x"))
    )
    assert str(apply(kube, both)) == "configmap/one -n one: changed /data/key; but /data/password is redacted"
    only = drift(differences=(Difference("/data/password", "[redacted]", "[redacted]"),))
    before = api.asked("PATCH")
    assert apply(kube, only).problem == "/data/password is redacted"
    assert api.asked("PATCH") == before
    hidden = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "n", "namespace": "one"},
        "data": {"a": "[redacted]"},
    }
    assert "redacted" in apply(kube, drift(name="n", change=EXTRA, live=hidden)).problem


def test_where_git_is_read_from_stays(kube: Kube) -> None:
    done = apply(kube, drift(differences=(Difference("/spec/source/repoURL", "a", "b"),)))
    assert "another place here" in done.problem


def test_what_was_missing_is_deleted(api: ScriptedApi, kube: Kube) -> None:
    gone = drift(change=MISSING, live=None, differences=())
    assert apply(kube, gone).did == "deleted"
    assert ("configmaps", "one", "one") not in api.objects
    assert apply(kube, gone).problem == "it did not exist"


def test_what_was_extra_is_created_without_what_the_other_cluster_filled_in(api: ScriptedApi, kube: Kube) -> None:
    metadata = {"name": "s", "namespace": "new", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01"}
    spec = {
        "type": "LoadBalancer",
        "clusterIP": "10.0.0.1",
        "clusterIPs": ["10.0.0.1"],
        "ports": [{"port": 1, "nodePort": 3}],
    }
    obj = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": {"loadBalancer": {}}}
    done = apply(kube, drift(kind="v1/Service", name="s", namespace="new", change=EXTRA, live=obj, differences=()))
    assert done.did == "created"
    made = api.objects["services", "new", "s"]
    assert made["spec"] == {"type": "LoadBalancer", "ports": [{"port": 1}]}
    assert "status" not in made
    assert made["metadata"]["uid"] != "u"
    assert ("namespaces", "", "new") in api.objects
    assert obj["spec"]["ports"][0]["nodePort"] == 3  # type: ignore[index]  # the incident is left as it was


def test_what_is_refused_is_told_and_the_rest_goes_on(api: ScriptedApi, kube: Kube) -> None:
    api.fail("PATCH", "/configmaps/one", 422, body={"kind": "Status", "reason": "Invalid", "message": "no"})
    assert "it could not be applied: " in apply(kube, drift()).problem
    assert "no" in apply(kube, drift(name="absent")).problem


def test_an_address_is_taken_away_where_there_is_one(api: ScriptedApi, kube: Kube) -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    api.put("services", "one", "s", spec={"type": "LoadBalancer"}, status=status)
    assert lose_address(kube, "s", "one").did == "its address was removed"
    assert api.asked("PATCH", "/services/s/status") == 1
    api.put("services", "one", "s", spec={"type": "LoadBalancer"}, status={})
    assert lose_address(kube, "s", "one").did == "has no address"
    assert api.asked("PATCH", "/services/s/status") == 1


def test_a_lost_key_is_deleted_and_its_controller_restarted(api: ScriptedApi, kube: Kube) -> None:
    api.put("secrets", "kube-system", "key", metadata={"labels": {sealing_keys.LABEL: "active"}}, data={})
    api.put("secrets", "kube-system", "other", data={})
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    api.put(
        "deployments",
        "kube-system",
        "c",
        metadata={"labels": sealing_backup.CONTROLLER},
        spec={"replicas": 1},
        status=status,
    )
    done = apply_drift.lose_sealing_key(kube)
    assert done.did == "deleted key and restarted the controller"
    assert [name for kind, _, name in api.objects if kind == "secrets"] == ["other"]
    template = api.objects["deployments", "kube-system", "c"]["spec"]["template"]
    assert template["metadata"]["annotations"] == {"platform-e2e/restarted-for": "key"}


def test_healing_is_held_by_a_window_beside_those_that_there_are(api: ScriptedApi, kube: Kube, tmp_path: Path) -> None:
    own = {"kind": "deny", "schedule": "0 22 * * *", "duration": "1h"}
    api.put("appprojects", "argocd", "default", spec={"syncWindows": [own]})
    layer = layers.load(layers.write(tmp_path, {}), layers.no_objects)
    projects = sync_pause.projects_of(layer, ["one"])
    assert projects == ["default"]
    for _ in range(2):
        assert sync_pause.pause(kube, [*projects, "absent"]) == ["default"]
    windows = api.objects["appprojects", "argocd", "default"]["spec"]["syncWindows"]
    assert windows == [own, sync_pause.WINDOW]
    assert sync_pause.WINDOW["kind"] == "deny"
    sync_pause.resume(kube, projects)
    assert api.objects["appprojects", "argocd", "default"]["spec"]["syncWindows"] == [own]


def test_a_rollout_that_is_stuck_is_captured_with_what_the_older_template_has(api: ScriptedApi, kube: Kube) -> None:
    halfway_rollout(api)
    git = Rendered(deployment("new"), "one", "d.yaml", 1)
    (found,) = rollouts.halfway(kube, [git], skipped := SkippedParts())
    assert found.change == ROLLING
    assert [(each.path, each.expected, each.observed) for each in found.differences] == [
        ("/spec/template/spec/containers/0/image", "new", "old")
    ]
    assert skipped.parts == {}
    # One that has ended is none.
    api.put("replicasets", "one", "d-1", metadata=owned("1"), spec={"template": template("old")}, status={})
    assert rollouts.halfway(kube, [git], skipped) == []


def test_replica_sets_that_may_not_be_read_are_named(api: ScriptedApi, kube: Kube) -> None:
    halfway_rollout(api)
    api.fail("GET", "/replicasets", 403, body={"kind": "Status", "reason": "Forbidden", "message": "no"})
    assert rollouts.halfway(kube, [Rendered(deployment("new"), "one", "d.yaml", 1)], skipped := SkippedParts()) == []
    assert skipped.parts == {"ReplicaSets": "forbidden: no"}


def test_the_older_template_runs_before_that_of_git_comes_back(api: ScriptedApi, kube: Kube) -> None:
    halfway_rollout(api)
    images: list[str] = []
    put = api.put

    def noting(plural: str, namespace: str, name: str, **fields: Any) -> Object:
        if plural == "deployments":
            images.append(fields["spec"]["template"]["spec"]["containers"][0]["image"])
        return put(plural, namespace, name, **fields)

    api.put = noting  # type: ignore[method-assign]
    image = Difference("/spec/template/spec/containers/0/image", "new", "old")
    one = drift(kind="apps/v1/Deployment", name="d", change=ROLLING, live=None, differences=(image,))
    assert rollouts.roll(kube, one).did == "rolled out again from /spec/template/spec/containers/0/image 'old'"
    assert images == ["old", "new"]


def test_an_older_template_with_a_secret_in_it_cannot_run(api: ScriptedApi, kube: Kube) -> None:
    halfway_rollout(api)
    hidden = Difference("/spec/template/spec/containers/0/env/0/value", "[redacted]", "[redacted]")
    one = drift(kind="apps/v1/Deployment", name="d", change=ROLLING, live=None, differences=(hidden,))
    assert rollouts.roll(kube, one).problem == f"its older template cannot run: {hidden.path} is redacted"
    assert not api.asked("PATCH")


def test_a_template_that_cannot_be_put_back_is_a_problem(api: ScriptedApi, kube: Kube) -> None:
    halfway_rollout(api)
    refused = {"kind": "Status", "reason": "Forbidden", "message": "no"}
    api.fail("PATCH", "/deployments/d", 403, times=2, body=refused)
    image = Difference("/spec/template/spec/containers/0/image", "new", "old")
    one = drift(kind="apps/v1/Deployment", name="d", change=ROLLING, live=None, differences=(image,))
    done = rollouts.roll(kube, one)
    assert done.did == ""
    for words in ("its older template does not run: ", "; the template of Git cannot be put back: "):
        assert words in done.problem


def template(image: str) -> Object:
    return {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def deployment(image: str) -> Object:
    metadata = {"name": "d", "namespace": "one"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": template(image)}}


def owned(revision: str) -> Object:
    return {
        "ownerReferences": [{"kind": "Deployment", "name": "d", "uid": "uid-d"}],
        "annotations": {rollouts.REVISION: revision},
    }


def halfway_rollout(api: ScriptedApi) -> None:
    """Put a Deployment whose new pods do not come up, and the ReplicaSet of those that still run."""
    api.serve("apps/v1", "replicasets", "ReplicaSet")
    # The scripted server keeps no condition, so the rollout is complete as soon as it is asked for.
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    metadata = {"annotations": {rollouts.REVISION: "2"}}
    api.put(
        "deployments", "one", "d", metadata=metadata, spec={"replicas": 1, "template": template("new")}, status=status
    )
    api.objects["deployments", "one", "d"]["metadata"]["uid"] = "uid-d"
    old = template("old")
    old["metadata"]["labels"]["pod-template-hash"] = "abc"
    api.put("replicasets", "one", "d-1", metadata=owned("1"), spec={"template": old}, status={"availableReplicas": 1})
    api.put("replicasets", "one", "d-2", metadata=owned("2"), spec={"template": template("new")}, status={})
