"""Look again until a check finds nothing, and return what it found last."""

from __future__ import annotations

from collections.abc import Callable

from platform_e2e.explain import is_final
from platform_e2e.finding import Finding
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll


def settled(look: Callable[[], list[Finding]], *, timeout: float, what: str) -> list[Finding]:
    """Return the findings that are left when waiting no longer helps; an empty list as soon as there are none.

    Args:
        look: observes and checks.
        timeout: seconds after which what was found last is returned.
        what: what should become true, for the record of the wait.
    """
    last: list[Finding] = []

    def verdict() -> Verdict:
        last[:] = look()
        if not last or all(is_final(finding.cause) for finding in last):
            return Met()
        return Pending("; ".join(f"{finding.object}: {finding.observed}" for finding in last))

    try:
        poll(verdict, timeout=timeout, what=what)
    except Timeout:
        return last
    return last
