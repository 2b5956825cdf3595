"""What a series does over the time of a synthetic case: it stays, rises, falls, flips, or is there for a part of it only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Moment:
    """A time in a case.

    Attributes:
        step: the number of the sample.
        since: seconds since the case began.
        length: seconds that the case lasts.
        clock: seconds by the clock of the expression, which is what time() returns.
    """

    step: int
    since: float
    length: float
    clock: float


@dataclass(frozen=True)
class Shape:
    """What a series does.

    Attributes:
        level: its value, where it rises or falls the one at the end; None for what begins at 0, or ends there where it falls.
        slope: by how much it rises in a second.
        clock: how many times the clock is added, such as 1 for a time that stays an hour ahead.
        flips: how much is added in every second sample.
        until: it is there, or has its level, until so many seconds before the end; afterwards it is `then`.
        then: the level afterwards; None where it is gone.
        since: it comes only so many seconds before the end.
        bound: of a histogram, the lowest bucket that counts what is observed.
        absent: whether it is not there at all.
    """

    level: float | None = None
    slope: float = 0.0
    clock: float = 0.0
    flips: float = 0.0
    until: float | None = None
    then: float | None = None
    since: float | None = None
    bound: float | None = None
    absent: bool = False

    @property
    def steady(self) -> bool:
        """Tell whether its value is the same at all times, or as far from the clock."""
        return (
            not (self.absent or self.slope or self.flips or self.bound is not None) and self.until is self.since is None
        )

    def value(self, at: Moment, labels: Mapping[str, str]) -> float | None:
        """Return the value at a moment; None where it is not there.

        Args:
            at: the moment.
            labels: of the series, whose `le` counts in a histogram.
        """
        left = at.length - at.since
        if self.absent or (self.since is not None and left > self.since):
            return None
        if self.until is not None and left < self.until:
            return self.then
        if self.bound is not None and float(labels.get("le", "inf")) < self.bound:
            return 0.0
        if self.level is None:
            line = self.slope * at.since if self.slope >= 0 else -self.slope * left
        else:
            line = self.level - self.slope * left
        flipped = self.flips * (at.step % 2)
        return line + self.clock * at.clock + flipped

    def text(self) -> str:
        """Say what it does in a few words."""
        return ", ".join(self._words()) or "not there"

    def _words(self) -> list[str]:
        if self.absent:
            return []
        words = []
        if self.bound is not None:
            words.append(f"observes values up to {number(self.bound)} and above the bucket below")
        if self.slope:
            words.append(f"{'rises' if self.slope > 0 else 'falls'} by {number(abs(self.slope))} in a second")
            if self.level is not None:
                words.append(f"to {number(self.level)}")
        elif self.clock:
            ahead = self.level or 0.0
            words.append(f"a time {number(abs(ahead))} s {'ahead' if ahead >= 0 else 'ago'}")
        elif self.bound is None:
            words.append(f"stays at {number(self.level or 0.0)}")
        if self.flips:
            words.append(f"flips by {number(self.flips)}")
        if self.until is not None:
            after = "then gone" if self.then is None else f"then {number(self.then)}"
            words.append(f"until {number(self.until)} s before the end, {after}")
        if self.since is not None:
            words.append(f"comes {number(self.since)} s before the end")
        return words

    def distance(self, other: Shape) -> float:
        """Return how far apart two shapes are: below 1 where only their numbers differ."""
        if self == other:
            return 0.0
        plain = replace(self, level=0.0, slope=0.0, bound=None)
        if plain != replace(other, level=0.0, slope=0.0, bound=None):
            return 10.0
        pairs = (
            (self.level or 0.0, other.level or 0.0),
            (self.slope, other.slope),
            (self.bound or 0.0, other.bound or 0.0),
        )
        return sum(abs(a - b) / (abs(a) + abs(b)) for a, b in pairs if a != b)


ABSENT = Shape(absent=True)


def number(value: float) -> str:
    """Return a number as a reader and PromQL have it, of at most twelve digits."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.12g}"
