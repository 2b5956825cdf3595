"""Why the targets of a ServiceMonitor are missing: nobody selects it, it selects nothing, or no port has that name.

The rules are those of prometheus-operator 0.88.0: pkg/prometheus/resource_selector.go for which monitors a Prometheus takes,
pkg/prometheus/promcfg.go (generateServiceMonitorConfig) for which endpoints a monitor takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from platform_e2e.explain.addresses import POOL_KIND
from platform_e2e.explain.announcing import SPEAKER, no_speaker
from platform_e2e.explain.loadbalancer import without_pool
from platform_e2e.explain.objects import (
    at,
    container_ports,
    endpoints,
    includes,
    labels_of,
    listed,
    mismatches,
    name_of,
    pods_of,
    selects,
    since,
    workloads_of,
)
from platform_e2e.explain.registry import View, explains
from platform_e2e.explain.services import nothing_ready
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key

MONITOR_KIND = "monitoring.coreos.com/v1/ServiceMonitor"
PROMETHEUS_KIND = "monitoring.coreos.com/v1/Prometheus"

REJECTED = "InvalidConfiguration"
"""Reason of the operator's event about an object that it leaves out (pkg/operator/operator.go, InvalidConfigurationEvent)."""

LOOKBACK_SECONDS = 300.0
"""How old a sample may be for a query to see it (Prometheus 3, --query.lookback-delta)."""

DURATION = re.compile(r"(\d+)(ms|[ywdhms])")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}
"""A duration as Prometheus writes it, `1m30s` (prometheus/common, model.ParseDuration)."""

DROPPING = frozenset({"drop", "keep", "dropequal", "keepequal", "hashmod"})
"""Actions of a relabeling after which a target may not be scraped (Prometheus 3, model/relabel)."""

OF_POOLS = "metallb_allocator_addresses_"
"""How the series begin that MetalLB's controller delivers for each IPAddressPool (internal/allocator/stats.go)."""


def selected_by(monitor: Object, view: View) -> list[Object]:
    """Return the Prometheus objects that take a ServiceMonitor."""
    return [
        prometheus
        for prometheus in view.list(PROMETHEUS_KIND)
        if selects(at(prometheus, "spec", "serviceMonitorSelector"), labels_of(monitor))
        and _takes_namespace(prometheus, monitor, view)
    ]


def _takes_namespace(prometheus: Object, monitor: Object, view: View) -> bool:
    """Tell whether a Prometheus looks into a monitor's namespace; without a selector only into its own."""
    selector = at(prometheus, "spec", "serviceMonitorNamespaceSelector")
    namespace = key(monitor)[0]
    if selector is None:
        return namespace == key(prometheus)[0]
    found = view.get("v1/Namespace", namespace) if selector else {}
    return selects(selector, labels_of(found or {}))


def namespaces_of(monitor: Object) -> list[str] | None:
    """Return the namespaces whose Services a monitor looks at; None for all of them."""
    chosen = at(monitor, "spec", "namespaceSelector") or {}
    if chosen.get("any"):
        return None
    return list(chosen.get("matchNames") or [key(monitor)[0]])


def in_reach(monitor: Object, view: View) -> list[Object]:
    """Return all Services of the namespaces that a monitor looks at."""
    names = namespaces_of(monitor)
    if names is None:
        return list(view.list("v1/Service"))
    return [service for name in names for service in view.list("v1/Service", name)]


def matched_services(monitor: Object, view: View) -> list[Object]:
    """Return the Services that a monitor's selector selects."""
    selector = at(monitor, "spec", "selector") or {}
    return [service for service in in_reach(monitor, view) if selects(selector, labels_of(service))]


def takes(endpoint: Mapping[str, Any], service: Object, view: View) -> bool:
    """Tell whether an endpoint entry of a monitor takes a port of a Service, by the port's name or by its target."""
    ports = at(service, "spec", "ports") or ()
    if endpoint.get("port"):
        return any(port.get("name") == endpoint["port"] for port in ports)
    target = endpoint.get("targetPort")
    if target is None:
        return bool(ports)
    objects = [*pods_of(view, service), *workloads_of(view, service)]
    declared = list(container_ports(objects))
    return any(target in {port.get("name"), port.get("containerPort")} for port in declared)


@explains(MONITOR_KIND)
def unselected(monitor: Object, view: View) -> Cause | None:
    """No Prometheus takes the monitor, for its labels."""
    everyone = view.list(PROMETHEUS_KIND)
    for prometheus in everyone:
        if selects(at(prometheus, "spec", "serviceMonitorSelector"), labels_of(monitor)):
            return None
    if not everyone:
        return Cause(
            "monitor-unselected",
            f"there is no Prometheus that could take {name_of(monitor)}",
            "look at the release kube-prometheus-stack",
        )
    lacking = "; ".join(
        f"{name_of(p)} wants {listed(mismatches(selector, labels_of(monitor)))}"
        if (selector := at(p, "spec", "serviceMonitorSelector")) is not None
        else f"{name_of(p)} takes none at all"
        for p in everyone
    )
    return Cause(
        "monitor-unselected",
        f"no Prometheus selects {name_of(monitor)}: {lacking}",
        "give the ServiceMonitor the labels that serviceMonitorSelector asks for",
    )


@explains(MONITOR_KIND)
def namespace_unselected(monitor: Object, view: View) -> Cause | None:
    """No Prometheus looks into its namespace."""
    if selected_by(monitor, view):
        return None
    namespace = key(monitor)[0]
    labels = labels_of(view.get("v1/Namespace", namespace) or {})
    looking = "; ".join(
        f"{name_of(p)} looks only where the namespace has {listed(mismatches(selector, labels))}"
        if (selector := at(p, "spec", "serviceMonitorNamespaceSelector")) is not None
        else f"{name_of(p)} looks into its own only"
        for p in view.list(PROMETHEUS_KIND)
        if selects(at(p, "spec", "serviceMonitorSelector"), labels_of(monitor))
    )
    return Cause(
        "monitor-namespace-unselected",
        f"no Prometheus looks into namespace {namespace} for {name_of(monitor)}: {looking}",
        "widen serviceMonitorNamespaceSelector in the values of Prometheus' release, or label the namespace as it asks",
    )


@explains(MONITOR_KIND)
def without_endpoints(monitor: Object, _view: View) -> Cause | None:
    """It names no port at all."""
    if at(monitor, "spec", "endpoints"):
        return None
    return Cause(
        "monitor-without-endpoints",
        f"{name_of(monitor)} has no entry in spec.endpoints, so nothing is scraped through it",
        "name the port in spec.endpoints of the ServiceMonitor, or delete it",
    )


@explains(MONITOR_KIND)
def rejected(monitor: Object, view: View) -> Cause | None:
    """The operator finds it invalid and leaves it out of what Prometheus is given."""
    namespace, name = key(monitor)
    about = [event for event in view.events(MONITOR_KIND, name, namespace) if event.get("reason") == REJECTED]
    told = since(about, monitor)
    if not told:
        return None
    message = " ".join(str(told[-1].get("message", "")).split())
    return Cause(
        "monitor-rejected",
        f"the Prometheus operator leaves out {name_of(monitor)}: {message.partition('invalid configuration: ')[2] or message}",
        "correct the field that it names; Prometheus goes on without this ServiceMonitor",
    )


@explains(MONITOR_KIND)
def service_unmatched(monitor: Object, view: View) -> Cause | None:
    """Its selector matches no Service."""
    if matched_services(monitor, view):
        return None
    selector = at(monitor, "spec", "selector") or {}
    names = namespaces_of(monitor)
    where = f"namespaces {listed(names)}" if names is not None else "any namespace"
    nearest = min(
        in_reach(monitor, view),
        key=lambda service: (len(mismatches(selector, labels_of(service))), key(service)),
        default=None,
    )
    hint = ""
    if nearest is not None:
        hint = f"; the nearest is {name_of(nearest)}, which lacks {listed(mismatches(selector, labels_of(nearest)))}"
    return Cause(
        "monitor-service-unmatched",
        f"the selector of {name_of(monitor)} matches the labels of no Service in {where}{hint}",
        "correct spec.selector or spec.namespaceSelector of the ServiceMonitor, or the Service's labels",
    )


@explains(MONITOR_KIND)
def port_name(monitor: Object, view: View) -> Cause | None:
    """None of its Services has a port of that name."""
    services = matched_services(monitor, view)
    for endpoint in at(monitor, "spec", "endpoints") or ():
        if any(takes(endpoint, service, view) for service in services):
            continue
        asked = endpoint.get("port") or endpoint.get("targetPort")
        named = "; ".join(f"{name_of(s)} names {listed(list(_port_names(s)), 'none')}" for s in services)
        return Cause(
            "monitor-port-name",
            f"{name_of(monitor)} asks for the port {asked}, and no Service that it selects has it: {named}",
            "write the name of the Service's port, not its number and not the container's, into spec.endpoints[].port",
        )
    return None


def _port_names(service: Object) -> Iterator[str]:
    for port in at(service, "spec", "ports") or ():
        yield str(port.get("name") or f"(unnamed {port.get('port')})")


@explains(MONITOR_KIND)
def no_endpoints(monitor: Object, view: View) -> Cause | None:
    """Nothing stands behind the Services that it selects."""
    services = matched_services(monitor, view)
    if any(endpoints(view, service) for service in services):
        return None
    found = (_metallb(service, view) or nothing_ready(service, view, "monitor-no-endpoints") for service in services)
    cause = next((one for one in found if one is not None), None)
    if cause is None or cause.id != "monitor-no-endpoints":
        return cause
    return replace(cause, sentence=f"{name_of(monitor)} has nothing to scrape: {cause.sentence}")


def _metallb(service: Object, view: View) -> Cause | None:
    """Return why MetalLB has no speaker, where the Service is one of its metrics: then addresses are not announced first."""
    return no_speaker(view) if includes(SPEAKER, at(service, "spec", "selector") or {}) else None


@explains(MONITOR_KIND)
def seldom(monitor: Object, _view: View) -> Cause | None:
    """Its targets are scraped so seldom that queries do not see them in between."""
    for index, endpoint in enumerate(at(monitor, "spec", "endpoints") or ()):
        interval = str(endpoint.get("interval") or "")
        if seconds_of(interval) >= LOOKBACK_SECONDS:
            return Cause(
                "monitor-scrape-interval",
                f"{name_of(monitor)} is scraped every {interval} only, and Prometheus forgets a sample after "
                f"{LOOKBACK_SECONDS:.0f} s: its series, and alerts on them, come and go",
                f"lower spec.endpoints[{index}].interval of the ServiceMonitor to 2m or less, or leave it out",
            )
    return None


def seconds_of(duration: str) -> float:
    """Return how long a duration is that is written as in a ServiceMonitor; 0 where none is written."""
    return sum(int(number) * UNITS[unit] for number, unit in DURATION.findall(duration))


def scrape_error(monitor: Object, errors: Mapping[str, str]) -> Cause:
    """Return the cause of targets that are found and cannot be scraped.

    Args:
        monitor: whose targets they are.
        errors: Prometheus' lastError for each target's address.
    """
    first, error = next(iter(errors.items()))
    others = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return Cause(
        "scrape-error",
        f"Prometheus finds {first}{others} through {name_of(monitor)} and cannot scrape it: {error or 'no error given'}",
        "correct path, scheme or port of the ServiceMonitor's endpoint; for a timeout look for a NetworkPolicy",
    )


def without_monitor(service: Object, ports: Sequence[str]) -> Cause:
    """Return the cause of a Service with a metrics port that no ServiceMonitor selects."""
    return Cause(
        "service-without-monitor",
        f"{name_of(service)} has the metrics port {listed(list(ports))}, and no ServiceMonitor of the layer takes it",
        "add a ServiceMonitor to the layer, or say in platform-e2e/exempt-monitoring why there is none",
    )


def miscounted(monitor: Object, pool: str, pods: Sequence[str], wanted: int, who: str) -> Cause:
    """Return the cause of a number of targets that is not that of the pods.

    Args:
        monitor: whose targets they are.
        pool: the scrape pool, whose last part is the number of the endpoint.
        pods: those that the targets are, by their names or addresses.
        wanted: how many there must be.
        who: in words, who says so.
    """
    index = int(pool.rpartition("/")[2])
    endpoint = (at(monitor, "spec", "endpoints") or ())[index]
    drops = [
        f"{rule['action']} by {listed(rule.get('sourceLabels') or [], 'no label')}"
        for rule in endpoint.get("relabelings") or ()
        if rule.get("action") in DROPPING
    ]
    has = f"Prometheus scrapes {len(pods)} targets through {name_of(monitor)} and should scrape {wanted} ({who})"
    field = f"spec.endpoints[{index}].relabelings"
    if drops and len(pods) < wanted:
        return Cause("monitor-targets-dropped", f"{has}; its {field} drop targets: {listed(drops)}", f"correct {field}")
    return Cause(
        "monitor-target-count",
        f"{has}: {listed(sorted(pods))}",
        "look for pods that are not ready, and for others that the Service selects besides those of the workload",
    )


def undelivered(series: str, view: View) -> Cause | None:
    """Return why no target can deliver a series, or None where that is the application's own affair.

    Args:
        series: its name.
        view: of the cluster.
    """
    if series.startswith(OF_POOLS) and not view.list(POOL_KIND):
        return without_pool(f"MetalLB has no series {series}")
    return None
