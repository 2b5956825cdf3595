"""What a rule or a dashboard misses because it is not scraped: the monitor is what is broken, and its own test tells it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from platform_e2e.checks.monitoring import configuration, release_metrics, unmonitored
from platform_e2e.checks.monitoring.check import check
from platform_e2e.checks.monitoring.observe import WantedMonitor, observe
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.finding import Finding, Promise
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer

MISSING = ("-metric-missing", "-label-missing", "-value-missing", "-selector-unmatched", "-variable-empty")
"""How the causes end of what reads series that are not there."""

ALERTS = ("alert-firing", "alert-pending")
"""Causes of an alert whose condition is met: it may tell of a target that is not scraped."""

FRESH = timedelta(minutes=3)
"""How old a target's last scrape may be: three times the longest usual interval."""


def unloaded(findings: Sequence[Finding], view: ReadApi, prometheus: Prometheus) -> list[Finding]:
    """Return why Prometheus runs with an old configuration, where there are findings: they may be of that one.

    Args:
        findings: about what is scraped or evaluated.
        view: of the cluster.
        prometheus: that scrapes and evaluates.
    """
    return configuration.check(view, prometheus) if findings else []


def behind(findings: Sequence[Finding], layer: Layer, view: ReadApi, prometheus: Prometheus) -> list[Finding]:
    """Return what keeps targets of the layer from being scraped, where findings are about series that are not there, or alerts of that.

    Which target would deliver a series is not known before it has: while one is not scraped, it may be that one.

    Args:
        findings: about a rule or a dashboard.
        layer: with the monitors.
        view: of the cluster.
        prometheus: that scrapes.
    """
    if not any(finding.cause.id.endswith((*MISSING, *ALERTS)) for finding in findings):
        return []
    if broken := configuration.check(view, prometheus):
        return broken
    since = prometheus.now() - FRESH
    wanted = [
        WantedMonitor.of(monitor, layer) for monitor in layer.monitors() if not monitor.exempt(Promise.MONITORING)
    ]
    monitors = [told for each in wanted for told in check(each, observe(each, view, prometheus, since))]
    ports = (
        []
        if monitors
        else [told for port in layer.metrics_services() for told in unmonitored.covered(port, layer, view)]
    )
    releases = [release for release in layer.releases if not release.brought]
    return (
        monitors or ports or unmonitored.unwatched(view, releases) or release_metrics.unscraped(layer, view, prometheus)
    )
