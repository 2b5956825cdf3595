"""One cause, one failure: what belongs to another promise is reported by that promise's own test, and blocks this one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from platform_e2e.diagnosis import known_findings
from platform_e2e.diagnosis.causes import CAUSES, Symptom, promise_of, symptom
from platform_e2e.errors import BrokenPlatform
from platform_e2e.finding import Finding
from platform_e2e.gitops.unjudged import WAITS_FOR
from platform_e2e.layer import NotJudged
from platform_e2e.layer.renderer import Reason

APPLIED = "all objects applied"
"""Figure of a finding about an Application whose objects are all as in Git, with no sync going on; others have none."""


WAITS = "application-wave-held"
"""Cause of an operation that waits for an object, such as another Application, of which it knows no more."""


OF_WAITING = frozenset({WAITS, "application-missing", "unexplained"})
"""Causes that an Application may be told with which waits for one that is not judged, or whose maker does."""


class BlockedByPromise(BrokenPlatform):
    """Another promise is broken, and this one cannot be judged before it is mended.

    Attributes:
        by: what blocks, in the words of the report.
        findings: what blocks, for the report of this test where no other one reports it.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        first = findings[0]
        # Where its test has reported it already, that is where it stands in the table.
        promise = known_findings.current().promise(first) or promise_of(first.cause, first.promise)
        self.findings = tuple(findings)
        self.by = f"promise {promise}: {first.cause.sentence} [{first.cause.id}]"
        super().__init__(f"{first.object} cannot be judged: {self.by}", first.cause.remedy)


def depend_on(findings: Sequence[Finding]) -> None:
    """Demand that nothing is wrong, as the ground that another test stands on.

    Raises:
        BlockedByPromise: something is; its own test reports it.
    """
    if findings:
        raise BlockedByPromise(findings)


def behind(finding: Finding, held: Mapping[str, Finding], kept: Iterable[str] = ()) -> Finding | None:
    """Return what holds an Application that a finding about another one only waits for, or None.

    A root is healthy only once the Applications that it keeps are; each of them has a test of its own.

    Args:
        finding: about the one that waits.
        held: by name what holds each Application that has not converged.
        kept: names of the Applications that the one that waits keeps.
    """
    cause = finding.cause
    for name, below in held.items():
        waits = cause.id == WAITS and re.search(rf"\bApplication/{re.escape(name)}(?![\w.-])", cause.sentence)
        # A sentence may count: how often a container has ended.
        through = cause.through and cause.through in {below.cause.through, below.object}
        same = cause.id == below.cause.id and (through or cause.sentence == below.cause.sentence)
        if waits or (name in kept and (same or cause.id == "unexplained")):
            return below
    return None


NOT_RENDERED = "application-not-rendered"
"""The cause of what Argo CD refuses of a layer."""


def unjudged_behind(
    findings: Sequence[Finding], not_judged: Sequence[NotJudged], held: Iterable[Finding] = ()
) -> NotJudged | None:
    """Return what is not judged and is behind all of some findings, so that they tell of no fault; or None.

    Args:
        findings: what keeps a test from its end.
        not_judged: objects of the layer that are not judged.
        held: what holds each Application that has not converged.
    """
    waiting = {each.object: each.cause.through for each in held if each.cause.id == WAITS_FOR}
    known = {each.object: each for each in not_judged}

    def behind_one(finding: Finding) -> NotJudged | None:
        cause = finding.cause
        if cause.id == NOT_RENDERED:
            # That is the fault itself, which is certain without a cluster.
            return None
        itself = known.get(finding.object)
        if itself is not None and itself.reason is Reason.MONITOR and symptom(cause) is Symptom.CONFIGURATION:
            # What it scrapes is not compared; that nothing takes it is certain.
            return None
        # An Application that waits for one is told with what that one lacks, too; its policy is a matter of Git alone.
        through = waiting.get(finding.object, "") if cause.through or cause.id in OF_WAITING else ""
        return known.get(cause.through) or known.get(through) or known.get(finding.object)

    found = [behind_one(finding) for finding in findings]
    return found[0] if found and all(found) else None


def _only_not_ready(finding: Finding) -> bool:
    """Tell whether all objects of an Application are as in Git, and only its workloads are not ready.

    Before all of them are applied, an object that another one lacks may be one of a later sync wave.
    """
    return symptom(finding.cause) is Symptom.WORKLOAD_NOT_READY and APPLIED in finding.details


def findings_of_promise(findings: Sequence[Finding], ground: Callable[[], Sequence[Finding]] = tuple) -> list[Finding]:
    """Return the findings whose cause belongs to the promise that they say is broken.

    Args:
        findings: what a check returned.
        ground: returns what is wrong with what the check stands on, such as the Application that renders the object; asked
            only where there are findings. A known cause there is the cause of these, too, but for pods that do not run:
            once those run, a port that no Service names is still one.

    Raises:
        BlockedByPromise: there are findings, and the cause of all of them belongs to another promise.
    """
    mine = [finding for finding in findings if promise_of(finding.cause, finding.promise) == finding.promise]
    if findings and not mine:
        raise BlockedByPromise(findings)
    # A cause that a team's own explanation has found says what is wrong with the object itself.
    team = [finding for finding in mine if finding.cause.id not in CAUSES]
    if team:
        return team
    if mine:
        promise = mine[0].promise
        below = [finding for finding in ground() if promise_of(finding.cause, promise) != promise]
        apart = [finding for finding in mine if symptom(finding.cause) is Symptom.CONFIGURATION]
        if below and apart and all(map(_only_not_ready, below)):
            return apart
        depend_on(below)
    return mine
