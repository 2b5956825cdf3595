from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd, argocd_requests, deploy, rollout
from platform_e2e.gitops.argocd import APPLICATION, APPLICATIONSET, APPPROJECT
from platform_e2e.gitops.git import Commit
from platform_e2e.gitops.rollout import GiveUp
from platform_e2e.gitops.serving import Serving
from platform_e2e.kube.errors import ApiError, KindNotServed, NotFound
from platform_e2e.kube.expect import Refuted, Timeout
from platform_e2e.layer import Layer
from platform_e2e.layer.clusters import Cluster as Cluster_
from platform_e2e.layer.clusters import Here
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.stand_ins import StandIns
from platform_e2e.layer.taking import Taking
from platform_e2e.timeline import Timeline
from tests.fakes import layers
from tests.fakes.argocd import SHA, ChangingKube, converged

if TYPE_CHECKING:
    from pathlib import Path


OLD = "b" * 40
OWN = "https://git.example.com/team/platform.git"
SERVED = "git://served/platform.git"

SET = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: chat
spec:
  generators:
    - list: {elements: [{env: dev}, {env: prod}]}
  template:
    metadata: {name: "chat-{{env}}"}
    spec:
      source: {repoURL: https://git.example.com/team/platform.git, path: "manifests/chat/{{env}}"}
      destination: {namespace: "chat-{{env}}"}
"""
PROJECT = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: p}\nspec: {sourceRepos: ['*']}\n"
DEFAULT = {"apiVersion": "argoproj.io/v1alpha1", "metadata": {"name": "default", "namespace": "argocd"}}
NAMES = ["chat-dev", "chat-prod", "one"]


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again for causes ten times as often: each look is two seconds that a test would wait."""
    monkeypatch.setattr("platform_e2e.gitops.rollout._LOOK_AGAIN", 0.2)


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    files = layers.write(
        tmp_path / "layer",
        {
            "argocd/projects/p.yaml": PROJECT,
            "argocd/applicationsets/chat.yaml": SET,
            "manifests/chat/dev/cm.yaml": layers.CONFIGMAP,
            "manifests/chat/prod/cm.yaml": layers.CONFIGMAP,
        },
    )
    return layers.load(files)


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    return Timeline(tmp_path / "timeline.jsonl")


def events(timeline: Timeline) -> list[dict[str, Any]]:
    assert timeline.path is not None
    return [json.loads(line) for line in timeline.path.read_text().splitlines()] if timeline.path.exists() else []


class FakeGit:
    """Serves the files of a layer under another URL."""

    def __init__(self, layer: Layer, commit: Commit | None = None) -> None:
        self.layer = layer
        self.commit = commit or Commit(SHA, OLD)
        self.published: list[Any] = []

    def read(self, path: str) -> str:
        return (self.layer.directory / path).read_text().replace(OWN, SERVED)

    def publish(self, directory: Path, serving: Serving) -> Commit:
        self.published.append((directory, serving.pool_map))
        self.not_judged = serving.not_judged
        return self.commit


class Cluster(ChangingKube):
    """Takes what is applied."""

    def __init__(self) -> None:
        super().__init__()
        self.applied: list[dict[str, Any]] = []
        self.refusals: list[ApiError] = []
        self.put(APPPROJECT, DEFAULT)

    def apply(self, obj: dict[str, Any]) -> dict[str, Any]:
        if self.refusals:
            raise self.refusals.pop(0)
        self.applied.append(obj)
        return obj

    def up(self, *names: str, sha: str = SHA) -> None:
        """Let Applications be converged, generated ones with their owner."""
        for name in names:
            app = converged(name, sha)
            if name.startswith("chat-"):
                app["metadata"]["ownerReferences"] = [{"kind": "ApplicationSet", "name": "chat"}]
            self.put(APPLICATION, app)
        self.put(APPLICATIONSET, {"metadata": {"name": "chat", "namespace": "argocd"}})


@pytest.fixture
def kube() -> Any:
    return Cluster()


def git(layer: Layer, commit: Commit | None = None) -> Any:
    return FakeGit(layer, commit)


def test_roots_are_applied_as_served_projects_first(kube: Any, layer: Layer) -> None:
    roots = deploy.apply_roots(kube, layer, git(layer), timeout=5)
    assert roots.names == ("appproject/p", "application/one", "applicationset/chat")
    assert [obj["metadata"]["namespace"] for obj in kube.applied] == ["argocd"] * 3
    assert kube.applied[1]["spec"]["source"]["repoURL"] == SERVED
    assert kube.applied[2]["spec"]["template"]["spec"]["source"]["repoURL"] == SERVED


def test_the_roots_of_a_layer_within_a_repository_are_read_as_they_are_served(kube: Any, layer: Layer) -> None:
    # Git serves the layer's directory; a person is told a file's name from the top of the repository.
    (layer.directory.parent / ".git").mkdir()
    within = layers.load(layer.directory)
    assert {app.file.split("/")[0] for app in within.applications} == {layer.directory.name}
    roots = deploy.apply_roots(kube, within, git(within), timeout=5)
    assert roots.names == ("appproject/p", "application/one", "applicationset/chat")


def test_roots_wait_for_the_kinds_and_the_namespace(kube: Any, layer: Layer) -> None:
    kube.refusals = [
        KindNotServed("argoproj.io/v1alpha1/AppProject"),
        NotFound("PATCH", 404, "NotFound", "namespaces argocd"),
    ]
    assert len(deploy.apply_roots(kube, layer, git(layer), timeout=5).names) == 3
    kube.refusals = [KindNotServed("argoproj.io/v1alpha1/AppProject")] * 1000
    with pytest.raises(
        Timeout, match=r"the API server takes appproject/p -n argocd, application/one .*: not within"
    ) as caught:
        deploy.apply_roots(kube, layer, git(layer), timeout=0.05)
    assert "the API server serves no such kind" in str(caught.value)


def test_an_applicationset_waits_for_the_project_that_argo_cd_makes(kube: Any, layer: Layer) -> None:
    del kube.objects[APPPROJECT, "default"]
    with pytest.raises(Timeout, match="applicationset/chat -n argocd: Argo CD has not made its project default yet"):
        deploy.apply_roots(kube, layer, git(layer), timeout=0.05)
    assert [obj["kind"] for obj in kube.applied] == ["AppProject", "Application"]
    threading.Timer(0.2, lambda: kube.put(APPPROJECT, DEFAULT)).start()
    assert "applicationset/chat" in deploy.apply_roots(kube, layer, git(layer), timeout=5).names


def test_the_cluster_under_test_is_registered_with_the_roots(kube: Any, layer: Layer) -> None:
    known = replace(layer, here=Here(secrets=(Cluster_("home").secret(here=True),)))
    assert deploy.apply_roots(kube, known, git(known), timeout=5).names[0] == "secret/platform-e2e-cluster-home"


def test_what_is_nothing_but_a_foundation_is_not_applied(kube: Any, layer: Layer) -> None:
    apart = replace(layer, taking=Taking(apart=frozenset({("argocd", "one")})))
    assert "application/one" not in deploy.apply_roots(kube, apart, git(apart), timeout=5).names


def test_the_generation_that_a_project_had_before_is_told(kube: Any, layer: Layer) -> None:
    assert deploy.apply_roots(kube, layer, git(layer), timeout=5).projects == {}
    kube.put(APPPROJECT, project(3))
    assert deploy.apply_roots(kube, layer, git(layer), timeout=5).projects == {"p": 3}


def project(generation: int, changed: str = "2026-01-01T10:00:05Z") -> dict[str, Any]:
    times = [{"time": "2026-01-01T09:00:00Z"}, {"time": changed}]
    return {"metadata": {"name": "p", "namespace": "argocd", "generation": generation, "managedFields": times}}


def test_an_application_that_was_compared_before_its_project_was_changed_is_refreshed(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    kube.up(*NAMES)
    for name in ("one", "chat-dev"):
        kube.objects[APPLICATION, name]["spec"]["project"] = "p"
    # Times are in whole seconds: what was compared in the next one may have been compared a moment before it was seen.
    kube.objects[APPLICATION, "one"]["status"]["reconciledAt"] = "2026-01-01T10:00:06Z"
    kube.objects[APPLICATION, "chat-dev"]["status"]["reconciledAt"] = "2026-01-01T10:00:07Z"
    kube.put(APPPROJECT, project(2))
    wait = partial(deploy.wait_converged, kube, layer, SHA, timeline=timeline)
    assert sorted(wait(timeout=10, projects={"p": 2})[0]) == NAMES, "it is as it was"
    with pytest.raises(Timeout, match="one: it was compared at 10:00:06, not since its project p was changed"):
        wait(timeout=0.1, projects={"p": 1})
    kube.patches.clear()

    def compare(kind: str, name: str, _patch: Any) -> None:
        kube.objects[kind, name]["status"]["reconciledAt"] = "2026-01-01T10:00:07Z"

    kube.on_patch = compare
    assert sorted(wait(timeout=10, projects={"p": 1})[0]) == NAMES
    assert kube.patches == [(APPLICATION, "one", {"metadata": {"annotations": {argocd.REFRESH: "normal"}}})]


def test_the_projects_of_applications_in_other_namespaces_are_argo_cds_own(kube: Any, timeline: Timeline) -> None:
    kube.up("one")
    kube.objects[APPLICATION, "one"]["metadata"]["namespace"] = "team"
    kube.objects[APPLICATION, "one"]["spec"]["project"] = "p"
    kube.put(APPPROJECT, project(2))
    one: Any = SimpleNamespace(namespace="team", name="one", generated_by="", objects=())
    elsewhere: Any = SimpleNamespace(
        applications=(one,),
        applicationsets=(),
        aside=(),
        waited_for_in_vain=(),
        not_judged=(),
        invented=(),
        stand_ins=StandIns(),
    )
    with pytest.raises(Timeout, match="one: it was compared at 10:00:05, not since its project p was changed"):
        deploy.wait_converged(kube, elsewhere, SHA, timeline=timeline, timeout=0.1, projects={"p": 1})


def test_a_project_that_is_changed_again_while_it_is_waited_for_counts_from_then(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "one"] |= {"spec": {"project": "p"}}
    kube.objects[APPLICATION, "chat-dev"]["status"]["health"]["status"] = "Progressing"
    kube.put(APPPROJECT, project(2, "2026-01-01T10:00:01Z"))

    def go_on() -> None:
        kube.put(APPPROJECT, project(3, "2026-01-01T10:00:06Z"))
        threading.Timer(0.1, lambda: kube.up("chat-dev")).start()

    threading.Timer(0.1, go_on).start()
    with pytest.raises(Timeout, match="one: it was compared at 10:00:05, not since its project p was changed"):
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.6, projects={"p": 1})


def test_a_root_that_the_api_server_refuses_is_an_error_at_once(kube: Any, layer: Layer) -> None:
    kube.refusals = [ApiError("PATCH appproject/p", 422, "Invalid", "spec.x")]
    with pytest.raises(ApiError, match=r"appproject/p: 422 Invalid: spec\.x"):
        deploy.apply_roots(kube, layer, git(layer), timeout=5)


def test_wait_returns_when_every_application_has_converged(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up("one")
    threading.Timer(0.1, lambda: kube.up("chat-dev", "chat-prod")).start()
    seconds, _ = deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10)
    assert sorted(seconds) == NAMES
    assert seconds["one"] < seconds["chat-dev"]
    texts = [event["text"] for event in events(timeline)]
    assert texts[0] == (
        "1 of 3 Applications have converged; chat-dev, chat-prod: it does not exist; "
        "ApplicationSet chat: applicationset/chat has not made chat-dev, chat-prod"
    )
    assert texts[-1] == "3 of 3 Applications have converged"
    assert kube.patches == []


def test_wait_that_is_in_vain_says_what_each_one_lacks(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "chat-dev"]["status"]["health"]["status"] = "Progressing"
    with pytest.raises(Timeout) as caught:
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.1)
    text = str(caught.value)
    assert text.startswith(f"the 3 Applications of the layer are what commit {SHA[:12]} says: not within 0.1 s")
    assert "2 of 3 Applications have converged; chat-dev: its health is Progressing" in text


def test_progress_is_short_and_the_error_says_more(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "one"]["status"]["operationState"] |= {"phase": "Running", "message": "webhook " * 60}
    with pytest.raises(Timeout) as caught:
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.1)
    assert "webhook " * 50 in str(caught.value)
    assert max(len(event["text"]) for event in events(timeline)) < 160


def test_a_hard_refresh_is_asked_for_of_all(kube: Any, layer: Layer) -> None:
    kube.up(*NAMES)
    deploy.refresh_all(kube, layer, hard=True)
    asked = {name: patch["metadata"]["annotations"] for kind, name, patch in kube.patches if kind == APPLICATION}
    assert asked == {name: {argocd.REFRESH: "hard"} for name in NAMES}


def test_an_application_too_many_of_a_set_is_not_converged(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES, "chat-old")
    with pytest.raises(Timeout, match="ApplicationSet chat: applicationset/chat still has chat-old"):
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.1)


def test_applications_of_tests_do_not_matter(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    kube.up("own-of-a-test", sha=OLD)
    assert sorted(deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=5)[0]) == NAMES


def test_an_application_that_could_not_be_compared_is_refreshed(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    app = kube.objects[APPLICATION, "one"]
    app["status"]["sync"] = {"status": "Unknown"}
    app["status"]["conditions"] = [{"type": "ComparisonError", "message": "dial tcp: connection refused"}]
    kube.on_patch = lambda kind, name, patch: kube.put(kind, converged(name))
    deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10)
    assert kube.patches == [(APPLICATION, "one", {"metadata": {"annotations": {argocd.REFRESH: "normal"}}})]


def test_an_application_that_still_shows_an_older_commit_is_refreshed(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    kube.up(*NAMES)
    kube.up("one", sha=OLD)
    kube.on_patch = lambda kind, name, patch: kube.put(kind, converged(name))
    deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10)
    assert [name for _, name, _ in kube.patches] == ["one"]


@pytest.mark.point("right-comparison")
def test_what_argo_cd_remembers_of_a_comparison_that_failed_is_not_believed(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    """After an error it says Synced by itself; only a comparison that is asked for tells of the error again."""
    kube.up(*NAMES)
    failing(kube, "error calculating structured merge diff: duplicate entries for key")
    failed = kube.objects[APPLICATION, "one"]
    forgets = threading.Event()

    def forget() -> None:
        kube.put(APPLICATION, converged("one"))
        forgets.set()

    def refresh(kind: str, _name: str, _patch: Any) -> None:
        kube.put(kind, failed)
        # It goes on comparing by itself, and remembers no difference.
        threading.Timer(0.1, forget).start()

    kube.on_patch = refresh
    seconds, held = deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=60, give_up=give_up("one", 0.5))
    assert forgets.is_set()
    assert sorted(seconds) == ["chat-dev", "chat-prod"]
    assert "duplicate entries" in held["one"].why


@pytest.mark.point("right-comparison")
def test_an_error_that_is_mended_is_forgotten(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    failing(kube, "dial tcp: connection refused")
    kube.on_patch = lambda *_: threading.Timer(0.1, lambda: kube.up("one")).start()
    assert sorted(deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10)[0]) == NAMES
    assert set(map(str, kube.patches)) == {str(ANEW)}


def test_a_refresh_is_not_asked_for_again_at_once(
    kube: Any, layer: Layer, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "_LOOK_AGAIN", 2.0)
    kube.up(*NAMES)
    kube.up("one", sha=OLD)
    with pytest.raises(Timeout):
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.3)
    assert len(kube.patches) == 1


def test_an_application_with_crds_is_compared_until_they_are_established(
    kube: Any, tmp_path: Path, timeline: Timeline
) -> None:
    crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: w}\nspec: {scope: Cluster, names: {kind: W}}\n"
    own = layers.load(
        layers.write(tmp_path / "own", {"argocd/projects/p.yaml": PROJECT, "manifests/one/crd.yaml": crd})
    )
    kube.up("one")
    status = kube.objects[APPLICATION, "one"]["status"]
    status["health"]["status"] = "Progressing"
    status["resources"] = [
        {"group": "apiextensions.k8s.io", "version": "v1", "kind": "CustomResourceDefinition", "name": "w"}
    ]
    kube.on_patch = lambda kind, name, patch: kube.put(kind, converged(name))
    deploy.wait_converged(kube, own, SHA, timeline=timeline, timeout=10)
    assert kube.patches == [ANEW]


def test_a_refresh_that_argo_cd_has_lost_is_asked_for_again(
    kube: Any, layer: Layer, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(argocd_requests, "LOST_SECONDS", 0.1)
    kube.up(*NAMES)
    kube.objects[APPLICATION, "one"]["metadata"].setdefault("annotations", {})[argocd.REFRESH] = "normal"
    asked: list[str] = []

    def controller(kind: str, name: str, patch: Any) -> None:
        asked.append(patch["metadata"]["annotations"][argocd.REFRESH])
        if len(asked) == 2:
            kube.put(kind, converged(name))

    kube.on_patch = controller
    deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10)
    assert asked == ["again", "normal"]


def test_a_sync_of_an_older_commit_that_waits_to_be_retried_is_stopped(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    kube.up(*NAMES)
    kube.up("one", sha=OLD)
    kube.objects[APPLICATION, "one"]["status"]["operationState"] |= {"phase": "Running", "retryCount": 2}
    kube.objects[APPLICATION, "one"]["metadata"]["resourceVersion"] = "7"
    kube.on_patch = lambda kind, name, patch: kube.put(kind, converged(name))
    deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10)
    # What it says then may be what Argo CD remembers of a comparison in between.
    assert kube.patches == [stop("7"), ANEW]


def stop(version: str | None) -> tuple[str, str, dict[str, Any]]:
    """Return what stops an operation: of the Application as it was read, for one that has ended would terminate for ever."""
    terminating = {"operationState": {"phase": "Terminating"}}
    return APPLICATION, "one", {"metadata": {"resourceVersion": version}, "status": terminating}


ANEW = (APPLICATION, "one", {"metadata": {"annotations": {argocd.REFRESH: "normal"}}})
"""What asks for a comparison that is no memory."""

HELD = [
    "waiting for healthy state of /PersistentVolumeClaim/scratch",
    "waiting for completion of hook batch/Job/migrate",
]


@pytest.mark.parametrize("message", HELD)
def test_a_sync_of_an_older_commit_that_waits_without_end_is_stopped(
    kube: Any, layer: Layer, timeline: Timeline, message: str
) -> None:
    kube.up(*NAMES)
    kube.up("one", sha=OLD)
    state = kube.objects[APPLICATION, "one"]["status"]["operationState"]
    state.pop("finishedAt")
    state |= {"phase": "Running", "message": message}
    kube.on_patch = lambda kind, name, patch: kube.put(kind, converged(name))
    deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10)
    # What it says then may be what Argo CD remembers of a comparison in between.
    assert kube.patches == [stop(None), ANEW]


@pytest.mark.point("sync-windows")
@pytest.mark.parametrize("sha", [SHA, OLD])
def test_a_sync_that_a_window_had_blocked_is_looked_at_again(
    kube: Any, layer: Layer, timeline: Timeline, sha: str
) -> None:
    kube.up(*NAMES)
    kube.up("one", sha=sha)
    state = kube.objects[APPLICATION, "one"]["status"]["operationState"]
    state.pop("finishedAt")
    state |= {"phase": "Running", "message": "Sync operation blocked by sync window"}
    kube.on_patch = lambda kind, name, patch: kube.put(kind, converged(name))
    deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10)
    assert kube.patches == [(APPLICATION, "one", {"metadata": {"annotations": {argocd.REFRESH: "normal"}}})]


@pytest.mark.parametrize("brings", [True, False], ids=["a CRD", "none"])
@pytest.mark.parametrize("running", [True, False])
def test_a_crd_that_was_judged_before_it_was_established_is_looked_at_again(
    kube: Any, layer: Layer, timeline: Timeline, *, running: bool, brings: bool
) -> None:
    """Argo CD leaves out changes of a status alone, so that it would look with its next comparison, minutes later."""
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "a.example"},
    }
    made = (Rendered(crd, "one", "a.yaml", 1),) if brings else ()
    every = tuple(replace(each, objects=made) if each.name == "one" else each for each in layer.applications)
    kube.up(*NAMES)
    status = kube.objects[APPLICATION, "one"]["status"]
    if running:
        status["operationState"].pop("finishedAt")
        what = "waiting for healthy state of apiextensions.k8s.io/CustomResourceDefinition/a.example"
        status["operationState"] |= {"phase": "Running", "message": what}
    else:
        status["health"]["status"] = "Degraded"
    kube.on_patch = lambda kind, name, patch: kube.put(kind, converged(name))
    with contextlib.nullcontext() if brings else pytest.raises(Timeout):
        deploy.wait_converged(
            kube, replace(layer, applications=every), SHA, timeline=timeline, timeout=10 if brings else 0.2
        )
    asked = (APPLICATION, "one", {"metadata": {"annotations": {argocd.REFRESH: "normal"}}})
    # On a busy machine it may be asked for once more before the answer has come.
    assert kube.patches == [asked] * len(kube.patches)
    assert bool(kube.patches) == brings


@pytest.mark.parametrize(("sha", "message"), [(SHA, HELD[0]), (SHA, HELD[1]), (OLD, "waiting for 1 more")])
def test_a_sync_that_is_needed_or_goes_on_is_not_stopped(
    kube: Any, layer: Layer, timeline: Timeline, sha: str, message: str
) -> None:
    kube.up(*NAMES)
    kube.up("one", sha=sha)
    state = kube.objects[APPLICATION, "one"]["status"]["operationState"]
    state.pop("finishedAt")
    state |= {"phase": "Running", "message": message}
    with pytest.raises(Timeout):
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.2)
    assert not [patch for _, _, patch in kube.patches if "status" in patch]


def test_a_sync_of_this_commit_that_waits_to_be_retried_is_left_alone(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "one"]["status"]["operationState"] |= {"phase": "Running", "retryCount": 2}
    with pytest.raises(Timeout, match="one: attempt 2 of 6 to sync commit"):
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.2)
    assert kube.patches == []


def failing(kube: Any, message: str) -> None:
    kube.up(*NAMES)
    app = kube.objects[APPLICATION, "one"]
    app["status"]["sync"]["status"] = "Unknown"
    app["status"]["conditions"] = [{"type": "ComparisonError", "message": message}]


def test_an_error_that_stays_the_same_ends_the_wait(
    kube: Any, layer: Layer, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "_SAME_ERROR", 0.2)
    failing(kube, "manifests/one: app path does not exist")
    with pytest.raises(
        Refuted, match=r"application/one -n argocd: ComparisonError: manifests/one: app path does not exist \(for"
    ):
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=60)


def test_an_error_before_the_foundations_are_there_does_not(
    kube: Any, layer: Layer, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "_SAME_ERROR", 0.1)
    failing(kube, "unknown flag: --enable-everything")
    began = time.monotonic()

    def foundations_ready() -> bool:
        if time.monotonic() - began > 0.4:
            kube.put(APPLICATION, converged("one"))
        return False

    deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10, give_up=GiveUp(untold, foundations_ready))
    assert time.monotonic() - began > 0.4, "the wait outlasted the error"


def test_an_error_that_argo_cd_remembers_is_asked_about_anew(kube: Any, layer: Layer, timeline: Timeline) -> None:
    failing(kube, "Manifest generation error (cached): unknown flag")
    kube.on_patch = lambda kind, name, patch: kube.put(kind, converged(name))
    deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=10)
    ((_, name, patch),) = kube.patches
    assert (name, patch["metadata"]["annotations"]) == ("one", {argocd.REFRESH: "hard"})


@pytest.mark.parametrize(
    "message",
    [
        "rpc error: code = Unavailable desc = connection error: dial tcp 10.96.0.9:8081: connect: connection refused",
        "rpc error: code = Unknown desc = failed to list refs: dial tcp: lookup git.platform-e2e-git.svc: no such host",
        "application references project chat which does not exist",
    ],
)
def test_an_error_of_something_that_is_still_starting_does_not(
    kube: Any, layer: Layer, timeline: Timeline, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    monkeypatch.setattr(rollout, "_SAME_ERROR", 0.01)
    failing(kube, message)
    with pytest.raises(Timeout):
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.7)


def test_what_argocd_has_given_up_ends_the_wait_with_its_name(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "chat-prod"]["status"]["operationState"]["phase"] = "Failed"
    with pytest.raises(
        Refuted, match=r"application/chat-prod -n argocd: the sync of commit a+ is Failed and is not tried again"
    ):
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=60)


IMAGE = Cause("pod-image", "the image cannot be had", "correct it")


def give_up(name: str, patience: float | None, foundations_ready: Callable[[], bool] = lambda: True) -> GiveUp:
    return GiveUp(lambda app: (IMAGE, patience) if app["metadata"]["name"] == name else None, foundations_ready)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_application_that_stays_broken_is_left_behind(
    kube: Any, layer: Layer, timeline: Timeline, phase: str
) -> None:
    kube.up(*NAMES)
    status = kube.objects[APPLICATION, "chat-prod"]["status"]
    status["health"]["status"] = "Progressing"
    status["operationState"]["phase"] = phase
    seconds, _ = deploy.wait_converged(
        kube, layer, SHA, timeline=timeline, timeout=60, give_up=give_up("chat-prod", 0.1)
    )
    assert sorted(seconds) == ["chat-dev", "one"]


def test_a_cause_that_goes_away_in_time_is_waited_for(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up("one", "chat-dev")
    kube.up("chat-prod", sha=OLD)
    threading.Timer(0.1, lambda: kube.up("chat-prod")).start()
    seconds, _ = deploy.wait_converged(
        kube, layer, SHA, timeline=timeline, timeout=60, give_up=give_up("chat-prod", 30.0)
    )
    assert sorted(seconds) == NAMES


def test_a_sync_that_failed_for_good_before_the_foundations_are_there_is_left_behind_later(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "chat-prod"]["status"]["operationState"]["phase"] = "Failed"
    foundations_ready = threading.Event()
    threading.Timer(0.3, foundations_ready.set).start()
    seconds, _ = deploy.wait_converged(
        kube,
        layer,
        SHA,
        timeline=timeline,
        timeout=60,
        give_up=give_up("chat-prod", 0.1, foundations_ready.is_set),
    )
    assert sorted(seconds) == ["chat-dev", "one"]


@pytest.mark.parametrize("patience", [None, 1000.0])
def test_what_has_not_converged_at_the_end_of_the_wait_is_left_behind(
    kube: Any, layer: Layer, timeline: Timeline, patience: float | None
) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "chat-prod"]["status"]["health"]["status"] = "Progressing"
    seconds, held = deploy.wait_converged(
        kube, layer, SHA, timeline=timeline, timeout=0.2, give_up=give_up("chat-prod", patience)
    )
    assert sorted(seconds) == ["chat-dev", "one"]
    assert held["chat-prod"].cause == IMAGE


@pytest.mark.parametrize("there", [NAMES, ["one", "chat-dev"]])
def test_an_applicationset_that_cannot_generate_is_left_behind_with_what_it_has_not_made(
    kube: Any, layer: Layer, timeline: Timeline, there: list[str]
) -> None:
    kube.up(*there, "chat-old")
    seconds, _ = deploy.wait_converged(
        kube, layer, SHA, timeline=timeline, timeout=60,
        give_up=give_up("chat", 0.1),
    )  # fmt: skip
    assert sorted(seconds) == sorted(there)


@pytest.mark.point("unknown-hides-nothing")
def test_also_where_nothing_has_converged_all_of_it_is_left_behind_to_be_judged(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    kube.up(*NAMES)
    for name in NAMES:
        kube.objects[APPLICATION, name]["status"]["health"]["status"] = "Progressing"
    seconds, held = deploy.wait_converged(
        kube, layer, SHA, timeline=timeline, timeout=60, give_up=GiveUp(lambda _: (IMAGE, 0.0))
    )
    assert seconds == {}
    assert sorted(held) == NAMES


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a wait end after some tenths of a second in which nothing moves."""
    monkeypatch.setattr(rollout, "QUIET_SECONDS", 0.3)
    monkeypatch.setattr(rollout, "STILL_SECONDS", 0.6)
    monkeypatch.setattr(rollout, "_LOOK_AGAIN", 0.05)
    monkeypatch.setattr("platform_e2e.kube.progress.TICK", 0.05)
    monkeypatch.setattr(deploy, "STILL_SECONDS", 0.6)


def untold(_app: dict[str, Any]) -> None:
    """Know of no cause."""


@pytest.mark.usefixtures("still")
@pytest.mark.point("wait-ends-when-still")
def test_the_wait_ends_when_nothing_moves_and_what_is_lacking_is_told(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "chat-prod"]["status"]["health"]["status"] = "Progressing"
    began = time.monotonic()
    seconds, held = deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=60, give_up=GiveUp(untold))
    assert time.monotonic() - began < 10
    assert sorted(seconds) == ["chat-dev", "one"]
    assert held["chat-prod"].cause is None
    assert held["chat-prod"].why == "its health is Progressing"


@pytest.mark.usefixtures("still")
@pytest.mark.point("unknown-hides-nothing")
@pytest.mark.parametrize("status", [{}, None], ids=["never-looked-at", "absent"])
def test_an_application_that_argo_cd_never_looks_at_is_left_behind(
    kube: Any, layer: Layer, timeline: Timeline, status: dict[str, Any] | None
) -> None:
    kube.up(*NAMES)
    if status is None:
        del kube.objects[APPLICATION, "one"]
    else:
        kube.objects[APPLICATION, "one"]["status"] = status
    seconds, held = deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=60, give_up=GiveUp(untold))
    assert sorted(seconds) == ["chat-dev", "chat-prod"]
    assert sorted(held) == ["one"]


@pytest.mark.usefixtures("still")
@pytest.mark.point("wait-ends-when-still")
def test_what_goes_on_elsewhere_may_be_what_an_application_lacks(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "chat-prod"]["status"]["health"]["status"] = "Progressing"
    began = time.monotonic()

    def go_on() -> None:
        # Far more often than the wait's patience asks for: a busy machine lets this thread rest, too.
        for name in itertools.islice(itertools.product("abcdefgh", repeat=2), 28):
            metadata = {"name": f"db-{''.join(name)}", "namespace": "n"}
            kube.put("v1/Pod", {"metadata": metadata, "status": {"phase": "Pending"}})
            threading.Event().wait(0.05)
        kube.up("chat-prod")

    threading.Thread(target=go_on).start()
    seconds, _ = deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=60, give_up=GiveUp(untold))
    assert sorted(seconds) == NAMES
    assert time.monotonic() - began > 1


@pytest.mark.usefixtures("still")
@pytest.mark.point("wait-ends-when-still")
def test_an_attempt_that_is_to_come_is_waited_for(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    kube.objects[APPLICATION, "one"]["status"]["operationState"] |= {"phase": "Running", "retryCount": 2}
    threading.Timer(1.2, lambda: kube.up("one")).start()
    seconds, _ = deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=60, give_up=GiveUp(untold))
    assert sorted(seconds) == NAMES


@pytest.mark.point("unknown-hides-nothing")
def test_a_workload_that_does_not_roll_out_holds_its_application_alone(
    kube: Any, layer: Layer, timeline: Timeline
) -> None:
    kube.up(*NAMES)
    entry = {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "n", "name": "d", "status": "Synced"}
    kube.objects[APPLICATION, "one"]["status"]["resources"].append(entry)
    seconds, held = deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.3, give_up=GiveUp(untold))
    assert sorted(seconds) == ["chat-dev", "chat-prod"]
    assert held["one"].why == "deployment/d -n n: does not exist"


@pytest.mark.usefixtures("still")
@pytest.mark.point("unknown-hides-nothing")
@pytest.mark.parametrize(
    "error",
    [
        NotFound("PATCH application/one", 404, "NotFound", 'namespaces "team" not found'),
        ApiError("PATCH application/one", 422, "Invalid", 'spec.sources in namespaces "team" not found'),
    ],
)
def test_a_root_that_the_api_server_does_not_take_holds_its_applications_alone(
    kube: Any, layer: Layer, timeline: Timeline, error: ApiError
) -> None:
    kube.up("chat-dev", "chat-prod")
    apply = kube.apply

    def refuse(obj: dict[str, Any]) -> dict[str, Any]:
        if obj["metadata"]["name"] == "one":
            raise error
        taken: dict[str, Any] = apply(obj)
        return taken

    kube.apply = refuse
    done = deploy.deploy(kube, layer, git(layer), timeline=timeline, timeout=60, give_up=GiveUp(untold))
    assert sorted(done.seconds) == ["chat-dev", "chat-prod"]
    assert done.held["one"].refused
    assert 'namespaces "team" not found' in done.held["one"].why
    assert done.applied == ("appproject/p", "applicationset/chat")


def test_an_api_server_that_refuses_a_refresh_is_asked_again_later(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    kube.up("one", sha=OLD)

    def refuse(kind: str, name: str, patch: Any) -> None:
        raise ApiError("PATCH", 409, "Conflict", "changed meanwhile")

    kube.on_patch = refuse
    with pytest.raises(Timeout):
        deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=0.1)
    assert len(kube.patches) == 1


CHANGES: dict[str, Callable[[Path], object]] = {
    "manifests/one/configmap.yaml": lambda path: path.write_text(layers.CONFIGMAP + "  more: x\n"),
    "manifests/new/configmap.yaml": lambda path: layers.write(
        path.parents[2],
        {
            "manifests/new/configmap.yaml": layers.CONFIGMAP,
            "argocd/applications/one.yaml": None,
            "manifests/one/configmap.yaml": None,
        },
    ),
    "manifests/chat/prod/cm.yaml": lambda path: path.unlink(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_layer_that_has_changed_since_it_was_read_is_not_served(
    kube: Any, layer: Layer, timeline: Timeline, name: str
) -> None:
    CHANGES[name](layer.directory / name)
    server = git(layer)
    with pytest.raises(WrongUsage) as caught:
        deploy.deploy(kube, layer, server, timeline=timeline, timeout=10)
    assert caught.value.problem == f"the layer has changed since this run read it: {name}"
    assert (caught.value.remedy, caught.value.exit_code) == ("run again", 4)
    assert server.published == []
    assert kube.applied == []


def test_a_file_that_is_written_while_the_layer_is_published_is_not_applied(
    kube: Any, layer: Layer, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = git(layer)

    def publish(directory: Path, _: Serving) -> Commit:
        (directory / "late.yaml").write_text("a: 1\n")
        return Commit(SHA, OLD)

    monkeypatch.setattr(server, "publish", publish)
    with pytest.raises(WrongUsage, match=r"since this run read it: late\.yaml"):
        deploy.deploy(kube, layer, server, timeline=timeline, timeout=10)
    assert kube.applied == []


def test_the_first_deployment_needs_no_refresh(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    server = git(layer)
    done = deploy.deploy(kube, layer, server, timeline=timeline, timeout=10, pool_map={"a": "b"})
    assert server.published == [(layer.directory, {"a": "b"})]
    assert done.commit.sha == SHA
    assert sorted(done.seconds) == NAMES
    assert done.applied == ("appproject/p", "application/one", "applicationset/chat")
    assert kube.patches == []


def test_a_kept_cluster_is_shown_and_refreshed_what_changed(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)

    def ask(kind: str, name: str, patch: Any) -> None:
        if name == "one":
            raise NotFound("PATCH application/one", 404, "NotFound", "not found")

    kube.on_patch = ask
    commit = Commit(SHA, OLD, before=OLD, changed=("manifests/one/configmap.yaml",))
    deploy.deploy(kube, layer, git(layer, commit), timeline=timeline, timeout=10)
    assert sorted((kind, name) for kind, name, _ in kube.patches) == [
        (APPLICATION, "chat-dev"),
        (APPLICATION, "chat-prod"),
        (APPLICATION, "one"),
        (APPLICATIONSET, "chat"),
    ]
    (fact,) = [event for event in events(timeline) if event["kind"] == "fact"]
    assert fact["files"] == ["manifests/one/configmap.yaml"]


def test_a_kept_cluster_with_the_same_layer_is_only_verified(kube: Any, layer: Layer, timeline: Timeline) -> None:
    kube.up(*NAMES)
    commit = Commit(SHA, OLD, before=SHA, pushed=False)
    deploy.deploy(kube, layer, git(layer, commit), timeline=timeline, timeout=10)
    assert kube.patches == []
    assert not [event for event in events(timeline) if event["kind"] == "fact"]
