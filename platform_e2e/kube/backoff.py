"""Pauses between tries: growing, with jitter, and never shorter than the API server asks for. The only module that sleeps."""

from __future__ import annotations

import random
import time

FIRST = 0.02
"""Seconds before the second try: an API server that closed one stream usually accepts the next at once."""

MOST = 1.0
"""Longest pause in seconds between two tries: how late a wait may notice that the API server is back."""


def pause(seconds: float) -> None:
    """Sleep between two tries. To wait for something, use `eventually` or `poll`.

    Args:
        seconds: how long; zero and negative values return at once.
    """
    if seconds > 0:
        time.sleep(seconds)


class Backoff:
    """Give the pauses between the tries of one operation.

    Each pause is twice the last one, reduced at random to between 50 % and 100 % of that, so that several processes do not
    retry at the same moment.

    Args:
        first: seconds of the first pause, before jitter.
        most: longest pause in seconds, unless the API server asks for more.
        chance: source of the jitter.
    """

    def __init__(self, first: float = FIRST, most: float = MOST, chance: random.Random | None = None) -> None:
        self._first = first
        self._most = most
        self._next = first
        self._chance = chance or random.Random()  # noqa: S311  jitter guards nothing

    def pause(self, asked: float | None = None) -> float:
        """Return the next pause in seconds.

        Args:
            asked: seconds that a Retry-After header asks for.
        """
        seconds = self._next * self._chance.uniform(0.5, 1.0)
        self._next = min(self._next * 2, self._most)
        if asked is not None:
            # Later than asked, never earlier, so that rejected clients come back spread out.
            seconds += asked
        return seconds

    def reset(self) -> None:
        """Start from the first pause again, after a success."""
        self._next = self._first
