"""Every alert fires when it must and not otherwise, in cases that are derived from it and in those that the team keeps."""

from __future__ import annotations

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Platform, Promises, own, require
from platform_e2e.testing.checks import Prometheus, Promtool, Run, alerts, broken_scrapes, rules

pytestmark = pytest.mark.promise("alerts")

EVALUATED_SECONDS = 90.0
"""For a PrometheusRule to become an evaluation, as for the promise `rules`."""


@pytest.fixture(scope="session")
def synthetic(platform: Platform, prometheus: Prometheus, platform_e2e_run: Run) -> alerts.Synthetic:
    """Return the cases of all alerts, which are derived together the first time that one is asked for."""
    directory = platform_e2e_run.directory / alerts.DIRECTORY
    return alerts.Synthetic(platform.layer, alerts.LiveSeries(prometheus), Promtool.built, directory)


@pytest.mark.scenario("M8")
@pytest.mark.smoke
def test_alert_fires_and_stays_silent(
    alert: rules.WantedRule,
    prerequisites: Prerequisites,
    prometheus: Prometheus,
    promises: Promises,
    synthetic: alerts.Synthetic,
) -> None:
    """A case of its own series lets it fire after its `for`, with texts; one close to it does not."""
    layer = prerequisites.platform.layer
    timeout = prerequisites.at_most(EVALUATED_SECONDS)
    _, unfit = rules.watch(alert, layer, prerequisites.kube, prometheus, timeout=timeout)
    require(prerequisites.unmade(unfit))
    require(broken_scrapes.unloaded(unfit, prerequisites.kube, prometheus))
    require(broken_scrapes.behind(unfit, layer, prerequisites.kube, prometheus))
    # What it reads is not there, or it cannot be evaluated: that is the other promise's, and told once.
    require(unfit)
    derived = synthetic.of(alert)
    findings = alerts.check(alert, derived, layer)
    promises.report(own(findings, prerequisites), alerts.figures(derived), alerts.unknown(alert, derived))


def test_kept_case_holds(
    kept_case: alerts.kept.KeptCase,
    platform: Platform,
    prometheus: Prometheus,
    promises: Promises,
    synthetic: alerts.Synthetic,
) -> None:
    """A case that the team keeps holds against the rules as the layer renders them now."""
    layer = platform.layer
    findings = alerts.kept.check(kept_case, layer, Promtool.built())
    for alert in alerts.kept.alerts_of(kept_case, layer) if findings else ():
        # Of a rule that cannot be right no case holds.
        _, unfit = rules.watch(alert, layer, platform.kube, prometheus, timeout=EVALUATED_SECONDS)
        # Nor of one that the derived cases tell of.
        require(unfit or alerts.check(alert, synthetic.of(alert), layer))
    promises.report(findings, {"kept cases": 1}, alerts.kept.unknown(kept_case, layer))
