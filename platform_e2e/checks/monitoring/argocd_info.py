"""What Argo CD's metrics say of Applications is what the Applications say: alerts and dashboards see only the metrics.

Of one Application there is one series, whose labels are its state; the series of an earlier state is gone with the next scrape
(Argo CD 3.2.11, controller/metrics/metrics.go).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.monitoring.inventory import stacks
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.diagnosis.objects import at, labels_of, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.objects import described

INFO = "argocd_app_info"

State = tuple[str, str]
"""Status of the sync, and of the health."""


@dataclass(frozen=True)
class Seen:
    """What was seen of Applications.

    Attributes:
        applications: by namespace and name.
        series: by namespace and name the states that there are series of.
    """

    applications: Mapping[tuple[str, str], Object]
    series: Mapping[tuple[str, str], Sequence[State]]


def observe(view: ReadApi, prometheus: Prometheus) -> Seen:
    """Read all Applications, those of tests left out, and their series.

    Args:
        view: of the cluster.
        prometheus: that scrapes Argo CD.
    """
    # In this order: what is made meanwhile has no series that would count as one too many.
    found: dict[tuple[str, str], list[State]] = defaultdict(list)
    for sample in (sample for stack in stacks(view, prometheus) for sample in stack.query(INFO)):
        labels = sample.labels
        namespace = labels.get("exported_namespace") or labels.get("namespace", "")
        state = (labels.get("sync_status", ""), labels.get("health_status", ""))
        if state not in found[namespace, labels.get("name", "")]:
            found[namespace, labels.get("name", "")].append(state)
    applications = {key(app): app for app in view.list(argocd.APPLICATION)}
    tests = {named for named, app in applications.items() if TESTS in labels_of(app)}
    there = {named: app for named, app in applications.items() if named not in tests}
    return Seen(there, {named: states for named, states in found.items() if named not in tests})


def check(seen: Seen) -> list[Finding]:
    """Return the Applications of which the metrics say nothing, or something else.

    Args:
        seen: of Applications and of their series.
    """
    if seen.applications and not seen.series:
        return [_nothing(seen)]
    findings = []
    for named, app in seen.applications.items():
        states, state = seen.series.get(named, ()), _state(app)
        if not states:
            cause = Cause(
                "argocd-info-missing",
                f"no target delivers {INFO} of {name_of(app)}, and of {len(seen.series)} others there is one: no alert can tell of it",
                "look at metricRelabelings of the monitor of Argo CD's application controller, and at its shards",
            )
            findings.append(Finding(name_of(app), Promise.MONITORING, f"a series {INFO}", "none", cause))
        elif list(states) != [state]:
            told = [f"{sync} and {health}" for sync, health in states]
            cause = Cause(
                "argocd-info-differs",
                f"{name_of(app)} is {state[0]} and {state[1]}, and {INFO} says {listed(told)}: alerts on it tell of another state",
                "look at metricRelabelings of the monitor of Argo CD's application controller, and when it was scraped",
            )
            expected = f"{INFO} says {state[0]} and {state[1]}"
            findings.append(Finding(name_of(app), Promise.MONITORING, expected, listed(told), cause))
    for named in seen.series.keys() - seen.applications.keys():
        name = described("Application", named[1], named[0])
        cause = Cause(
            "argocd-info-differs",
            f"{INFO} tells of {name}, which is not there: what counts Applications counts it too",
            "look whether the application controller sees its deletion, and when it was scraped",
        )
        findings.append(Finding(name, Promise.MONITORING, "no series of what is not there", "there is one", cause))
    return findings


def figures(seen: Seen) -> dict[str, int]:
    """Return what the verdict's table shows of it."""
    return {"Applications in metrics": sum(named in seen.series for named in seen.applications)}


def _state(app: Object) -> State:
    # An empty status is told as Unknown (metrics.go, collectApps).
    sync = str(at(app, "status", "sync", "status") or "Unknown")
    return sync, str(at(app, "status", "health", "status") or "Unknown")


def _nothing(seen: Seen) -> Finding:
    cause = Cause(
        "argocd-info-missing",
        f"no target delivers {INFO}, and there are {len(seen.applications)} Applications: every alert on it is dead and healthy",
        "switch controller.metrics of Argo CD's release on, and add a ServiceMonitor for it",
    )
    return Finding(INFO, Promise.MONITORING, f"a series {INFO} of each Application", "none at all", cause)
