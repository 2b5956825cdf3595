"""Every rule is loaded and evaluated, reads series that there are, and no alert fires while nothing is broken."""

from __future__ import annotations

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Kube, Platform, Promises, own, require
from platform_e2e.testing.checks import (
    TESTS,
    Prometheus,
    broken_scrapes,
    rules,
    unmonitored,
    unsynced,
    until_no_findings,
)

pytestmark = pytest.mark.promise("rules")

EVALUATED_SECONDS = 90.0
"""For a PrometheusRule to become an evaluation: the operator, the kubelet and the reloader hand it on, then one interval of 30 s."""


RECEIVED_SECONDS = 120.0
"""For an alert to be sent again, where Alertmanager was not up at the first time: a minute (Prometheus, --rules.alert.resend-delay)."""


@pytest.mark.scenario("M7", "M8")
@pytest.mark.smoke
def test_rule_reads_what_there_is(
    rule: rules.WantedRule,
    prerequisites: Prerequisites,
    prometheus: Prometheus,
    promises: Promises,
) -> None:
    """It is selected, loaded and evaluated, its selectors match series, and an alert does not fire for nothing."""
    platform = prerequisites.platform
    timeout = prerequisites.at_most(EVALUATED_SECONDS)
    seen, findings = rules.watch(rule, platform.layer, prerequisites.kube, prometheus, timeout=timeout)
    require(prerequisites.unmade(findings))
    require(broken_scrapes.unloaded(findings, prerequisites.kube, prometheus))
    require(broken_scrapes.behind(findings, platform.layer, prerequisites.kube, prometheus))
    if any(finding.cause.id == "alert-firing" for finding in findings):
        # It may well tell of what is broken.
        require([*platform.lacking().values()])
    promises.report(own(findings, prerequisites), rules.figures(rule, seen), rules.unknown(rule, seen))


@pytest.mark.judges_all
def test_no_other_rule_goes_unselected(platform: Platform, kube: Kube, promises: Promises) -> None:
    """One that a release of the foundations brings is evaluated, too."""
    known = {unmonitored.identity(rule.object) for rule in platform.layer.of_kind("PrometheusRule")}
    findings = unmonitored.unselected(kube, known, TESTS, platform.layer.aside, rules=True, layer=platform.layer)
    require(unsynced.unpruned(findings, platform.lacking(), kube))
    promises.report(own(findings))


@pytest.mark.usefixtures("stack")
@pytest.mark.scenario("H4")
def test_rule_that_does_not_parse_is_refused(
    platform: Platform, kube: Kube, namespace: str, promises: Promises
) -> None:
    """The operator's webhook denies it, and marks a good one; neither is stored."""
    findings = [
        *rules.admission.policies(platform.layer, kube),
        *rules.admission.refuses(platform.layer, kube, namespace),
    ]
    promises.report(findings, figures=rules.admission.figures(kube))


@pytest.mark.judges_all
@pytest.mark.usefixtures("stack")
@pytest.mark.scenario("M11")
def test_no_other_alert_fires(platform: Platform, kube: Kube, prometheus: Prometheus, promises: Promises) -> None:
    """An alert of a release that fires while nothing is broken is one that nobody looks at when something is."""
    findings = until_no_findings(
        lambda: rules.firing(platform.layer, prometheus, kube), timeout=EVALUATED_SECONDS, what="no other alert fires"
    )
    if findings:
        # They may well tell of what is broken.
        require([*platform.lacking().values()])
    promises.report(findings)


@pytest.mark.usefixtures("stack")
def test_an_alert_fires_always(platform: Platform, prometheus: Prometheus, promises: Promises) -> None:
    """A receiver that does not get it knows that no other alert would come either."""
    findings = until_no_findings(
        lambda: rules.without_watchdog(platform.layer, prometheus), timeout=EVALUATED_SECONDS, what="a watchdog fires"
    )
    promises.report(findings)


@pytest.mark.usefixtures("stack")
def test_an_alert_that_fires_is_received(
    platform: Platform, kube: Kube, prometheus: Prometheus, promises: Promises
) -> None:
    """Alertmanager has it: an alert that Prometheus cannot send to it reaches no receiver."""
    findings = until_no_findings(
        lambda: rules.lost(platform.layer, prometheus, kube), timeout=RECEIVED_SECONDS, what="an alert is received"
    )
    promises.report(findings)
