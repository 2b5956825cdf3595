"""Series move: requests at the address of an application make a counter of it grow, as its monitor's annotation names them.

A target can be up, and deliver series that nothing ever changes: those of another program, of a library, or of a pod without traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from platform_e2e.checks.container_client import Asker
from platform_e2e.checks.external_client import ProbeResult
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.diagnosis.explain.loadbalancer import ingress
from platform_e2e.diagnosis.explain.monitors import selected_by
from platform_e2e.diagnosis.objects import listed, name_of, pods_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, LoadBalancer, NotJudged, Rendered, series
from platform_e2e.layer.not_judged import behind_stand_in
from platform_e2e.layer.own_annotations import SERIES

REQUESTS = 20
"""Requests, and messages, at one address: several for each of the few pods behind it."""


@dataclass(frozen=True)
class Watched:
    """Counters that traffic at a Service must move.

    Attributes:
        service: as the cluster has it.
        monitor: of the layer, whose targets are pods behind the Service.
        namespace: of these pods.
        pods: their names.
        counters: series that the monitor declares and that its targets call counters.
        before: their sums before the traffic.
        prometheus: that has them.
    """

    service: Object
    monitor: Rendered
    namespace: str
    pods: Sequence[str]
    counters: Sequence[str]
    prometheus: Prometheus
    before: Mapping[str, float] = field(default_factory=dict)

    def sums(self) -> dict[str, float]:
        """Return the sum of each counter over all of the pods."""
        chosen = "|".join(self.pods)
        selector = f'namespace="{self.namespace}", pod=~"{chosen}"'
        return {
            name: sum(sample.value for sample in self.prometheus.query(f"sum({name}{{{selector}}})"))
            for name in self.counters
        }


def watched(balancer: LoadBalancer, layer: Layer, view: ReadApi, prometheus: Prometheus) -> list[Watched]:
    """Return the counters that traffic at a Service must move; none where no monitor declares one of the pods behind it.

    Args:
        balancer: the Service.
        layer: with the monitors.
        view: of the cluster.
        prometheus: that scrapes the pods.
    """
    rendered = balancer.service
    service = view.get("v1/Service", rendered.name, rendered.namespace)
    pods = sorted(key(pod)[1] for pod in pods_of(view, service)) if service is not None else []
    found = []
    for monitor in layer.monitors():
        if service is None or not pods or not series(monitor) or monitor.exempt(Promise.MONITORING):
            continue
        asked = prometheus.of(selected_by(monitor.object, view))
        namespace, prefix = key(service)[0], _prefix(monitor)
        mine = any(
            target.pool.startswith(prefix)
            and target.labels.get("namespace") == namespace
            and target.labels.get("pod") in pods
            for target in asked.targets()
        )
        counters = [name for name in series(monitor) if asked.type_of(name) == "counter"] if mine else []
        if counters:
            found.append(Watched(service, monitor, namespace, pods, counters, asked))
    return found


def _prefix(monitor: Rendered) -> str:
    kind = "podMonitor" if monitor.kind == "PodMonitor" else "serviceMonitor"
    return f"{kind}/{monitor.namespace}/{monitor.name}/"


def make(balancer: LoadBalancer, service: Object, asker: Asker) -> list[ProbeResult]:
    """Send requests, and messages where the Service has a WebSocket, to each address of a Service; return what became of them.

    Args:
        balancer: the Service, with its probe.
        service: as the cluster has it.
        asker: a client on the cluster's segment.
    """
    if balancer.probe is None:
        return []
    results = []
    for address in ingress(service):
        results.append(asker.fetch(address, balancer.probe, REQUESTS))
        if balancer.websocket:
            results.append(asker.talk(address, balancer.probe, balancer.websocket, REQUESTS))
    return results


def check(watch: Watched, results: Sequence[ProbeResult], layer: Layer) -> list[Finding]:
    """Return the finding that none of the counters has grown.

    Args:
        watch: the counters, with their sums before.
        results: of the traffic.
        layer: that has the monitor.
    """
    after = watch.sums()
    if any(after[name] > watch.before.get(name, 0.0) for name in watch.counters):
        return []
    sent = [f"{each.asked} of {each.how} at {each.where}" for each in results]
    refused = "".join(f"; {each.where}: {each.problem}" for each in results if each.problem)
    cause = Cause(
        "series-still",
        f"{listed(watch.counters)} of {watch.monitor} has not grown after {listed(sent)}{refused}",
        f"correct the annotation {SERIES}, let the application count, or name in the probe of {name_of(watch.service)} what it counts",
        field=("metadata", "annotations", SERIES),
    )
    expected = "one of the counters that it declares grows"
    return [Finding(str(watch.monitor), Promise.MONITORING, expected, "none does", layer.located(cause, watch.monitor))]


def unknown(watch: Watched, layer: Layer) -> NotJudged | None:
    """Return that nothing is proven where a stand-in runs in the place of the application; None where none does.

    Args:
        watch: the counters.
        layer: with its stand-ins.
    """
    replaced = [each.workload for each in layer.stand_ins.containers if each.workload.namespace == watch.namespace]
    return behind_stand_in(replaced[0], "whether its series move is not known") if replaced else None
