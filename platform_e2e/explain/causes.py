"""Every cause the harness can name: its id, the promise it belongs to, and whether waiting could still change it."""

from __future__ import annotations

from dataclasses import dataclass

from platform_e2e.errors import BrokenHarness
from platform_e2e.finding import Cause, Promise


@dataclass(frozen=True)
class Known:
    """What is known about a cause before it occurs.

    Attributes:
        promise: the one that it breaks first. A test of another promise that meets it is blocked by this one, so that one
            cause gives one failure.
        final: it follows from what Git says, so waiting longer does not help.
    """

    promise: Promise
    final: bool = False


_APPLICATIONS, _ENVIRONMENTS = Promise.APPLICATIONS, Promise.ENVIRONMENTS
_LOADBALANCER, _MONITORING, _SELFHEAL = Promise.LOADBALANCER, Promise.MONITORING, Promise.SELFHEAL

CAUSES: dict[str, Known] = {
    "application-missing": Known(_APPLICATIONS),
    "application-unknown": Known(_APPLICATIONS),
    "application-changed": Known(_APPLICATIONS),
    "application-not-automated": Known(_APPLICATIONS, final=True),
    "application-not-pruning": Known(_APPLICATIONS, final=True),
    "application-not-selfhealing": Known(_SELFHEAL, final=True),
    "application-not-healed": Known(_SELFHEAL),
    "application-render-error": Known(_APPLICATIONS),
    "application-not-permitted": Known(_APPLICATIONS),
    "application-missing-crd": Known(_APPLICATIONS),
    "application-webhook": Known(_APPLICATIONS),
    "application-sync-failed": Known(_APPLICATIONS),
    "application-retrying": Known(_APPLICATIONS),
    "application-wave-held": Known(_APPLICATIONS),
    "application-hook-running": Known(_APPLICATIONS),
    "application-stale-revision": Known(_APPLICATIONS),
    "application-shared-resource": Known(_APPLICATIONS),
    "application-object-missing": Known(_APPLICATIONS),
    "object-missing": Known(_APPLICATIONS),
    "applicationset-error": Known(_ENVIRONMENTS),
    "environment-missing": Known(_ENVIRONMENTS, final=True),
    "pod-image": Known(_APPLICATIONS),
    "pod-crash": Known(_APPLICATIONS),
    "pod-probe": Known(_APPLICATIONS),
    "pod-unschedulable": Known(_APPLICATIONS),
    "pod-configuration": Known(_APPLICATIONS),
    "pod-starting": Known(_APPLICATIONS),
    "workload-quota": Known(_APPLICATIONS),
    "loadbalancer-other-controller": Known(_LOADBALANCER),
    "loadbalancer-other-class": Known(_LOADBALANCER, final=True),
    "loadbalancer-no-pool": Known(_LOADBALANCER),
    "loadbalancer-pool-unknown": Known(_LOADBALANCER),
    "loadbalancer-pool-not-allowed": Known(_LOADBALANCER),
    "loadbalancer-address-outside-pools": Known(_LOADBALANCER),
    "loadbalancer-address-taken": Known(_LOADBALANCER),
    "loadbalancer-pool-full": Known(_LOADBALANCER),
    "loadbalancer-wrong-pool": Known(_LOADBALANCER),
    "loadbalancer-wrong-address": Known(_LOADBALANCER),
    "loadbalancer-shared-address": Known(_LOADBALANCER),
    "loadbalancer-no-endpoints": Known(_LOADBALANCER),
    "loadbalancer-target-port": Known(_LOADBALANCER),
    "loadbalancer-not-announced-no-advertisement": Known(_LOADBALANCER),
    "loadbalancer-not-announced-selectors": Known(_LOADBALANCER),
    "loadbalancer-not-announced-no-speaker": Known(_LOADBALANCER),
    "loadbalancer-not-recorded": Known(_LOADBALANCER),
    "loadbalancer-arp-silent": Known(_LOADBALANCER),
    "loadbalancer-arp-other-node": Known(_LOADBALANCER),
    "loadbalancer-unreachable": Known(_LOADBALANCER),
    "loadbalancer-wrong-answer": Known(_LOADBALANCER),
    "monitor-unselected": Known(_MONITORING, final=True),
    "monitor-namespace-unselected": Known(_MONITORING, final=True),
    "monitor-service-unmatched": Known(_MONITORING, final=True),
    "monitor-port-name": Known(_MONITORING, final=True),
    "monitor-no-endpoints": Known(_MONITORING),
    "monitor-not-loaded": Known(_MONITORING),
    "monitor-target-count": Known(_MONITORING),
    "monitor-stale-scrape": Known(_MONITORING),
    "monitor-samples-dropped": Known(_MONITORING),
    "monitor-series-missing": Known(_MONITORING),
    "scrape-error": Known(_MONITORING),
    "service-without-monitor": Known(_MONITORING, final=True),
    "drift-not-healed": Known(_SELFHEAL),
    "drift-healed-by-another": Known(_SELFHEAL),
    "drift-healed-differently": Known(_SELFHEAL),
    "unexplained": Known(_APPLICATIONS),
}


def home(cause: Cause, otherwise: Promise) -> Promise:
    """Return the promise that a cause belongs to; what is unexplained belongs to the promise that met it."""
    if cause.id == "unexplained":
        return otherwise
    known = CAUSES.get(cause.id)
    if known is None:
        raise BrokenHarness(
            f"the cause `{cause.id}` is not in the table of causes", "add it to platform_e2e/explain/causes.py"
        )
    return known.promise


def is_final(cause: Cause) -> bool:
    """Tell whether waiting longer cannot change a cause."""
    known = CAUSES.get(cause.id)
    return known is not None and known.final


def unexplained(what: str) -> Cause:
    """Return the cause of what no explanation covers; the sentence says what was seen last."""
    return Cause(
        "unexplained",
        f"none of the known causes applies; {what}",
        "look at the events and logs that were kept, then add the cause to platform_e2e/explain",
    )
