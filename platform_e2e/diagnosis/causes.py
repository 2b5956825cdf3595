"""Every cause the harness can name: its id, the promise it belongs to, and how long waiting could still change it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from platform_e2e import paths
from platform_e2e.finding import PROVEN, Cause, Promise


class Symptom(Enum):
    """What a cause is seen from, where that decides what it hides."""

    WORKLOAD_NOT_READY = auto()
    """Pods that do not run or cannot be made."""
    CONFIGURATION = auto()
    """What objects say: with all pods running it would be the same."""
    ANYTHING = auto()


@dataclass(frozen=True)
class CauseProperties:
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
"""Patience with a sync that is tried again: its pauses are 10, 20, 40, 80 and 160 s (checks/retry.py), so that three attempts were
made meanwhile where it has just begun."""

HOOKS = 150.0
"""Patience with a hook: a migration of a new cluster's empty database takes seconds; one that waits for a person does not end."""

OBJECT_MISSING = "object-missing"
"""The cause of an object that is not in the cluster."""

_APPLICATIONS, _ENVIRONMENTS = Promise.APPLICATIONS, Promise.ENVIRONMENTS
_LOADBALANCER, _MONITORING, _SELFHEAL = Promise.LOADBALANCER, Promise.MONITORING, Promise.SELFHEAL
_RULES, _ALERTS, _DASHBOARDS = Promise.RULES, Promise.ALERTS, Promise.DASHBOARDS
_SECRETS = Promise.SECRETS
_NOT_READY, _WRITTEN = Symptom.WORKLOAD_NOT_READY, Symptom.CONFIGURATION

CAUSES: dict[str, CauseProperties] = {
    "application-missing": CauseProperties(_APPLICATIONS),
    "application-refused": CauseProperties(_APPLICATIONS, GIT),
    "application-namespace-unwatched": CauseProperties(_APPLICATIONS, STUCK),
    "foundation-not-applied": CauseProperties(_APPLICATIONS, GIT),
    "foundation-not-ready": CauseProperties(_APPLICATIONS, GIT),
    "foundation-lacks-object": CauseProperties(_APPLICATIONS, GIT),
    "application-unknown": CauseProperties(_APPLICATIONS, OBJECTS),
    "application-unstable": CauseProperties(_APPLICATIONS),
    "application-field-unknown": CauseProperties(_APPLICATIONS, GIT),
    "application-changed": CauseProperties(_APPLICATIONS, OBJECTS),
    "application-not-automated": CauseProperties(_APPLICATIONS, GIT),
    "application-not-pruning": CauseProperties(_APPLICATIONS, GIT),
    "application-not-retrying": CauseProperties(_APPLICATIONS, GIT),
    "application-revision-missing": CauseProperties(_APPLICATIONS, GIT),
    "secret-in-git": CauseProperties(_APPLICATIONS, GIT),
    "credential-in-configmap": CauseProperties(_APPLICATIONS, GIT),
    "application-not-rendered": CauseProperties(_APPLICATIONS, GIT),
    "rendered-otherwise": CauseProperties(_APPLICATIONS, OBJECTS),
    "manifests-without-application": CauseProperties(_APPLICATIONS, GIT),
    "application-needs-later-wave": CauseProperties(_APPLICATIONS, GIT),
    "application-not-selfhealing": CauseProperties(_SELFHEAL, GIT),
    "application-not-healed": CauseProperties(_SELFHEAL),
    "application-render-error": CauseProperties(_APPLICATIONS, STUCK),
    "application-not-permitted": CauseProperties(_APPLICATIONS, STUCK),
    "application-missing-crd": CauseProperties(_APPLICATIONS, RETRIED),
    "application-api-not-served": CauseProperties(_APPLICATIONS, STUCK),
    "application-webhook": CauseProperties(_APPLICATIONS, RETRIED),
    "admission-refuses": CauseProperties(_APPLICATIONS, STUCK),
    "application-sync-failed": CauseProperties(_APPLICATIONS, STUCK),
    "application-retrying": CauseProperties(_APPLICATIONS, RETRIED),
    "application-wave-held": CauseProperties(_APPLICATIONS, HELD),
    "application-waits-for-unjudged": CauseProperties(_APPLICATIONS, GIT),
    "application-hook-running": CauseProperties(_APPLICATIONS, HOOKS),
    "application-hook-failed": CauseProperties(_APPLICATIONS, RETRIED),
    "application-sync-window": CauseProperties(_APPLICATIONS, STUCK),
    "application-stale-revision": CauseProperties(_APPLICATIONS, HELD),
    "application-shared-resource": CauseProperties(_APPLICATIONS, STUCK),
    "application-object-missing": CauseProperties(_APPLICATIONS),
    OBJECT_MISSING: CauseProperties(_APPLICATIONS),
    "applicationset-error": CauseProperties(_ENVIRONMENTS, STUCK),
    "environment-missing": CauseProperties(_ENVIRONMENTS, GIT),
    "pod-image": CauseProperties(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "pod-crash": CauseProperties(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "pod-probe": CauseProperties(_APPLICATIONS, HELD, symptom=_NOT_READY),
    "pod-unschedulable": CauseProperties(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "pod-configuration": CauseProperties(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "pod-starting": CauseProperties(_APPLICATIONS, symptom=_NOT_READY),
    "secret-not-unsealed": CauseProperties(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "workload-quota": CauseProperties(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "workload-refused": CauseProperties(_APPLICATIONS, STUCK, symptom=_NOT_READY),
    "ingress-without-controller": CauseProperties(_APPLICATIONS, HELD),
    "service-no-endpoints": CauseProperties(_APPLICATIONS),
    "deletion-held": CauseProperties(_APPLICATIONS),
    "loadbalancer-other-controller": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-other-class": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-class-missing": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-no-pool": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-pool-unknown": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-pool-not-allowed": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-address-outside-pools": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-address-taken": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-pool-full": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-refused": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-wrong-pool": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-wrong-address": CauseProperties(_LOADBALANCER, OBJECTS, symptom=_WRITTEN),
    "loadbalancer-shared-address": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-no-endpoints": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-target-port": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-no-advertisement": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-selectors": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-nodes": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-interfaces": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-not-announced-no-speaker": CauseProperties(_LOADBALANCER, STUCK),
    "loadbalancer-not-recorded": CauseProperties(_LOADBALANCER),
    "loadbalancer-arp-silent": CauseProperties(_LOADBALANCER),
    "loadbalancer-arp-other-node": CauseProperties(_LOADBALANCER),
    "service-not-loadbalancer": CauseProperties(_LOADBALANCER, GIT),
    "loadbalancer-unplanned": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-on-interface": CauseProperties(_LOADBALANCER),
    "loadbalancer-no-rules": CauseProperties(_LOADBALANCER, OBJECTS),
    "loadbalancer-source-ranges": CauseProperties(_LOADBALANCER, OBJECTS),
    "network-policy": CauseProperties(_LOADBALANCER, STUCK),
    "loadbalancer-unreachable": CauseProperties(_LOADBALANCER, STUCK),
    "loadbalancer-wrong-answer": CauseProperties(_LOADBALANCER),
    "monitor-unselected": CauseProperties(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-namespace-unselected": CauseProperties(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-service-unmatched": CauseProperties(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-pod-unmatched": CauseProperties(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-port-name": CauseProperties(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-target-port": CauseProperties(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "monitor-no-endpoints": CauseProperties(_MONITORING, OBJECTS),
    "monitor-without-endpoints": CauseProperties(_MONITORING, OBJECTS),
    "monitor-rejected": CauseProperties(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "probe-rejected": CauseProperties(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "scrape-config-rejected": CauseProperties(_MONITORING, OBJECTS, symptom=_WRITTEN),
    "scrape-config-targets": CauseProperties(_MONITORING, SCRAPES, symptom=_WRITTEN),
    "prometheus-forbidden": CauseProperties(_MONITORING, SCRAPES),
    "prometheus-config-not-loaded": CauseProperties(_MONITORING),
    "prometheus-config-old": CauseProperties(_MONITORING),
    "prometheus-not-reconciled": CauseProperties(_MONITORING, STUCK),
    "prometheus-not-back": CauseProperties(_MONITORING),
    "prometheus-forgets": CauseProperties(_MONITORING, STUCK),
    "operator-rejects": CauseProperties(_MONITORING),
    "target-unexplained": CauseProperties(_MONITORING),
    "monitor-not-loaded": CauseProperties(_MONITORING),
    "monitor-targets-dropped": CauseProperties(_MONITORING, SCRAPES),
    "monitor-target-count": CauseProperties(_MONITORING),
    "monitor-scraped-twice": CauseProperties(_MONITORING, SCRAPES),
    "monitor-scrape-interval": CauseProperties(_MONITORING, OBJECTS),
    "monitor-stale-scrape": CauseProperties(_MONITORING),
    "monitor-samples-dropped": CauseProperties(_MONITORING, SCRAPES),
    "monitor-series-missing": CauseProperties(_MONITORING, SCRAPES),
    "scrape-over-limit": CauseProperties(_MONITORING, SCRAPES),
    "scrape-too-slow": CauseProperties(_MONITORING, SCRAPES),
    "scrape-too-large": CauseProperties(_MONITORING, SCRAPES),
    "series-too-wide": CauseProperties(_MONITORING, SCRAPES),
    "series-still": CauseProperties(_MONITORING),
    "argocd-info-missing": CauseProperties(_MONITORING),
    "argocd-info-differs": CauseProperties(_MONITORING),
    "release-not-scraped": CauseProperties(_MONITORING, SCRAPES),
    "network-policy-scrape": CauseProperties(_MONITORING, SCRAPES),
    "scrape-error": CauseProperties(_MONITORING, SCRAPES),
    "rule-unselected": CauseProperties(_RULES, OBJECTS, symptom=_WRITTEN),
    "rule-namespace-unselected": CauseProperties(_RULES, OBJECTS, symptom=_WRITTEN),
    "rule-rejected": CauseProperties(_RULES, OBJECTS, symptom=_WRITTEN),
    "alertmanager-config-unselected": CauseProperties(_RULES, OBJECTS, symptom=_WRITTEN),
    "alertmanager-config-namespace-unselected": CauseProperties(_RULES, OBJECTS, symptom=_WRITTEN),
    "alertmanager-config-rejected": CauseProperties(_RULES, OBJECTS, symptom=_WRITTEN),
    "rule-not-parsed": CauseProperties(_RULES, GIT),
    "rule-not-loaded": CauseProperties(_RULES),
    "rule-failing": CauseProperties(_RULES, SCRAPES),
    "rule-not-evaluated": CauseProperties(_RULES),
    "rule-metric-missing": CauseProperties(_RULES, SCRAPES),
    "rule-label-missing": CauseProperties(_RULES, SCRAPES),
    "rule-value-missing": CauseProperties(_RULES, SCRAPES),
    "rule-selector-unmatched": CauseProperties(_RULES, SCRAPES),
    "rule-window-short": CauseProperties(_RULES, OBJECTS),
    "rule-rate-of-gauge": CauseProperties(_RULES, OBJECTS),
    "rule-delta-of-counter": CauseProperties(_RULES, OBJECTS),
    "rule-join-unmatched": CauseProperties(_RULES, SCRAPES),
    "rule-join-ambiguous": CauseProperties(_RULES, OBJECTS),
    "rule-fails-when-met": CauseProperties(_RULES, SCRAPES),
    "rule-label-unknown": CauseProperties(_RULES, SCRAPES),
    "rule-window-unkept": CauseProperties(_RULES, OBJECTS),
    "rule-threshold-idle": CauseProperties(_RULES, SCRAPES),
    "rule-template-label": CauseProperties(_RULES, SCRAPES),
    "rule-recorded-twice": CauseProperties(_RULES, GIT),
    "alert-too-late": CauseProperties(_RULES, GIT),
    "rule-webhook-open": CauseProperties(_RULES, GIT),
    "alert-firing": CauseProperties(_RULES, STUCK),
    "alert-pending": CauseProperties(_RULES, HELD),
    "alert-not-received": CauseProperties(_RULES),
    "alertmanager-missing": CauseProperties(_RULES, SCRAPES),
    "alerting-without-watchdog": CauseProperties(_RULES, GIT),
    "alert-unrouted": CauseProperties(_ALERTS, GIT),
    "alert-receiver-empty": CauseProperties(_ALERTS, GIT),
    "alert-muted": CauseProperties(_ALERTS, GIT),
    "alert-silenced": CauseProperties(_ALERTS, GIT),
    "alert-not-delivered": CauseProperties(_ALERTS),
    "alert-not-cleared": CauseProperties(_ALERTS),
    "alert-received-otherwise": CauseProperties(_ALERTS),
    "probe-alert-not-firing": CauseProperties(_ALERTS),
    "alert-not-fired": CauseProperties(_ALERTS),
    "alert-still-firing": CauseProperties(_ALERTS),
    "alert-not-missed": CauseProperties(_ALERTS),
    "fault-not-finished": CauseProperties(_ALERTS),
    "fault-left": CauseProperties(_ALERTS),
    "inhibition-label-unknown": CauseProperties(_ALERTS, GIT),
    "alertmanager-config-not-loaded": CauseProperties(_MONITORING, STUCK),
    "alert-never-fires": CauseProperties(_ALERTS, GIT),
    "alert-for-unreachable": CauseProperties(_ALERTS, GIT),
    "alert-text-fails": CauseProperties(_ALERTS, GIT),
    "alert-case-fails": CauseProperties(_ALERTS, GIT),
    "alert-case-invalid": CauseProperties(_ALERTS, GIT),
    "alert-case-stale": CauseProperties(_ALERTS, GIT),
    "dashboard-invalid": CauseProperties(_DASHBOARDS, GIT),
    "dashboard-unlabelled": CauseProperties(_DASHBOARDS, GIT),
    "dashboard-namespace": CauseProperties(_DASHBOARDS, GIT),
    "dashboard-file-name": CauseProperties(_DASHBOARDS, GIT),
    "dashboard-uid-twice": CauseProperties(_DASHBOARDS, GIT),
    "dashboard-datasource-unknown": CauseProperties(_DASHBOARDS, GIT),
    "dashboard-variable-empty": CauseProperties(_DASHBOARDS, SCRAPES),
    "dashboard-query-fails": CauseProperties(_DASHBOARDS, OBJECTS),
    "dashboard-metric-missing": CauseProperties(_DASHBOARDS, SCRAPES),
    "dashboard-label-missing": CauseProperties(_DASHBOARDS, SCRAPES),
    "dashboard-value-missing": CauseProperties(_DASHBOARDS, SCRAPES),
    "dashboard-selector-unmatched": CauseProperties(_DASHBOARDS, SCRAPES),
    "dashboard-not-shown": CauseProperties(_DASHBOARDS),
    "dashboard-label-unknown": CauseProperties(_DASHBOARDS, SCRAPES),
    "dashboard-legend-label": CauseProperties(_DASHBOARDS, SCRAPES),
    "dashboard-unit": CauseProperties(_DASHBOARDS, OBJECTS),
    "dashboard-window-short": CauseProperties(_DASHBOARDS, OBJECTS),
    "dashboard-window-unkept": CauseProperties(_DASHBOARDS, OBJECTS),
    "dashboard-rate-of-gauge": CauseProperties(_DASHBOARDS, OBJECTS),
    "dashboard-delta-of-counter": CauseProperties(_DASHBOARDS, OBJECTS),
    "dashboard-threshold-idle": CauseProperties(_DASHBOARDS, SCRAPES),
    "dashboard-join-unmatched": CauseProperties(_DASHBOARDS, SCRAPES),
    "dashboard-join-ambiguous": CauseProperties(_DASHBOARDS, OBJECTS),
    "dashboard-fails-when-met": CauseProperties(_DASHBOARDS, SCRAPES),
    "service-without-monitor": CauseProperties(_MONITORING, GIT),
    "release-without-monitor": CauseProperties(_MONITORING, OBJECTS),
    "secret-not-managed": CauseProperties(_SECRETS, STUCK, symptom=_NOT_READY),
    "sealed-secret-unattended": CauseProperties(_SECRETS, HELD, symptom=_NOT_READY),
    "unsealed-secret-missing": CauseProperties(_SECRETS, OBJECTS),
    "unsealed-secret-differs": CauseProperties(_SECRETS, OBJECTS),
    "sealed-secret-other-scope": CauseProperties(_SECRETS, GIT),
    "sealed-secret-other-key": CauseProperties(_SECRETS, GIT),
    "sealed-secret-malformed": CauseProperties(_SECRETS, GIT),
    "sealing-key-not-backed-up": CauseProperties(_SECRETS, GIT),
    "drift-not-healed": CauseProperties(_SELFHEAL),
    "drift-healed-by-another": CauseProperties(_SELFHEAL),
    "drift-healed-differently": CauseProperties(_SELFHEAL),
    "drift-ignored": CauseProperties(_SELFHEAL, OBJECTS),
    "unmanaged-change": CauseProperties(_SELFHEAL),
    "drift-not-counted": CauseProperties(_SELFHEAL),
    "secret-tampered": CauseProperties(_SELFHEAL, OBJECTS),
    "prune-disabled": CauseProperties(Promise.PRUNE, GIT),
    "prune-everything-allowed": CauseProperties(Promise.PRUNE, GIT),
    "prune-incomplete": CauseProperties(Promise.PRUNE),
    "prune-took-another": CauseProperties(Promise.PRUNE),
    "retry-unlimited": CauseProperties(Promise.RETRY, GIT),
    "retry-holds-fix": CauseProperties(Promise.RETRY, GIT),
    "retry-not-made": CauseProperties(Promise.RETRY),
    "wave-invalid": CauseProperties(Promise.WAVES, GIT),
    "hook-unknown": CauseProperties(Promise.WAVES, GIT),
    "application-health-unknown": CauseProperties(Promise.WAVES, OBJECTS),
    "wave-out-of-order": CauseProperties(Promise.WAVES),
    "sync-deletes-first": CauseProperties(Promise.ROLLBACK, GIT),
    "rollback-incomplete": CauseProperties(Promise.ROLLBACK),
    "rollback-not-recorded": CauseProperties(Promise.ROLLBACK),
    "requests-lost": CauseProperties(Promise.ROLLBACK),
    "history-not-kept": CauseProperties(Promise.AUDIT, GIT),
    "sync-of-unknown-commit": CauseProperties(Promise.AUDIT),
    "sync-of-nobody": CauseProperties(Promise.AUDIT),
    "heal-not-automated": CauseProperties(Promise.AUDIT),
    "writer-unknown": CauseProperties(Promise.AUDIT),
    "unexplained": CauseProperties(_APPLICATIONS),
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
    """Return the cause of what no explanation covers; the sentence says what was seen last.

    The remedy is for whom the promise belongs to: this package's own is explained in it, a team's own in the team's tests.
    """
    ours = paths.CHECKOUT is not None and PROVEN.get() in {"", *Promise}
    where = (
        "add the cause to platform_e2e/diagnosis/explain"
        if ours
        else "explain it with @explains in your tests (docs/promises.md)"
    )
    return Cause(
        "unexplained",
        f"none of the known causes applies; {what}",
        f"look at the events and logs that were kept, then {where}",
    )
