"""The parts of Argo CD and MetalLB deliver metrics, each pod of them: neither chart lets them be scraped by default.

Only where the layer has something that reads them, for that is where it promises them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from platform_e2e.checks.monitoring.inventory import stacks
from platform_e2e.checks.monitoring.prometheus import Prometheus, ScrapeTarget
from platform_e2e.diagnosis.explain.monitors import (
    POD_MONITOR_KIND,
    chooses,
    every,
    looks_at,
)
from platform_e2e.diagnosis.explain.scrapes import undelivered
from platform_e2e.diagnosis.objects import at, condition, includes, labels_of, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, Release, series
from platform_e2e.layer.inventory import is_metrics


@dataclass(frozen=True)
class Part:
    """A part of a release that delivers metrics.

    Attributes:
        name: in words.
        labels: of its pods.
        series: that each of its pods delivers.
    """

    name: str
    labels: Mapping[str, str]
    series: str


_NAME, _COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"

PARTS: Mapping[str, tuple[Part, ...]] = {
    "argo-cd": (
        Part("application controller", {_NAME: "argocd-application-controller"}, "argocd_app_info"),
        Part("ApplicationSet controller", {_NAME: "argocd-applicationset-controller"}, "argocd_appset_info"),
        Part("repo server", {_NAME: "argocd-repo-server"}, "argocd_git_request_total"),
        Part("server", {_NAME: "argocd-server"}, "argocd_info"),
    ),
    "metallb": (
        Part("controller", {_NAME: "metallb", _COMPONENT: "controller"}, "metallb_allocator_addresses_total"),
        Part("speaker", {_NAME: "metallb", _COMPONENT: "speaker"}, "metallb_k8s_client_config_loaded_bool"),
    ),
}
"""By chart what delivers metrics: Argo CD 3.2.11 (docs/operator-manual/metrics.md), MetalLB 0.15.3 (internal/allocator/stats.go,
internal/k8s/k8s.go); the labels are those of the charts' pods."""

FAMILIES = {"argo-cd": "argocd_", "metallb": "metallb_"}
"""How the names of their series begin."""

READERS = frozenset({"PrometheusRule", "ConfigMap", "ServiceMonitor", "PodMonitor"})
"""Kinds of objects that may read or promise series."""


def unscraped(layer: Layer, view: ReadApi, prometheus: Prometheus) -> list[Finding]:
    """Return the parts of releases that no target is of, or that deliver none of their own series.

    What a Service with a metrics port leads to, or a monitor takes, is told by the tests of these.

    Args:
        layer: whose rules, dashboards and monitors say which releases matter.
        view: of the cluster.
        prometheus: that scrapes them.
    """
    read = [release for release in layer.releases if not release.brought and are_read(release.chart, layer)]
    if not read:
        return []
    asked = stacks(view, prometheus)
    up = [target for stack in asked for target in stack.targets() if target.health == "up"]
    told = {name for monitor in layer.monitors() for name in series(monitor)}
    return [finding for release in read for finding in _of(release, view, up, asked, told)]


def are_read(chart: str, layer: Layer) -> bool:
    """Tell whether a rule, a dashboard or a monitor of a layer names a series of a chart's product."""
    family = FAMILIES.get(chart)
    return family is not None and any(
        each.kind in READERS and re.search(rf"\b{family}\w", json.dumps(each.object)) for each in layer.rendered
    )


def _of(
    release: Release, view: ReadApi, up: Sequence[ScrapeTarget], asked: Sequence[Prometheus], told: Collection[str]
) -> Iterator[Finding]:
    pods = [pod for pod in view.list("v1/Pod", release.namespace) if condition(pod, "Ready").get("status") == "True"]
    scraped = {(target.labels.get("namespace"), target.labels.get("pod")) for target in up}
    for part in PARTS[release.chart]:
        mine = [pod for pod in pods if includes(part.labels, labels_of(pod))]
        left = [pod for pod in mine if key(pod) not in scraped and not _is_promised(pod, view)]
        silent = not left and part.series not in told and all(key(pod) in scraped for pod in mine)
        if left or (mine and silent and not any(stack.query(f"count({part.series})") for stack in asked)):
            cause = undelivered(part.series, view) or _cause(release, part, left)
            expected = f"the {part.name} is scraped"
            yield Finding(str(release), Promise.MONITORING, expected, "it is not", cause)


def _is_promised(pod: Object, view: ReadApi) -> bool:
    """Tell whether a Service with a metrics port leads to a pod, or a monitor takes it: then the tests of these tell."""
    services = (service for service in view.list("v1/Service", key(pod)[0]) if at(service, "spec", "selector"))
    return any(
        includes(service["spec"]["selector"], labels_of(pod))
        and any(map(is_metrics, service["spec"].get("ports") or ()))
        for service in services
    ) or any(
        looks_at(monitor, key(pod)[0]) and chooses(monitor, labels_of(pod)) for monitor in every(POD_MONITOR_KIND, view)
    )


def _cause(release: Release, part: Part, left: Sequence[Object]) -> Cause:
    what = (
        f"no target is {listed([name_of(pod) for pod in left])}"
        if left
        else f"none of its targets delivers {part.series}"
    )
    return Cause(
        "release-not-scraped",
        f"the {part.name} of {release} is not scraped: {what}; what reads {part.series} is dead and healthy",
        f"let a ServiceMonitor or PodMonitor take it; the chart {release.chart} makes no Service for its metrics by default",
    )
