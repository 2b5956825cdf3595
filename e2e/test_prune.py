"""What Git drops is removed, and nothing else is; the guards against too much of it hold."""

from __future__ import annotations

import time
from typing import Any

import pytest

from platform_e2e.testing import Kube, Layer, Promises, consistently, eventually
from platform_e2e.testing.checks import (
    SYNC_OPTIONS,
    TRACKING,
    Application,
    Sandbox,
    all_of,
    argocd,
    fits,
    prune,
    recorded,
    sandbox_objects,
    wave_order,
)

pytestmark = pytest.mark.promise("prune")

PRUNED_SECONDS = 30.0
"""For Argo CD to see a commit that drops an object and to delete it; it takes about two seconds."""

STAYS_SECONDS = 3.0
"""Seconds that what must not be pruned must stay; pruning takes about one second."""

CONFIG_MAP = "v1/ConfigMap"

LAST = {SYNC_OPTIONS: "PruneLast=true"}
NEVER = {SYNC_OPTIONS: prune.NEVER}


def test_application_lets_go_of_what_git_drops(application: Application, promises: Promises) -> None:
    """Nothing that it renders is kept for ever, and a path that renders nothing does not empty it."""
    promises.report(prune.check(application))


@pytest.mark.scenario("D10")
def test_dropped_object_goes_and_its_neighbours_stay(sandbox: Sandbox, kube: Kube, promises: Promises) -> None:
    """The object goes, also from the Application's list, and those beside it are the same objects as before."""
    first, dropped, last = (sandbox_objects.config_map(name, says=name) for name in ("first", "dropped", "last"))
    sha = sandbox.commit(first, dropped, last, why="Add three")
    sandbox.deploy()
    sandbox.converge(sha)
    before = sandbox.objects()
    sha, began = sandbox.commit(drop=[dropped], why="Drop one"), time.monotonic()
    source = kube.one(CONFIG_MAP, "dropped", sandbox.namespace)
    eventually(source, fits(lambda obj: obj is None, lambda _: "it is there"), timeout=PRUNED_SECONDS, what="it goes")
    seconds = time.monotonic() - began
    sandbox.converge(sha)
    after = [obj for obj in kube.list(CONFIG_MAP, sandbox.namespace) if obj["metadata"]["name"] != "kube-root-ca.crt"]
    gone = [obj for obj in before if obj["metadata"]["name"] == "dropped"]
    promises.report(prune.pruned(before, after, gone, sandbox.live), figures={"prune_seconds": seconds})


@pytest.mark.scenario("D10")
def test_control_without_prune_the_object_stays_and_is_named(sandbox: Sandbox, kube: Kube) -> None:
    """With prune off the same commit leaves the object, and the Application says what it would have to delete."""
    kept, dropped = sandbox_objects.config_map("kept", says="a"), sandbox_objects.config_map("dropped", says="a")
    sha = sandbox.commit(kept, dropped, why="Add two")
    sandbox.deploy(automated={"prune": False})
    sandbox.converge(sha)
    sandbox.commit(drop=[dropped], why="Drop one")
    named = [f"configmap/dropped -n {sandbox.namespace}"]
    both = all_of(sandbox.source, kube.one(CONFIG_MAP, "dropped", sandbox.namespace))
    stays = fits(
        lambda state: (
            prune.requires_pruning(state[0] or {}) == named
            and argocd.sync_status(state[0] or {}) == "OutOfSync"
            and state[1] is not None
        ),
        lambda state: (
            f"it is {argocd.sync_status(state[0] or {})}, to be pruned: {prune.requires_pruning(state[0] or {})}"
        ),
    )
    eventually(both, stays, timeout=PRUNED_SECONDS, what="the object is named as one to be pruned")
    consistently(both, stays, for_=STAYS_SECONDS, what="it stays")


@pytest.mark.scenario("D11")
def test_prune_false_keeps_one_object_and_says_so(sandbox: Sandbox, kube: Kube) -> None:
    """An object with `Prune=false` outlives its file, is named, and its neighbour that was dropped with it goes."""
    stays = sandbox_objects.config_map("stays", annotations=NEVER, says="a")
    goes, other = sandbox_objects.config_map("goes", says="a"), sandbox_objects.config_map("other", says="a")
    sha = sandbox.commit(stays, goes, other, why="Add three")
    sandbox.deploy()
    sandbox.converge(sha)
    sandbox.commit(drop=[stays, goes], why="Drop two")
    named = [f"configmap/stays -n {sandbox.namespace}"]
    both = all_of(sandbox.source, kube.many(CONFIG_MAP, sandbox.namespace))

    def names(state: tuple[Any, ...]) -> list[str]:
        return sorted(obj["metadata"]["name"] for obj in state[1] if obj["metadata"]["name"] != "kube-root-ca.crt")

    kept = fits(
        lambda state: prune.requires_pruning(state[0] or {}) == named and names(state) == ["other", "stays"],
        lambda state: f"{names(state)} are there, {prune.requires_pruning(state[0] or {})} are to be pruned",
    )
    eventually(both, kept, timeout=PRUNED_SECONDS, what="one goes and one stays")
    consistently(both, kept, for_=STAYS_SECONDS, what="it stays, and the Application is OutOfSync for it")


@pytest.mark.scenario("D11")
def test_prune_last_comes_after_everything_else(sandbox: Sandbox, kube: Kube, promises: Promises) -> None:
    """An object with `PruneLast=true` goes when the last wave is there, also where its own wave is an early one."""
    old = sandbox_objects.config_map("old", wave=0, annotations=LAST, says="a")
    new = sandbox_objects.config_map("new", wave=1, says="a")
    sha = sandbox.commit(old, sandbox_objects.config_map("other", says="a"), why="Add the old one")
    sandbox.deploy()
    sandbox.converge(sha)
    with recorded(kube.many(CONFIG_MAP, sandbox.namespace)) as recording:
        sandbox.converge(sandbox.commit(new, drop=[old], why="Replace the old one by the new one"))
    promises.report(wave_order.replaced_in_order(recording.states, made="ConfigMap/new", gone="ConfigMap/old"))


@pytest.mark.scenario("D11")
def test_commit_that_drops_everything_is_refused(sandbox: Sandbox, kube: Kube) -> None:
    """A path that renders nothing deletes nothing: Argo CD says that it would wipe out all resources, and waits."""
    objects = [sandbox_objects.config_map(name, says="a") for name in ("first", "second")]
    sha = sandbox.commit(*objects, files={"manifests/README.md": b"Settings.\n"}, why="Add two")
    sandbox.deploy()
    sandbox.converge(sha)
    sandbox.commit(drop=objects, why="Drop everything by mistake")

    def told(app: Any) -> bool:
        return any("will wipe out all resources" in message for _, message in argocd.conditions(app or {}))

    refused = fits(told, lambda app: f"its conditions are {argocd.conditions(app or {})}")
    eventually(sandbox.source, refused, timeout=PRUNED_SECONDS, what="Argo CD refuses to prune everything")
    both = all_of(sandbox.source, kube.many(CONFIG_MAP, sandbox.namespace))
    there = fits(lambda state: told(state[0]) and len(state[1]) == len(objects) + 1, lambda _: "it is another state")
    consistently(both, there, for_=STAYS_SECONDS, what="both stay")


@pytest.mark.scenario("D12")
def test_objects_of_others_are_never_pruned_and_are_named(
    sandbox: Sandbox, kube: Kube, layer: Layer, promises: Promises
) -> None:
    """Neither the label that Argo CD once tracked by nor a copied annotation makes an object an Application's."""
    dropped, kept = sandbox_objects.config_map("dropped", says="a"), sandbox_objects.config_map("kept", says="a")
    sha = sandbox.commit(dropped, kept, why="Add two")
    sandbox.deploy()
    sandbox.converge(sha)
    copied = {TRACKING: f"{sandbox.namespace}:/ConfigMap:{sandbox.namespace}/dropped"}
    strangers = [
        sandbox_objects.config_map("by-hand", says="a"),
        sandbox_objects.config_map("copied", annotations=copied, says="a"),
    ]
    strangers[0]["metadata"]["labels"] = {"app.kubernetes.io/instance": sandbox.namespace}
    for obj in strangers:
        obj["metadata"]["namespace"] = sandbox.namespace
        kube.create(obj)
    kube.patch(argocd.APPPROJECT, sandbox.namespace, {"spec": {"orphanedResources": {"warn": True}}}, argocd.NAMESPACE)
    sandbox.commit(drop=[dropped], why="Drop one")
    source = kube.one(CONFIG_MAP, "dropped", sandbox.namespace)
    eventually(source, fits(lambda obj: obj is None, lambda _: "it is there"), timeout=PRUNED_SECONDS, what="it goes")
    warned = fits(
        lambda app: "OrphanedResourceWarning" in dict(argocd.conditions(app or {})),
        lambda app: f"its conditions are {argocd.conditions(app or {})}",
    )
    eventually(sandbox.source, warned, timeout=PRUNED_SECONDS, what="Argo CD warns of orphans")
    with recorded(kube.many(CONFIG_MAP, sandbox.namespace)) as recording:
        consistently(sandbox.source, warned, for_=STAYS_SECONDS, what="Argo CD goes on to warn of them")
    _, found = recording.states[-1]
    promises.report(prune.taken(strangers, found))
    known = [*(app.name for app in layer.applications), sandbox.namespace]
    assert prune.orphans(found, known) == [f"configmap/{name} -n {sandbox.namespace}" for name in ("by-hand", "copied")]
