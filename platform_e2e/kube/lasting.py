"""The wait for something that comes and stays: what holds for a moment only begins the while anew."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Generic, TypeVar

from platform_e2e.kube.verdict import Expectation, Met
from platform_e2e.kube.waiting import Timeout, Watching

S = TypeVar("S")


class _Hold(Generic[S]):
    """Since when the states have been as expected without a break."""

    def __init__(self, watching: Watching[S], expectation: Expectation[S]) -> None:
        self._watching = watching
        self._expectation = expectation
        self.began: float | None = None
        self.ever = False
        self.last = Met()

    def take(self, states: Iterable[S]) -> None:
        """Judge states in their order."""
        for state in states:
            verdict = self._watching.judge(state, self._expectation)
            if not isinstance(verdict, Met):
                self.began = None
                continue
            self.last, self.ever = verdict, True
            if self.began is None:
                self.began = time.monotonic()

    def take_until_it_turns(self, until: float) -> None:
        """Judge states until a monotonic time, or until the expectation begins or ceases to hold.

        A message is always taken in whole: what else it brings would be lost.
        """
        before = self.began
        self.take(self._watching.states(until, lambda: self.began != before))


def lasting(watching: Watching[S], expectation: Expectation[S], *, timeout: float, for_: float) -> Met:
    """Wait for a while in which every state is as expected, and return the verdict on its last one.

    Args:
        watching: the wait that was begun.
        expectation: judges each state.
        timeout: seconds from the wait's begin in which the while must begin.
        for_: seconds that it lasts.

    Raises:
        Timeout: no while of that length began in time.
        Refuted: the expectation said `Failed`.
        Unobserved: nothing could be read, or not to the end of the while.
    """
    hold = _Hold(watching, expectation)
    deadline, looked = watching.began + timeout, False
    while not looked or hold.began is not None:
        began = hold.began
        if began is None:
            hold.take_until_it_turns(deadline)
            if hold.began is None:
                hold.take(watching.last_look())
                looked = True
            continue
        hold.take_until_it_turns(began + for_)
        if hold.began == began:
            hold.take(watching.rest(for_))
        if hold.began == began:
            return hold.last
    words = f"did not stay so for {for_:g} s within {timeout:g} s" if hold.ever else f"not within {timeout:g} s"
    raise watching.error(Timeout, words)
