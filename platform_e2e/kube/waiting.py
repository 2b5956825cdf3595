"""One wait from its begin to its end: pumps a source's states, and tells how it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from queue import Empty
from types import TracebackType
from typing import Generic, Self, TypeVar

from platform_e2e import timeline
from platform_e2e.errors import BrokenHarness, BrokenPlatform, HarnessError
from platform_e2e.finding import Cause
from platform_e2e.kube.history import History, Report
from platform_e2e.kube.source import Inbox, Source, View
from platform_e2e.kube.verdict import Expectation, Failed, Verdict
from platform_e2e.paths import command

S = TypeVar("S")

LAST_LOOK = 3.0
"""Seconds that the reading after a deadline may take: it makes the last state exact and finds what came with the deadline."""

PATIENCE = 30.0
"""Seconds that `consistently` and `never` wait for an API server that does not answer; one needs about 20 s to restart."""

UNREAD = f"is the cluster running, and is this its kubeconfig? `{command('cluster')} list` shows the clusters of this harness"
"""What a person can do where the API server did not answer to the end of a wait."""


class WaitError(HarnessError):
    """An error that tells a wait's report."""

    def __init__(self, report: Report) -> None:
        unread = UNREAD if report.trouble else ""
        super().__init__(report.render(), report.cause.remedy if report.cause else unread)
        self.report = report
        self.cause = report.cause


class Timeout(WaitError, BrokenPlatform):
    """What was expected did not come in time.

    Attributes:
        report: expected, last state, history, events, cause.
        cause: why, where it could be worked out.
    """


class Refuted(WaitError, BrokenPlatform):
    """What was expected cannot come any more, or something came that must not.

    Attributes:
        report: expected, last state, history, events, cause.
        cause: why, where it could be worked out.
    """


class Unobserved(WaitError, BrokenHarness):
    """Nothing could be read, so nothing was judged.

    Attributes:
        report: what was to be read, and what kept the harness from it.
        cause: always None.
    """


class Watching(Generic[S]):
    """One wait: pumps the source's states and remembers what it takes to tell of them."""

    def __init__(
        self,
        source: Source[S],
        what: str,
        explain: Callable[[S], Cause | None] | None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._source = source
        self._what = what
        self._explain = explain
        self._inbox: Inbox = Inbox()
        self._view: View[S] = source.open(self._inbox)
        self._history = History(progress)
        self._last = "nothing was read"
        self._trouble = ""
        self._gaps = 0
        self._messages = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.close()
        self._record(error)

    def _record(self, error: BaseException | None) -> None:
        """Tell the run's timeline how it went."""
        ended = error.report.outcome if isinstance(error, WaitError) else f"ended by {type(error).__name__}"
        timeline.current().wait(
            self._what,
            seconds=self._history.waited,
            outcome="met" if error is None else ended,
            steps=self._history.render(),
        )

    @property
    def began(self) -> float:
        """Return the monotonic time of the begin."""
        return self._history.began

    def judge(self, state: S, expectation: Expectation[S], *, raising: bool = True) -> Verdict:
        """Judge a state and note it; `Failed` ends the wait."""
        verdict = expectation(state)
        self._last = self._history.add(verdict)
        if raising and isinstance(verdict, Failed):
            raise self.error(Refuted, f"failed after {self._history.waited:.2f} s")
        return verdict

    def states(self, until: float, done: Callable[[], bool] = lambda: False) -> Iterator[S]:
        """Yield each state as it comes, until a monotonic time or until it is done."""
        view, last = self._view, None
        while not done():
            now, due = time.monotonic(), view.due()
            if due is not None and due <= now:
                if view.act(until):
                    yield view.state()
            elif now < until or not self._inbox.empty():
                until_due = until if due is None else min(due, until)
                yield from self._next(max(until_due - now, 0.0))
            self._note_trouble()
            if time.monotonic() >= until:
                # What has come by now counts; what comes while it is judged does not, or an endless stream had no end.
                last = self._messages + self._inbox.qsize() if last is None else last
                if self._messages >= last or self._inbox.empty():
                    return

    def _next(self, seconds: float) -> Iterator[S]:
        """Take the next message in and yield the states that it brings."""
        try:
            part, message = self._inbox.get(timeout=seconds)
        except Empty:
            return
        self._messages += 1
        for _ in part.take(message):
            if self._view.known():
                yield self._view.state()

    def _note_trouble(self) -> None:
        """Tell the history when the source cannot be read, when it can again, and what may have been missed."""
        if self._view.trouble != self._trouble:
            self._trouble = self._view.trouble
            self._history.note(f"cannot be read: {self._trouble}" if self._trouble else "can be read again")
        if self._view.gaps != self._gaps:
            self._gaps = self._view.gaps
            self._history.note("listed anew: the API server had forgotten what happened in between")

    def last_look(self) -> Iterator[S]:
        """Yield the states up to a reading that is asked for now."""
        self._view.reread()
        yield from self.states(time.monotonic() + LAST_LOOK, self._view.settled)

    def throughout(self, seconds: float) -> Iterator[S]:
        """Yield every state of a while that begins with the first one and ends with all changes seen."""
        first = True
        for state in self.states(self.began + PATIENCE, self._view.known):
            first = False
            yield state
        if first:
            raise self.error(Unobserved, f"could not be read within {PATIENCE:g} s")
        yield from self.states(time.monotonic() + seconds)
        yield from self.rest(seconds)

    def rest(self, seconds: float) -> Iterator[S]:
        """Yield the states of a while that is over which have not come yet, up to a reading that is asked for now.

        Args:
            seconds: how long the while was, for the error.
        """
        self._view.catch_up()
        yield from self.states(time.monotonic() + PATIENCE, self._view.settled)
        if not self._view.settled():
            raise self.error(Unobserved, f"could not be read to the end of {seconds:g} s")

    def error(self, kind: type[WaitError], outcome: str) -> WaitError:
        """Return the error that tells how the wait went."""
        view = self._view
        if not view.known():
            kind = Unobserved
        cause, cause_trouble = self._cause()
        return kind(
            Report(
                what=self._what,
                outcome=outcome,
                source=self._source.describe(),
                last=self._last,
                state=self._source.show(view.state()) if view.known() else (),
                history=self._history.render(),
                events=self._source.events(),
                trouble=view.trouble,
                cause=cause,
                cause_trouble=cause_trouble,
            )
        )

    def _cause(self) -> tuple[Cause | None, str]:
        """Return the cause, and what kept it from being worked out."""
        if self._explain is None or not self._view.known():
            return None, ""
        try:
            return self._explain(self._view.state()), ""
        except HarnessError as error:
            return None, error.problem
