"""The verdict on a live cluster: for each promise whether it holds, is broken, or is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.errors import ExitCode
from platform_e2e.finding import Finding, Promise
from platform_e2e.validation.rights import helps

JUDGED = (
    Promise.APPLICATIONS,
    Promise.ENVIRONMENTS,
    Promise.LOADBALANCER,
    Promise.MONITORING,
    Promise.SELFHEAL,
)
"""The promises that can be judged by reading alone."""

OF_OBJECTS = (Promise.APPLICATIONS, Promise.SELFHEAL)
"""The promises that are not known without a part of which its reader names none: objects of a kind, as a rule."""


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


def by_promise(
    findings: Sequence[Finding],
    excused: Sequence[tuple[Finding, str]],
    unknown: Mapping[str, Sequence[str]],
    accepted: Mapping[str, str],
) -> tuple[Judged, ...]:
    """Return each promise that is not known, or that a finding breaks, with all that is about it.

    Args:
        findings: that count.
        excused: that do not, each with the reason.
        unknown: by promise why it is not known; nothing for one that is.
        accepted: by promise why it may be unknown; empty for one that may not.
    """
    every = dict.fromkeys([*unknown, *(finding.promise for finding in (*findings, *(told for told, _ in excused)))])
    return tuple(
        Judged(
            promise,
            tuple(finding for finding in findings if finding.promise == promise),
            tuple((finding, why) for finding, why in excused if finding.promise == promise),
            tuple(unknown.get(promise, ())),
            accepted.get(promise, ""),
        )
        for promise in every
    )


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


def unknown_without(
    skipped: SkippedParts, unjudged: Mapping[str, str], blind: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Return by promise why it is not known; nothing for one of JUDGED that is.

    Args:
        skipped: what could not be read.
        unjudged: by promise what of it was not looked at, and how it could be.
        blind: by part the promises of which the expectation could not be read.
    """
    found: dict[str, list[str]] = {promise: [unjudged[promise]] if promise in unjudged else [] for promise in JUDGED}
    for part, why in skipped.parts.items():
        for promise in dict.fromkeys((*(skipped.promises[part] or OF_OBJECTS), *blind.get(part, ()))):
            found.setdefault(promise, []).append(f"{part}: {why}{helping(why)}")
    return found


def helping(why: str) -> str:
    """Return which right would help, as the end of a sentence; empty where none is missing."""
    rule = helps(why)
    return f"; give the user {rule}" if rule else ""
