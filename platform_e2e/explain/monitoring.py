"""Why the targets of a ServiceMonitor are missing: nobody selects it, it selects nothing, or no port has that name.

The rules are those of prometheus-operator 0.88.0: pkg/prometheus/resource_selector.go for which monitors a Prometheus takes,
pkg/prometheus/promcfg.go (generateServiceMonitorConfig) for which endpoints a monitor takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from platform_e2e.explain.objects import (
    at,
    container_ports,
    endpoints,
    labels_of,
    listed,
    mismatches,
    name_of,
    pods_of,
    selects,
    workloads_of,
)
from platform_e2e.explain.registry import View, explain, explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key

MONITOR_KIND = "monitoring.coreos.com/v1/ServiceMonitor"
PROMETHEUS_KIND = "monitoring.coreos.com/v1/Prometheus"


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
    return Cause(
        "monitor-namespace-unselected",
        f"no Prometheus looks for ServiceMonitors in namespace {key(monitor)[0]}, where {name_of(monitor)} is",
        "widen serviceMonitorNamespaceSelector, or label the namespace as it asks",
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
    for service in services:
        cause = _behind(service, view)
        if cause is not None:
            return cause
    return Cause(
        "monitor-no-endpoints",
        f"{listed([_selecting(service) for service in services])}, which {name_of(monitor)} scrapes, has no endpoint",
        "correct spec.selector of the Service, or the labels of the pods",
    )


def _selecting(service: Object) -> str:
    selector = at(service, "spec", "selector") or {}
    return f"{name_of(service)} (selector {', '.join(f'{n}={v}' for n, v in selector.items()) or 'empty'})"


def _behind(service: Object, view: View) -> Cause | None:
    """Return why the pods behind a Service are not there."""
    for obj in [*pods_of(view, service), *workloads_of(view, service)]:
        cause = explain(obj, view)
        if cause is not None:
            return cause
    return None


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
