"""The verdict on a live cluster: for each promise whether it holds, is broken, or is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.errors import ExitCode
from platform_e2e.finding import Finding, Promise
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.validation.rights import helps

JUDGED = (
    Promise.APPLICATIONS,
    Promise.ENVIRONMENTS,
    Promise.LOADBALANCER,
    Promise.MONITORING,
    Promise.SELFHEAL,
)
"""The promises that can be judged by reading alone."""

OF_PARTS: Mapping[str, tuple[Promise, ...]] = {
    "checks of LoadBalancer Services": (Promise.LOADBALANCER,),
    "checks of monitors": (Promise.MONITORING,),
    "checks of metrics ports": (Promise.MONITORING,),
    "checks of the foundations' metrics": (Promise.MONITORING,),
    "checks of other monitors": (Promise.MONITORING,),
    "Prometheus": (Promise.MONITORING,),
    "checks of Applications": (Promise.APPLICATIONS, Promise.ENVIRONMENTS),
    "configmap/argocd-cm": (Promise.SELFHEAL,),
}
"""By the name of a part that could not be read, the promises that are not known without it; of any other, those of its objects."""

EXPECTED_FROM: Mapping[str, tuple[Promise, ...]] = {
    "Service": (Promise.LOADBALANCER, Promise.MONITORING),
    "IPAddressPool": (Promise.LOADBALANCER,),
    "L2Advertisement": (Promise.LOADBALANCER,),
    "ServiceMonitor": (Promise.MONITORING,),
    "PodMonitor": (Promise.MONITORING,),
}
"""By kind the promises of which the expectation comes from its objects where there is no checkout: without them findings mislead."""

OF_OBJECTS = (Promise.APPLICATIONS, Promise.SELFHEAL)
"""The promises that are not known where objects of a kind cannot be read."""


class State(StrEnum):
    """What is known of a promise."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Judged:
    """One promise.

    Attributes:
        promise: its name.
        findings: that break it and are not excused.
        excused: findings that a policy or a baseline lets wait, each with the reason.
        unknown: why it is not known, one sentence each.
        accepted: why it may be unknown; empty where it may not.
    """

    promise: str
    findings: tuple[Finding, ...] = ()
    excused: tuple[tuple[Finding, str], ...] = ()
    unknown: tuple[str, ...] = ()
    accepted: str = ""

    @property
    def state(self) -> State:
        """Return whether it holds; one that is broken is so whatever else is not known."""
        if self.findings:
            return State.BROKEN
        return State.UNKNOWN if self.unknown else State.HOLDS


@dataclass(frozen=True)
class Verdict:
    """What a validation found out.

    Attributes:
        cluster: its name for a person.
        promises: each that is judged.
        notes: what a reader must know to understand it, one sentence each.
    """

    cluster: str
    promises: tuple[Judged, ...]
    notes: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the findings that are not excused."""
        return tuple(finding for judged in self.promises for finding in judged.findings)

    @property
    def exit_code(self) -> int:
        """Return the status of errors.ExitCode: broken before unknown."""
        states = {judged.state for judged in self.promises if judged.state is State.BROKEN or not judged.accepted}
        if State.BROKEN in states:
            return ExitCode.BROKEN_PLATFORM
        return ExitCode.UNKNOWN if State.UNKNOWN in states else ExitCode.HOLDS

    def with_findings(self, findings: Sequence[Finding], excused: Sequence[tuple[Finding, str]]) -> Verdict:
        """Return the verdict with more findings.

        Args:
            findings: that count.
            excused: that do not, each with the reason.
        """
        return replace(
            self,
            promises=tuple(
                replace(
                    judged,
                    findings=(*judged.findings, *(each for each in findings if each.promise == judged.promise)),
                    excused=(*judged.excused, *(each for each in excused if each[0].promise == judged.promise)),
                )
                for judged in self.promises
            ),
        )

    def with_unknown(self, promise: str, why: str) -> Verdict:
        """Return the verdict with one more reason why a promise is not known.

        Args:
            promise: its name.
            why: the reason.
        """
        more = (
            replace(each, unknown=(*each.unknown, why)) if each.promise == promise else each for each in self.promises
        )
        return replace(self, promises=tuple(more))


def exit_code(found: Sequence[Verdict]) -> int:
    """Return the status of several verdicts: broken before unknown."""
    codes = {each.exit_code for each in found}
    order = (ExitCode.BROKEN_PLATFORM, ExitCode.UNKNOWN)
    return next((code for code in order if code in codes), ExitCode.HOLDS)


def unreachable(cluster: str, why: str) -> Verdict:
    """Return the verdict on a cluster that cannot be read: every promise is unknown.

    Args:
        cluster: its name for a person.
        why: it cannot be read.
    """
    return Verdict(cluster, tuple(Judged(promise, unknown=(why,)) for promise in JUDGED))


def verdict(
    cluster: str,
    findings: Sequence[Finding],
    excused: Sequence[tuple[Finding, str]],
    skipped: SkippedParts,
    *,
    unjudged: Mapping[str, str],
    from_live: bool = False,
    not_judged: Iterable[NotJudged] = (),
    accepted: Callable[[str], str] = lambda _promise: "",
    notes: Sequence[str] = (),
) -> Verdict:
    """Return the verdict.

    Args:
        cluster: its name for a person.
        findings: that count.
        excused: findings that do not count, each with the reason.
        skipped: what could not be read.
        unjudged: by promise what of it was not looked at, and how it could be.
        from_live: whether the expectation was read from the cluster.
        not_judged: objects of the layer that are not judged.
        accepted: returns why a promise may be unknown, an empty string where it may not.
        notes: for the reader.
    """
    unknown: dict[str, list[str]] = {promise: [unjudged[promise]] if promise in unjudged else [] for promise in JUDGED}
    blind: set[str] = set()
    for part, why in skipped.parts.items():
        expected = EXPECTED_FROM.get(part.removesuffix(" objects"), ()) if from_live else ()
        blind |= set(expected)
        for promise in dict.fromkeys((*OF_PARTS.get(part, OF_OBJECTS), *expected)):
            unknown[promise].append(f"{part}: {why}{helping(why)}")
    findings = [finding for finding in findings if finding.promise not in blind]
    for each in not_judged:
        unknown[Promise.APPLICATIONS].append(str(each))
    every = dict.fromkeys([*JUDGED, *(finding.promise for finding in (*findings, *(told for told, _ in excused)))])
    return Verdict(
        cluster,
        tuple(
            Judged(
                promise,
                tuple(finding for finding in findings if finding.promise == promise),
                tuple((finding, why) for finding, why in excused if finding.promise == promise),
                tuple(unknown.get(promise, ())),
                accepted(promise),
            )
            for promise in every
        ),
        tuple(notes),
    )


def helping(why: str) -> str:
    """Return which right would help, as the end of a sentence; empty where none is missing."""
    rule = helps(why)
    return f"; give the user {rule}" if rule else ""
