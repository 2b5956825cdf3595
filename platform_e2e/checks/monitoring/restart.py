"""Prometheus comes back: after its pod was deleted it scrapes and evaluates what it did before.

What it has stored it keeps only on a volume: without one the series before are gone, and nothing says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from platform_e2e import timeline
from platform_e2e.checks.monitoring.inventory import stacks
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.diagnosis.explain.monitors import PROMETHEUS_KIND, RULE_KIND, every, of_pool
from platform_e2e.diagnosis.objects import at, condition, counted, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube

OF_PROMETHEUS = {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/managed-by": "prometheus-operator"}
"""Labels of the pods that the operator makes (prometheus-operator 0.88.0, pkg/prometheus/server/statefulset.go)."""

UID = re.compile(r"-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.yaml$")
"""How the name of a rule file ends (prometheus-operator 0.88.0, pkg/operator/rules.go)."""

VERSIONS = ("v1", "v1alpha1")
"""Of the operator's API: that of ServiceMonitors, PodMonitors and Probes, and that of ScrapeConfigs."""

SHOWN = 3
"""How many of what is lacking a sentence names."""

Rule = tuple[str, str, str]
"""File, group and name."""


@dataclass(frozen=True)
class Work:
    """What a Prometheus does at one time.

    Attributes:
        pools: of which it scrapes targets that are up.
        rules: that it has loaded.
        at: that time, by its own clock.
        kept: whether it knows what was at another time that was asked about.
    """

    pools: frozenset[str]
    rules: frozenset[Rule]
    at: datetime
    kept: bool = True


def observe(view: ReadApi, prometheus: Prometheus, before: datetime | None = None) -> Work | None:
    """Return what is scraped and evaluated now; None while it does not answer.

    Args:
        view: of the cluster.
        prometheus: of the release.
        before: a time of which it is asked whether it is known.
    """
    try:
        asked = stacks(view, prometheus)
        return Work(
            frozenset(each.pool for stack in asked for each in stack.targets() if each.health == "up"),
            frozenset((each.file, each.group, each.name) for stack in asked for each in stack.rules()),
            prometheus.now(),
            before is None or bool(prometheus.query(f"count(last_over_time(up[1m] @ {before.timestamp():.3f}))")),
        )
    except ApiError:
        return None


def delete_pods(kube: Kube) -> dict[tuple[str, str], str]:
    """Delete the pods of each Prometheus, and return their uids by namespace and name."""
    pods = list(kube.list("v1/Pod", labels=OF_PROMETHEUS))
    for pod in pods:
        namespace, name = key(pod)
        timeline.current().event("disturbance-start", name_of(pod), change="pod-deleted")
        kube.delete("v1/Pod", name, namespace)
    return {key(pod): str(at(pod, "metadata", "uid")) for pod in pods}


def replaced(pods: Mapping[tuple[str, str], str], view: ReadApi) -> bool:
    """Tell whether pods that were deleted are there again, as others of the same names that are ready."""
    there = {key(pod): pod for pod in view.list("v1/Pod", labels=OF_PROMETHEUS)}
    return all(
        name in there
        and at(there[name], "metadata", "uid") != uid
        and condition(there[name], "Ready").get("status") == "True"
        for name, uid in pods.items()
    )


def check(before: Work, after: Work | None, view: ReadApi) -> list[Finding]:
    """Return what is missing after the restart.

    Args:
        before: what it did.
        after: what it does; None where it does not answer.
        view: of the cluster.
    """
    stack = next(iter(every(PROMETHEUS_KIND, view)), None)
    name = name_of(stack) if stack is not None else "prometheus"
    if after is None:
        return [_finding(name, "it does not answer", "look at its pod's log")]
    lacking = [
        _told({pool for pool in before.pools - after.pools if _is_wanted(pool, view)}, "scrape pool"),
        _told({"/".join(rule) for rule in before.rules - after.rules if _is_there(rule[0], view)}, "rule"),
    ]
    said = "; ".join(filter(None, lacking))
    if said:
        return [
            _finding(name, f"it lacks {said}", "look at the log of its config-reloader, and at its init containers")
        ]
    if stack is not None and stored(stack) and not after.kept:
        cause = Cause(
            "prometheus-forgets",
            f"{name} has a volume ({stored(stack)}) and after its pod was deleted knows nothing of the time before",
            "look whether the volume is the same, and whether Prometheus can read its blocks and its write-ahead log",
        )
        return [Finding(name, Promise.MONITORING, "the series before are there", "they are gone", cause)]
    return []


def _is_wanted(pool: str, view: ReadApi) -> bool:
    """Tell whether what a scrape pool is of still exists: one of another test may have gone meanwhile."""
    of = of_pool(pool)
    return of is None or any(view.get(f"monitoring.coreos.com/{version}/{of[0]}", of[2], of[1]) for version in VERSIONS)


def _is_there(file: str, view: ReadApi) -> bool:
    """Tell whether the PrometheusRule of a rule file still exists; the operator ends the name of the file with its uid."""
    of = UID.search(file)
    return of is None or any(at(rule, "metadata", "uid") == of[1] for rule in every(RULE_KIND, view))


def stored(stack: Object) -> str:
    """Return which field of a Prometheus gives it a volume that outlives its pod; empty where none does."""
    return "storage.volumeClaimTemplate" if at(stack, "spec", "storage", "volumeClaimTemplate") else ""


def figures(after: Work | None) -> dict[str, str]:
    """Return what the verdict's table shows: whether the series before the restart are there."""
    return (
        {} if after is None else {"series before a restart": "kept" if after.kept else "lost with the pod: no volume"}
    )


def _told(names: Collection[str], noun: str) -> str:
    return f"{counted(len(names), noun)} ({listed(sorted(names)[:SHOWN])})" if names else ""


def _finding(name: str, observed: str, remedy: str) -> Finding:
    cause = Cause("prometheus-not-back", f"after the pod of {name} was deleted, {observed}", remedy)
    return Finding(name, Promise.MONITORING, "it does what it did before its pod was deleted", observed, cause)
