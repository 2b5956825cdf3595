"""Waves order what is made, changed and removed; what is not healthy holds what follows, and a hook that fails stops it."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.testing import Kube, Promises, consistently, eventually
from platform_e2e.testing.checks import (
    Application,
    Sandbox,
    all_of,
    argocd,
    fits,
    recorded,
    sandbox_children,
    sandbox_objects,
    wave_order,
)

pytestmark = pytest.mark.promise("waves")

SYNC_SECONDS = 60.0
"""For a sync of three waves, between which Argo CD waits for two seconds; a pod of a gate needs some more."""

HELD_SECONDS = 4.0
"""Seconds that a wave must not begin: twice the pause between two."""

KINDS = ("v1/Service", "v1/ConfigMap", "v1/ServiceAccount")
"""Kinds of which Argo CD applies the first last and the last first within a wave, so that only waves explain this order."""

WAVES = {"Service/first": 0, "ConfigMap/second": 1, "ServiceAccount/third": 2}


def test_waves_and_hooks_are_what_they_say(application: Application, promises: Promises) -> None:
    """Argo CD takes a wave that is no number for 0, and runs a hook of an unknown phase never, without a word."""
    promises.report(wave_order.check(application))


@pytest.mark.scenario("W4")
@pytest.mark.smoke
@pytest.mark.usefixtures("platform")
def test_app_of_apps_waits_for_its_applications(application: Application, kube: Kube, promises: Promises) -> None:
    """Waves between Applications hold only where Argo CD was told how to judge an Application's health."""
    promises.report(wave_order.unwaited(application, kube))


@pytest.mark.scenario("W1", "W3", "W5")
def test_waves_order_what_is_made_changed_and_pruned(sandbox: Sandbox, kube: Kube, promises: Promises) -> None:
    """By the times of what was watched: each wave after the one before it, and pruning the other way round."""
    first, second, third = (
        sandbox_objects.service("first", wave=0),
        sandbox_objects.config_map("second", wave=1, says="a"),
        sandbox_objects.service_account("third", wave=2),
    )
    everything = all_of(*(kube.many(kind, sandbox.namespace) for kind in KINDS))
    stays = sandbox_objects.config_map("stays", says="a")
    with recorded(everything) as made:
        sha = sandbox.commit(first, second, third, stays, why="Add three waves")
        sandbox.deploy()
        sandbox.converge(sha)
    with recorded(everything) as changed:
        sha = sandbox.commit(
            sandbox_objects.service("first", wave=0, port=81),
            sandbox_objects.config_map("second", wave=1, says="b"),
            sandbox_objects.service_account("third", wave=2, says="b"),
            why="Change three waves",
        )
        sandbox.converge(sha)
    # Its finalizer keeps the last wave, so the ones before must wait for it.
    hold = {"metadata": {"finalizers": ["platform-e2e/holds"]}}
    kube.patch("v1/ServiceAccount", "third", hold, sandbox.namespace)
    with recorded(everything) as removed:
        try:
            sha = sandbox.commit(drop=[first, second, third], why="Drop three waves")
            there = fits(_third_is_being_deleted, lambda _: "it is not being deleted")
            eventually(everything, there, timeout=SYNC_SECONDS, what="the last wave is being deleted first")
            consistently(everything, there, for_=HELD_SECONDS, what="the waves before it stay until it is gone")
        finally:
            kube.patch("v1/ServiceAccount", "third", {"metadata": {"finalizers": None}}, sandbox.namespace)
        sandbox.converge(sha)
    findings = wave_order.made_in_order(wave_order.flattened(made.states), WAVES)
    findings += wave_order.changed_in_order(wave_order.flattened(changed.states), WAVES)
    findings += wave_order.pruned_in_order(wave_order.flattened(removed.states), WAVES)
    promises.report(findings, figures={"waves": len(WAVES)})


def _third_is_being_deleted(state: tuple[Any, ...]) -> bool:
    names = {obj["metadata"]["name"]: obj["metadata"] for objects in state for obj in objects}
    return "deletionTimestamp" in names.get("third", {}) and {"first", "second"} <= names.keys()


@pytest.mark.scenario("W2")
def test_wave_that_is_not_healthy_holds_the_next_until_a_commit_mends_it(
    sandbox: Sandbox, kube: Kube, promises: Promises
) -> None:
    """With an image that nobody has the next wave never begins; with the commit that mends it, it does by itself."""
    image = sandbox_objects.image_of_the_cluster(kube)
    gate = sandbox_objects.deployment("gate", sandbox_objects.NO_IMAGE, wave=0, deadline=8)
    sandbox.commit(gate, sandbox_objects.config_map("behind", wave=1, says="a"), why="Add a gate that stays shut")
    sandbox.deploy(retry={"limit": 5, "refresh": True, "backoff": {"duration": "1s", "factor": 1}})
    both = all_of(sandbox.source, kube.one("v1/ConfigMap", "behind", sandbox.namespace))
    held = fits(
        lambda state: state[1] is None and _waits_for(state[0], "apps/Deployment/gate"),
        lambda state: argocd.operation(state[0] or {}).message or "no sync has begun",
    )
    eventually(both, held, timeout=SYNC_SECONDS, what="the sync waits for the gate")
    consistently(both, held, for_=HELD_SECONDS, what="what is behind the gate is not made")
    mended = sandbox_objects.deployment("gate", image, wave=0, deadline=60)
    with recorded(
        all_of(kube.many("apps/v1/Deployment", sandbox.namespace), kube.many("v1/ConfigMap", sandbox.namespace))
    ) as seen:
        sha = sandbox.commit(mended, why="Open the gate")
        sandbox.converge(sha)
    promises.report(wave_order.healthy_first(wave_order.flattened(seen.states), "Deployment/gate", "ConfigMap/behind"))


def _waits_for(app: Any, what: str) -> bool:
    operation = argocd.operation(app or {})
    return operation.running and "waiting for healthy state of" in operation.message and what in operation.message


@pytest.mark.scenario("W4")
def test_app_of_apps_holds_what_follows_until_its_application_is_healthy(
    sandbox: Sandbox, kube: Kube, promises: Promises
) -> None:
    """A child that is not healthy keeps the parent's next wave from beginning, and a commit to the child alone releases it."""
    if not wave_order.judges_applications(kube):
        pytest.skip("Argo CD was not told how to judge the health of an Application, so no layer here relies on it")
    image = sandbox_objects.image_of_the_cluster(kube)
    child = sandbox_children.child_application(sandbox)
    kube.patch(argocd.APPPROJECT, sandbox.namespace, sandbox_children.allowing_children(sandbox), argocd.NAMESPACE)
    broken = sandbox_objects.deployment("inner", sandbox_objects.NO_IMAGE)
    behind = sandbox_objects.config_map("behind", wave=1, says="a")
    files = sandbox_children.below("child", broken)
    try:
        sandbox.commit(child, behind, files=files, why="Add a child that is never healthy")
        sandbox.deploy()
        both = all_of(sandbox.source, kube.one("v1/ConfigMap", "behind", sandbox.namespace))
        name = child["metadata"]["name"]
        held = fits(
            lambda state: state[1] is None and _waits_for(state[0], f"argoproj.io/Application/{name}"),
            lambda state: argocd.operation(state[0] or {}).message or "no sync has begun",
        )
        eventually(both, held, timeout=SYNC_SECONDS, what="the parent waits for its child")
        consistently(both, held, for_=HELD_SECONDS, what="what follows the child is not made")
        with recorded(
            all_of(kube.many("apps/v1/Deployment", sandbox.namespace), kube.many("v1/ConfigMap", sandbox.namespace))
        ) as seen:
            mended = sandbox_children.below("child", sandbox_objects.deployment("inner", image))
            sha = sandbox.commit(files=mended, why="Mend the child")
            sandbox_children.look(sandbox, name)
            sandbox.converge(sha, by_operation=False)
        promises.report(
            wave_order.healthy_first(wave_order.flattened(seen.states), "Deployment/inner", "ConfigMap/behind")
        )
    finally:
        kube.delete(argocd.APPLICATION, child["metadata"]["name"], argocd.NAMESPACE)


@pytest.mark.scenario("W6")
@pytest.mark.parametrize(("phase", "sync"), [("PreSync", "OutOfSync"), ("PostSync", "Synced")])
def test_hook_that_fails_stops_what_follows(
    phase: str, sync: str, sandbox: Sandbox, kube: Kube, promises: Promises
) -> None:
    """After a failed PreSync nothing is applied; after a failed PostSync everything is, and yet the sync has Failed."""
    job = sandbox_objects.failing_job(phase, "hook", sandbox_objects.image_of_the_cluster(kube))
    sandbox.commit(job, sandbox_objects.config_map("settings", colour="blue"), why="Add a hook that fails")
    sandbox.deploy(retry={"limit": 0})
    both = all_of(sandbox.source, kube.one("v1/ConfigMap", "settings", sandbox.namespace))
    failed = fits(
        lambda state: (
            argocd.operation(state[0] or {}).phase == "Failed"
            and argocd.sync_status(state[0] or {}) == sync
            and (state[1] is None) == (phase == "PreSync")
        ),
        lambda state: (
            f"the sync is {argocd.operation(state[0] or {}).phase}, and it is {argocd.sync_status(state[0] or {})}"
        ),
    )
    eventually(both, failed, timeout=SYNC_SECONDS, what=f"the sync fails with its {phase} hook")
    consistently(both, failed, for_=HELD_SECONDS, what="it stays so")
    promises.report(wave_order.hook_told(sandbox.live, "Job/hook", "Failed"))
