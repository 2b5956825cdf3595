"""A revert in Git is a rollback: the cluster is as it was before, in a time that is measured, and nothing else notices."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from platform_e2e.testing import Kube, Promises, consistently, eventually
from platform_e2e.testing.checks import (
    Application,
    ProbeResult,
    Sandbox,
    all_of,
    argocd,
    fits,
    request_loop,
    rollback,
    sandbox_objects,
)

pytestmark = pytest.mark.promise("rollback")

SYNC_SECONDS = 30.0
"""For a commit to be applied, and for a pod to start or to fail; each takes a few seconds."""

STAYS_SECONDS = 3.0
"""Seconds that a state must stay which nothing is to change."""

DEPLOYMENT = "apps/v1/Deployment"
BROKEN_CHART: Mapping[str, bytes | None] = {
    "manifests/Chart.yaml": b"apiVersion: v2\nname: broken\nversion: 0.1.0\n",
    "manifests/templates/broken.yaml": b"{{ .Values.nothing.below }}\n",
}


def test_commit_and_its_revert_change_objects_in_place(application: Application, promises: Promises) -> None:
    """What is deleted and made again does not come back as it was: it has another address, or another volume."""
    promises.report(rollback.check(application))


@pytest.mark.scenario("U1", "U2", "A2")
def test_revert_brings_everything_back(
    sandbox: Sandbox, kube: Kube, answering: Mapping[str, Callable[[], ProbeResult]], promises: Promises
) -> None:
    """One commit changes, adds and removes objects and names an image that nobody has; after its revert all is as before."""
    web = sandbox_objects.deployment("web", sandbox_objects.image_of_the_cluster(kube))
    settings, doomed = (
        sandbox_objects.config_map("settings", colour="blue"),
        sandbox_objects.config_map("doomed", a="b"),
    )
    sha = sandbox.commit(web, settings, doomed, sandbox_objects.service("web"), why="Add it all")
    sandbox.deploy()
    sandbox.converge(sha)
    before = sandbox.objects()
    with request_loop.asking(answering) as answers:
        bad = sandbox.commit(
            sandbox_objects.deployment("web", sandbox_objects.NO_IMAGE),
            sandbox_objects.config_map("settings", colour="red"),
            sandbox_objects.config_map("added", a="b"),
            drop=[doomed],
            why="Change, add and remove, with a bad image",
        )
        applied = fits(
            lambda app: (
                argocd.sync_status(app or {}) == "Synced"
                and argocd.operation(app or {}).revisions == (bad,)
                and argocd.operation(app or {}).phase == "Succeeded"
                and argocd.health(app or {}) == "Progressing"
            ),
            lambda app: f"it is {argocd.sync_status(app or {})} and {argocd.health(app or {})}",
        )
        eventually(sandbox.source, applied, timeout=SYNC_SECONDS, what="the bad commit is Synced, and does not work")
        wrong, then = sandbox.objects(), sandbox.live
        good, began = sandbox.revert(bad), time.monotonic()
        sandbox.converge(good)
        seconds = time.monotonic() - began
    after = sandbox.objects()
    findings = rollback.equal(before, after) + rollback.recorded(then, sandbox.live, good, more=1)
    same = [obj for obj in before if obj["metadata"]["name"] != "doomed"]
    findings += rollback.untouched(same, after) + request_loop.check(answers, "a rollback")
    assert rollback.equal(before, wrong), "the commit must have changed something, or its revert proves nothing"
    figures = {"rollback_seconds": seconds, "objects": len(after), **request_loop.figures(answers)}
    promises.report(findings, figures=figures)


@pytest.mark.scenario("U2")
def test_revert_of_a_broken_chart_needs_no_sync(sandbox: Sandbox, kube: Kube, promises: Promises) -> None:
    """What cannot be rendered changes nothing in the cluster, is named, and is over with the revert."""
    objects = [sandbox_objects.config_map(name, says="a") for name in ("first", "second")]
    sha = sandbox.commit(*objects, why="Add two")
    sandbox.deploy()
    sandbox.converge(sha)
    before = sandbox.objects()
    bad = sandbox.commit(files=BROKEN_CHART, why="Make a chart of it, a broken one")
    told = fits(
        lambda app: "ComparisonError" in dict(argocd.conditions(app or {})),
        lambda app: f"its conditions are {argocd.conditions(app or {})}",
    )
    eventually(sandbox.source, told, timeout=SYNC_SECONDS, what="Argo CD says that it cannot render the chart")
    both = all_of(sandbox.source, kube.many("v1/ConfigMap", sandbox.namespace))
    there = fits(lambda state: len(state[1]) == len(objects) + 1, lambda _: "an object is gone")
    consistently(both, there, for_=STAYS_SECONDS, what="nothing is pruned")
    good, began = sandbox.revert(bad), time.monotonic()
    sandbox.converge(good, by_operation=False)
    seconds = time.monotonic() - began
    after = sandbox.objects()
    promises.report(
        rollback.equal(before, after) + rollback.untouched(before, after), figures={"rollback_seconds": seconds}
    )


@pytest.mark.scenario("U4")
def test_rollout_undone_by_hand_is_reverted_and_a_restart_stays(sandbox: Sandbox, kube: Kube) -> None:
    """`kubectl rollout undo` writes what Git says otherwise, `rollout restart` adds what Git does not mention."""
    image = sandbox_objects.image_of_the_cluster(kube)
    sha = sandbox.commit(sandbox_objects.deployment("web", image, version="2"), why="Add a workload")
    sandbox.deploy()
    sandbox.converge(sha)
    source = kube.one(DEPLOYMENT, "web", sandbox.namespace)
    template = sandbox_objects.deployment("web", image, version="1")["spec"]["template"]
    undo = [{"op": "replace", "path": "/spec/template", "value": template}]
    kube.patch(DEPLOYMENT, "web", undo, sandbox.namespace, type="json", manager="kubectl-rollout")
    current = fits(lambda web: _version(web) == "2", lambda web: f"it runs version {_version(web)}")
    eventually(source, current, timeout=SYNC_SECONDS, what="the rollout that was undone by hand is done again")
    sandbox.converge(sha)

    annotations = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    restart = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    kube.patch(DEPLOYMENT, "web", restart, sandbox.namespace, type="strategic", manager="kubectl-rollout")
    stays = fits(
        lambda state: (
            argocd.sync_status(state[0] or {}) == "Synced"
            and state[1]["spec"]["template"]["metadata"].get("annotations") == annotations
        ),
        lambda state: f"it is {argocd.sync_status(state[0] or {})}",
    )
    consistently(all_of(sandbox.source, source), stays, for_=STAYS_SECONDS, what="the restart stays, and is no drift")


def _version(web: object) -> str:
    spec = (web or {})["spec"]["template"]["spec"] if isinstance(web, dict) else {"containers": [{"env": [{}]}]}
    return str(spec["containers"][0]["env"][0].get("value", ""))


@pytest.mark.scenario("U6")
def test_immutable_change_is_named_and_leaves_what_runs(sandbox: Sandbox, kube: Kube, promises: Promises) -> None:
    """A field that cannot be changed fails the sync with that sentence; the pods go on, and the revert needs no sync."""
    image = sandbox_objects.image_of_the_cluster(kube)
    sha = sandbox.commit(sandbox_objects.deployment("web", image), why="Add a workload")
    sandbox.deploy(retry={"limit": 1, "backoff": {"duration": "1s", "factor": 1}})
    sandbox.converge(sha)
    before, pods = sandbox.objects(), {pod["metadata"]["uid"] for pod in kube.list("v1/Pod", sandbox.namespace)}
    bad = sandbox.commit(sandbox_objects.deployment("web", image, match="other"), why="Change what cannot be changed")
    named = fits(
        lambda app: (
            argocd.operation(app or {}).phase == "Failed"
            and argocd.sync_status(app or {}) == "OutOfSync"
            and any("field is immutable" in said for _, _, said in argocd.sync_results(app or {}))
        ),
        lambda app: f"{argocd.operation(app or {}).phase}: {argocd.operation(app or {}).message}",
    )
    eventually(sandbox.source, named, timeout=SYNC_SECONDS, what="the sync fails and says what cannot be changed")
    assert pods == {pod["metadata"]["uid"] for pod in kube.list("v1/Pod", sandbox.namespace)}
    good, began = sandbox.revert(bad), time.monotonic()
    sandbox.converge(good, by_operation=False)
    seconds, after = time.monotonic() - began, sandbox.objects()
    promises.report(
        rollback.equal(before, after) + rollback.untouched(before, after), figures={"rollback_seconds": seconds}
    )
