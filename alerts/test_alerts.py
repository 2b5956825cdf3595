"""Every alert of the layer fires by a real fault, reaches the receiver that its route says, and is over after the repair.

The rules are those of the layer, unedited; of Alertmanager only the times that it waits with a group are shortened. The faults are
made at once where they do not touch each other, and each test waits for its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from platform_e2e.testing import Kube, Platform, Promises, require
from platform_e2e.testing.checks import Prometheus, faults, rules, until_no_findings

pytestmark = pytest.mark.promise("alerts")

QUIET_SECONDS = 180.0
"""For a platform that has just come up, or was just repaired, to have no alert pending: the last pods start, and are scraped."""


@pytest.mark.scenario("M11")
def test_platform_is_quiet_before(platform: Platform, kube: Kube, prometheus: Prometheus, promises: Promises) -> None:
    """Every Application is Synced and Healthy, and only what always fires does: else no alert could be told from another."""
    require([*platform.lacking().values()])
    promises.report(
        until_no_findings(
            lambda: faults.left(platform.layer, platform.sha, kube, prometheus),
            timeout=QUIET_SECONDS,
            what="it is quiet",
        )
    )


@pytest.mark.scenario("M10")
def test_alert_fires_is_received_and_is_over(
    alert: rules.WantedRule,
    platform: Platform,
    declared: Sequence[faults.Fault],
    course: faults.Course,
    promises: Promises,
) -> None:
    """Its fault is made, it is pending, fires, is received with labels and rendered text, and its end is, after the repair."""
    if all(fault.alert != alert.alert for fault in declared):
        promises.report(unknown=faults.undeclared(alert))
    outcome = course.outcome(alert.alert)
    promises.report(faults.findings(alert, outcome, platform.layer), figures=outcome.figures)


def test_nothing_is_left(
    platform: Platform, kube: Kube, prometheus: Prometheus, course: faults.Course, promises: Promises
) -> None:
    """Every fault is undone: each Application is what Git says and healthy, and only what always fires does."""
    course.end()
    promises.report(
        until_no_findings(
            lambda: faults.left(platform.layer, platform.sha, kube, prometheus),
            timeout=QUIET_SECONDS,
            what="it is quiet",
        )
    )
