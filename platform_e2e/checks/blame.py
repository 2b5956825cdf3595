"""One cause, one failure: what belongs to another promise is reported by that promise's own test, and blocks this one."""

from __future__ import annotations

from collections.abc import Sequence

from platform_e2e.errors import BrokenPlatform
from platform_e2e.explain import home
from platform_e2e.finding import Finding


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


def own(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings whose cause belongs to the promise that they say is broken.

    Raises:
        BlockedByPromise: there are findings, and the causes of all of them belong to other promises.
    """
    mine = [finding for finding in findings if home(finding.cause, finding.promise) == finding.promise]
    if findings and not mine:
        raise BlockedByPromise(findings)
    return mine
