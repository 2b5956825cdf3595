"""What fires is received: each alert has a route to a receiver, and one of a test's own takes the whole way."""

from __future__ import annotations

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Kube, Platform, Promises, require
from platform_e2e.testing.checks import Prometheus, alerts, rules, until_no_findings

pytestmark = [pytest.mark.promise("alerts"), pytest.mark.usefixtures("stack")]

LOADED_SECONDS = 30.0
"""For Alertmanager to load a configuration that is new: the operator, the kubelet and the reloader hand it on."""


@pytest.fixture(scope="session")
def loaded(platform: Platform, kube: Kube) -> None:
    """Wait until Alertmanager works with the configuration that it is given; that it does not is the finding of one test."""
    until_no_findings(
        lambda: alerts.loaded.check(platform.layer, kube),
        timeout=LOADED_SECONDS,
        what="Alertmanager has its configuration",
    )


@pytest.mark.smoke
@pytest.mark.usefixtures("loaded")
def test_alert_reaches_a_receiver(
    alert: rules.WantedRule, prerequisites: Prerequisites, kube: Kube, prometheus: Prometheus, promises: Promises
) -> None:
    """The routes of the live Alertmanager lead it, with its labels and those of its series, to a receiver with an integration."""
    layer = prerequisites.platform.layer
    seen = alerts.routing.observe(alert, prometheus, kube)
    if not seen.routings:
        require(rules.lost(layer, prometheus, kube))
        promises.report(unknown=alerts.routing.unasked(alert))
    promises.report(alerts.routing.check(alert, seen, layer), figures={"receivers": ", ".join(seen.receivers)})


@pytest.mark.promise("monitoring")
@pytest.mark.judges_all
@pytest.mark.scenario("M12")
def test_alertmanager_has_loaded_its_configuration(platform: Platform, kube: Kube, promises: Promises) -> None:
    """One that it refuses changes nothing, and no one is told: the old one stays at work."""
    promises.report(
        until_no_findings(
            lambda: alerts.loaded.check(platform.layer, kube),
            timeout=LOADED_SECONDS,
            what="Alertmanager has its configuration",
        )
    )


@pytest.mark.judges_all
@pytest.mark.usefixtures("loaded")
def test_inhibitions_name_labels_that_alerts_have(
    platform: Platform, kube: Kube, prometheus: Prometheus, promises: Promises
) -> None:
    """A label that two alerts lack is equal in both: one that none has keeps back everything, or nothing."""
    promises.report(alerts.routing.inhibitions(platform.layer, prometheus, kube))


@pytest.mark.scenario("M9")
@pytest.mark.usefixtures("loaded")
def test_probe_alert_is_received_and_cleared(
    platform: Platform, kube: Kube, prometheus: Prometheus, namespace: str, promises: Promises
) -> None:
    """A rule that fires always is loaded, fires, is received with its labels and its text, and its end is received, too."""
    course = alerts.probe.prove(platform.layer, kube, prometheus, namespace)
    if course.unknown is not None:
        require(rules.lost(platform.layer, prometheus, kube))
    promises.report(course.findings, course.figures, course.unknown)
