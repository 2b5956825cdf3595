"""Metrics that no monitor scrapes, and monitors that no Prometheus selects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platform_e2e.checks.unjudged import Makers
from platform_e2e.diagnosis.attribution import depend_on
from platform_e2e.diagnosis.cached import CachedReader
from platform_e2e.diagnosis.causes import unexplained
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.monitoring import without_monitor
from platform_e2e.diagnosis.explain.monitors import (
    ALERTMANAGER_CONFIG_KIND,
    MONITOR_KINDS,
    RULE_KIND,
    SCRAPING_KINDS,
    agents_of,
    chooses,
    every,
    is_of_pods,
    labels_for,
    looks_at,
    selected_by,
    taking_kind,
)
from platform_e2e.diagnosis.explain.owners import behind, template_labels
from platform_e2e.diagnosis.explain.targets import takes_port
from platform_e2e.diagnosis.objects import WORKLOAD_KINDS, annotations_of, at, includes, labels_of, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.foundations import chart_contract
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, MetricsService, NotJudged
from platform_e2e.layer.inventory import is_metrics
from platform_e2e.layer.own_annotations import EXEMPT
from platform_e2e.layer.releases import Release

ALERTING_KINDS = (RULE_KIND, ALERTMANAGER_CONFIG_KIND)
"""What tells when an alert fires, and who receives it."""

RELEASE = "meta.helm.sh/release"
"""Annotations that Helm puts on what it installs: this and `-name`, `-namespace` (helm 3, pkg/action/validate.go)."""


def covered(port: MetricsService, layer: Layer, view: ReadApi) -> list[Finding]:
    """Return the finding that a Service's metrics port is scraped by no monitor of the layer.

    Args:
        port: a port that its name calls metrics.
        layer: whose ServiceMonitors and PodMonitors should scrape it.
        view: of the cluster.

    Raises:
        BlockedByPromise: a monitor that may be meant for it has a finding of its own.
    """
    service, monitors = port.service.object, [monitor.object for monitor in layer.monitors()]
    if port.exempt or any(
        takes_port(monitor, service, port.entry, _pods(service, layer, view)) for monitor in monitors
    ):
        return []
    depend_on(_meant(service, monitors, view))
    cause = without_monitor(service, [port.port])
    found = layer.located(cause, port.service)
    return [Finding(str(port.service), Promise.MONITORING, "a ServiceMonitor scrapes it", "none does", found)]


def _pods(service: Object, layer: Layer | None, view: ReadApi) -> list[Object]:
    """Return what makes the pods behind a Service: of the cluster, and of Git where it is not there yet."""
    found = behind(service, view)
    live = [*found.workloads, *found.apart]
    selector = at(service, "spec", "selector") or {}
    if live or not selector or layer is None:
        return live
    return [
        rendered.object
        for kind in WORKLOAD_KINDS
        for rendered in layer.of_kind(kind)
        if rendered.namespace == key(service)[0] and includes(selector, template_labels(rendered.object))
    ]


MEANT = frozenset(
    {
        "monitor-service-unmatched",
        "monitor-pod-unmatched",
        "monitor-port-name",
        "monitor-target-port",
        "monitor-without-endpoints",
    }
)
"""Causes of a monitor that takes nothing, so that what it was meant for has none."""


def _meant(service: Object, monitors: Iterable[Object], view: ReadApi) -> list[Finding]:
    """Return why a monitor that may be meant for a Service takes nothing, port names and selectors being the reasons.

    It is one that looks at the Service's namespace, or that selects its labels and looks elsewhere.
    """
    findings = []
    pods = behind(service, view)
    for monitor in monitors:
        chosen = [*pods.workloads, *pods.apart] if is_of_pods(monitor) else [service]
        named = bool(at(monitor, "spec", "selector")) and any(
            chooses(monitor, labels_for(monitor, obj)) for obj in chosen
        )
        if not named and not looks_at(monitor, key(service)[0]):
            continue
        cause = explain(monitor, view)
        if cause is not None and cause.id in MEANT:
            findings.append(Finding(name_of(monitor), Promise.MONITORING, "it scrapes something", "it does not", cause))
    return findings


def unwatched(view: ReadApi, releases: Iterable[Release]) -> list[Finding]:
    """Return the Services of the foundations whose metrics ports no monitor takes.

    The layer does not render them, so that removing their ServiceMonitor from Git would leave nothing behind to test. A
    port delivers metrics if its name says so or if the upstream chart itself has a ServiceMonitor for it.

    Args:
        view: of the cluster.
        releases: of the layer.

    Raises:
        BlockedByPromise: a monitor that may be meant for one of them has a finding of its own.
    """
    monitors = [monitor for kind in MONITOR_KINDS for monitor in view.list(kind)]
    findings = []
    by_name = {(release.namespace, release.name): release for release in releases}
    for service in view.list("v1/Service"):
        release = by_name.get(release_of(service))
        ports = _metrics_ports(service, release) if release else []
        if not ports or _excuse(service):
            continue
        pods = _pods(service, None, view)
        if any(takes_port(monitor, service, port, pods) for monitor in monitors for port in ports):
            continue
        depend_on(_meant(service, monitors, view))
        cause = Cause(
            "release-without-monitor",
            f"{name_of(service)} of the release {release_of(service)[1]} has the metrics port "
            f"{listed([str(port.get('name')) for port in ports])}, and no ServiceMonitor takes it",
            "add a ServiceMonitor to the layer, or let the release's values switch the Service off or say on it why there "
            f"is none: {EXEMPT}{Promise.MONITORING}",
        )
        findings.append(
            Finding(name_of(service), Promise.MONITORING, "a ServiceMonitor scrapes it", "none does", cause)
        )
    return findings


def _metrics_ports(service: Object, release: Release) -> list[Object]:
    """Return the ports of a release's Service that deliver metrics."""
    by_chart = [
        ports
        for labels, ports in chart_contract.scraped(release.chart, release.name)
        if includes(labels, labels_of(service))
    ]
    return [
        port
        for port in at(service, "spec", "ports") or ()
        if is_metrics(port) or any(port.get("name") in ports for ports in by_chart)
    ]


def release_of(service: Object) -> tuple[str, str]:
    """Return namespace and name of the Helm release that an object belongs to; empty where it is of none."""
    annotations = annotations_of(service)
    return annotations.get(f"{RELEASE}-namespace", ""), annotations.get(f"{RELEASE}-name", "")


def excused(view: ReadApi, releases: Iterable[Release]) -> list[str]:
    """Return the Services of the foundations that are exempt from being scraped, with the reason, for the report."""
    ours = {(release.namespace, release.name) for release in releases}
    services = [service for service in view.list("v1/Service") if release_of(service) in ours]
    return [f"{name_of(service)} ({reason})" for service in services if (reason := _excuse(service))]


def _excuse(service: Object) -> str:
    return annotations_of(service).get(EXEMPT + Promise.MONITORING, "").strip()


Identity = tuple[str, str, str]
"""Kind, namespace and name of a monitor."""


def identity(monitor: Object) -> Identity:
    """Return what a monitor is recognised by."""
    return str(monitor["kind"]), *key(monitor)


def unselected(
    view: ReadApi,
    known: set[Identity],
    ours: str,
    not_judged: Sequence[NotJudged] = (),
    *,
    rules: bool = False,
    layer: Layer | None = None,
) -> list[Finding]:
    """Return the monitors, probes and scrape configurations of the cluster, or its rules, from whatever source, that nothing takes.

    What no Prometheus or Alertmanager selects, what the operator leaves out, and what a Prometheus may not look for.

    Args:
        view: of the cluster.
        known: those that have a test of their own.
        ours: label that marks namespaces of tests, whose monitors do not belong to the platform.
        not_judged: objects of the layer that are not judged: what they have made is not judged either.
        rules: whether PrometheusRules and AlertmanagerConfigs are looked for, and not what scrapes.
        layer: which may have some of them, and then the file and line for the remedy.
    """
    kinds, promise = (ALERTING_KINDS, Promise.RULES) if rules else (SCRAPING_KINDS, Promise.MONITORING)
    view = CachedReader(view)
    makers = Makers.read(not_judged, view)
    tests = {key(namespace)[1] for namespace in view.list("v1/Namespace") if ours in labels_of(namespace)}
    written = {} if layer is None else {identity(each.object): each for each in layer.rendered}
    findings = []
    for kind in kinds:
        for monitor in every(kind, view):
            if identity(monitor) in known or key(monitor)[0] in tests or makers.made(monitor):
                continue
            found = _untaken(monitor, view)
            if found is not None:
                expected, observed, cause = found
                if layer is not None:
                    cause = layer.located(cause, written.get(identity(monitor)))
                findings.append(Finding(name_of(monitor), promise, expected, observed, cause))
    return findings


LEFT_OUT = ("-rejected", "-forbidden")
"""How the causes end of what is selected and has no effect all the same."""


def _untaken(monitor: Object, view: ReadApi) -> tuple[str, str, Cause] | None:
    """Return expected, observed and cause of a monitor, or of a rule, that has no effect; None where it may have one."""
    cause = explain(monitor, view)
    if not selected_by(monitor, view) and not agents_of(monitor, view):
        taker = taking_kind(monitor).rpartition("/")[2]
        article = "an" if taker.startswith("A") else "a"
        return f"{article} {taker} selects it", "none does", cause or unexplained(f"no {taker} selects it")
    if cause is not None and cause.id.endswith(LEFT_OUT):
        return "it is taken", "it is left out", cause
    return None
