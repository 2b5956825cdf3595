"""Every cause the harness can name: its id, the promise it belongs to, and how long waiting could still change it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from platform_e2e.finding import Cause, Promise


class Symptom(Enum):
    """What a cause is seen from, where that decides what it hides."""

    WORKLOAD_NOT_READY = auto()
    """Pods that do not run or cannot be made."""
    CONFIGURATION = auto()
    """What objects say: with all pods running it would be the same."""
    ANYTHING = auto()


@dataclass(frozen=True)
class Known:
    """What is known about a cause before it occurs.

    Attributes:
        promise: the one that it breaks first. A test of another promise that meets it is blocked by this one, so that one
            cause gives one failure.
        patience: seconds after which waiting no longer helps while the cause stays the same; None where it is not known.
        symptom: what it is seen from.
    """

    promise: Promise
    patience: float | None = None
    symptom: Symptom = Symptom.ANYTHING


GIT = 0.0
"""Patience with a cause that follows from what Git says."""

OBJECTS = 5.0
"""Patience with a cause that follows from objects of the cluster, once all Applications have converged: longer than the change
of another test lasts until it is healed."""

SCRAPES = 20.0
"""Patience with a cause that Prometheus tells: four scrapes of 5 s."""

STUCK = 20.0
"""Patience with a pod or an Application that cannot go on by itself: a kubelet tries an image again after 10 s, then 20 s."""

HELD = 60.0
"""Patience with what is healthy only once something else is there: several times what any object of a sound layer takes."""

RETRIED = 90.0
"""Patience with a sync that is tried again: five attempts that begin 5 s apart and double have pauses of up to 80 s, so that one at
least was made meanwhile."""

HOOKS = 150.0
"""Patience with a hook: a migration of a new cluster's empty database takes seconds; one that waits for a person does not end."""

OBJECT_MISSING = "object-missing"
"""The cause of an object that is not in the cluster."""

_APPLICATIONS, _ENVIRONMENTS = Promise.APPLICATIONS, Promise.ENVIRONMENTS
_LOADBALANCER, _MONITORING, _SELFHEAL = Promise.LOADBALANCER, Promise.MONITORING, Promise.SELFHEAL
_NOT_READY, _WRITTEN = Symptom.WORKLOAD_NOT_READY, Symptom.CONFIGURATION

CAUSES: dict[str, Known] = {
    "application-missing": Known(_APPLICATIONS),
    "application-refused": Known(_APPLICATIONS, GIT),
    "application-namespace-unwatched": Known(_APPLICATIONS, STUCK),
    "foundation-not-applied": Known(_APPLICATIONS, GIT),
    "foundation-not-ready": Known(_APPLICATIONS, GIT),
    "foundation-lacks-object": Known(_APPLICATIONS, GIT),
    "application-unknown": Known(_APPLICATIONS, OBJECTS),
    "application-changed": Known(_APPLICATIONS, OBJECTS),
    "application-not-automated": Known(_APPLICATIONS, GIT),
    "application-not-pruning": Known(_APPLICATIONS, GIT),
    "application-not-retrying": Known(_APPLICATIONS, GIT),
    "application-revision-missing": Known(_APPLICATIONS, GIT),
    "secret-in-git": Known(_APPLICATIONS, GIT),
    "manifests-without-application": Known(_APPLICATIONS, GIT),
    "application-needs-later-wave": Known(_APPLICATIONS, GIT),
    "application-not-selfhealing": Known(_SELFHEAL, GIT),
    "application-not-healed": Known(_SELFHEAL),
    "application-render-error": Known(_APPLICATIONS, STUCK),
    "application-not-permitted": Known(_APPLICATIONS, STUCK),
    "application-missing-crd": Known(_APPLICATIONS, RETRIED),
    "application-api-not-served": Known(_APPLICATIONS, STUCK),
    "application-webhook": Known(_APPLICATIONS, RETRIED),
    "application-sync-failed": Known(_APPLICATIONS, STUCK),
    "application-retrying": Known(_APPLICATIONS, RETRIED),
    "application-wave-held": Known(_APPLICATIONS, HELD),
    "application-hook-running": Known(_APPLICATIONS, HOOKS),
    "application-hook-failed": Known(_APPLICATIONS, RETRIED),
    "application-sync-window": Known(_APPLICATIONS, STUCK),
    "application-stale-revision": Known(_APPLICATIONS, HELD),
    "application-shared-resource": Known(_APPLICATIONS, STUCK),
    "application-object-missing": Known(_APPLICATIONS),
    OBJECT_MISSING: Known(_APPLICATIONS),
    "applicationset-error": Known(_ENVIRONMENTS, STUCK),
    "environment-missing": Known(_ENVIRONMENTS, GIT),
    "pod-image": Known(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "pod-crash": Known(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "pod-probe": Known(_APPLICATIONS, HELD, symptom=_NOT_READY),
    "pod-unschedulable": Known(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "pod-configuration": Known(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "pod-starting": Known(_APPLICATIONS, symptom=_NOT_READY),
    "secret-not-unsealed": Known(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "workload-quota": Known(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "workload-refused": Known(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "ingress-without-controller": Known(_APPLICATIONS, HELD),
    "service-no-endpoints": Known(_APPLICATIONS),
    "deletion-held": Known(_APPLICATIONS),
    "loadbalancer-other-controller": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-other-class": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-class-missing": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-no-pool": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-pool-unknown": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-pool-not-allowed": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-address-outside-pools": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-address-taken": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-pool-full": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-refused": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-wrong-pool": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-wrong-address": Known(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-shared-address": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-no-endpoints": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-target-port": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-no-advertisement": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-selectors": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-nodes": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-interfaces": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-no-speaker": Known(_LOADBALANCER, STUCK),
    "loadbalancer-not-recorded": Known(_LOADBALANCER),
    "loadbalancer-arp-silent": Known(_LOADBALANCER),
    "loadbalancer-arp-other-node": Known(_LOADBALANCER),
    "service-not-loadbalancer": Known(_LOADBALANCER, GIT),
    "loadbalancer-unplanned": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-on-interface": Known(_LOADBALANCER),
    "loadbalancer-no-rules": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-source-ranges": Known(_LOADBALANCER, OBJECTS),
    "loadbalancer-unreachable": Known(_LOADBALANCER, STUCK),
    "loadbalancer-wrong-answer": Known(_LOADBALANCER),
    "monitor-unselected": Known(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-namespace-unselected": Known(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-service-unmatched": Known(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-pod-unmatched": Known(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-port-name": Known(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-target-port": Known(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-no-endpoints": Known(_MONITORING, OBJECTS),
    "monitor-without-endpoints": Known(_MONITORING, OBJECTS),
    "monitor-rejected": Known(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-not-loaded": Known(_MONITORING),
    "monitor-targets-dropped": Known(_MONITORING, SCRAPES),
    "monitor-target-count": Known(_MONITORING),
    "monitor-scrape-interval": Known(_MONITORING, OBJECTS),
    "monitor-stale-scrape": Known(_MONITORING),
    "monitor-samples-dropped": Known(_MONITORING, SCRAPES),
    "monitor-series-missing": Known(_MONITORING, SCRAPES),
    "scrape-error": Known(_MONITORING, SCRAPES),
    "service-without-monitor": Known(_MONITORING, GIT),
    "release-without-monitor": Known(_MONITORING, OBJECTS),
    "drift-not-healed": Known(_SELFHEAL),
    "drift-healed-by-another": Known(_SELFHEAL),
    "drift-healed-differently": Known(_SELFHEAL),
    "drift-ignored": Known(_SELFHEAL, OBJECTS),
    "unexplained": Known(_APPLICATIONS),
}


MET = frozenset({"unexplained", "foundation-not-applied", "foundation-not-ready", "foundation-lacks-object"})
"""Causes that belong to the promise that met them: what no explanation covers, and a release, which its promise stands on."""


def promise_of(cause: Cause, otherwise: str) -> str:
    """Return the promise that a cause belongs to; what is unexplained, or a team's own, belongs to the promise that met it."""
    known = CAUSES.get(cause.id)
    return otherwise if known is None or cause.id in MET else known.promise


def patience(cause: Cause) -> float | None:
    """Return how many seconds it is worth waiting while a cause stays the same; None where it is not known."""
    known = CAUSES.get(cause.id)
    return known.patience if known else None


def symptom(cause: Cause) -> Symptom:
    """Return what a cause is seen from."""
    known = CAUSES.get(cause.id)
    return known.symptom if known else Symptom.ANYTHING


def unexplained(what: str) -> Cause:
    """Return the cause of what no explanation covers; the sentence says what was seen last."""
    return Cause(
        "unexplained",
        f"none of the known causes applies; {what}",
        "look at the events and logs that were kept, then add the cause to platform_e2e/diagnosis/explain",
    )
