"""Drift is healed by Argo CD: a changed field and a deleted object are as in Git again, and nothing else is touched."""

from __future__ import annotations

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Kube, Platform, Promises, consistently, eventually, own, require
from platform_e2e.testing.checks import (
    Application,
    Mutation,
    Promise,
    Sandbox,
    all_of,
    applications,
    has_colour,
    ignored_fields,
    is_sync,
    mutations,
    selfheal,
    synced_with_key,
    unmanaged_changes,
)

pytestmark = pytest.mark.promise("selfheal")

NOTICED_SECONDS = 15.0
"""For Argo CD to see a change; it watches and needs well below a second."""

READY_SECONDS = 30.0
"""For an Application that another change has just disturbed to be what Git says again."""

STAYS_SECONDS = 5.0
"""Seconds without a change; a heal takes about one second."""


def test_application_says_that_it_heals(application: Application, promises: Promises) -> None:
    """Every Application heals by default; one whose line was removed is red here, and its changes below are not made."""
    findings = applications.policy(application)
    require([finding for finding in findings if finding.cause.id == "application-not-automated"])
    untried = {} if mutations.mutations_of(application) else {"nothing to change in": application.name}
    promises.report([finding for finding in findings if finding.promise == Promise.SELFHEAL], figures=untried)


def test_nothing_that_git_says_is_ignored(
    application: Application, platform: Platform, kube: Kube, promises: Promises
) -> None:
    """A field that Argo CD was told to ignore keeps any value that is set, also one that was not changed yet."""
    promises.report(ignored_fields.check(application, platform.layer, kube))


@pytest.mark.judges_all
def test_changes_by_hand_that_git_does_not_state_are_listed(platform: Platform, kube: Kube, promises: Promises) -> None:
    """Argo CD does not see them; they break the promise only where the team's platform-e2e.yaml says so."""
    layer = platform.layer
    objects = [rendered for rendered in layer.rendered if rendered.kept]
    found = list(unmanaged_changes.of_layer(objects, kube, kube.whole))
    findings = unmanaged_changes.findings(found, layer) if layer.unmanaged_changes_break else []
    promises.report(findings, figures={"unmanaged changes": [str(change) for change in found]} if found else {})


@pytest.mark.scenario("D1", "D3", "D9")
@pytest.mark.smoke
def test_change_is_healed(change: Mutation, prerequisites: Prerequisites, kube: Kube, promises: Promises) -> None:
    """The object is exactly as in Git again, by an operation that Argo CD began by itself and that names it."""
    require(prerequisites.settled(READY_SECONDS))
    healed = selfheal.heal(change, kube)
    promises.report(own(healed.findings), figures=healed.figures)


@pytest.mark.scenario("D2")
def test_control_without_self_heal_drift_stays(sandbox: Sandbox) -> None:
    """With self-heal off the same change is noticed and left: so Argo CD heals, and nothing else does."""
    application = sandbox.application(self_heal=False)
    application.change(colour="red")
    eventually(application.source, is_sync("OutOfSync"), timeout=NOTICED_SECONDS, what="Argo CD sees the drift")
    consistently(application.settings, has_colour("red"), for_=STAYS_SECONDS, what="the drift stays")


def test_control_with_self_heal_the_same_drift_goes(sandbox: Sandbox) -> None:
    """The very same change of the very same object goes away where self-heal is on."""
    application = sandbox.application(self_heal=True)
    application.change(colour="red")
    eventually(application.settings, has_colour("blue"), timeout=NOTICED_SECONDS, what="the drift is healed")


@pytest.mark.scenario("D4")
def test_control_field_that_git_does_not_mention_is_no_drift(sandbox: Sandbox, kube: Kube) -> None:
    """Argo CD keeps what Git says and lets others add to it: it neither reports nor removes an addition; the harness lists it."""
    application = sandbox.application(self_heal=True)
    application.change(shape="round")
    both = all_of(application.source, application.settings)
    consistently(both, synced_with_key("shape"), for_=STAYS_SECONDS, what="Synced, and the addition stays")
    (added,) = unmanaged_changes.of_layer([application.git], kube, kube.whole)
    assert (added.field, added.manager) == ("data.shape", selfheal.BY_HAND)
