"""Who changed what is known afterwards: the commit of each sync, the operation of each heal, the manager of each other write."""

from __future__ import annotations

import pytest

from platform_e2e.testing import Kube, Platform, Promises, eventually
from platform_e2e.testing.checks import Application, Sandbox, argocd, audit, has_colour, sandbox_objects

pytestmark = pytest.mark.promise("audit")

HEALED_SECONDS = 15.0
"""For a heal; it takes about one second."""

SETTINGS = "v1/ConfigMap"


def test_application_keeps_its_history(application: Application, promises: Promises) -> None:
    """Without it nothing tells which commit was synced when."""
    promises.report(audit.check(application))


@pytest.mark.scenario("U2")
def test_every_sync_is_of_a_commit_and_every_write_of_a_manager(
    application: Application, platform: Platform, kube: Kube, promises: Promises
) -> None:
    """The history leads to commits that Git has, operations to who began them, and fields to who wrote them."""
    app = kube.get(argocd.APPLICATION, application.name, application.namespace) or {}
    objects = [
        live
        for resource in argocd.resources(app)
        if not resource.hook and (live := kube.get(resource.api, resource.name, resource.namespace or None)) is not None
    ]
    findings = audit.traced(app, platform.git.has) + audit.anonymous(objects)
    others = sorted({write.manager for write in audit.writes(objects)})
    figures = {"syncs": len(argocd.history(app)), "writes of others": len(audit.writes(objects)), "writers": others}
    promises.report(findings, figures=figures)


@pytest.mark.scenario("D9", "U2")
def test_commit_heal_and_write_by_hand_are_told_apart(
    sandbox: Sandbox, platform: Platform, kube: Kube, promises: Promises
) -> None:
    """Two commits, one change by hand and its heal: two entries of the history, one automated heal, one manager with its time."""
    sha = sandbox.commit(sandbox_objects.config_map("settings", colour="blue"), why="Add settings")
    sandbox.deploy()
    sandbox.converge(sha)
    second = sandbox.commit(sandbox_objects.config_map("settings", colour="blue", size="l"), why="Add a size")
    sandbox.converge(second)
    by_hand = {"data": {"colour": "red", "shape": "round"}}
    kube.patch(SETTINGS, "settings", by_hand, sandbox.namespace, manager="somebody")
    source = kube.one(SETTINGS, "settings", sandbox.namespace)
    eventually(source, has_colour("blue"), timeout=HEALED_SECONDS, what="the change by hand is healed")
    sandbox.converge(second)
    app, live = sandbox.live, sandbox.objects()
    assert [deployed.revisions for deployed in argocd.history(app)] == [(sha,), (second,)]
    assert argocd.operation(app).automated
    assert argocd.operation(app).self_heal_attempts >= 1
    # The addition stays, as no drift, and its manager with it.
    assert [write.manager for write in audit.writes(live)] == ["somebody"]
    assert all(write.at for write in audit.writes(live))
    promises.report(audit.traced(app, platform.git.has) + audit.anonymous(live))


def test_control_commit_that_git_does_not_have_is_named(sandbox: Sandbox, platform: Platform) -> None:
    """A branch that was rewritten loses the commit that was synced, and the history leads nowhere."""
    # Of its own: what another sandbox commits alike in the same second is the same commit, and its branch has it.
    sha = sandbox.commit(sandbox_objects.config_map("settings", of=sandbox.namespace), why="Add settings")
    sandbox.deploy()
    sandbox.converge(sha)
    app = sandbox.live
    assert audit.traced(app, platform.git.has) == []
    sandbox.branch.delete()
    assert [finding.cause.id for finding in audit.traced(app, platform.git.has)] == ["sync-of-unknown-commit"]
    assert sha[:12] in audit.traced(app, platform.git.has)[0].cause.sentence
