"""How long to wait before the next try: growing, with jitter, and never shorter than the API server asks."""

from __future__ import annotations

import random

FIRST = 0.02
"""Seconds before the second try: an API server that closed one stream usually takes the next at once."""

MOST = 1.0
"""Most seconds between two tries: how late a wait may notice that the API server is back."""


class Backoff:
    """Give the pauses between the tries of one thing.

    Each pause is twice the last, between 50 % and 100 % of it at random, so that the waiters of several processes do not
    come back at the same moment.

    Args:
        first: seconds of the first pause, before jitter.
        most: seconds that no pause exceeds, unless the API server asks for more.
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
            asked: what a Retry-After header asks for, in seconds.
        """
        seconds = self._next * self._chance.uniform(0.5, 1.0)
        self._next = min(self._next * 2, self._most)
        if asked is not None:
            # Later than asked, never earlier: all who were turned away come back spread out.
            seconds += asked
        return seconds

    def reset(self) -> None:
        """Begin anew after a success."""
        self._next = self._first
