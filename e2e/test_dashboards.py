"""Every dashboard is found by Grafana's sidecar, and each of its panels has a datasource and series to show."""

from __future__ import annotations

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Platform, Promises, own, require
from platform_e2e.testing.checks import Prometheus, broken_scrapes, dashboards

pytestmark = pytest.mark.promise("dashboards")

SHOWN_SECONDS = 60.0
"""For what a new target delivers to be scraped."""


@pytest.mark.scenario("M13")
@pytest.mark.smoke
def test_dashboard_shows_data(
    dashboard: dashboards.WantedDashboard, prerequisites: Prerequisites, prometheus: Prometheus, promises: Promises
) -> None:
    """The sidecar takes it, its variables have values, and each panel's query has data or may have some."""
    timeout = prerequisites.at_most(SHOWN_SECONDS)
    seen, findings = dashboards.watch(
        dashboard, prerequisites.platform.layer, prerequisites.kube, prometheus, timeout=timeout
    )
    require(prerequisites.unmade(findings))
    require(broken_scrapes.behind(findings, prerequisites.platform.layer, prerequisites.kube, prometheus))
    promises.report(own(findings, prerequisites), dashboards.figures(seen), dashboards.unknown(dashboard, seen))


@pytest.mark.scenario("M13")
def test_no_two_dashboards_have_one_uid(platform: Platform, promises: Promises) -> None:
    """Of two with one uid Grafana shows one, and which is chance."""
    promises.report(list(dashboards.shared_uids(platform.layer)))
