"""The hostile waits as they are planned, and what each one's verdict was worth.

A wait's ConfigMap either becomes ready while it waits, and stays so, or never does. Some were ready just before the wait
was begun, and no longer are, by a change that the API server has answered. Some are deleted and made anew meanwhile.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from benchmarks.waits.contender import Done
from benchmarks.waits.faults import FAULTS

RESTARTED_SHARE = 0.1
"""The share of waits around a restart of the API server, which all contenders go through at once: of each that is a
hundred, two hundred of them programs.
"""

NOISE_AFTER = (0.8, 1.6)
"""Least and most seconds from a wait's begin until its ConfigMap changes, or is replaced, without becoming ready."""

NEVER_SHARE = 0.2
"""The share of waits whose ConfigMap never becomes ready."""

STALE_SHARE = 0.25
"""The share of those that were ready until just before the wait."""

READY_AFTER = (1.6, 4.0)
"""Least and most seconds from a wait's begin until its ConfigMap becomes ready: after the first closed stream."""

TIMEOUT = 12.0
"""Seconds that a hostile wait may take: three times what is needed, for a machine that has more to do."""

BUSY_TIMEOUT = 16.0
"""The same where the API server is busy: each 429 asks for a second's pause."""

RESTART_TIMEOUT = 90.0
"""The same around a restart of the API server, for which hundreds of programs are started first."""

MARGIN = 2.0
"""Seconds before its deadline until which a wait must notice what is so; later, it is not judged."""

REPLACED = "object replaced"
BUSY = "server busy (429)"
RESTARTED = "API server restarted"


@dataclass(frozen=True)
class Trial:
    """One hostile wait.

    Attributes:
        fault: its surroundings, one of `FAULTS`.
        name: of its ConfigMap.
        timeout: seconds.
        ready_after: seconds from its begin until its ConfigMap becomes ready, or None where it never does.
        stale: whether it was ready until just before the wait.
        noise_after: seconds from its begin until it changes without becoming ready.
        replaced: whether it is deleted and made anew at that time.
        made_ready: whether it becomes ready by being made anew, not by a change after that.
    """

    fault: str
    name: str
    timeout: float
    ready_after: float | None
    stale: bool
    noise_after: float
    replaced: bool = False
    made_ready: bool = False


def plan(seed: int, waits: int) -> list[Trial]:
    """Return so many hostile waits, the same for each contender.

    Args:
        seed: of all choices.
        waits: how many; a tenth around a restart, the others equally many for each fault, as far as that goes.
    """
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    restarted = int(waits * RESTARTED_SHARE)
    others = [fault for fault in FAULTS if fault != RESTARTED]
    faults = [RESTARTED] * restarted + [others[number % len(others)] for number in range(waits - restarted)]
    trials = [_trial(chance, fault, f"hostile-{number}") for number, fault in enumerate(faults)]
    chance.shuffle(trials)
    return trials


def _trial(chance: random.Random, fault: str, name: str) -> Trial:
    ready_after = None if chance.random() < NEVER_SHARE else chance.uniform(*READY_AFTER)
    replaced = fault == REPLACED
    return Trial(
        fault=fault,
        name=name,
        timeout={BUSY: BUSY_TIMEOUT, RESTARTED: RESTART_TIMEOUT}.get(fault, TIMEOUT),
        ready_after=ready_after,
        stale=chance.random() < STALE_SHARE,
        noise_after=chance.uniform(*NOISE_AFTER),
        replaced=replaced,
        made_ready=replaced and ready_after is not None and chance.random() < 0.5,
    )


class Worth(StrEnum):
    """What a verdict was worth."""

    RIGHT = "right"
    FALSE_PASS = "false pass"  # noqa: S105 - no password
    FALSE_FAIL = "false fail"
    UNJUDGED = "not judged"


def judge(trial: Trial, done: Done | None, sent: int | None, answered: int | None) -> tuple[Worth, str]:
    """Return what a verdict was worth, and the error where it was a false fail.

    Args:
        trial: the wait.
        done: how it ended, or None where it never did.
        sent: monotonic nanoseconds at which the change that makes the ConfigMap ready was sent, or None.
        answered: the same for the API server's answer to it.
    """
    if done is not None and not done.error:
        too_early = sent is None or done.ended < sent
        return (Worth.FALSE_PASS, "") if too_early else (Worth.RIGHT, "")
    if answered is None:
        return Worth.RIGHT, ""
    if done is not None and answered > done.began + (trial.timeout - MARGIN) * 1e9:
        return Worth.UNJUDGED, ""
    return Worth.FALSE_FAIL, done.error if done is not None else "it never returned"


@dataclass
class Tally:
    """The verdicts of one contender under one fault."""

    waits: int = 0
    false_passes: int = 0
    false_fails: int = 0
    unjudged: int = 0
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def false(self) -> int:
        """Return how many verdicts were false."""
        return self.false_passes + self.false_fails

    def add(self, worth: Worth, error: str) -> None:
        """Count a verdict."""
        self.waits += 1
        self.false_passes += worth is Worth.FALSE_PASS
        self.false_fails += worth is Worth.FALSE_FAIL
        self.unjudged += worth is Worth.UNJUDGED
        if worth is Worth.FALSE_FAIL:
            self.errors[error] += 1

    def merge(self, other: Tally) -> None:
        """Add another one's verdicts."""
        self.waits += other.waits
        self.false_passes += other.false_passes
        self.false_fails += other.false_fails
        self.unjudged += other.unjudged
        self.errors += other.errors
