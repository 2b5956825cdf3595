"""What can be seen of a ServiceMonitor: who selects it, which targets it must have, and which Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from platform_e2e.checks.autoscaling import is_scaled
from platform_e2e.checks.place import place_of
from platform_e2e.checks.prometheus import Prometheus, Target
from platform_e2e.explain import View, explain
from platform_e2e.explain.monitoring import MONITOR_KIND, matched_services, selected_by, takes, undelivered
from platform_e2e.explain.objects import at, endpoints, name_of, pods_of, workloads_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.layer import Layer, Rendered, series

SAMPLES = "scrape_samples_post_metric_relabeling"
"""Series that Prometheus adds for each target: samples left after metric relabelling (docs, concepts/jobs_instances)."""

Declared = Callable[[Object], Object | None]
"""Takes a live object and returns it as Git has it, or None where Git does not."""


def declared_in(layer: Layer) -> Declared:
    """Return what finds an object of the cluster in a layer."""
    known = {(one.api, one.namespace or "", one.name): one.object for one in layer.rendered}
    return lambda live: known.get((kind_of(live), *key(live)))


@dataclass(frozen=True)
class Wanted:
    """What must be true of one ServiceMonitor.

    Attributes:
        monitor: as Git has it.
        series: names of series that its targets must deliver.
        place: file and line, for the remedy.
        declared: finds a workload in Git, whose replicas count and not those of the cluster.
    """

    monitor: Object
    series: tuple[str, ...] = ()
    place: str = ""
    declared: Declared = lambda _: None

    @classmethod
    def of(cls, rendered: Rendered, layer: Layer) -> Wanted:
        """Return what the layer says about a ServiceMonitor."""
        return cls(rendered.object, series(rendered), place_of(rendered), declared_in(layer))

    def pool(self, index: int) -> str:
        """Return the name of an endpoint's scrape pool (prometheus-operator 0.88.0, pkg/prometheus/promcfg.go)."""
        namespace, name = key(self.monitor)
        return f"serviceMonitor/{namespace}/{name}/{index}"

    @property
    def pools(self) -> list[str]:
        """Return the scrape pools of all its endpoints."""
        return [self.pool(index) for index in range(len(at(self.monitor, "spec", "endpoints") or ()))]


@dataclass(frozen=True)
class Observed:
    """What was seen of one ServiceMonitor.

    Attributes:
        monitor: as the cluster has it, or None.
        selected: whether a Prometheus takes it.
        expected: for each scrape pool how many targets there must be, and who says so.
        jobs: whether each scrape pool is in the configuration that Prometheus has loaded.
        targets: those of its scrape pools.
        samples: for each target's labels how many samples its last scrape left.
        delivered: for each wanted series whether a target delivers it.
        since: when looking began, by Prometheus' clock.
        cause: what the explanations say.
        lacking: why a wanted series cannot be delivered, where that is not the application's own affair.
    """

    monitor: Object | None
    selected: bool = False
    expected: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    jobs: frozenset[str] = frozenset()
    targets: tuple[Target, ...] = ()
    samples: Mapping[frozenset[tuple[str, str]], float] = field(default_factory=dict)
    delivered: Mapping[str, bool] = field(default_factory=dict)
    since: datetime | None = None
    cause: Cause | None = None
    lacking: Cause | None = None


def observe(wanted: Wanted, view: View, prometheus: Prometheus, since: datetime) -> Observed:
    """Read what the cluster and Prometheus say about a ServiceMonitor.

    Args:
        wanted: the ServiceMonitor.
        view: of the cluster.
        prometheus: that scrapes.
        since: when looking began, by Prometheus' clock.
    """
    namespace, name = key(wanted.monitor)
    monitor = view.get(MONITOR_KIND, name, namespace)
    if monitor is None:
        return Observed(None)
    if not selected_by(monitor, view):
        return Observed(monitor, cause=explain(monitor, view))
    pools = set(wanted.pools)
    targets = tuple(target for target in prometheus.targets() if target.pool in pools)
    delivered = {series: _delivered(series, targets, prometheus) for series in wanted.series}
    lacking = (undelivered(series, view) for series, comes in delivered.items() if not comes)
    return Observed(
        monitor,
        selected=True,
        expected={
            wanted.pool(index): _expected(endpoint, monitor, view, wanted.declared)
            for index, endpoint in enumerate(at(monitor, "spec", "endpoints") or ())
        },
        jobs=frozenset(prometheus.scrape_jobs() & pools),
        targets=targets,
        samples={sample.identity: sample.value for sample in prometheus.query(SAMPLES)},
        delivered=delivered,
        since=since,
        cause=explain(monitor, view),
        lacking=next(filter(None, lacking), None),
    )


def _expected(endpoint: Mapping[str, Any], monitor: Object, view: View, declared: Declared) -> tuple[int, str]:
    """Return how many targets an endpoint must have, and in words who says so."""
    services = [service for service in matched_services(monitor, view) if takes(endpoint, service, view)]
    counts = [_behind(service, view, declared) for service in services]
    return sum(number for number, _ in counts), "; ".join(words for _, words in counts) or "no Service that it selects"


def _behind(service: Object, view: View, declared: Declared) -> tuple[int, str]:
    """Return how many pods must be behind a Service: as many as Git asks for, or as there are nodes."""
    workloads = workloads_of(view, service)
    if workloads:
        # An autoscaler owns the number of pods, whatever Git has said before there was one.
        counts = [
            (workload, replicas(workload, None if is_scaled(workload, view) else declared(workload)))
            for workload in workloads
        ]
        return sum(n for _, n in counts), ", ".join(f"{name_of(w)} with {n}" for w, n in counts)
    pods = pods_of(view, service)
    if pods:
        return len(pods), f"{len(pods)} pods of {name_of(service)}"
    addresses = {a for entry in endpoints(view, service) for a in entry.get("addresses") or ()}
    return len(addresses), f"{len(addresses)} addresses of {name_of(service)}"


def replicas(workload: Object, declared: Object | None) -> int:
    """Return how many pods a workload must have.

    Args:
        workload: as the cluster has it.
        declared: as Git has it, or None.
    """
    if kind_of(workload) == "apps/v1/DaemonSet":
        return int(at(workload, "status", "desiredNumberScheduled") or 0)
    stated = at(declared, "spec", "replicas")
    number = stated if stated is not None else at(workload, "spec", "replicas")
    return 1 if number is None else int(number)


def _delivered(series: str, targets: Sequence[Target], prometheus: Prometheus) -> bool:
    """Tell whether a series comes from one of the targets, recognised by job and instance."""
    sources = {(target.labels.get("job"), target.labels.get("instance")) for target in targets}
    samples = prometheus.query(f'count by (job, instance) ({{__name__="{series}"}})')
    return any((sample.labels.get("job"), sample.labels.get("instance")) in sources for sample in samples)
