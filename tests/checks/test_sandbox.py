from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from platform_e2e import timeline
from platform_e2e.checks import negative_fixtures
from platform_e2e.checks import sandbox as sandboxes
from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.negative_fixtures import pool_of_one
from platform_e2e.checks.sandbox import Sandbox, has_colour, has_key, is_sync, synced_with_key
from platform_e2e.diagnosis.attribution import BlockedByPromise
from platform_e2e.diagnosis.explain.metallb_pools import pool, requested_pool
from platform_e2e.gitops.git import GitServer
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Met, Polled, Timeout
from platform_e2e.kube.objects import Object
from platform_e2e.timeline import Timeline
from tests.fakes.recorded_view import RecordedView, made

SETTINGS = made("v1/ConfigMap", "settings", "e2e-1", data={"colour": "blue"})


class Cluster(RecordedView):
    """A cluster that remembers what was made and what was removed."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def create(self, obj: Object) -> Object:
        self.objects.append(obj)
        self.done.append(f"create {obj['kind']}")
        return obj

    def delete(self, kind: str, name: str, namespace: str | None = None) -> bool:
        found = self.get(kind, name, namespace)
        self.objects = [one for one in self.objects if one is not found]
        self.done.append(f"delete {kind.rpartition('/')[2]}")
        return found is not None

    def one(self, kind: str, name: str, namespace: str | None = None) -> Polled[Object | None]:
        return Polled(lambda: self.get(kind, name, namespace), name)


class Git:
    """A git server with branches that only know their names."""

    url = "git://git/platform.git"

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def branch(self, name: str) -> Any:
        server = self

        class Branch:
            url = server.url

            def delete(self) -> None:
                server.deleted.append(name)

        return Branch()


def test_a_sandbox_leaves_nothing_behind_whatever_happens() -> None:
    cluster, git = Cluster(), Git()

    def interrupted() -> None:
        with Sandbox.open(cast("Kube", cluster), cast("GitServer", git), "e2e-1"):
            cluster.create(sandboxes.application("e2e-1", git.url, "e2e-1", self_heal=True))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        interrupted()
    assert cluster.objects == []
    assert cluster.done == ["create AppProject", "create Application", "delete Application", "delete AppProject"]
    assert git.deleted == ["e2e-1"]


def test_what_a_test_makes_is_marked_as_such() -> None:
    for one in (sandboxes.project("e2e-1", "git://x"), sandboxes.application("e2e-1", "git://x", "b", self_heal=False)):
        assert TESTS in one["metadata"]["labels"]


@pytest.mark.parametrize("self_heal", [True, False])
def test_the_controls_differ_in_self_heal_alone(self_heal: bool) -> None:
    one = sandboxes.application("e2e-1", "git://x", "b", self_heal=self_heal)
    assert one["spec"]["syncPolicy"] == {"automated": {"prune": True, "selfHeal": self_heal}}


def test_a_pool_of_one_has_one_address_for_who_asks_for_it() -> None:
    cluster = Cluster()
    with pool_of_one(cast("Kube", cluster), "small", "metallb-system") as name:
        made_pool = pool(cluster.objects[0])
        assert (made_pool.size, made_pool.auto_assign) == (1, False)
        assert requested_pool(negative_fixtures.service("a", "e2e-1", name)) == "small"
        assert "loadBalancerClass" not in negative_fixtures.service("a", "e2e-1", name)["spec"]
        assert negative_fixtures.service("a", "e2e-1", name, "ours")["spec"]["loadBalancerClass"] == "ours"
    assert cluster.objects == []


def test_what_a_control_disturbs_is_on_the_runs_timeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    monkeypatch.setattr(cluster, "patch", lambda *_, **__: {}, raising=False)
    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.refresh", lambda *_: None)
    with timeline.kept_in(Timeline(tmp_path / "timeline.jsonl")):
        with pool_of_one(cast("Kube", cluster), "small", "metallb-system"):
            pass
        with Sandbox.open(cast("Kube", cluster), cast("GitServer", Git()), "e2e-1"):
            sandboxes.SandboxApplication("e2e-1", "e2e-1", "sha", cast("Kube", cluster)).change(colour="red")
    events = [json.loads(text) for text in (tmp_path / "timeline.jsonl").read_text().splitlines()]
    assert [(event["kind"], event["name"]) for event in events if event["kind"] != "wait"] == [
        ("disturbance-start", "ipaddresspool/small -n metallb-system"),
        ("disturbance-end", "ipaddresspool/small -n metallb-system"),
        ("disturbance-start", "configmap/settings -n e2e-1"),
        ("disturbance-end", "configmap/settings -n e2e-1"),
    ]


def test_expectations_say_what_is_there_instead() -> None:
    synced = made("argoproj.io/v1alpha1/Application", "e2e-1", status={"sync": {"status": "Synced"}})
    assert isinstance(has_colour("blue")(SETTINGS), Met)
    assert str(has_colour("red")(SETTINGS)) == "Pending(why='the colour is blue')"
    assert not isinstance(has_colour("red")(None), Met)
    assert isinstance(has_key("colour")(SETTINGS), Met)
    assert not isinstance(has_key("shape")(SETTINGS), Met)
    assert isinstance(is_sync("Synced")(synced), Met)
    assert str(is_sync("OutOfSync")(synced)) == "Pending(why='it is Synced')"
    assert isinstance(synced_with_key("colour")((synced, SETTINGS)), Met)
    assert str(synced_with_key("shape")((synced, SETTINGS))) == "Pending(why='there is no key shape')"
    assert str(synced_with_key("colour")((None, SETTINGS))) == "Pending(why='it is not compared')"


@pytest.mark.parametrize("compares", [True, False])
def test_a_control_of_which_argo_cd_sees_nothing_is_blocked_by_what_the_layers_own_applications_tell(
    compares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster()
    labels = {"app.kubernetes.io/component": "application-controller"}
    controller = made(
        "apps/v1/StatefulSet", "argocd-application-controller", "argocd", spec={"replicas": int(compares)}
    )
    controller["metadata"]["labels"] = labels
    controller["status"] = {"readyReplicas": int(compares)}
    cluster.objects.append(controller)
    monkeypatch.setattr(sandboxes, "CONVERGE_SECONDS", 0.1)
    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.ask_refresh", lambda *_, **__: None)
    branch = Git().branch("e2e-1")
    branch.name, branch.commit = "e2e-1", lambda *_: "a" * 40
    sandbox = Sandbox(cast("Kube", cluster), branch, "e2e-1")

    with pytest.raises(Timeout if compares else BlockedByPromise) as told:
        sandbox.application(self_heal=True)
    if not compares:
        assert getattr(told.value, "by", "") == (
            "promise applications: no controller compares application/e2e-1 -n argocd with Git: "
            "statefulset/argocd-application-controller -n argocd has 0 replicas; it was never compared "
            "[application-stale-revision]"
        )
