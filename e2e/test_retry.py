"""A sync that fails and may succeed later does so by itself; one that cannot succeed stops, and says why."""

from __future__ import annotations

import pytest

from platform_e2e.testing import Kube, Promises, consistently, eventually
from platform_e2e.testing.checks import (
    Application,
    Sandbox,
    all_of,
    argocd,
    explain,
    fits,
    has_colour,
    name_of,
    negative_fixtures,
    recorded,
    retry,
    sandbox_objects,
)

pytestmark = pytest.mark.promise("retry")

ATTEMPTS_SECONDS = 40.0
"""For two or three attempts with pauses of seconds."""

STAYS_SECONDS = 3.0
"""Seconds that drift must stay which nothing heals; a heal takes about one second."""

_DRIFTED = fits(
    lambda state: argocd.sync_status(state[0] or {}) == "OutOfSync" and state[1]["data"]["colour"] == "red",
    lambda state: f"it is {argocd.sync_status(state[0] or {})}, and the colour is {state[1]['data']['colour']}",
)


def test_application_tries_within_bounds(application: Application, promises: Promises) -> None:
    """It stops trying at last, and does not keep the commit that mends it out for hours."""
    promises.report(retry.check(application))


@pytest.mark.scenario("X9")
def test_sync_that_fails_first_succeeds_by_itself(sandbox: Sandbox, kube: Kube, promises: Promises) -> None:
    """While a webhook does not answer the sync fails and is tried again; once it is away the sync succeeds, each attempt counted."""
    policy = {"limit": 5, "backoff": {"duration": "1s", "factor": 2, "maxDuration": "1m"}}
    sha = sandbox.commit(sandbox_objects.config_map("settings", colour="blue"), why="Add settings")
    with recorded(sandbox.source) as recording:
        with negative_fixtures.webhook_down(kube, sandbox.namespace):
            sandbox.deploy(retry=policy)
            twice = fits(lambda app: argocd.operation(app or {}).retries >= 2, lambda app: argocd.operation(app or {}))
            eventually(sandbox.source, twice, timeout=ATTEMPTS_SECONDS, what="two attempts have failed")
        sandbox.converge(sha)
    live = sandbox.live
    seen = retry.attempts(app for _, app in recording.states)
    assert all("failed calling webhook" in attempt.message for attempt in seen)
    schedule, done = retry.Schedule.of({"retry": policy}), retry.ended(app for _, app in recording.states)
    findings = retry.made(name_of(live), seen, schedule, done, succeeds=True)
    took = (done.finished - done.started).total_seconds() if done.finished and done.started else 0.0
    promises.report(findings, figures={"failed attempts": done.retries, "retried_seconds": took})


@pytest.mark.scenario("D8")
def test_sync_that_cannot_succeed_stops_and_keeps_drift_until_it_is_mended(
    sandbox: Sandbox, kube: Kube, promises: Promises
) -> None:
    """It ends with its message after all attempts. Until another commit comes nothing is healed, which is named, and then it is."""
    policy = {"limit": 2, "backoff": {"duration": "1s", "factor": 1}}
    sha = sandbox.commit(sandbox_objects.config_map("settings", colour="blue"), why="Add settings")
    sandbox.deploy(retry=policy)
    sandbox.converge(sha)
    with recorded(sandbox.source) as recording:
        bad = sandbox.commit(sandbox_objects.refused(), why="Add what no API server takes")
        failed = fits(
            lambda app: argocd.operation(app or {}).phase == "Failed", lambda app: argocd.operation(app or {})
        )
        eventually(sandbox.source, failed, timeout=ATTEMPTS_SECONDS, what="the sync gives up")
    live = sandbox.live
    seen = retry.attempts(app for _, app in recording.states)
    findings = retry.made(
        name_of(live), seen, retry.Schedule.of({"retry": policy}), argocd.operation(live), succeeds=False
    )
    assert "ResourceQuota" in argocd.operation(live).message

    patch = {"data": {"colour": "red"}}
    kube.patch("v1/ConfigMap", "settings", patch, sandbox.namespace, manager="platform-e2e-drift")
    settings = kube.one("v1/ConfigMap", "settings", sandbox.namespace)
    both = all_of(sandbox.source, settings)
    eventually(both, _DRIFTED, timeout=STAYS_SECONDS, what="Argo CD sees the drift")
    consistently(both, _DRIFTED, for_=STAYS_SECONDS, what="the drift stays after a failed sync")
    cause = explain(sandbox.live, kube)
    assert cause is not None
    assert cause.id == "application-sync-failed", cause.sentence

    sandbox.converge(sandbox.revert(bad))
    eventually(settings, has_colour("blue"), timeout=ATTEMPTS_SECONDS, what="the commit that mends it heals the drift")
    promises.report(findings, figures={"failed attempts": argocd.operation(live).retries + 1})
