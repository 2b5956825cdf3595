"""Every ServiceMonitor and PodMonitor is scraped: selected, with exactly the targets that there must be, and with samples from each."""

from __future__ import annotations

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Kube, Platform, Promises, own, require
from platform_e2e.testing.checks import (
    TESTS,
    MetricsService,
    Prometheus,
    monitoring,
    name_of,
    negative_fixtures,
    selected_by,
    unmonitored,
    unsynced,
    until_no_findings,
)

pytestmark = pytest.mark.promise("monitoring")

SCRAPED_SECONDS = 60.0
"""For a ServiceMonitor to become fresh scrapes: operator, kubelet and reloader hand the configuration on, then one interval."""


@pytest.mark.scenario("M1", "M2", "M14", "E1")
@pytest.mark.smoke
def test_service_monitor_is_scraped(
    wanted_monitor: monitoring.WantedMonitor,
    prerequisites: Prerequisites,
    kube: Kube,
    prometheus: Prometheus,
    promises: Promises,
) -> None:
    """It is selected, every target that replicas or nodes say is up, scraped just now, and delivers what is declared."""
    seen, findings = monitoring.watch(wanted_monitor, kube, prometheus, timeout=prerequisites.at_most(SCRAPED_SECONDS))
    require(prerequisites.unmade(findings))
    promises.report(own(findings, prerequisites), figures=monitoring.figures(seen))


def test_metrics_port_has_a_service_monitor(
    metrics_port: MetricsService, platform: Platform, kube: Kube, promises: Promises
) -> None:
    """A Service that calls a port metrics promises to be scraped, also when its ServiceMonitor is removed from Git."""
    promises.report(unmonitored.covered(metrics_port, platform.layer, kube))


@pytest.mark.judges_all
def test_metrics_of_the_foundations_have_a_service_monitor(platform: Platform, kube: Kube, promises: Promises) -> None:
    """The layer does not render their Services: without this, removing their ServiceMonitor would remove the promise."""
    releases = [release for release in platform.layer.releases if not release.brought]
    findings = until_no_findings(
        lambda: unmonitored.unwatched(kube, releases), timeout=SCRAPED_SECONDS, what="the foundations are scraped"
    )
    require(unsynced.holding(findings, None, platform.layer, platform.lacking(), kube))
    promises.report(own(findings), figures={"exempt": unmonitored.excused(kube, releases)})


@pytest.mark.scenario("M1")
@pytest.mark.judges_all
def test_no_other_service_monitor_goes_unselected(platform: Platform, kube: Kube, promises: Promises) -> None:
    """One that a release of the foundations brings is found by Prometheus, too."""
    known = {unmonitored.identity(monitor.object) for monitor in platform.layer.monitors()}
    findings = unmonitored.unselected(kube, known, TESTS, platform.layer.aside)
    require(unsynced.unpruned(findings, platform.lacking(), kube))
    promises.report(findings)


@pytest.mark.scenario("M1")
@pytest.mark.usefixtures("stack")
def test_control_service_monitor_without_the_label_is_unselected(namespace: str, kube: Kube) -> None:
    """Without the label no error is raised anywhere: the check must say it, by name."""
    control = kube.create(negative_fixtures.monitor("control", namespace, labels={}))
    if taking := selected_by(control, kube):
        pytest.skip(f"{name_of(taking[0])} takes every ServiceMonitor, those without labels too")
    found = {finding.object: finding.cause for finding in unmonitored.unselected(kube, set(), "")}
    cause = found.get(f"servicemonitor/control -n {namespace}")
    assert cause is not None, "no Prometheus selects it, and the check does not find it"
    assert cause.id == "monitor-unselected"
    assert f"servicemonitor/control -n {namespace}" in cause.sentence
    assert " wants " in cause.sentence
