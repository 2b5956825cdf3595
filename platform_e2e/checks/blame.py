"""One cause, one failure: what belongs to another promise is reported by that promise's own test, and blocks this one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from platform_e2e.errors import BrokenPlatform
from platform_e2e.explain import home
from platform_e2e.finding import Finding

PODS = frozenset(
    {
        "pod-configuration", "pod-crash", "pod-image", "pod-probe", "pod-starting", "pod-unschedulable",
        "secret-not-unsealed", "workload-quota",
    }
)  # fmt: skip
"""Causes of an Application whose objects are as in Git, and whose pods do not run."""

WHATEVER_RUNS = frozenset(
    {
        "loadbalancer-address-outside-pools", "loadbalancer-address-taken", "loadbalancer-class-missing",
        "loadbalancer-no-pool", "loadbalancer-other-class", "loadbalancer-pool-full", "loadbalancer-pool-not-allowed",
        "loadbalancer-pool-unknown", "loadbalancer-wrong-address", "loadbalancer-wrong-pool",
        "monitor-namespace-unselected", "monitor-no-endpoints", "monitor-port-name", "monitor-rejected",
        "monitor-service-unmatched", "monitor-unselected",
    }
)  # fmt: skip
"""Causes that objects show by what they say: with all pods running they would be the same."""


class BlockedByPromise(BrokenPlatform):
    """Another promise is broken, and this one cannot be judged before it is mended.

    Attributes:
        by: what blocks, in the words of the report.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Name the promise and what breaks it."""
        first = findings[0]
        promise = home(first.cause, first.promise)
        self.by = f"promise {promise}: {first.cause.sentence} [{first.cause.id}]"
        super().__init__(f"{first.object} cannot be judged: {self.by}", first.cause.remedy)


def require(findings: Sequence[Finding]) -> None:
    """Demand that nothing is wrong, as the ground that another test stands on.

    Raises:
        BlockedByPromise: something is; its own test reports it.
    """
    if findings:
        raise BlockedByPromise(findings)


def own(findings: Sequence[Finding], ground: Callable[[], Sequence[Finding]] = tuple) -> list[Finding]:
    """Return the findings whose cause belongs to the promise that they say is broken.

    Args:
        findings: what a check returned.
        ground: returns what is wrong with what the check stands on, such as the Application that renders the object; asked
            only where there are findings. A known cause there is the cause of these, too, but for pods that do not run:
            whoever mends those still has a port that no Service names.

    Raises:
        BlockedByPromise: there are findings, and the cause of all of them belongs to another promise.
    """
    mine = [finding for finding in findings if home(finding.cause, finding.promise) == finding.promise]
    if findings and not mine:
        raise BlockedByPromise(findings)
    if mine:
        promise = mine[0].promise
        below = [one for one in ground() if home(one.cause, promise) != promise]
        apart = [one for one in mine if one.cause.id in WHATEVER_RUNS]
        if below and apart and all(one.cause.id in PODS for one in below):
            return apart
        require(below)
    return mine
