"""Observe a ServiceMonitor or a PodMonitor: what selects it, the targets that it must have, and those that Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from platform_e2e.checks.monitoring.expected_targets import Declared, declared_in, expected_targets
from platform_e2e.checks.monitoring.inventory import wrongly_dropped
from platform_e2e.checks.monitoring.prometheus import Prometheus, ScrapeTarget
from platform_e2e.checks.monitoring.scrape_costs import ScrapeCost, costs
from platform_e2e.diagnosis.cached import CachedReader
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.kept_out import failed_scrape
from platform_e2e.diagnosis.explain.monitors import (
    agents_of,
    entries,
    pool_of,
    selected_by,
)
from platform_e2e.diagnosis.explain.owners import named
from platform_e2e.diagnosis.explain.scrapes import ScrapedPorts, scraped_ports, undelivered
from platform_e2e.diagnosis.objects import name_of
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, Rendered, series
from platform_e2e.layer.limits import Limits

SAMPLES = "scrape_samples_post_metric_relabeling"
"""Series that Prometheus adds for each target: samples left after metric relabelling (docs, concepts/jobs_instances)."""


@dataclass(frozen=True)
class WantedMonitor:
    """What must be true of one ServiceMonitor or PodMonitor.

    Attributes:
        monitor: as Git has it.
        series: names of series that its targets must deliver.
        located: names in a cause's remedy the file and line of the field to change.
        declared: finds a workload in Git, whose replicas count and not those of the cluster.
        limits: that the team states for scrapes.
        rendered: the monitor, with the place where it is written; None where it is of no layer.
    """

    monitor: Object
    series: tuple[str, ...] = ()
    located: Callable[[Cause], Cause] = lambda cause: cause
    declared: Declared = lambda _: None
    limits: Limits = field(default_factory=Limits)
    rendered: Rendered | None = None

    @classmethod
    def of(cls, rendered: Rendered, layer: Layer) -> WantedMonitor:
        """Return what the layer says about a monitor."""
        located = partial(layer.located, otherwise=rendered)
        return cls(rendered.object, series(rendered), located, declared_in(layer), layer.limits, rendered)

    def pool(self, index: int) -> str:
        """Return the name of an endpoint's scrape pool."""
        return pool_of(self.monitor, index)

    @property
    def pools(self) -> list[str]:
        """Return the scrape pools of all its endpoints."""
        return [self.pool(index) for index in range(len(entries(self.monitor)))]


@dataclass(frozen=True)
class ObservedMonitor:
    """What was seen of one ServiceMonitor or PodMonitor.

    Attributes:
        monitor: as the cluster has it, or None.
        takers: the Prometheus objects that take it.
        expected: for each scrape pool how many targets there must be, and who says so.
        jobs: whether each scrape pool is in the configuration that Prometheus has loaded.
        targets: those of its scrape pools.
        twice: URLs of them that another scrape pool has, too, with its name.
        samples: for each target's labels how many samples its last scrape left.
        delivered: for each wanted series whether a target delivers it.
        since: when looking began, by Prometheus' clock.
        apart: by name what makes the pods that cannot be scraped, where others make those that can.
        ports: of the pods behind the first target that is down; None where all are up.
        cause: what the explanations say.
        kept_out: the cause that NetworkPolicies keep Prometheus away from a target, where a scrape fails and they do.
        lacking: why a wanted series cannot be delivered, where that is not the application's own affair.
        dropped: why targets that it selects are not scraped.
        costs: of each scrape, where the team limits them.
        agent: the PrometheusAgent that scrapes in the place of a Prometheus; empty where one does.
    """

    monitor: Object | None
    takers: Sequence[Object] = ()
    expected: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    jobs: frozenset[str] = frozenset()
    targets: tuple[ScrapeTarget, ...] = ()
    twice: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[frozenset[tuple[str, str]], float] = field(default_factory=dict)
    delivered: Mapping[str, bool] = field(default_factory=dict)
    since: datetime | None = None
    apart: Sequence[str] = ()
    ports: ScrapedPorts | None = None
    cause: Cause | None = None
    kept_out: Cause | None = None
    lacking: Cause | None = None
    dropped: Cause | None = None
    costs: Sequence[ScrapeCost] = ()
    agent: str = ""


def observe(wanted: WantedMonitor, view: ReadApi, prometheus: Prometheus, since: datetime) -> ObservedMonitor:
    """Read what the cluster and Prometheus say about a monitor.

    Args:
        wanted: the ServiceMonitor or PodMonitor.
        view: of the cluster.
        prometheus: that scrapes.
        since: when looking began, by Prometheus' clock.
    """
    view = CachedReader(view)
    namespace, name = key(wanted.monitor)
    monitor = view.get(kind_of(wanted.monitor), name, namespace)
    if monitor is None:
        return ObservedMonitor(None)
    takers = selected_by(monitor, view)
    if not takers:
        agents = agents_of(monitor, view)
        return ObservedMonitor(monitor, cause=explain(monitor, view), agent=name_of(agents[0]) if agents else "")
    prometheus = prometheus.of(takers)
    pools = set(wanted.pools)
    every = prometheus.targets()
    targets = tuple(target for target in every if target.pool in pools)
    urls = {target.url for target in targets}
    delivered = {series: _delivered(series, targets, prometheus) for series in wanted.series}
    lacking = (undelivered(series, view) for series, comes in delivered.items() if not comes)
    return ObservedMonitor(
        monitor,
        takers=takers,
        expected={
            wanted.pool(index): expected_targets(entry, monitor, view, wanted.declared)
            for index, entry in enumerate(entries(monitor))
        },
        jobs=frozenset(prometheus.scrape_jobs() & pools),
        targets=targets,
        twice={target.url: target.pool for target in every if target.url in urls and target.pool not in pools},
        samples={sample.identity: sample.value for sample in prometheus.query(SAMPLES)},
        delivered=delivered,
        since=since,
        apart=_apart(targets, view),
        ports=next((scraped_ports(monitor, target.index, view) for target in targets if target.health == "down"), None),
        cause=explain(monitor, view),
        kept_out=_kept_out(monitor, targets, takers, view),
        lacking=next(filter(None, lacking), None),
        dropped=_dropped(prometheus, pools, view),
        costs=costs(targets, wanted.limits, prometheus),
    )


def _dropped(prometheus: Prometheus, pools: Collection[str], view: ReadApi) -> Cause | None:
    """Return why targets of some pools are not scraped, though their monitor selects them."""
    causes = (wrongly_dropped(pool, prometheus.dropped(pool), view) for pool in sorted(pools))
    return next(filter(None, causes), None)


def _kept_out(
    monitor: Object, targets: Sequence[ScrapeTarget], takers: Sequence[Object], view: ReadApi
) -> Cause | None:
    down = {target.url: (target.error, _pod_of(target, view)) for target in targets if target.error}
    return failed_scrape(monitor, down, takers, view) if down else None


def _pod_of(target: ScrapeTarget, view: ReadApi) -> Object | None:
    """Return the pod that a target is of, or None where it is of none."""
    name, namespace = target.labels.get("pod"), target.labels.get("namespace")
    return view.get("v1/Pod", name, namespace) if name and namespace else None


def _apart(targets: Sequence[ScrapeTarget], view: ReadApi) -> list[str]:
    """Return by name what makes the pods of the targets that are down, where none of theirs is up and others are."""
    if all(target.health == "up" for target in targets):
        return []
    pods: dict[bool, list[Object]] = {True: [], False: []}
    for target in targets:
        pod = _pod_of(target, view)
        if pod is not None:
            pods[target.health == "up"].append(pod)
    good, bad = named(pods[True], view), named(pods[False], view)
    return bad if good and not set(good) & set(bad) else []


def _delivered(series: str, targets: Sequence[ScrapeTarget], prometheus: Prometheus) -> bool:
    """Tell whether a series comes from one of the targets, recognised by job and instance."""
    sources = {(target.labels.get("job"), target.labels.get("instance")) for target in targets}
    samples = prometheus.query(f'count by (job, instance) ({{__name__="{series}"}})')
    return any((sample.labels.get("job"), sample.labels.get("instance")) in sources for sample in samples)
