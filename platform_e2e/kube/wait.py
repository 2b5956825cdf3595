"""One wait from start to end: yields a source's states, records their history, and reports it when the wait fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty
from types import TracebackType
from typing import Generic, Self, TypeVar

from platform_e2e import timeline
from platform_e2e.errors import BrokenHarness, BrokenPlatform, HarnessError
from platform_e2e.finding import Cause
from platform_e2e.kube.sources import Inbox, StateSource, View
from platform_e2e.kube.verdict import Expectation, Failed, Pending, Verdict
from platform_e2e.paths import command

S = TypeVar("S")

LAST_LOOK = 3.0
"""Seconds that the reading after a deadline may take: it makes the last state exact and finds what arrived with the deadline."""

PATIENCE = 30.0
"""Seconds that `consistently` and `never` wait for an API server that does not answer; one needs about 20 s to restart."""

UNREAD = f"is the cluster running, and is this its kubeconfig? `{command('cluster')} list` shows the clusters of this harness"
"""Remedy where the API server did not answer until the end of a wait."""

STOP_SECONDS = 0.5
"""Seconds between two checks whether `follow` was stopped, while nothing happens."""

FIRST_KEPT = 4
LAST_KEPT = 12
"""Number of steps of a history that are shown from its start and its end: they fit the first screen."""

MOST = 1000
"""Number of steps that are kept: a state that changes each second for a quarter of an hour."""

WORDS = 4000
"""Characters of a step: the message of an Application's comparison can fill a screen."""

AS_EXPECTED = "as expected"
"""A step whose state met the expectation."""


@dataclass
class Step:
    """One state of a wait: when it was first seen, in seconds since the start, and how often in a row."""

    seconds: float
    words: str
    times: int = 1


@dataclass
class WaitHistory:
    """The states that one wait saw; equal neighbours are one step.

    Attributes:
        progress: called with the words of each new step.
        began: monotonic time of the start.
        steps: in order; where there are too many, steps from the middle are dropped.
        dropped: how many were dropped.
    """

    progress: Callable[[str], None] | None = None
    began: float = field(default_factory=time.monotonic)
    steps: list[Step] = field(default_factory=list)
    dropped: int = 0

    def add(self, verdict: Verdict) -> str:
        """Record a verdict and return its words."""
        words = verdict.why if isinstance(verdict, Pending | Failed) else AS_EXPECTED
        self.note(words)
        return words

    def note(self, words: str) -> None:
        """Record an observation."""
        words = words if len(words) <= WORDS else f"{words[: WORDS - 3]}..."
        if self.steps and self.steps[-1].words == words:
            self.steps[-1].times += 1
        else:
            self.steps.append(Step(time.monotonic() - self.began, words))
            if len(self.steps) > MOST:
                del self.steps[MOST // 2]
                self.dropped += 1
            if self.progress is not None:
                self.progress(words)

    @property
    def waited(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.began

    def render(self) -> list[str]:
        """Return one line for each step; of a long history the start and the end."""
        lines = [
            f"+{step.seconds:.2f} s  {step.words}" + (f"  (seen {step.times} times)" if step.times > 1 else "")
            for step in self.steps
        ]
        left_out = len(lines) + self.dropped - FIRST_KEPT - LAST_KEPT
        if left_out > 1:
            lines[FIRST_KEPT:-LAST_KEPT] = [f"... {left_out} more steps ..."]
        return lines


@dataclass(frozen=True)
class Report:
    """The report of a failed wait.

    Attributes:
        what: what was expected, in the caller's words.
        outcome: how it ended: `not within 60 s`, `failed after 3.2 s`.
        source: name of what was read.
        last: why the last state was not the expected one.
        state: lines that show the last state.
        history: lines of the history.
        events: lines of the newest events.
        trouble: what kept the harness from reading, or empty.
        cause: why, if it could be determined.
        cause_trouble: why the cause could not be determined, or empty.
    """

    what: str
    outcome: str
    source: str
    last: str
    state: Sequence[str] = ()
    history: Sequence[str] = ()
    events: Sequence[str] = ()
    trouble: str = ""
    cause: Cause | None = None
    cause_trouble: str = ""

    def render(self) -> str:
        """Return the text: expected, object, observed and cause first, then state, history and events."""
        lines = [f"{self.what}: {self.outcome}", f"  object:   {self.source}", f"  observed: {self.last}"]
        if self.cause:
            lines.append(f"  cause:    {self.cause.sentence} [{self.cause.id}]")
        if self.cause_trouble:
            lines.append(f"  cause:    could not be worked out: {self.cause_trouble}")
        if self.trouble:
            lines.append(f"  reading:  {self.trouble}")
        for title, part in (("state", self.state), ("history", self.history), ("events", self.events)):
            if part:
                lines += [f"  {title}:", *(f"    {line}" for line in part)]
        return "\n".join(lines)


class WaitError(HarnessError):
    """A wait failed; the text is its report."""

    def __init__(self, report: Report) -> None:
        unread = UNREAD if report.trouble else ""
        super().__init__(report.render(), report.cause.remedy if report.cause else unread)
        self.report = report
        self.cause = report.cause


class Timeout(WaitError, BrokenPlatform):
    """The expected state did not come in time.

    Attributes:
        report: expected, last state, history, events, cause.
        cause: why, if it could be determined.
    """


class Refuted(WaitError, BrokenPlatform):
    """The expected state can no longer come, or a forbidden one came.

    Attributes:
        report: expected, last state, history, events, cause.
        cause: why, if it could be determined.
    """


class Unobserved(WaitError, BrokenHarness):
    """The source could not be read, so nothing was judged.

    Attributes:
        report: what was to be read, and what kept the harness from it.
        cause: always None.
    """


class Watching(Generic[S]):
    """One wait: yields the source's states and records what its report needs.

    Args:
        source: what to read.
        what: what is expected, as a sentence.
        explain: determines the cause from the last state.
        progress: called with the words of each new step.
    """

    def __init__(
        self,
        source: StateSource[S],
        what: str,
        explain: Callable[[S], Cause | None] | None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._source = source
        self._what = what
        self._explain = explain
        self._inbox: Inbox = Inbox()
        self._view: View[S] = source.open(self._inbox)
        self._history = WaitHistory(progress)
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
        """Add the wait to the run's timeline."""
        ended = error.report.outcome if isinstance(error, WaitError) else f"ended by {type(error).__name__}"
        timeline.current().wait(
            self._what,
            seconds=self._history.waited,
            outcome="met" if error is None else ended,
            steps=self._history.render(),
        )

    @property
    def began(self) -> float:
        """Return the monotonic time of the start."""
        return self._history.began

    def judge(self, state: S, expectation: Expectation[S], *, raising: bool = True) -> Verdict:
        """Judge a state and record the verdict; `Failed` ends the wait."""
        verdict = expectation(state)
        self._last = self._history.add(verdict)
        if raising and isinstance(verdict, Failed):
            raise self.error(Refuted, f"failed after {self._history.waited:.2f} s")
        return verdict

    def states(self, until: float, done: Callable[[], bool] = lambda: False) -> Iterator[S]:
        """Yield each state as it arrives, until a monotonic time or until `done`."""
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
                # Messages that have arrived by now count; later ones do not, or an endless stream would never end.
                last = self._messages + self._inbox.qsize() if last is None else last
                if self._messages >= last or self._inbox.empty():
                    return

    def _next(self, seconds: float) -> Iterator[S]:
        """Process the next message and yield the states that result from it."""
        try:
            part, message = self._inbox.get(timeout=seconds)
        except Empty:
            return
        self._messages += 1
        for _ in part.take(message):
            if self._view.known():
                yield self._view.state()

    def _note_trouble(self) -> None:
        """Record when the source cannot be read, when it can again, and what may have been missed."""
        if self._view.trouble != self._trouble:
            self._trouble = self._view.trouble
            self._history.note(f"cannot be read: {self._trouble}" if self._trouble else "can be read again")
        if self._view.gaps != self._gaps:
            self._gaps = self._view.gaps
            self._history.note("listed again: the API server had forgotten the changes in between")

    def last_look(self) -> Iterator[S]:
        """Yield the states up to a reading that is requested now."""
        self._view.reread()
        yield from self.states(time.monotonic() + LAST_LOOK, self._view.settled)

    def throughout(self, seconds: float) -> Iterator[S]:
        """Yield every state of a period that starts with the first state and ends when all its changes were seen."""
        first = True
        for state in self.states(self.began + PATIENCE, self._view.known):
            first = False
            yield state
        if first:
            raise self.error(Unobserved, f"could not be read within {PATIENCE:g} s")
        yield from self.states(time.monotonic() + seconds)
        yield from self.rest(seconds)

    def rest(self, seconds: float) -> Iterator[S]:
        """Yield the states of a past period that have not arrived yet, up to a reading that is requested now.

        Args:
            seconds: length of the period, for the error.
        """
        self._view.catch_up()
        yield from self.states(time.monotonic() + PATIENCE, self._view.settled)
        if not self._view.settled():
            raise self.error(Unobserved, f"could not be read to the end of {seconds:g} s")

    def error(self, kind: type[WaitError], outcome: str) -> WaitError:
        """Return the error with the wait's report."""
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
        """Return the cause, and the error if it could not be determined."""
        if self._explain is None or not self._view.known():
            return None, ""
        try:
            return self._explain(self._view.state()), ""
        except HarnessError as error:
            return None, error.problem


class _Following(Watching[S]):
    """A wait without an expectation, which is not added to the timeline."""

    def _record(self, error: BaseException | None) -> None:
        pass


def follow(source: StateSource[S], stop: threading.Event) -> Iterator[S]:
    """Yield each state of a source as it arrives, without an expectation; a source that cannot be read yields nothing until it can.

    Args:
        source: what to read: `kube.one(...)`, `kube.many(...)`; it shares the streams of all waits of its client.
        stop: ends it within half a second.
    """
    with _Following(source, source.describe(), None) as following:
        while not stop.is_set():
            yield from following.states(time.monotonic() + STOP_SECONDS, stop.is_set)
