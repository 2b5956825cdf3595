"""The whole of what Prometheus scrapes: each target is one monitor's, none is two monitors', and none that is wanted is dropped."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from platform_e2e.checks.monitoring import configuration
from platform_e2e.checks.monitoring.prometheus import DroppedTarget, Prometheus, ScrapeTarget
from platform_e2e.checks.monitoring.unmonitored import Identity, identity
from platform_e2e.diagnosis.cached import CachedReader
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.monitors import (
    AGENT_KIND,
    PROMETHEUS_KIND,
    SCRAPE_CONFIG_KIND,
    SCRAPING_KINDS,
    SELECTED_KINDS,
    chooses,
    entry_of,
    every,
    is_of_pods,
    of_pool,
    pools_of,
    rules_of,
    selected_by,
)
from platform_e2e.diagnosis.explain.scrapes import not_loaded, relabelled
from platform_e2e.diagnosis.explain.targets import is_like
from platform_e2e.diagnosis.objects import at, counted, labels_of, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.objects import described

MANAGED = "prometheus_operator_managed_resources"
"""Series of the operator for each kind that it selects, by state (pkg/operator/operator.go)."""

ENDED = frozenset({"Failed", "Succeeded"})
"""Phases of pods that the operator lets Prometheus drop (pkg/prometheus/promcfg.go)."""

T = TypeVar("T", ScrapeTarget, DroppedTarget)

SHOWN = 3
"""How many targets a sentence names."""


def unexplained(targets: Sequence[ScrapeTarget], view: ReadApi, *, secrets: bool = True) -> list[Finding]:
    """Return the jobs of which targets are scraped and that are no monitor's, nor written out in additionalScrapeConfigs.

    Args:
        targets: all that are scraped.
        view: of the cluster.
        secrets: whether Secrets are read, where the jobs are that are written out; if not, any other job may be one of them.
    """
    there = {identity(each) for kind in SCRAPING_KINDS for each in every(kind, view)}
    written = dict(additional_jobs(view)) if secrets else {}
    some_are = any(
        (not secrets and at(each, "spec", "additionalScrapeConfigs")) or not is_managed(each)
        for each in _scraping(view)
    )
    findings = []
    for pool, some in _by_pool(targets).items():
        monitor = of_pool(pool)
        if (monitor in there) if monitor else (pool in written or some_are):
            continue
        whose = (
            f"{described(*_named(monitor))} is not there"
            if monitor
            else "no monitor and no additionalScrapeConfigs says so"
        )
        cause = Cause(
            "target-unexplained",
            f"Prometheus scrapes {listed([target.url for target in some][:SHOWN])} in the job {pool}, and {whose}",
            "look at the operator's log and the config reloader's: what Prometheus has loaded is not what the cluster says",
        )
        name = described(*_named(monitor)) if monitor else f"job/{pool}"
        findings.append(Finding(name, Promise.MONITORING, "each target is one monitor's", "these are none's", cause))
    return findings


def additional_jobs(view: ReadApi) -> Iterator[tuple[str, str]]:
    """Yield each job that is written out in additionalScrapeConfigs, with the Secret that has it; none that may not be read."""
    for prometheus in _scraping(view):
        named = at(prometheus, "spec", "additionalScrapeConfigs") or {}
        if not named:
            continue
        namespace, name = key(prometheus)[0], str(named.get("name"))
        try:
            secret = view.get("v1/Secret", name, namespace) or {}
            text = base64.b64decode(str(at(secret, "data", str(named.get("key"))) or "")).decode()
        except (ApiError, binascii.Error, UnicodeDecodeError):
            continue
        for line in text.splitlines():
            field, colon, job = line.strip().removeprefix("- ").partition(":")
            if field == "job_name" and colon:
                yield job.strip().strip("'\""), described("Secret", name, namespace)


def unloaded(
    view: ReadApi, prometheus: Prometheus, known: Collection[Identity], *, secrets: bool = True
) -> list[Finding]:
    """Return the monitors that a Prometheus takes and that are not in the configuration that it runs with.

    Args:
        view: of the cluster.
        prometheus: of the release.
        known: monitors that have a test of their own.
        secrets: whether Secrets are read.
    """
    told = []
    for taker in every(PROMETHEUS_KIND, view):
        jobs: set[str] | None = None
        for monitor in (each for kind in SCRAPING_KINDS for each in every(kind, view)):
            if identity(monitor) in known or all(key(each) != key(taker) for each in selected_by(monitor, view)):
                continue
            if _is_left_out(monitor, view):
                continue
            jobs = prometheus.of([taker]).scrape_jobs() if jobs is None else jobs
            left = [pool for pool in pools_of(monitor) if pool not in jobs]
            if left:
                cause = not_loaded(monitor, left[0], [taker])
                told.append(Finding(name_of(monitor), Promise.MONITORING, f"{left[0]} is loaded", "it is not", cause))
    # Nothing that was changed since is loaded, where the configuration is not: then that is the fault.
    broken = configuration.check(view, prometheus, secrets=secrets) if told else []
    return list({(each.object, each.cause.id): each for each in broken or told}.values())


def uncreated(targets: Sequence[ScrapeTarget], prometheus: Prometheus, view: ReadApi) -> list[Finding]:
    """Return the ScrapeConfigs of whose static targets Prometheus makes none: it logs that, and goes on without.

    A target is a host and a port. A URL passes the API server and the operator, and since the operator adds relabelings, the loading
    of the configuration too (Prometheus 3, config.CheckTargetAddress).

    Args:
        targets: all that are scraped.
        prometheus: that scrapes them.
        view: of the cluster.
    """
    findings = []
    for config in every(SCRAPE_CONFIG_KIND, view):
        (pool,) = pools_of(config)
        static = [
            str(target) for each in at(config, "spec", "staticConfigs") or () for target in each.get("targets") or ()
        ]
        wrong = [target for target in static if "/" in target]
        if not wrong or pool not in prometheus.scrape_jobs():
            continue
        if sum(target.pool == pool for target in targets) + len(prometheus.dropped(pool)) >= len(static):
            continue
        cause = Cause(
            "scrape-config-targets",
            f"Prometheus makes no target of {listed(wrong)} in {name_of(config)}: a target is a host and a port, and this is a URL",
            "write host:port, and scheme and metricsPath of the ScrapeConfig",
            field=("spec", "staticConfigs", 0, "targets"),
        )
        findings.append(Finding(name_of(config), Promise.MONITORING, "a target of each", "none of some", cause))
    return findings


def is_managed(prometheus: Object) -> bool:
    """Tell whether the operator writes the configuration: it leaves that to others where nothing is selected (operator.go)."""
    fields = [rules_of({"kind": kind.rpartition("/")[2]}).selector for kind in SCRAPING_KINDS]
    return any(at(prometheus, "spec", field) is not None for field in fields)


def _scraping(view: ReadApi) -> list[Object]:
    return [*every(PROMETHEUS_KIND, view), *every(AGENT_KIND, view)]


def scraped_twice(targets: Sequence[ScrapeTarget], known: Collection[Identity]) -> list[Finding]:
    """Return the targets that two monitors scrape of which none has a test of its own.

    Args:
        targets: all that are scraped.
        known: monitors that have one, which tells it.
    """
    pools: dict[str, list[str]] = defaultdict(list)
    for target in targets:
        if target.pool not in pools[target.url]:
            pools[target.url].append(target.pool)
    findings: dict[tuple[str, ...], Finding] = {}
    for url, several in pools.items():
        if len(several) < 2 or any(of_pool(pool) in known for pool in several):
            continue
        names = [described(*_named(monitor)) if (monitor := of_pool(pool)) else f"job/{pool}" for pool in several]
        cause = Cause(
            "monitor-scraped-twice",
            f"{' and '.join(names)} scrape {url} both: what is summed over jobs counts it twice",
            "keep one of them, or let their selectors choose different Services",
        )
        finding = Finding(
            names[0], Promise.MONITORING, "one scrape of each target", counted(len(several), "scrape"), cause
        )
        findings.setdefault(tuple(names), finding)
    return list(findings.values())


def dropped(targets: Sequence[DroppedTarget], view: ReadApi, known: Collection[Identity] = ()) -> list[Finding]:
    """Return the monitors that select something of which relabelling drops the targets.

    Args:
        targets: all that are discovered and not scraped.
        view: of the cluster.
        known: monitors that have a test of their own, which tells it.
    """
    findings = []
    for pool, some in _by_pool(targets).items():
        if of_pool(pool) in known:
            continue
        cause = wrongly_dropped(pool, some, view)
        if cause is not None:
            kind, namespace, name = of_pool(pool) or ("", "", "")
            observed = f"relabelling drops {listed(_shown(some))}"
            expected = "what it selects is scraped"
            findings.append(Finding(described(kind, name, namespace), Promise.MONITORING, expected, observed, cause))
    return findings


def wrongly_dropped(pool: str, targets: Sequence[DroppedTarget], view: ReadApi) -> Cause | None:
    """Return why targets are not scraped that a monitor selects by labels and port; None where it selects none of them.

    Prometheus discovers all endpoints of a namespace and drops those of other Services and ports: that is as it should be.

    Args:
        pool: the scrape pool.
        targets: that are dropped in it.
        view: of the cluster.
    """
    kind, namespace, name = of_pool(pool) or ("", "", "")
    entry = entry_of(pool, view)
    monitor = view.get(f"monitoring.coreos.com/v1/{kind}", name, namespace) if entry is not None else None
    if monitor is None or entry is None or not entry.get("port"):
        return None
    mine = [each for each in targets if is_like(entry["port"], each.port) and _is_wanted(each, monitor, view)]
    return relabelled(monitor, int(pool.rpartition("/")[2]), _shown(mine)) if mine else None


def _is_wanted(target: DroppedTarget, monitor: Object, view: ReadApi) -> bool:
    if target.phase in ENDED:
        return False
    kind, name = ("v1/Pod", target.pod) if is_of_pods(monitor) else ("v1/Service", target.service)
    obj = view.get(kind, name, target.namespace) if name else None
    return obj is not None and chooses(monitor, labels_of(obj))


def _shown(targets: Sequence[DroppedTarget]) -> list[str]:
    names = [described("Pod" if each.pod else "Service", each.pod or each.service, each.namespace) for each in targets]
    return list(dict.fromkeys(names))[:SHOWN]


def _by_pool(targets: Iterable[T]) -> Mapping[str, list[T]]:
    pools: dict[str, list[T]] = defaultdict(list)
    for target in targets:
        pools[target.pool].append(target)
    return pools


def _named(monitor: Identity) -> tuple[str, str, str]:
    kind, namespace, name = monitor
    return kind, name, namespace


def rejected(view: ReadApi, prometheus: Prometheus) -> list[Finding]:
    """Return the kinds of which the operator leaves out more objects than can be named: an event may be gone or unreadable.

    Args:
        view: of the cluster.
        prometheus: that scrapes the operator.
    """
    findings = []
    for sample in prometheus.query(f'sum by (resource) ({MANAGED}{{state="rejected"}})'):
        kind = next((each for each in SELECTED_KINDS if each.endswith(f"/{sample.labels.get('resource')}")), None)
        if kind is None or not sample.value:
            continue
        named = [name_of(each) for each in every(kind, view) if _is_left_out(each, view)]
        if len(named) >= int(sample.value):
            continue
        short = kind.rpartition("/")[2]
        cause = Cause(
            "operator-rejects",
            f"the Prometheus operator leaves out {counted(int(sample.value), short)}, and names {listed(named)} in events",
            "look at the operator's log for `skipping`",
        )
        findings.append(
            Finding(f"kind/{short}", Promise.MONITORING, "the operator leaves out none", str(int(sample.value)), cause)
        )
    return findings


def _is_left_out(obj: Object, view: ReadApi) -> bool:
    cause = explain(obj, view)
    return cause is not None and cause.id.endswith("-rejected")


def stacks(view: ReadApi, prometheus: Prometheus) -> list[Prometheus]:
    """Return each Prometheus object of the cluster as one that can be asked: they scrape different things.

    Args:
        view: of the cluster.
        prometheus: that knows how to reach them.
    """
    return [prometheus.of([each]) for each in every(PROMETHEUS_KIND, view)]


def all_of(
    view: ReadApi, prometheus: Prometheus, known: Collection[Identity], *, secrets: bool = True
) -> list[Finding]:
    """Return what is wrong with the whole of what is scraped, beside what the monitors' own tests tell.

    Args:
        view: of the cluster.
        prometheus: of the release.
        known: monitors that have a test of their own.
        secrets: as of `unexplained`.
    """
    view = CachedReader(view)
    findings = [*rejected(view, prometheus), *unloaded(view, prometheus, known, secrets=secrets)]
    for stack in stacks(view, prometheus):
        targets = stack.targets()
        findings += [
            *unexplained(targets, view, secrets=secrets),
            *uncreated(targets, stack, view),
            *scraped_twice(targets, known),
            *dropped(stack.dropped(), view, known),
        ]
    return findings


def figures(view: ReadApi, prometheus: Prometheus) -> dict[str, int]:
    """Return what the verdict's table shows of it: all targets, and those of jobs that are written out."""
    targets = [target for stack in stacks(view, prometheus) for target in stack.targets()]
    written = dict(additional_jobs(view))
    return {
        "scraped by all monitors": len(targets),
        "written out": sum(target.pool in written for target in targets),
    }
