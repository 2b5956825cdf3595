"""Causes of missing targets of a ServiceMonitor or a PodMonitor: no Prometheus takes it, it selects nothing, no port fits.

The order is that of the operator: which monitors a Prometheus takes, which of them are valid, what each selects (`monitors`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from platform_e2e.diagnosis.explain import ports
from platform_e2e.diagnosis.explain.metallb_l2 import SPEAKER, no_speaker
from platform_e2e.diagnosis.explain.monitors import (
    MONITOR_KINDS,
    SELECTED_KINDS,
    Entry,
    agents_of,
    chooses,
    entries,
    every,
    everything,
    in_reach,
    is_of_pods,
    labels_for,
    looks_at,
    matched,
    matched_pods,
    matched_services,
    namespaces_of,
    rules_of,
    selected_by,
    takes_labels,
    taking_kind,
)
from platform_e2e.diagnosis.explain.services import nothing_made, nothing_ready
from platform_e2e.diagnosis.explain.targets import takes, targets_per_pod
from platform_e2e.diagnosis.objects import (
    at,
    endpoints,
    includes,
    keys_to,
    labels_of,
    listed,
    mismatches,
    name_of,
    of_now,
    one_line,
    requirements,
    unmet,
)
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.durations import seconds_of

REJECTED = "InvalidConfiguration"
"""Reason of the operator's event about an object that it leaves out (pkg/operator/operator.go, InvalidConfigurationEvent)."""

MISSING = re.compile(
    r'(?:unable to get|key "(?P<key>[^"]+)" in) (?P<kind>secret|configmap) "(?P<name>[^"]+)"(?::| not found)'
)
"""What the operator says of a Secret or a ConfigMap that a monitor names and that is not there (pkg/assets/store.go)."""

LOOKBACK_SECONDS = 300.0
"""How old a sample may be for a query to see it (Prometheus 3, --query.lookback-delta)."""


CALLED = {"PrometheusRule": "rule", "AlertmanagerConfig": "alertmanager-config"}
"""How the causes of a kind begin; those of what scrapes with `monitor`."""


def _id(monitor: Object, what: str) -> str:
    """Return the cause of what holds for all that is selected."""
    return f"{CALLED.get(str(monitor['kind']), 'monitor')}-{what}"


def _of(taker: str) -> str:
    return f"{taker}'" if taker.endswith("s") else f"{taker}'s"


@explains(*SELECTED_KINDS)
def unselected(monitor: Object, view: ReadApi) -> Cause | None:
    """No Prometheus takes the monitor, for its labels."""
    if selected_by(monitor, view) or agents_of(monitor, view):
        return None
    taker = taking_kind(monitor).rpartition("/")[2]
    everyone = every(taking_kind(monitor), view)
    if any(takes_labels(prometheus, monitor) for prometheus in everyone):
        return None
    if not everyone:
        return Cause(
            _id(monitor, "unselected"),
            f"there is no {taker} that could take {name_of(monitor)}",
            "look at the release kube-prometheus-stack",
        )
    field = rules_of(monitor).selector
    selectors = [(name_of(p), at(p, "spec", field)) for p in everyone]
    lacking = "; ".join(
        f"{name} takes none at all"
        if selector is None
        else f"{name} wants {listed(mismatches(selector, labels_of(monitor)))}"
        for name, selector in selectors
    )
    remedy = (
        f"give the {monitor['kind']} the labels that {field} asks for"
        if any(selector is not None for _, selector in selectors)
        else f"set {field} in the values of {_of(taker)} release; `{{}}` takes every {monitor['kind']}"
    )
    sentence = f"no {taker} selects {name_of(monitor)}: {lacking}"
    wanted: Mapping[str, Any] = next((selector for _, selector in selectors if selector is not None), {})
    differing = unmet(wanted, labels_of(monitor))
    label = differing[1:] if differing[:1] == ("matchLabels",) else ()
    return Cause(_id(monitor, "unselected"), sentence, remedy, field=("metadata", "labels", *label))


@explains(*SELECTED_KINDS)
def namespace_unselected(monitor: Object, view: ReadApi) -> Cause | None:
    """No Prometheus looks into its namespace."""
    if selected_by(monitor, view) or agents_of(monitor, view):
        return None
    namespace, field = key(monitor)[0], rules_of(monitor).namespaces
    taker = taking_kind(monitor).rpartition("/")[2]
    labels = labels_of(view.get("v1/Namespace", namespace) or {})
    looking = "; ".join(
        f"{name_of(p)} looks only where the namespace has {listed(mismatches(selector, labels))}"
        if (selector := at(p, "spec", field)) is not None
        else f"{name_of(p)} looks into its own only"
        for p in every(taking_kind(monitor), view)
        if takes_labels(p, monitor)
    )
    return Cause(
        _id(monitor, "namespace-unselected"),
        f"no {taker} looks into namespace {namespace} for {name_of(monitor)}: {looking}",
        f"widen {field} in the values of {_of(taker)} release, or label the namespace as it asks",
    )


@explains(*MONITOR_KINDS)
def without_endpoints(monitor: Object, _view: ReadApi) -> Cause | None:
    """It names no port at all."""
    if entries(monitor):
        return None
    field = f"spec.{rules_of(monitor).entries}"
    return Cause(
        "monitor-without-endpoints",
        f"{name_of(monitor)} has no entry in {field}, so nothing is scraped through it",
        f"name the port in {field} of the {monitor['kind']}, or delete it",
        field=("spec", rules_of(monitor).entries),
    )


@explains(*SELECTED_KINDS)
def rejected(monitor: Object, view: ReadApi) -> Cause | None:
    """The operator finds it invalid and leaves it out of what Prometheus is given."""
    namespace, name = key(monitor)
    events = of_now(view.events(kind_of(monitor), name, namespace), monitor)
    told = [one_line(event) for event in events if event.get("reason") == REJECTED] or _not_accepted(monitor)
    if not told or _there_now(told[-1], namespace, view):
        return None
    taker = taking_kind(monitor).rpartition("/")[2]
    return Cause(
        {"Probe": "probe-rejected", "ScrapeConfig": "scrape-config-rejected"}.get(
            str(monitor["kind"]), _id(monitor, "rejected")
        ),
        f"the Prometheus operator leaves out {name_of(monitor)}: {told[-1].partition('invalid configuration: ')[2] or told[-1]}",
        f"{_missing_remedy(told[-1], namespace)}; {taker} goes on without this {monitor['kind']}",
        field=keys_to({"spec": monitor.get("spec")}, missing["name"]) if (missing := MISSING.search(told[-1])) else (),
    )


def _not_accepted(monitor: Object) -> list[str]:
    """Return what the status says where the operator writes it there (its gate StatusForConfigurationResources)."""
    current = (monitor.get("metadata") or {}).get("generation")
    return [
        " ".join(str(each.get("message")).split())
        for binding in at(monitor, "status", "bindings") or ()
        for each in binding.get("conditions") or ()
        if (each.get("type"), each.get("status")) == ("Accepted", "False")
        and each.get("observedGeneration") in {None, current}
    ]


def _missing_remedy(message: str, namespace: str) -> str:
    found = MISSING.search(message)
    if found is None:
        return "correct the field that it names"
    what = f"{found['kind']} {found['name']}" + (f" with the key {found['key']}" if found["key"] else "")
    return f"see that there is a {what} in namespace {namespace}, or correct its name in the monitor"


def _there_now(message: str, namespace: str, view: ReadApi) -> bool:
    """Tell whether what the operator missed has come since: its event stays, although it takes the monitor then."""
    found = MISSING.search(message)
    if found is None:
        return False
    kind = "v1/Secret" if found["kind"] == "secret" else "v1/ConfigMap"
    try:
        obj = view.get(kind, found["name"], namespace)
    except ApiError:
        # Who may not read Secrets has the operator's word only.
        return False
    return obj is not None and (not found["key"] or found["key"] in (obj.get("data") or {}))


@explains(*MONITOR_KINDS)
def unmatched(monitor: Object, view: ReadApi) -> Cause | None:
    """Its selector matches no Service, or no pod."""
    if matched(monitor, view):
        return None
    chosen, names = rules_of(monitor).chosen, namespaces_of(monitor)
    where = f"namespaces {listed(names)}" if names is not None else "any namespace"
    absent = [name for name in names or () if view.get("v1/Namespace", name) is None and view.list("v1/Namespace")]
    hints = [f"there is no namespace {listed(absent)}"] if absent else []
    near = _nearest(monitor, view)
    elsewhere = _elsewhere(monitor, view)
    selector = at(monitor, "spec", "selector") or {}
    if near is not None and (not elsewhere or _met(selector, labels_for(monitor, near))):
        hints.append(
            f"the nearest is {name_of(near)}, which lacks {listed(mismatches(selector, labels_for(monitor, near)))}"
        )
    differing = unmet(selector, labels_for(monitor, near) if near is not None else {})
    field: tuple[str | int, ...] = ("spec", "selector", *differing)
    remedy = f"correct spec.selector or spec.namespaceSelector of the {monitor['kind']}, or the {chosen}'s labels"
    if elsewhere:
        field = ("spec", "namespaceSelector")
        hints.append(
            f"{listed([name_of(obj) for obj in elsewhere])} has them, where spec.namespaceSelector does not look"
        )
        fitting = ", ".join(sorted({key(obj)[0] for obj in elsewhere}))
        remedy = f"write spec.namespaceSelector.matchNames: [{fitting}] into the {monitor['kind']}"
        remedy += "" if len(hints) == 1 else f", or correct its spec.selector, or the {chosen}'s labels"
    return Cause(
        "monitor-pod-unmatched" if is_of_pods(monitor) else "monitor-service-unmatched",
        "; ".join([f"the selector of {name_of(monitor)} matches the labels of no {chosen} in {where}", *hints]),
        remedy,
        field=field,
    )


def _met(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether labels meet at least one of a selector's requirements."""
    return len(mismatches(selector, labels)) < requirements(selector)


def _nearest(monitor: Object, view: ReadApi) -> Object | None:
    """Return what of a monitor's namespaces lacks the fewest labels; of those alike, what has the port that it asks for."""
    selector = at(monitor, "spec", "selector") or {}

    def far(obj: Object) -> tuple[int, bool, tuple[str, str]]:
        fits = any(_has_port(monitor, entry, obj, view) for entry in entries(monitor))
        return len(mismatches(selector, labels_for(monitor, obj))), not fits, key(obj)

    return min(in_reach(monitor, view), key=far, default=None)


def _has_port(monitor: Object, entry: Entry, obj: Object, view: ReadApi) -> bool:
    if is_of_pods(monitor):
        return targets_per_pod(entry, at(obj, "spec", "template", "spec") or obj.get("spec") or {}, None) > 0
    return takes(entry, obj, view)


def _elsewhere(monitor: Object, view: ReadApi) -> list[Object]:
    """Return what has the labels in namespaces that a monitor does not look at, and that no other monitor selects."""
    if namespaces_of(monitor) is None or not requirements(at(monitor, "spec", "selector") or {}):
        return []
    fitting = [obj for obj in everything(monitor, view) if chooses(monitor, labels_for(monitor, obj))]
    others = [other for other in view.list(kind_of(monitor)) if key(other) != key(monitor)]
    return [
        obj
        for obj in fitting
        if not any(looks_at(other, key(obj)[0]) and chooses(other, labels_for(other, obj)) for other in others)
    ]


@explains(*MONITOR_KINDS)
def port_name(monitor: Object, view: ReadApi) -> Cause | None:
    """None of its Services has a port of that name, or none of the containers one of that name or number."""
    for index in range(len(entries(monitor))):
        cause = (ports.of_pods if is_of_pods(monitor) else ports.of_services)(monitor, index, view)
        if cause is not None:
            return cause
    return None


@explains(*MONITOR_KINDS)
def no_endpoints(monitor: Object, view: ReadApi) -> Cause | None:
    """Nothing stands behind the Services that it selects, or nothing runs of the pods."""
    if is_of_pods(monitor):
        found = matched_pods(monitor, view)
        running = [
            pod for pod in view.list("v1/Pod") if looks_at(monitor, key(pod)[0]) and chooses(monitor, labels_of(pod))
        ]
        if any(at(pod, "status", "podIP") for pod in running):
            return None
        cause = nothing_made("", running, found.workloads, view, "monitor-no-endpoints")
    else:
        services = matched_services(monitor, view)
        if any(endpoints(view, service) for service in services):
            return None
        causes = (
            _metallb(service, view) or nothing_ready(service, view, "monitor-no-endpoints") for service in services
        )
        cause = next((cause for cause in causes if cause is not None), None)
    if cause is None or cause.id != "monitor-no-endpoints":
        return cause
    return replace(cause, sentence=f"{name_of(monitor)} has nothing to scrape: {cause.sentence}")


def _metallb(service: Object, view: ReadApi) -> Cause | None:
    """Return why MetalLB has no speaker, where the Service is one of its metrics: then addresses are not announced first."""
    return no_speaker(view) if includes(SPEAKER, at(service, "spec", "selector") or {}) else None


@explains(*MONITOR_KINDS)
def seldom(monitor: Object, _view: ReadApi) -> Cause | None:
    """Its targets are scraped so seldom that queries do not see them in between."""
    for index, entry in enumerate(entries(monitor)):
        interval = str(entry.get("interval") or "")
        if seconds_of(interval) >= LOOKBACK_SECONDS:
            return Cause(
                "monitor-scrape-interval",
                f"{name_of(monitor)} is scraped every {interval} only, and Prometheus forgets a sample after "
                f"{LOOKBACK_SECONDS:.0f} s: its series, and alerts on them, come and go",
                f"lower spec.{rules_of(monitor).entries}[{index}].interval of the {monitor['kind']} to 2m or less, or leave "
                "it out",
                field=("spec", rules_of(monitor).entries, index, "interval"),
            )
    return None


def without_monitor(service: Object, ports: Sequence[str]) -> Cause:
    """Return the cause of a Service with a metrics port that no monitor takes."""
    return Cause(
        "service-without-monitor",
        f"{name_of(service)} has the metrics port {listed(list(ports))}, and no ServiceMonitor of the layer takes it",
        "add a ServiceMonitor to the layer, or say in platform-e2e/exempt-monitoring why there is none",
        field=("spec", "ports", ports[0], "name"),
    )
