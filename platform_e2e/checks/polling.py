"""Look again until a check finds nothing, and return what it found last."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from platform_e2e.diagnosis import known_findings
from platform_e2e.diagnosis.causes import patience, promise_of
from platform_e2e.finding import Finding
from platform_e2e.kube.expect import Failed, Met, Pending, Refuted, Timeout, Verdict, poll

S = TypeVar("S")


def until_no_findings(look: Callable[[], list[Finding]], *, timeout: float, what: str) -> list[Finding]:
    """Return the findings that are left when waiting no longer helps; an empty list as soon as there are none.

    Args:
        look: observes and checks.
        timeout: seconds after which what was found last is returned; earlier when the causes are such that they stay, and at once
            when all of them were waited for in this run already.
        what: what should become true, for the record of the wait.
    """
    last: list[Finding] = []
    causes: list[str] = []
    since = time.monotonic()

    def verdict() -> Verdict:
        nonlocal since
        last[:] = look()
        if causes != (now := [finding.cause.id for finding in last]):
            causes[:], since = now, time.monotonic()
        if not last:
            return Met()
        words = "; ".join(f"{finding.object}: {finding.observed}" for finding in last)
        return Failed(words) if _stays(last, time.monotonic() - since) else Pending(words)

    try:
        poll(verdict, timeout=timeout, what=what)
    except (Timeout, Refuted):
        for finding in last if timeout > 0 else ():
            known_findings.current().note(finding, promise_of(finding.cause, finding.promise))
    return last


def seen_until_no_findings(
    observe: Callable[[], S], check: Callable[[S], list[Finding]], *, timeout: float, what: str
) -> tuple[S, list[Finding]]:
    """Return what was seen last with the findings of `until_no_findings`.

    Args:
        observe: looks at what is to be judged.
        check: judges what was seen.
        timeout: seconds, as of `until_no_findings`.
        what: what should become true.
    """
    seen: list[S] = []

    def look() -> list[Finding]:
        seen[:] = [observe()]
        return check(seen[0])

    findings = until_no_findings(look, timeout=timeout, what=what)
    return seen[0], findings


def _stays(findings: Sequence[Finding], seconds: float) -> bool:
    """Tell whether causes that have been the same for some seconds will not go away by themselves."""
    return all(_stayed(finding, seconds) or known_findings.current().promise(finding) for finding in findings)


def _stayed(finding: Finding, seconds: float) -> bool:
    limit = patience(finding.cause)
    return limit is not None and seconds >= limit
