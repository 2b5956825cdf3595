"""Several Prometheus asked as one: replicas that scrape everything each, shards that share the targets, one beside another.

What the Service `prometheus-operated` leads to is any pod of any Prometheus in its namespace; two answers in a row may be of two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Protocol, TypeVar

from platform_e2e.checks.monitoring.prometheus import (
    ActiveAlert,
    DroppedTarget,
    LoadedRule,
    Loading,
    Prometheus,
    Sample,
    ScrapeTarget,
)
from platform_e2e.diagnosis.explain.monitors import PROMETHEUS_KIND
from platform_e2e.diagnosis.objects import annotations_of, at, condition, labels_of
from platform_e2e.kube.objects import Object, key

OPERATED = "prometheus-operated"
"""The Service that the Prometheus operator makes for every Prometheus of a namespace, whatever its release is called."""

PORT = 9090

NAME_LABEL = "operator.prometheus.io/name"
"""On a pod: the Prometheus object that it is one of (prometheus-operator 0.88.0, pkg/prometheus/common.go)."""

HELM = "meta.helm.sh/release-name"
"""Annotation that Helm puts on what it installs (helm 3, pkg/action/validate.go)."""

WORST = ("down", "unknown", "up")
"""A target's health, the worst first."""


K = TypeVar("K")


class Asks(Protocol):
    """What is needed of a client of the cluster."""

    def list(
        self, kind: str, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Sequence[Object]:
        """Return the objects of a kind."""
        ...

    def proxy(
        self,
        namespace: str,
        service: str,
        port: str | int,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        of: str = "services",
    ) -> bytes:
        """Send a GET to a Service or a pod through the API server and return the body."""
        ...


class Operated(Prometheus):
    """The Prometheus of a namespace.

    Args:
        client: of the cluster.
        namespace: of the Service that the operator makes for it.
    """

    def __init__(self, client: Asks, namespace: str) -> None:
        super().__init__(lambda path, parameters: client.proxy(namespace, self._service, PORT, path, parameters))
        self._client = client
        self._namespace = namespace

    @cached_property
    def _service(self) -> str:
        """Return the Service to ask: beside a team's own Prometheus in the namespace that of the release's."""
        stacks = self._client.list(PROMETHEUS_KIND, self._namespace)
        of_helm = [key(each)[1] for each in stacks if HELM in annotations_of(each)]
        if len(stacks) <= 1 or len(of_helm) != 1:
            return OPERATED
        services = self._client.list("v1/Service", self._namespace)
        chosen = (key(each)[1] for each in services if at(each, "spec", "selector", NAME_LABEL) == of_helm[0])
        return next(chosen, OPERATED)

    def of(self, takers: Sequence[Object]) -> Prometheus:
        """Return those that Prometheus objects stand for, asked pod by pod where the Service leads to more than one.

        Args:
            takers: the Prometheus objects.
        """
        groups: dict[tuple[str, str, str], list[Prometheus]] = defaultdict(list)
        pods = [pod for taker in takers for pod in self._pods(key(taker)[0], key(taker)[1])]
        here = [pod for pod in self._client.list("v1/Pod", self._namespace) if NAME_LABEL in labels_of(pod)]
        if len({key(pod) for pod in (*pods, *here)}) <= 1 or not pods:
            return self
        for pod in pods:
            namespace, name = key(pod)
            ask = partial(self._client.proxy, namespace, name, PORT, of="pods")
            # The pods of a replica are those with its number, one of each shard: prometheus-x-0, prometheus-x-shard-1-0.
            groups[namespace, labels_of(pod)[NAME_LABEL], name.rpartition("-")[2]].append(Prometheus(ask))
        return Together(list(groups.values()))

    def _pods(self, namespace: str, name: str) -> list[Object]:
        """Return the pods of a Prometheus that are ready; that others are not is its own foundation's affair."""
        pods = self._client.list("v1/Pod", namespace, labels={NAME_LABEL: name})
        return [pod for pod in pods if condition(pod, "Ready").get("status") == "True"]


class Together(Prometheus):
    """Several as one that is as good as the worst: what one of them lacks or cannot scrape is lacking, or down.

    Args:
        replicas: of each the shards.
    """

    def __init__(self, replicas: Sequence[Sequence[Prometheus]]) -> None:
        super().__init__(lambda _path, _parameters: b"")
        self._replicas = replicas
        self._shards = [shard for shards in replicas for shard in shards]

    def targets(self) -> list[ScrapeTarget]:
        """Return every target that each replica scrapes, as the worst of them sees it."""
        seen = [
            {(target.pool, target.url, target.identity): target for shard in shards for target in shard.targets()}
            for shards in self._replicas
        ]
        return [min((each[name] for each in seen), key=_bad) for name in _in_all(seen)]

    def dropped(self, pool: str = "") -> list[DroppedTarget]:
        """Return what one of the replicas does not scrape: what a shard drops another one of them takes."""
        found: dict[DroppedTarget, None] = {}
        for shards in self._replicas:
            every = [set(shard.dropped(pool)) for shard in shards]
            found |= dict.fromkeys(each for each in every[0] if all(each in others for others in every))
        return list(found)

    def loadings(self) -> list[Loading]:
        """Return how each of them has loaded its configuration last."""
        return [loading for shard in self._shards for loading in shard.loadings()]

    def label_counts(self, selector: str) -> dict[str, int]:
        """Return for each metric the most labels that its series have at one of them."""
        found: dict[str, int] = {}
        for shard in self._shards:
            for name, number in shard.label_counts(selector).items():
                found[name] = max(found.get(name, 0), number)
        return found

    def query(self, expression: str) -> list[Sample]:
        """Return what an expression is at every replica, the least where they differ."""
        seen = [
            {sample.identity: sample for shard in shards for sample in shard.query(expression)}
            for shards in self._replicas
        ]
        return [min((each[name] for each in seen), key=lambda sample: sample.value) for name in _in_all(seen)]

    def rules(self) -> list[LoadedRule]:
        """Return every rule that all of them evaluate, as the worst sees it."""
        seen = [
            {(rule.file, rule.group, rule.name, rule.query): rule for rule in shard.rules()} for shard in self._shards
        ]
        return [min((each[name] for each in seen), key=lambda rule: rule.health == "ok") for name in _in_all(seen)]

    def alerts(self) -> list[ActiveAlert]:
        """Return the alerts that one of them has."""
        return [alert for shard in self._shards for alert in shard.alerts()]

    def alertmanagers(self) -> list[str]:
        """Return the URLs of the Alertmanagers that one of them sends alerts to."""
        return sorted({url for shard in self._shards for url in shard.alertmanagers()})

    def external_labels(self) -> Mapping[str, str]:
        """Return the labels that all of them give with one value."""
        first, *others = (shard.external_labels() for shard in self._shards)
        return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}

    def names(self) -> list[str]:
        """Return the names of all metrics that one of them has."""
        return sorted({name for shard in self._shards for name in shard.names()})

    def type_of(self, metric: str) -> str:
        """Return the type that a target of one of them tells."""
        told = (shard.type_of(metric) for shard in self._shards)
        return next(filter(None, told), "")

    def help_of(self, metric: str) -> str:
        """Return what a target of one of them says of a metric."""
        told = (shard.help_of(metric) for shard in self._shards)
        return next(filter(None, told), "")

    def retention(self) -> float:
        """Return for how many seconds all of them keep samples."""
        return min((kept for shard in self._shards if (kept := shard.retention())), default=0.0)

    def held(self, expression: str, apart: Collection[str] = ()) -> float:
        """Return for how many seconds a result has been there at every replica."""
        return min(max(shard.held(expression, apart) for shard in shards) for shards in self._replicas)

    def scrape_jobs(self) -> set[str]:
        """Return the names of the jobs that all of them have loaded."""
        return set.intersection(*(shard.scrape_jobs() for shard in self._shards))


def _in_all(seen: Sequence[Mapping[K, Any]]) -> Iterable[K]:
    """Yield the keys that every mapping has, in the order of the first."""
    return (name for name in seen[0] if all(name in each for each in seen))


def _bad(target: ScrapeTarget) -> tuple[int, object]:
    """Return what puts the worst first: its health, an error, then how long ago it was scraped."""
    return WORST.index(target.health), (not target.error, target.last_scrape)
