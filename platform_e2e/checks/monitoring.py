"""Every ServiceMonitor is selected, finds exactly the targets that replicas or nodes say, and gets samples from each.

A ServiceMonitor has at most one finding: that of the first link of the chain which is broken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from platform_e2e.checks.blame import require
from platform_e2e.checks.monitoring_seen import SAMPLES, Observed, Wanted, observe, replicas
from platform_e2e.checks.place import place_of, placed
from platform_e2e.checks.prometheus import Prometheus
from platform_e2e.checks.settle import settled
from platform_e2e.explain import View, explain, unexplained
from platform_e2e.explain.monitoring import (
    MONITOR_KIND,
    matched_services,
    miscounted,
    namespaces_of,
    scrape_error,
    selected_by,
    takes,
    without_monitor,
)
from platform_e2e.explain.objects import annotations_of, at, includes, labels_of, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.foundations import facts
from platform_e2e.kube.objects import Object, key
from platform_e2e.layer import Layer, MetricsService
from platform_e2e.layer.inventory import is_metrics
from platform_e2e.layer.objects import EXEMPT
from platform_e2e.layer.releases import Release

__all__ = [
    "SAMPLES",
    "Observed",
    "Wanted",
    "check",
    "covered",
    "excused",
    "figures",
    "observe",
    "replicas",
    "unselected",
    "unwatched",
    "watch",
]

RELEASE = "meta.helm.sh/release"
"""Annotations that Helm puts on what it installs: this and `-name`, `-namespace` (helm 3, pkg/action/validate.go)."""


def check(wanted: Wanted, seen: Observed) -> list[Finding]:
    """Return the finding of the first link that is broken, or an empty list.

    Args:
        wanted: what must be true.
        seen: what is.
    """
    for link in (_exists, _selected, _scrapes, _counted, _up, _fresh, _sampled, _series):
        problem = link(wanted, seen)
        if problem is not None:
            expected, observed, cause = problem
            found = placed(cause, wanted.place)
            return [Finding(name_of(wanted.monitor), Promise.MONITORING, expected, observed, found, figures(seen))]
    return []


def watch(wanted: Wanted, view: View, prometheus: Prometheus, *, timeout: float) -> tuple[Observed, list[Finding]]:
    """Look at a ServiceMonitor until nothing is wrong or waiting no longer helps; return what was seen and found last.

    Args:
        wanted: the ServiceMonitor.
        view: of the cluster.
        prometheus: that scrapes; only scrapes after this call's begin count.
        timeout: seconds.
    """
    since = prometheus.now()
    seen = Observed(None)

    def look() -> list[Finding]:
        nonlocal seen
        seen = observe(wanted, view, prometheus, since)
        return check(wanted, seen)

    findings = settled(look, timeout=timeout, what=f"{name_of(wanted.monitor)} is scraped")
    return seen, findings


def figures(seen: Observed) -> dict[str, Any]:
    """Return what the verdict's table shows of a ServiceMonitor."""
    if seen.monitor is None:
        return {}
    return {
        "targets": len(seen.targets),
        "samples": int(sum(seen.samples.get(target.identity, 0) for target in seen.targets)),
    }


Problem = tuple[str, str, Cause] | None
"""Expected, observed and cause, or None where the link holds."""


def _exists(_wanted: Wanted, seen: Observed) -> Problem:
    if seen.monitor is not None:
        return None
    cause = Cause(
        "object-missing",
        "the ServiceMonitor is in Git and not in the cluster",
        "look at the Application that renders it",
    )
    return "the ServiceMonitor exists", "it does not", cause


def _selected(_wanted: Wanted, seen: Observed) -> Problem:
    if seen.selected:
        return None
    return "a Prometheus selects it", "none does", seen.cause or unexplained("no Prometheus selects it")


def _scrapes(_wanted: Wanted, seen: Observed) -> Problem:
    """Judge what is wrong whatever the targets are: they may have been scraped a moment ago by chance."""
    if seen.cause is None or seen.cause.id not in {"monitor-without-endpoints", "monitor-scrape-interval"}:
        return None
    return "targets that are scraped every minute or so", "there are none", seen.cause


def _counted(wanted: Wanted, seen: Observed) -> Problem:
    """Compare the targets with what replicas or nodes say; none at all is never right."""
    if not seen.expected:
        return "at least one target", "no endpoint that could have one", seen.cause or unexplained("it has no endpoint")
    for pool, (number, who) in seen.expected.items():
        found = [target for target in seen.targets if target.pool == pool]
        if found and len(found) == number:
            continue
        expected, observed = f"{max(number, 1)} targets in {pool} ({who})", f"{len(found)} targets"
        if seen.cause is not None:
            return expected, observed, seen.cause
        if pool not in seen.jobs:
            return expected, observed, _not_loaded(pool)
        pods = [target.labels.get("pod") or target.url for target in found]
        return expected, observed, miscounted(wanted.monitor, pool, pods, max(number, 1), who)
    return None


def _not_loaded(pool: str) -> Cause:
    return Cause(
        "monitor-not-loaded",
        f"Prometheus has not loaded {pool}, although it selects the ServiceMonitor",
        "look at the log of the Prometheus operator for why it rejects it, and at the config reloader's",
    )


def _up(_wanted: Wanted, seen: Observed) -> Problem:
    down = {target.url: target.error for target in seen.targets if target.health == "down" or target.error}
    if not down or seen.monitor is None:
        return None
    observed = f"{len(down)} of {len(seen.targets)} are not"
    return "every target is up", observed, seen.cause or scrape_error(seen.monitor, down)


def _fresh(_wanted: Wanted, seen: Observed) -> Problem:
    new = [t for t in seen.targets if t.health == "unknown"]
    old = new or [t for t in seen.targets if seen.since is not None and t.last_scrape <= seen.since]
    if not old:
        return None
    last = "not scraped {} yet" if new else f"scraped {{}} last at {old[0].last_scrape:%H:%M:%S}, before the test began"
    cause = Cause(
        "monitor-stale-scrape",
        f"Prometheus has {last.format(old[0].url)}",
        "look whether Prometheus is overloaded, and at spec.endpoints[].interval of the ServiceMonitor",
    )
    return f"every target is scraped after {seen.since:%H:%M:%S}", f"{len(old)} are not", cause


def _sampled(_wanted: Wanted, seen: Observed) -> Problem:
    empty = [target for target in seen.targets if not seen.samples.get(target.identity)]
    if not empty:
        return None
    cause = Cause(
        "monitor-samples-dropped",
        f"the scrape of {empty[0].url} leaves no sample after relabelling",
        "look at metricRelabelings of the endpoint, and at what the path really delivers",
    )
    return "samples are left after relabelling", f"none are left of {len(empty)} targets", cause


def _series(_wanted: Wanted, seen: Observed) -> Problem:
    missing = [series for series, delivered in seen.delivered.items() if not delivered]
    if not missing:
        return None
    cause = seen.lacking or Cause(
        "monitor-series-missing",
        f"no target delivers the series {listed(missing)}",
        "correct the annotation platform-e2e/series, or look why the application does not export it",
    )
    return f"the series {listed(missing)}", "none of it", cause


def covered(port: MetricsService, layer: Layer, view: View) -> list[Finding]:
    """Return the finding that a Service's metrics port is scraped by no ServiceMonitor of the layer.

    Args:
        port: a port that its name calls metrics.
        layer: whose ServiceMonitors should scrape it.
        view: of the cluster.

    Raises:
        BlockedByPromise: a ServiceMonitor that may be meant for it has a finding of its own.
    """
    if port.monitors or port.exempt:
        return []
    service = port.service
    require(_meant(str(service.namespace), [one.object for one in layer.service_monitors()], view))
    cause = without_monitor(service.object, [port.port])
    found = placed(cause, place_of(service))
    return [Finding(str(service), Promise.MONITORING, "a ServiceMonitor scrapes it", "none does", found)]


MEANT = frozenset({"monitor-service-unmatched", "monitor-port-name", "monitor-without-endpoints"})
"""Causes of a ServiceMonitor that takes nothing, so that what it was meant for has none."""


def _meant(namespace: str, monitors: Iterable[Object], view: View) -> list[Finding]:
    """Return why a ServiceMonitor that looks at a namespace takes nothing, port names and selectors being the reasons."""
    findings = []
    for monitor in monitors:
        names = namespaces_of(monitor)
        if names is not None and namespace not in names:
            continue
        cause = explain(monitor, view)
        if cause is not None and cause.id in MEANT:
            findings.append(Finding(name_of(monitor), Promise.MONITORING, "it scrapes something", "it does not", cause))
    return findings


def unwatched(view: View, releases: Iterable[Release]) -> list[Finding]:
    """Return the Services of the foundations whose metrics ports no ServiceMonitor takes.

    The layer does not render them, so that removing their ServiceMonitor from Git would leave nothing behind to test. A
    port delivers metrics if its name says so or if the upstream chart itself has a ServiceMonitor for it.

    Args:
        view: of the cluster.
        releases: of the layer.

    Raises:
        BlockedByPromise: a ServiceMonitor that may be meant for one of them has a finding of its own.
    """
    monitors = view.list(MONITOR_KIND)
    taken = {
        (key(service), endpoint.get("port"))
        for monitor in monitors
        for service in matched_services(monitor, view)
        for endpoint in at(monitor, "spec", "endpoints") or ()
        if takes(endpoint, service, view)
    }
    findings = []
    by_name = {(release.namespace, release.name): release for release in releases}
    for service in view.list("v1/Service"):
        release = by_name.get(release_of(service))
        ports = _metrics_ports(service, release) if release else []
        # Without a port's name an endpoint takes the pods' port, whatever the Service calls it.
        watched = any((key(service), port) in taken for port in (*ports, None))
        if not ports or watched or _excuse(service):
            continue
        require(_meant(key(service)[0], monitors, view))
        cause = Cause(
            "release-without-monitor",
            f"{name_of(service)} of the release {release_of(service)[1]} has the metrics port {listed(ports)}, and no "
            "ServiceMonitor takes it",
            "add a ServiceMonitor to the layer, or let the release's values switch the Service off or say on it why there "
            f"is none: {EXEMPT}{Promise.MONITORING}",
        )
        findings.append(
            Finding(name_of(service), Promise.MONITORING, "a ServiceMonitor scrapes it", "none does", cause)
        )
    return findings


def _metrics_ports(service: Object, release: Release) -> list[str]:
    """Return the names of the ports of a release's Service that deliver metrics."""
    by_chart = [
        ports for labels, ports in facts.scraped(release.chart, release.name) if includes(labels, labels_of(service))
    ]
    return [
        str(port.get("name"))
        for port in at(service, "spec", "ports") or ()
        if is_metrics(port) or any(port.get("name") in ports for ports in by_chart)
    ]


def release_of(service: Object) -> tuple[str, str]:
    """Return namespace and name of the Helm release that an object belongs to; empty where it is of none."""
    annotations = annotations_of(service)
    return annotations.get(f"{RELEASE}-namespace", ""), annotations.get(f"{RELEASE}-name", "")


def excused(view: View, releases: Iterable[Release]) -> list[str]:
    """Return the Services of the foundations that say why nobody need scrape them, with the reason, for the report."""
    ours = {(release.namespace, release.name) for release in releases}
    services = [service for service in view.list("v1/Service") if release_of(service) in ours]
    return [f"{name_of(service)} ({reason})" for service in services if (reason := _excuse(service))]


def _excuse(service: Object) -> str:
    return annotations_of(service).get(EXEMPT + Promise.MONITORING, "").strip()


def unselected(view: View, known: set[tuple[str, str]], ours: str) -> list[Finding]:
    """Return the ServiceMonitors of the cluster, from whatever source, that no Prometheus selects.

    Args:
        view: of the cluster.
        known: namespace and name of those that have a test of their own.
        ours: label that marks namespaces of tests, whose monitors are none of the platform's.
    """
    tests = {key(namespace)[1] for namespace in view.list("v1/Namespace") if ours in labels_of(namespace)}
    return [
        Finding(name_of(monitor), Promise.MONITORING, "a Prometheus selects it", "none does", _cause(monitor, view))
        for monitor in view.list(MONITOR_KIND)
        if key(monitor) not in known and key(monitor)[0] not in tests and not selected_by(monitor, view)
    ]


def _cause(monitor: Object, view: View) -> Cause:
    return explain(monitor, view) or unexplained("no Prometheus selects it")
