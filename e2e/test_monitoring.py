"""Every ServiceMonitor and PodMonitor is scraped: selected, with exactly the targets that there must be, and with samples from each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Finding, Kube, Platform, Promises, own, require
from platform_e2e.testing.checks import (
    TESTS,
    LoadBalancer,
    MetricsService,
    Prometheus,
    argocd_info,
    broken_scrapes,
    configuration,
    inventory,
    loadbalancer,
    monitoring,
    moving_series,
    name_of,
    negative_fixtures,
    release_metrics,
    restart,
    selected_by,
    unmonitored,
    unsynced,
    until_no_findings,
)

pytestmark = pytest.mark.promise("monitoring")

SCRAPED_SECONDS = 60.0
"""For a ServiceMonitor to become fresh scrapes: operator, kubelet and reloader hand the configuration on, then one interval."""

LOADED_SECONDS = 100.0
"""For a configuration that has just been mended to reach Prometheus: a kubelet looks at a Secret each minute (--sync-frequency)."""

SETTLED_SECONDS = 15.0
"""For an Application that another test has just changed to be what Git says again."""

RESTART_SECONDS = 120.0
"""For Prometheus to end and start again, and to scrape each target once at the usual interval of 30 s."""

MOVED_SECONDS = 40.0
"""For a counter to be scraped again, at the usual interval of 30 s."""


@pytest.mark.scenario("M1", "M2", "M3", "M4", "M5", "M6", "M14", "E1")
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
    require(prerequisites.unmade(findings) or broken_scrapes.unloaded(findings, kube, prometheus))
    unproven = monitoring.unknown(wanted_monitor, seen)
    promises.report(own(findings, prerequisites), monitoring.figures(seen), unproven)


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
    findings = until_no_findings(
        lambda: unmonitored.unselected(kube, known, TESTS, platform.layer.aside, layer=platform.layer),
        timeout=SCRAPED_SECONDS,
        what="each monitor is taken",
    )
    require(unsynced.unpruned(findings, platform.lacking(), kube))
    promises.report(own(findings))


@pytest.mark.judges_all
@pytest.mark.scenario("M4", "M5")
def test_each_target_is_one_monitors(
    platform: Platform, kube: Kube, prometheus: Prometheus, promises: Promises
) -> None:
    """Of all targets, those of the foundations too: none is of no monitor, of two, or dropped, and the operator rejects nothing else."""
    known = {unmonitored.identity(monitor.object) for monitor in platform.layer.monitors()}
    findings = until_no_findings(
        lambda: inventory.all_of(kube, prometheus, known), timeout=SCRAPED_SECONDS, what="each target is one monitor's"
    )
    require(unsynced.unpruned(findings, platform.lacking(), kube))
    promises.report(own(findings), figures=inventory.figures(kube, prometheus))


@pytest.mark.usefixtures("platform")
@pytest.mark.scenario("M12")
def test_newest_configuration_is_loaded(kube: Kube, prometheus: Prometheus, promises: Promises) -> None:
    """What Prometheus cannot load it leaves, and goes on with what it had before: no change has an effect then."""
    findings = until_no_findings(
        lambda: configuration.check(kube, prometheus), timeout=LOADED_SECONDS, what="the configuration is loaded"
    )
    promises.report(findings)


@pytest.mark.judges_all
@pytest.mark.scenario("A12", "H9")
def test_metrics_say_what_applications_say(
    platform: Platform, kube: Kube, prometheus: Prometheus, promises: Promises
) -> None:
    """Alerts on Applications see only their metrics: one series of each, with the state that it has."""
    if not release_metrics.are_read("argo-cd", platform.layer):
        pytest.skip("nothing of the layer reads metrics of Argo CD")
    seen = [argocd_info.observe(kube, prometheus)]

    def look() -> list[Finding]:
        seen[:] = [argocd_info.observe(kube, prometheus)]
        return argocd_info.check(seen[0])

    findings = until_no_findings(look, timeout=SCRAPED_SECONDS, what="metrics say what Applications say")
    require(unsynced.holding(findings, None, platform.layer, platform.lacking(), kube))
    require(broken_scrapes.unloaded(findings, kube, prometheus))
    promises.report(own(findings), figures=argocd_info.figures(seen[0]))


@pytest.mark.judges_all
@pytest.mark.scenario("H9", "M14")
def test_parts_of_the_foundations_deliver_metrics(
    platform: Platform, kube: Kube, prometheus: Prometheus, promises: Promises
) -> None:
    """Each pod of Argo CD and of MetalLB is a target where the layer reads their metrics, also without any Service for them."""
    findings = until_no_findings(
        lambda: release_metrics.unscraped(platform.layer, kube, prometheus),
        timeout=SCRAPED_SECONDS,
        what="the parts of the foundations are scraped",
    )
    require(unsynced.holding(findings, None, platform.layer, platform.lacking(), kube))
    require(broken_scrapes.unloaded(findings, kube, prometheus))
    promises.report(own(findings))


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


@pytest.mark.scenario("M3")
def test_traffic_moves_series(  # noqa: PLR0917 - fixtures come by their names
    load_balancer: LoadBalancer,
    wanted: loadbalancer.WantedService,
    prerequisites: Prerequisites,
    outside: loadbalancer.Outside,
    prometheus: Prometheus,
    promises: Promises,
) -> None:
    """Requests at the address of an application make a counter grow that its monitor declares, as seen by Prometheus."""
    layer, kube = prerequisites.platform.layer, prerequisites.kube
    require(prerequisites.settled(SETTLED_SECONDS))
    found = moving_series.watched(load_balancer, layer, kube, prometheus)
    if load_balancer.probe is None or not found:
        pytest.skip("no monitor declares a counter of the pods behind it, or no probe says what it answers")
    for watch in found:
        before = replace(watch, before=watch.sums())
        results = moving_series.make(load_balancer, watch.service, outside.asker)
        findings = until_no_findings(
            partial(moving_series.check, before, results, layer), timeout=MOVED_SECONDS, what="a counter grows"
        )
        if findings:
            # An address that does not answer moves nothing.
            require(loadbalancer.watch(wanted, kube, outside, timeout=0.0)[1])
        unproven = moving_series.unknown(watch, layer) if findings else None
        promises.report([] if unproven else findings, {"moved": watch.counters}, unproven)


@pytest.mark.exclusive("prometheus")
@pytest.mark.usefixtures("platform")
@pytest.mark.scenario("X7")
def test_prometheus_comes_back(kube: Kube, prometheus: Prometheus, promises: Promises) -> None:
    """After its pod is deleted it scrapes and evaluates the same; without a volume the series before are gone, which is said."""
    # With a configuration that it cannot load it would not start again.
    require(configuration.check(kube, prometheus))
    before = restart.observe(kube, prometheus)
    if before is None:
        pytest.skip("Prometheus does not answer, which other tests tell")
    pods = restart.delete_pods(kube)
    seen = [restart.observe(kube, prometheus, before.at)]

    def look() -> list[Finding]:
        seen[:] = [restart.observe(kube, prometheus, before.at) if restart.replaced(pods, kube) else None]
        return restart.check(before, seen[0], kube)

    findings = until_no_findings(look, timeout=RESTART_SECONDS, what="Prometheus is back")
    promises.report(findings, figures=restart.figures(seen[0]))
