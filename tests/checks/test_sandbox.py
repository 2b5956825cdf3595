from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from platform_e2e import timeline
from platform_e2e.checks import negative_fixtures, sandbox_children, sandbox_objects
from platform_e2e.checks import sandbox as sandboxes
from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.negative_fixtures import pool_of_one
from platform_e2e.checks.sandbox import Sandbox, has_colour, has_key, is_sync, synced_with_key
from platform_e2e.diagnosis.attribution import BlockedByPromise
from platform_e2e.diagnosis.explain.metallb_pools import pool, requested_pool
from platform_e2e.errors import BrokenHarness
from platform_e2e.gitops import server
from platform_e2e.gitops.git import Branch, GitServer
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
        git = self

        class Branch:
            url = git.url

            def delete(self) -> None:
                git.deleted.append(name)

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
    branch.name, branch.commit, branch.head = "e2e-1", lambda *_: "a" * 40, lambda: "a" * 40
    sandbox = Sandbox(cast("Kube", cluster), branch, "e2e-1")

    for work in (lambda: sandbox.application(self_heal=True), sandbox.deploy):
        with pytest.raises(Timeout if compares else BlockedByPromise) as told:
            work()
        if compares:
            continue
        assert getattr(told.value, "by", "") == (
            "promise applications: no controller compares application/e2e-1 -n argocd with Git: "
            "statefulset/argocd-application-controller -n argocd has 0 replicas; it was never compared "
            "[application-stale-revision]"
        )


class Committing:
    """A branch that remembers what was committed."""

    url, name = Git.url, "e2e-1"

    def __init__(self) -> None:
        self.commits: list[dict[str, bytes | None]] = []

    def commit(self, changes: dict[str, bytes | None], _message: str) -> str:
        self.commits.append(changes)
        return "a" * 40

    def revert(self, sha: str) -> str:
        return f"not {sha}"

    def head(self) -> str:
        return "a" * 40


class Comparing(Cluster):
    """A cluster whose Argo CD compares what is made at once."""

    def create(self, obj: Object) -> Object:
        return super().create({**obj, "status": {"sync": {"status": "OutOfSync"}}})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.ask_refresh", lambda _kube, name, **_: found.append(name))
    return found


def test_what_is_committed_is_one_file_an_object_and_argo_cd_looks_once_there_is_an_application(
    asked: list[str],
) -> None:
    cluster, branch = Comparing(), Committing()
    sandbox = Sandbox(cast("Kube", cluster), cast("Branch", branch), "e2e-1")
    blue = sandbox_objects.config_map("settings", colour="blue")
    sandbox.commit(blue, files={"manifests/README.md": b"x"}, why="Add it")
    assert asked == []
    sandbox.deploy(automated={"prune": False}, retry={"limit": 0}, options=["A=b"], ignoreDifferences=[])
    sandbox.commit(drop=[blue], why="Drop it")
    assert sandbox.revert("it") == "not it"
    assert asked == ["e2e-1", "e2e-1"]
    file = "manifests/configmap-settings.json"
    assert [set(changes) for changes in branch.commits] == [{file, "manifests/README.md"}, {file}]
    assert json.loads(branch.commits[0][file] or b"") == blue
    assert branch.commits[1][file] is None
    spec = sandbox.live["spec"]
    assert spec["syncPolicy"] == {
        "automated": {"prune": False, "selfHeal": True}, "retry": {"limit": 0}, "syncOptions": ["A=b"]
    }  # fmt: skip
    assert spec["ignoreDifferences"] == []


def test_the_objects_of_a_sandbox_are_those_that_its_application_lists() -> None:
    resources = [
        {"version": "v1", "kind": "ConfigMap", "namespace": "e2e-1", "name": name, "hook": hook}
        for name, hook in (("settings", False), ("hook", True), ("gone", False))
    ]
    app = made("argoproj.io/v1alpha1/Application", "e2e-1", "argocd", status={"resources": resources})
    cluster = Cluster()
    cluster.objects += [app, SETTINGS, made("v1/ConfigMap", "hook", "e2e-1")]
    assert Sandbox(cast("Kube", cluster), cast("Branch", Committing()), "e2e-1").objects() == [SETTINGS]


def test_a_webhook_that_is_down_is_asked_for_one_namespace_alone_and_goes_away() -> None:
    cluster = Cluster()
    with negative_fixtures.webhook_down(cast("Kube", cluster), "e2e-1"):
        (webhook,) = cluster.objects[0]["webhooks"]
        assert webhook["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "e2e-1"}}
        assert webhook["failurePolicy"] == "Fail"
    assert cluster.objects == []


def test_a_child_is_an_application_of_the_same_branch_that_its_project_must_allow() -> None:
    sandbox = Sandbox(cast("Kube", Cluster()), cast("Branch", Committing()), "e2e-1")
    child = sandbox_children.child_application(sandbox)
    assert (child["metadata"]["name"], child["spec"]["source"]["path"]) == ("e2e-1-child", "child")
    assert TESTS in child["metadata"]["labels"]
    allowed = sandbox_children.allowing_children(sandbox)["spec"]["destinations"]
    assert [each["namespace"] for each in allowed] == ["e2e-1", "argocd"]
    assert list(sandbox_children.below("child", child)) == ["child/e2e-1-child.json"]


def test_pods_of_a_sandbox_keep_within_the_strictest_policy() -> None:
    for obj in (sandbox_objects.deployment("a", "image"), sandbox_objects.failing_job("PreSync", "a", "image")):
        pod = obj["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        (container,) = pod["containers"]
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert sandbox_objects.deployment("a", "image", match="b")["spec"]["selector"] == {"matchLabels": {"app": "b"}}


def test_an_image_that_every_node_has_is_the_git_servers() -> None:
    spec = {"template": {"spec": {"containers": [{"image": "argocd:1"}]}}}
    found = made("apps/v1/Deployment", "git", server.NAMESPACE, dict(server.LABELS), spec=spec)
    assert sandbox_objects.image_of_the_cluster(RecordedView(found)) == "argocd:1"
    with pytest.raises(BrokenHarness, match="must have the git server"):
        sandbox_objects.image_of_the_cluster(RecordedView())


def test_a_state_that_does_not_fit_says_what_it_is() -> None:
    expectation = sandboxes.fits(lambda state: state == 1, lambda state: f"it is {state}")
    assert isinstance(expectation(1), Met)
    assert str(expectation(2)) == "Pending(why='it is 2')"
