"""Every dashboard is found by Grafana's sidecar, and each of its panels has a datasource and series to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Cluster, Kube, Platform, Promises, own, require
from platform_e2e.testing.checks import Prometheus, broken_scrapes, dashboards, loadbalancer, traffic, until_no_findings

pytestmark = pytest.mark.promise("dashboards")

STACK = "kube-prometheus-stack"

SIDECAR_SECONDS = 90.0
"""For the sidecar to write a dashboard, and Grafana to read it: it looks each 30 s (grafana chart, updateIntervalSeconds)."""

SHOWN_SECONDS = 60.0
"""For what a new target delivers to be scraped."""


@pytest.fixture(scope="session")
def made_traffic(platform: Platform, kube: Kube, outside: loadbalancer.Outside) -> traffic.Traffic:
    """Send requests to the layer's applications, once, so that what counts them has something to show."""
    return traffic.for_all(platform.layer, kube, outside.asker) if outside.asks else traffic.Traffic()


@pytest.mark.scenario("M13")
@pytest.mark.smoke
def test_dashboard_shows_data(
    dashboard: dashboards.WantedDashboard,
    prerequisites: Prerequisites,
    prometheus: Prometheus,
    made_traffic: traffic.Traffic,
    promises: Promises,
) -> None:
    """The sidecar takes it, its variables have values, and each panel's query has data or may have some."""
    timeout = prerequisites.at_most(SHOWN_SECONDS)
    seen, findings = dashboards.watch(
        dashboard, prerequisites.platform.layer, prerequisites.kube, prometheus, timeout=timeout, traffic=made_traffic
    )
    require(prerequisites.unmade(findings))
    require(broken_scrapes.behind(findings, prerequisites.platform.layer, prerequisites.kube, prometheus))
    promises.report(own(findings, prerequisites), dashboards.figures(seen), dashboards.unknown(dashboard, seen))


@pytest.mark.scenario("M13")
def test_no_two_dashboards_have_one_uid(platform: Platform, promises: Promises) -> None:
    """Of two with one uid Grafana shows one, and which is chance."""
    promises.report(list(dashboards.shared_uids(platform.layer)))


@pytest.mark.scenario("M13")
@pytest.mark.usefixtures("stack")
def test_grafana_has_each_dashboard(platform: Platform, cluster: Cluster, kube: Kube, promises: Promises) -> None:
    """Grafana's own API lists it, with datasources that Grafana has; without a Grafana it is skipped, and the tests above stand."""
    namespace = next(release.namespace for release in platform.layer.releases if release.chart == STACK)
    pod = dashboards.grafana.pod(kube, namespace)
    if not pod:
        pytest.skip(f"no Grafana runs in {namespace}: nodes that are made here have none of its images")
    ask = dashboards.grafana.inside(Path(cluster.facts.kubeconfig), namespace, pod)
    findings = until_no_findings(
        lambda: dashboards.grafana.check(platform.layer, dashboards.grafana.observe(ask)),
        timeout=SIDECAR_SECONDS,
        what="Grafana has every dashboard",
    )
    promises.report(findings)
