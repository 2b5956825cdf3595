"""Selection of and by ServiceMonitors and PodMonitors; `targets` has the ports that they take.

The rules are those of prometheus-operator 0.88.0: pkg/prometheus/resource_selector.go for which monitors a Prometheus takes,
pkg/alertmanager/operator.go (selectAlertmanagerConfigs) for which AlertmanagerConfigs an Alertmanager does, and
pkg/prometheus/promcfg.go (getNamespacesFromNamespaceSelector) for where a monitor looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_e2e.diagnosis.explain.owners import Makers, makers, template_labels
from platform_e2e.diagnosis.objects import at, labels_of, selects
from platform_e2e.kube.errors import KindNotServed
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

MONITOR_KIND = "monitoring.coreos.com/v1/ServiceMonitor"
POD_MONITOR_KIND = "monitoring.coreos.com/v1/PodMonitor"
MONITOR_KINDS = (MONITOR_KIND, POD_MONITOR_KIND)
RULE_KIND = "monitoring.coreos.com/v1/PrometheusRule"
PROBE_KIND = "monitoring.coreos.com/v1/Probe"
SCRAPE_CONFIG_KIND = "monitoring.coreos.com/v1alpha1/ScrapeConfig"
SCRAPING_KINDS = (*MONITOR_KINDS, PROBE_KIND, SCRAPE_CONFIG_KIND)
"""What tells a Prometheus what to scrape, where it selects it."""
ALERTMANAGER_CONFIG_KIND = "monitoring.coreos.com/v1alpha1/AlertmanagerConfig"
SELECTED_KINDS = (*SCRAPING_KINDS, RULE_KIND, ALERTMANAGER_CONFIG_KIND)
"""What a Prometheus or an Alertmanager takes only where it selects it."""
PROMETHEUS_KIND = "monitoring.coreos.com/v1/Prometheus"
AGENT_KIND = "monitoring.coreos.com/v1alpha1/PrometheusAgent"
"""Scrapes, and sends on what it gets: it answers no query and evaluates no rule."""
ALERTMANAGER_KIND = "monitoring.coreos.com/v1/Alertmanager"
RULER_KIND = "monitoring.coreos.com/v1/ThanosRuler"
"""Evaluates rules in the place of a Prometheus; it selects them by fields of the same names."""


@dataclass(frozen=True)
class Rules:
    """What differs between the kinds of monitors.

    Attributes:
        selector: field of a Prometheus that chooses monitors by their labels.
        namespaces: field of a Prometheus that chooses their namespaces.
        entries: field of a monitor with what is scraped.
        pool: how the names of its scrape pools begin.
        chosen: what its selector chooses, in words.
    """

    selector: str
    namespaces: str
    entries: str
    pool: str
    chosen: str


RULES = {
    "ServiceMonitor": Rules(
        "serviceMonitorSelector", "serviceMonitorNamespaceSelector", "endpoints", "serviceMonitor", "Service"
    ),
    "PodMonitor": Rules(
        "podMonitorSelector", "podMonitorNamespaceSelector", "podMetricsEndpoints", "podMonitor", "pod"
    ),
    "PrometheusRule": Rules("ruleSelector", "ruleNamespaceSelector", "groups", "", ""),
    "Probe": Rules("probeSelector", "probeNamespaceSelector", "", "probe", ""),
    "ScrapeConfig": Rules("scrapeConfigSelector", "scrapeConfigNamespaceSelector", "", "scrapeConfig", ""),
    "AlertmanagerConfig": Rules("alertmanagerConfigSelector", "alertmanagerConfigNamespaceSelector", "", "", ""),
}

_MONITORS = frozenset(kind for kind, rules in RULES.items() if rules.chosen)
"""Kinds with entries of which each has a scrape pool."""

Entry = Mapping[str, Any]
"""One of spec.endpoints or spec.podMetricsEndpoints."""


def rules_of(monitor: Object) -> Rules:
    """Return what differs for a monitor's kind."""
    return RULES[str(monitor["kind"])]


def is_of_pods(monitor: Object) -> bool:
    """Tell whether a monitor selects pods and not Services."""
    return bool(monitor["kind"] == "PodMonitor")


def entries(monitor: Object) -> Sequence[Entry]:
    """Return what a monitor says is to be scraped."""
    return at(monitor, "spec", rules_of(monitor).entries) or ()


def pool_of(monitor: Object, index: int) -> str:
    """Return the name of an entry's scrape pool."""
    namespace, name = key(monitor)
    return f"{rules_of(monitor).pool}/{namespace}/{name}/{index}"


def pools_of(monitor: Object) -> list[str]:
    """Return the names of all scrape pools of a monitor, a Probe or a ScrapeConfig (promcfg.go)."""
    if monitor["kind"] in _MONITORS:
        return [pool_of(monitor, index) for index in range(len(entries(monitor)))]
    return [f"{rules_of(monitor).pool}/{'/'.join(key(monitor))}"]


def of_pool(pool: str) -> tuple[str, str, str] | None:
    """Return kind, namespace and name of what a scrape pool is of; None for a job that is written out."""
    prefix, namespace, name, *_ = (*pool.split("/"), "", "")
    kind = next((kind for kind, rules in RULES.items() if rules.pool and rules.pool == prefix), None)
    return (kind, namespace, name) if kind and name else None


def entry_of(pool: str, view: ReadApi) -> Entry | None:
    """Return the entry of a monitor that a scrape pool is of; None where it is of no monitor, or that is gone."""
    kind, namespace, name = of_pool(pool) or ("", "", "")
    monitor = view.get(f"monitoring.coreos.com/v1/{kind}", name, namespace) if kind in _MONITORS else None
    index = pool.rpartition("/")[2]
    return next((entry for at, entry in enumerate(entries(monitor)) if str(at) == index), None) if monitor else None


def every(kind: str, view: ReadApi) -> Sequence[Object]:
    """Return the objects of a kind of the Prometheus operator; none where it is not served, as not all of them are everywhere."""
    try:
        return view.list(kind)
    except KindNotServed:
        return ()


def taking_kind(monitor: Object) -> str:
    """Return the kind of the objects that select an object of this kind."""
    return ALERTMANAGER_KIND if monitor["kind"] == "AlertmanagerConfig" else PROMETHEUS_KIND


def selected_by(monitor: Object, view: ReadApi, kind: str = "") -> list[Object]:
    """Return the objects that take a monitor, a rule or an AlertmanagerConfig.

    Args:
        monitor: that is to be taken.
        view: of the cluster.
        kind: of those that may take it; by default Prometheus, of an AlertmanagerConfig Alertmanager.
    """
    return [
        each
        for each in every(kind or taking_kind(monitor), view)
        if _names(each, monitor) or (takes_labels(each, monitor) and _takes_namespace(each, monitor, view))
    ]


def agents_of(monitor: Object, view: ReadApi) -> list[Object]:
    """Return the PrometheusAgents that take a monitor; they take no rules."""
    scraped = monitor["kind"] in {kind.rpartition("/")[2] for kind in SCRAPING_KINDS}
    return selected_by(monitor, view, AGENT_KIND) if scraped else []


def _names(alertmanager: Object, monitor: Object) -> bool:
    """Tell whether an Alertmanager names an AlertmanagerConfig of its namespace as its own configuration."""
    namespace, name = key(monitor)
    named = at(alertmanager, "spec", "alertmanagerConfiguration", "name")
    return monitor["kind"] == "AlertmanagerConfig" and (key(alertmanager)[0], named) == (namespace, name)


def takes_labels(prometheus: Object, monitor: Object) -> bool:
    """Tell whether a Prometheus takes monitors of such labels: an empty selector takes all, an absent one none."""
    return selects(at(prometheus, "spec", rules_of(monitor).selector), labels_of(monitor))


def _takes_namespace(prometheus: Object, monitor: Object, view: ReadApi) -> bool:
    """Tell whether a Prometheus looks into a monitor's namespace; without a selector only into its own."""
    selector = at(prometheus, "spec", rules_of(monitor).namespaces)
    namespace = key(monitor)[0]
    if selector is None:
        return namespace == key(prometheus)[0]
    found = view.get("v1/Namespace", namespace) if selector else {}
    return selects(selector, labels_of(found or {}))


def namespaces_of(monitor: Object) -> list[str] | None:
    """Return the namespaces that a monitor looks at; None for all of them."""
    chosen = at(monitor, "spec", "namespaceSelector") or {}
    if chosen.get("any"):
        return None
    return list(chosen.get("matchNames") or [key(monitor)[0]])


def _places(monitor: Object) -> Sequence[str | None]:
    """Return the namespaces that a monitor looks at, as a list of objects takes them."""
    names = namespaces_of(monitor)
    return [None] if names is None else names


def looks_at(monitor: Object, namespace: str) -> bool:
    """Tell whether a monitor looks at a namespace."""
    names = namespaces_of(monitor)
    return names is None or namespace in names


def chooses(monitor: Object, labels: Mapping[str, str]) -> bool:
    """Tell whether a monitor's selector selects labels, of a Service or of pods; without one it selects all."""
    return selects(at(monitor, "spec", "selector") or {}, labels)


def in_reach(monitor: Object, view: ReadApi) -> list[Object]:
    """Return what a monitor may choose of the namespaces that it looks at: Services, or what makes pods."""
    return [obj for namespace in _places(monitor) for obj in everything(monitor, view, namespace)]


def everything(monitor: Object, view: ReadApi, namespace: str | None = None) -> list[Object]:
    """Return what a monitor of this kind may choose of a namespace, or of all."""
    if not is_of_pods(monitor):
        return list(view.list("v1/Service", namespace))
    found = makers(view, namespace, lambda _: True)
    return [*found.workloads, *found.apart]


def labels_for(monitor: Object, obj: Object) -> Mapping[str, str]:
    """Return the labels that a monitor's selector is compared with: a Service's, or those of the pods."""
    return template_labels(obj) if is_of_pods(monitor) else labels_of(obj)


def matched_services(monitor: Object, view: ReadApi) -> list[Object]:
    """Return the Services that a ServiceMonitor's selector selects; none for a PodMonitor."""
    if is_of_pods(monitor):
        return []
    return [service for service in in_reach(monitor, view) if chooses(monitor, labels_of(service))]


def matched_pods(monitor: Object, view: ReadApi) -> Makers:
    """Return what makes the pods that a PodMonitor's selector selects."""
    found = [makers(view, namespace, lambda labels: chooses(monitor, labels)) for namespace in _places(monitor)]
    return Makers(tuple(w for part in found for w in part.workloads), tuple(p for part in found for p in part.apart))


def matched(monitor: Object, view: ReadApi) -> list[Object]:
    """Return what a monitor's selector selects: Services, or what makes pods."""
    if not is_of_pods(monitor):
        return matched_services(monitor, view)
    found = matched_pods(monitor, view)
    return [*found.workloads, *found.apart]
