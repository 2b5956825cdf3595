"""What is not judged is neither waited for nor applied nor refused while it is served."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from platform_e2e.finding import Cause
from platform_e2e.gitops import deploy, serving
from platform_e2e.gitops.argocd import APPLICATION, APPLICATIONSET
from platform_e2e.gitops.rollout import GiveUp
from platform_e2e.gitops.served_references import SourceError
from platform_e2e.gitops.transform import transform
from platform_e2e.gitops.unjudged import WAITS_FOR, waits_for
from platform_e2e.layer import Layer
from platform_e2e.layer.claims import Claims
from platform_e2e.layer.stand_ins import StandIns
from platform_e2e.timeline import Timeline
from tests.fakes import layers
from tests.fakes.argocd import SHA, ChangingKube, converged
from tests.fakes.gitops_layers import OWN, URL, application
from tests.fakes.unjudged import unjudged, unjudged_set

if TYPE_CHECKING:
    from pathlib import Path

CERTS = unjudged("certs")
NEVER = GiveUp(lambda _: None)

CHILDREN = """\
{ONE}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: certs, namespace: argocd}}
spec: {{source: {{repoURL: https://charts.example.com, chart: certs, targetRevision: 1.2.3}}, destination: {{namespace: x}}}}
"""

LATER = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: later, namespace: argocd, annotations: {argocd.argoproj.io/sync-wave: "1"}}
spec: {source: {repoURL: https://git.example.com/team/platform.git, path: manifests/later}, destination: {namespace: x}}
"""

SET = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: chat, namespace: argocd}
spec:
  generators: [list: {elements: [{env: dev}, {env: prod}]}]
  template:
    metadata: {name: "chat-{{env}}"}
    spec:
      source: {repoURL: https://git.example.com/team/platform.git, path: "manifests/chat/{{env}}"}
      destination: {namespace: x}
"""


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    """Return a layer whose Application `one` makes another one, `certs`, which is not judged, and then `later` and a set."""
    files = {
        "manifests/one/later.yaml": LATER,
        "manifests/one/set.yaml": SET,
        "manifests/later/cm.yaml": layers.CONFIGMAP,
        "manifests/chat/dev/cm.yaml": layers.CONFIGMAP,
        "manifests/chat/prod/cm.yaml": layers.CONFIGMAP,
    }
    return replace(layers.load(layers.write(tmp_path / "layer", files)), not_judged=(CERTS,))


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    return Timeline(tmp_path / "timeline.jsonl")


class Cluster(ChangingKube):
    """Has Applications, and takes what is applied."""

    def __init__(self, *apps: dict[str, Any]) -> None:
        super().__init__()
        self.applied: list[str] = []
        for app in apps:
            self.put(APPLICATION, app)

    def apply(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.applied.append(f"{obj['kind'].lower()}/{obj['metadata']['name']}")
        return obj

    def with_set(self, *made: str) -> Cluster:
        self.put(APPLICATIONSET, {"metadata": {"name": "chat", "namespace": "argocd"}})
        for name in made:
            app = converged(name)
            app["metadata"]["ownerReferences"] = [{"kind": "ApplicationSet", "name": "chat"}]
            self.put(APPLICATION, app)
        return self


def child(name: str, health: str) -> dict[str, Any]:
    return {
        "group": "argoproj.io", "version": "v1alpha1", "kind": "Application", "namespace": "argocd", "name": name,
        "status": "Synced", "health": {"status": health},
    }  # fmt: skip


def syncing(message: str, sha: str = SHA) -> dict[str, Any]:
    """Return `one` while its sync waits."""
    app = converged("one", sha)
    app["status"]["sync"]["status"] = "OutOfSync"
    app["status"]["operationState"] |= {"phase": "Running", "message": message, "finishedAt": None}
    return app


def unhealthy(*resources: dict[str, Any]) -> dict[str, Any]:
    """Return `one`, synced, with objects that are not healthy."""
    app = converged("one")
    app["status"]["health"]["status"] = "Degraded"
    app["status"]["resources"] = list(resources)
    return app


HELD = "waiting for healthy state of argoproj.io/Application/certs"


def wait(kube: Any, layer: Layer, timeline: Timeline, timeout: float = 20.0, **options: Any) -> tuple[Any, Any]:
    began = time.monotonic()
    done = deploy.wait_converged(kube, layer, SHA, timeline=timeline, timeout=timeout, **options)
    assert time.monotonic() - began < timeout / 2, "nothing of it was waited for"
    return done


@pytest.mark.parametrize("give_up", [NEVER, None], ids=["gives-up", "waits-for-all"])
def test_a_parent_whose_sync_waits_for_what_is_not_judged_is_given_up_at_once_with_all_of_its_later_waves(
    layer: Layer, timeline: Timeline, give_up: GiveUp | None
) -> None:
    seconds, held = wait(Cluster(syncing(HELD)), layer, timeline, give_up=give_up)
    assert seconds == {}
    assert sorted(held) == ["chat-dev", "chat-prod", "later", "one"]
    assert {reason.cause.id for reason in held.values()} == {WAITS_FOR}
    cause = held["one"].cause
    assert cause.sentence.startswith(
        "application/one -n argocd waits for application/certs -n argocd, which is not judged: "
    )
    assert (cause.remedy, cause.through) == (CERTS.remedy, CERTS.object)


def test_a_parent_that_is_only_as_healthy_as_what_is_not_judged_is_given_up_at_once(
    layer: Layer, timeline: Timeline
) -> None:
    kube = Cluster(unhealthy(child("certs", "Degraded"), child("later", "Healthy")), converged("later"))
    seconds, held = wait(kube.with_set("chat-dev", "chat-prod"), layer, timeline, give_up=NEVER)
    assert sorted(seconds) == ["chat-dev", "chat-prod", "later"]
    assert held["one"].cause.id == WAITS_FOR


def test_an_application_whose_pods_need_a_block_device_is_given_up_at_once(layer: Layer, timeline: Timeline) -> None:
    needs = replace(CERTS, object="deployment/web -n one", reason="stand-in", problem="it needs a block device")
    layer = replace(layer, stand_ins=StandIns(claims=Claims(devices=(needs,))))
    kube = Cluster(unhealthy(), converged("later")).with_set("chat-dev", "chat-prod")

    def held(through: str) -> Any:
        cause = Cause("pod-unschedulable", "no node takes pod/web-1 -n one", "", through=through)
        return wait(kube, layer, timeline, 4.0, give_up=GiveUp(lambda _: (cause, 0.0)))[1]["one"].cause

    assert held("deployment/web -n one").id == WAITS_FOR
    assert held("deployment/other -n one").id == "pod-unschedulable"


def test_what_is_not_judged_is_not_waited_for_and_may_be_there_or_not(layer: Layer, timeline: Timeline) -> None:
    sick = syncing("anything")
    sick["metadata"]["name"] = "certs"
    for certs in ((), (sick,)):
        kube = Cluster(converged("one"), converged("later"), *certs).with_set("chat-dev", "chat-prod")
        seconds, held = wait(kube, layer, timeline)
        assert (sorted(seconds), held) == (["chat-dev", "chat-prod", "later", "one"], {})


@pytest.mark.parametrize("made", [("chat-dev",), ("chat-dev", "chat-prod")])
@pytest.mark.parametrize("generates", [("chat-dev",), ("chat-dev", "chat-prod")])
def test_an_applicationset_may_have_made_what_is_not_judged_or_not(
    layer: Layer, timeline: Timeline, made: tuple[str, ...], generates: tuple[str, ...]
) -> None:
    judged = tuple(app for app in layer.applications if app.name != "chat-prod")
    owners = tuple(replace(owner, generates=generates) for owner in layer.applicationsets)
    less = replace(layer, applications=judged, applicationsets=owners, not_judged=(CERTS, unjudged("chat-prod")))
    kube = Cluster(converged("one"), converged("later")).with_set(*made)
    assert sorted(wait(kube, less, timeline)[0]) == ["chat-dev", "later", "one"]


def test_a_parent_goes_on_to_be_judged_once_what_it_waited_for_is_healthy(layer: Layer, timeline: Timeline) -> None:
    kube = Cluster(syncing(HELD), converged("later")).with_set("chat-dev")
    timer = threading.Timer(0.2, lambda: kube.put(APPLICATION, converged("one")))
    timer.start()
    late = threading.Timer(0.4, lambda: kube.with_set("chat-dev", "chat-prod"))
    late.start()
    seconds, held = wait(kube, layer, timeline, give_up=GiveUp(lambda _: None))
    assert sorted(seconds) == ["chat-dev", "chat-prod", "later", "one"]
    assert held == {}


@pytest.mark.parametrize(
    "app",
    [
        syncing("waiting for healthy state of argoproj.io/Application/certs-two"),
        syncing("waiting for healthy state of apps/Deployment/certs"),
        syncing("one or more objects failed to apply: Application/certs is invalid"),
        syncing(HELD, "b" * 40),
        unhealthy(child("certs", "Degraded"), child("later", "Degraded")),
        unhealthy(child("later", "Degraded")),
        unhealthy(),
        converged("one"),
    ],
    ids=["another-name", "another-kind", "no-wait", "older-commit", "another-too", "another-alone", "none", "sound"],
)
def test_what_waits_for_something_else_is_waited_for(app: dict[str, Any]) -> None:
    assert waits_for(app, (CERTS, unjudged_set("certs")), SHA) is None
    assert waits_for(syncing(HELD), (CERTS,), SHA) is CERTS
    assert waits_for(syncing(HELD), (), SHA) is None


def test_a_sync_that_waits_for_a_block_device_is_not_waited_for() -> None:
    claim = replace(CERTS, object="persistentvolumeclaim/drive -n shop", reason="stand-in")
    assert waits_for(syncing("waiting for healthy state of /PersistentVolumeClaim/drive"), (claim,), SHA) is claim
    assert waits_for(syncing("waiting for healthy state of /PersistentVolumeClaim/drive-2"), (claim,), SHA) is None
    below = {"version": "v1", "kind": "PersistentVolumeClaim", "namespace": "shop", "name": "drive"}
    assert waits_for(unhealthy({**below, "health": {"status": "Progressing"}}), (claim,), SHA) is claim


def test_before_the_foundations_are_ready_nothing_is_given_up(layer: Layer, timeline: Timeline) -> None:
    ready = threading.Event()
    kube = Cluster(syncing(HELD))
    threading.Timer(0.3, ready.set).start()
    _, held = wait(kube, layer, timeline, give_up=GiveUp(lambda _: None, ready.is_set))
    assert ready.is_set()
    assert "one" in held


class Git:
    """Serves files as they are."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def read(self, path: str) -> str:
        return (self.layer.directory / path).read_text()


@pytest.mark.parametrize("odd", ["", "metadata: here\n", "metadata: {name: [x]}\n", "metadata: {name: 1}\n"])
def test_what_is_not_judged_is_not_applied_by_hand_and_its_shape_does_not_matter(tmp_path: Path, odd: str) -> None:
    more = f"---\napiVersion: argoproj.io/v1alpha1\nkind: Application\n{odd or 'metadata: {name: odd}'}\n---\n- text\n"
    files = layers.write(tmp_path / "layer", {"argocd/applications/one.yaml": layers.APPLICATION})
    layer = replace(layers.load(files), not_judged=(CERTS, unjudged("odd")))
    (files / "argocd/applications/one.yaml").write_text(CHILDREN.format(ONE=layers.APPLICATION) + more)
    kube: Any = Cluster()
    deploy.apply_roots(kube, layer, Git(layer), timeout=5)  # type: ignore[arg-type]
    assert kube.applied == ["application/one"]


CHART = application("  source: {repoURL: https://charts.example.com, chart: certs, targetRevision: 1.2.3}\n")
FOREIGN = application("  source: {repoURL: https://git.example.com/others/things.git, path: a}\n")
COMMIT = application(
    f"  source: {{repoURL: {OWN}, path: a, targetRevision: 4fc39cf24fe1aaaa4fc39cf24fe1aaaa4fc39cf2}}\n"
)
OURS = application(f"  source: {{repoURL: {OWN}, path: a}}\n")


@pytest.mark.parametrize("text", [CHART, FOREIGN, COMMIT], ids=["chart", "foreign", "commit"])
def test_what_cannot_be_served_beside_what_is_not_judged_stays_as_it_is(text: str) -> None:
    files = {"a.yaml": OURS.encode(), "certs.yaml": text.encode(), "both.yaml": f"{OURS}\n---\n{text}".encode()}
    with pytest.raises(SourceError):
        transform(files, url=URL)
    done = transform(files, url=URL, not_judged=frozenset({"certs.yaml", "both.yaml"}))
    assert done.repository == OWN
    assert done.branches == ()
    assert sorted(done.files) == ["a.yaml", "both.yaml"]
    assert done.files["both.yaml"].decode() == f"{OURS.replace(OWN, URL)}\n---\n{text}"


def test_of_a_layer_in_one_file_the_repository_that_is_read_most_is_its_own() -> None:
    files = {"all.yaml": f"{OURS}\n---\n{OURS}\n---\n{FOREIGN}".encode()}
    done = transform(files, url=URL, not_judged=frozenset({"all.yaml"}))
    assert done.files["all.yaml"].decode() == f"{OURS}\n---\n{OURS}\n---\n{FOREIGN}".replace(OWN, URL)


def test_what_is_judged_is_refused_as_before() -> None:
    files = {"a.yaml": OURS.encode(), "certs.yaml": CHART.encode()}
    with pytest.raises(SourceError, match="outside of the cluster"):
        transform(files, url=URL, not_judged=frozenset({"a.yaml"}))


def test_the_server_is_told_the_files_of_the_layer_with_what_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    layer = layers.load(layers.write(tmp_path / "platform", {}))
    inside, outside = unjudged("certs", file="platform/apps/certs.yaml"), unjudged("else", file="others/else.yaml")
    found = replace(layer, not_judged=(inside, outside))
    assert "argocd/applications/one.yaml" not in serving.files_not_judged(found)
    found = replace(layer, not_judged=(unjudged("one", file="platform/argocd/applications/one.yaml"),))
    assert "argocd/applications/one.yaml" in serving.files_not_judged(found)
