"""A sync that fails is tried again, so often and with such pauses as its Application says, and stops with its message.

The formula is that of Argo CD 3.2.11 (pkg/apis/application/v1alpha1/types.go, RetryStrategy.NextRetryAt; defaults in
application_defaults.go): `duration` times `factor` to the power of the number of failed attempts, at most `maxDuration`. The
message of an attempt tells of an earlier time than the one at which the next begins: it is made before the attempt is counted
(controller/appcontroller.go, processRequestedAppOperation), so the first pause is `duration` times `factor`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from platform_e2e.diagnosis.explain.sync_windows import DURATION, SECONDS
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.gitops.attempts import NUMBERED
from platform_e2e.kube.objects import Object
from platform_e2e.layer import EXEMPT, Application
from platform_e2e.layer.argo_objects import mapping

HELD_SECONDS = 3600.0
"""Seconds for which a failing sync may keep a newer commit out: who mends it would take the mended one for failed, too."""


@dataclass(frozen=True)
class Schedule:
    """How a failed sync is tried again.

    Attributes:
        limit: attempts after the first; below 0 there is no limit.
        duration: seconds that the pauses grow from.
        factor: by which each pause is longer than the one before.
        longest: seconds that no pause exceeds; 0 for no bound.
        refresh: whether an attempt takes a commit that came meanwhile.
    """

    limit: int = 5
    duration: float = 5.0
    factor: float = 2.0
    longest: float = 180.0
    refresh: bool = False

    @classmethod
    def of(cls, policy: Mapping[str, Any]) -> Schedule:
        """Return what a sync policy says, with Argo CD's defaults for what it does not say."""
        retry = policy.get("retry")
        if not isinstance(retry, Mapping):
            return cls()
        backoff = mapping(retry.get("backoff"))
        return cls(
            limit=int(retry.get("limit") or 0),
            duration=seconds(backoff.get("duration"), cls.duration),
            factor=float(backoff.get("factor", cls.factor)),
            longest=seconds(backoff.get("maxDuration"), cls.longest),
            refresh=retry.get("refresh") is True,
        )

    def pause(self, number: int) -> float:
        """Return the seconds between an attempt's end and the next one's begin.

        Args:
            number: how many attempts have failed, the first included.
        """
        found = self.duration * self.factor**number
        return min(found, self.longest) if self.longest > 0 else found

    @property
    def total(self) -> float:
        """Return the seconds of all pauses together; infinite where there is no limit."""
        return sum(self.pause(number) for number in range(1, self.limit + 1)) if self.limit >= 0 else float("inf")


def seconds(text: object, otherwise: float) -> float:
    """Return a duration as Argo CD reads it: a plain number counts seconds, others are Go's (`1m30s`)."""
    if text in (None, ""):
        return otherwise
    if re.fullmatch(r"\d+", str(text)):
        return float(str(text))
    return sum(float(part["number"]) * SECONDS[part["unit"]] for part in DURATION.finditer(str(text)))


def check(application: Application) -> list[Finding]:
    """Return how an Application would try a sync without an end, or so long that it keeps the commit that mends it out.

    Args:
        application: as Git has it.
    """
    if application.exempt(Promise.RETRY):
        return []
    schedule = Schedule.of(application.sync_policy)
    policy = f"{application.spec_path}.syncPolicy"
    or_else = f"or give the reason as {EXEMPT}{Promise.RETRY} on the Application"
    if schedule.limit < 0:
        cause = Cause(
            "retry-unlimited",
            f"{application} tries a sync that cannot succeed without an end, and it never counts as failed: "
            f"{policy}.retry.limit is {schedule.limit}",
            f"write a number of attempts in {application.place('spec', 'syncPolicy', 'retry', 'limit')}, such as 5; {or_else}",
        )
        return [_finding(str(application), "a sync that cannot succeed stops", "it never does", cause)]
    if schedule.total > HELD_SECONDS and not schedule.refresh:
        minutes = f"{schedule.total / 60:.0f} minutes"
        cause = Cause(
            "retry-holds-fix",
            f"a failing sync of {application} keeps the commit that mends it out for up to {minutes}: {policy}.retry has "
            f"pauses of that length and no refresh: true",
            f"add refresh: true in {application.place('spec', 'syncPolicy', 'retry')}, or make the pauses shorter; {or_else}",
        )
        return [_finding(str(application), "a newer commit is taken within an hour", f"up to {minutes}", cause)]
    return []


@dataclass(frozen=True)
class Attempt:
    """One attempt of a sync that failed and is to be repeated.

    Attributes:
        number: how many were repeated when it had failed, counted from 1.
        ended: when.
        message: Argo CD's own sentence, without the part about the next attempt.
    """

    number: int
    ended: datetime
    message: str


def attempts(apps: Iterable[Object | None]) -> list[Attempt]:
    """Return the failed attempts of an Application's states, in order.

    Args:
        apps: all states that were recorded.
    """
    found: dict[int, Attempt] = {}
    for app in apps:
        now = argocd.operation(app or {})
        if now.backing_off and now.finished is not None:
            said = NUMBERED.sub("", now.message).strip()
            found.setdefault(now.retries, Attempt(now.retries, now.finished, said))
    return list(found.values())


def ended(apps: Iterable[Object | None]) -> argocd.Operation:
    """Return the operation that was tried again, as it was seen last: a heal may have begun since.

    Args:
        apps: all states that were recorded; without a failed attempt the last operation of any kind counts.
    """
    operations = [argocd.operation(app or {}) for app in apps]
    retried = {operation.started for operation in operations if operation.backing_off}
    found = [operation for operation in operations if operation.started in retried]
    return (found or operations or [argocd.Operation()])[-1]


def made(
    name: str, seen: Sequence[Attempt], schedule: Schedule, done: argocd.Operation, *, succeeds: bool
) -> list[Finding]:
    """Return what is wrong with how a sync was tried again.

    Args:
        name: of the Application, as findings have it.
        seen: its failed attempts.
        schedule: what its sync policy says.
        done: the operation at its end.
        succeeds: whether it must have succeeded at last; else it must have stopped after all attempts.
    """
    numbers = [attempt.number for attempt in seen]
    wanted = list(range(1, done.retries + 1))
    gaps = [(later.ended - earlier.ended).total_seconds() for earlier, later in pairwise(seen)]
    early = [
        f"attempt {attempt.number + 1} ended {gap:g} s after the one before, after a pause of {schedule.pause(attempt.number):g} s"
        for attempt, gap in zip(seen, gaps, strict=False)
        if gap < schedule.pause(attempt.number) - argocd.GRAIN_SECONDS
    ]
    phase = "Succeeded" if succeeds else "Failed"
    problems = {
        f"the sync {done.phase or 'has not begun'}: {done.message}": done.phase != phase,
        "it was not tried again": done.retries < 1,
        f"attempts {numbers} were seen, and it counts {done.retries}": numbers != wanted,
        f"it stopped after {done.retries} of {schedule.limit} attempts": not succeeds
        and done.retries != schedule.limit,
        "; ".join(early): bool(early),
    }
    wrong = next((words for words, applies in problems.items() if applies), None)
    if wrong is None:
        return []
    cause = Cause(
        "retry-not-made",
        f"a sync of {name} that failed was not tried again as its policy says: {wrong}",
        "look at the Application's operationState and at the application controller's log",
    )
    return [_finding(name, f"{schedule.limit} attempts at most, and then it is {phase}", wrong, cause)]


def _finding(name: str, expected: str, observed: str, cause: Cause) -> Finding:
    return Finding(name, Promise.RETRY, expected, observed, cause)
