"""Waiting: judge every state of a source until it is as expected, and say what was seen when it never was.

    eventually(kube.one("apps/v1/Deployment", "chat", "chat-dev"), rolled_out, timeout=60, what="chat is rolled out")

An expectation is a function from a state to `Met(value)`, `Pending(why)` or `Failed(why)`. The state is `Object | None` for
`kube.one`, `list[Object]` for `kube.many`, whatever the function returns for `Polled`, and a tuple of these for
`all_of(source, source, ...)`. An absent object or kind is None (or the empty list), not an error.

Every wait begins with a reading that was asked for after the wait was begun, so it never judges a state from before a write
that the caller has made; from there on each change is judged in its order.

All times are seconds; deadlines are monotonic. This is the only module that sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from queue import Empty
from types import TracebackType
from typing import Any, Generic, TypeVar, overload

from platform_e2e.errors import BrokenHarness, BrokenPlatform, HarnessError
from platform_e2e.finding import Cause
from platform_e2e.kube.history import History, Report
from platform_e2e.kube.source import Inbox, Joint, Polled, Source, View, pending_on
from platform_e2e.kube.verdict import Expectation, Failed, Met, Pending, Verdict, met_all, met_any

__all__ = [
    "Expectation",
    "Failed",
    "Met",
    "Pending",
    "Polled",
    "Refuted",
    "Source",
    "Timeout",
    "Unobserved",
    "Verdict",
    "all_of",
    "any_of",
    "consistently",
    "eventually",
    "eventually_gone",
    "never",
    "pause",
    "poll",
]

S = TypeVar("S")

LAST_LOOK = 3.0
"""Seconds that the reading after a deadline may take: it makes the last state exact and finds what came with the deadline."""

PATIENCE = 30.0
"""Seconds that `consistently` and `never` wait for an API server that does not answer; one needs about 20 s to restart."""


class _Told(HarnessError):
    """An error that tells a wait's report."""

    def __init__(self, report: Report) -> None:
        """Render the report; the cause's remedy is the error's."""
        super().__init__(report.render(), report.cause.remedy if report.cause else "")
        self.report = report
        self.cause = report.cause


class Timeout(_Told, BrokenPlatform):
    """What was expected did not come in time.

    Attributes:
        report: expected, last state, history, events, cause.
        cause: why, where it could be worked out.
    """


class Refuted(_Told, BrokenPlatform):
    """What was expected cannot come any more, or something came that must not.

    Attributes:
        report: expected, last state, history, events, cause.
        cause: why, where it could be worked out.
    """


class Unobserved(_Told, BrokenHarness):
    """Nothing could be read, so nothing was judged.

    Attributes:
        report: what was to be read, and what kept the harness from it.
        cause: always None.
    """


def pause(seconds: float) -> None:
    """Wait a moment. Whoever waits for something uses `poll`; this is for the gaps between a thing's own tries.

    Args:
        seconds: how long; nothing happens for zero and less.
    """
    if seconds > 0:
        time.sleep(seconds)


def eventually(
    source: Source[S],
    expectation: Expectation[S],
    *,
    timeout: float,
    what: str,
    explain: Callable[[S], Cause | None] | None = None,
) -> Any:
    """Wait until a state is as expected and return the value of its `Met`.

    Args:
        source: what to read: `kube.one(...)`, `kube.many(...)`, `Polled(...)`, `all_of(...)`.
        expectation: judges each state.
        timeout: seconds; a last reading is made after them, so what came with the deadline counts.
        what: what is expected, as a sentence with the object's name; the first words of the error.
        explain: works the cause out from the last state.

    Raises:
        Timeout: it did not come in time.
        Refuted: the expectation said `Failed`.
        Unobserved: nothing could be read at all.
    """
    with _Watching(source, what, explain) as watching:
        for state in watching.states(watching.began + timeout):
            verdict = watching.judge(state, expectation)
            if isinstance(verdict, Met):
                return verdict.value
        for state in watching.last_look():
            verdict = watching.judge(state, expectation)
            if isinstance(verdict, Met):
                return verdict.value
        raise watching.error(Timeout, f"not within {timeout:g} s")


def consistently(
    source: Source[S],
    expectation: Expectation[S],
    *,
    for_: float,
    what: str,
    explain: Callable[[S], Cause | None] | None = None,
) -> Any:
    """Demand that every state is as expected for a while, and return the value of the last `Met`.

    The while begins with the first reading and ends only when every change up to its end was seen. Where the API server
    had forgotten changes (410), what happened between the two lists is not known; `Report.history` of an error tells it.

    Args:
        source: what to read.
        expectation: judges each state; `Pending` is a violation as much as `Failed`.
        for_: seconds.
        what: what must stay true, as a sentence with the object's name.
        explain: works the cause out from the state that broke it.

    Raises:
        Refuted: a state was not as expected.
        Unobserved: the source could not be read, or not to the end.
    """
    with _Watching(source, what, explain) as watching:
        value = None
        for state in watching.throughout(for_):
            verdict = watching.judge(state, expectation)
            if not isinstance(verdict, Met):
                raise watching.error(Refuted, f"did not stay so for {for_:g} s")
            value = verdict.value
        return value


def never(
    source: Source[S],
    expectation: Expectation[S],
    *,
    for_: float,
    what: str,
    explain: Callable[[S], Cause | None] | None = None,
) -> None:
    """Demand that no state is `Met` for a while.

    Args:
        source: what to read.
        expectation: judges each state; `Met` is the violation.
        for_: seconds.
        what: what must not happen, as a sentence with the object's name.
        explain: works the cause out from the state that broke it.

    Raises:
        Refuted: a state was `Met`.
        Unobserved: the source could not be read, or not to the end.
    """
    with _Watching(source, what, explain) as watching:
        for state in watching.throughout(for_):
            if isinstance(expectation(state), Met):
                watching.judge(state, lambda _: Failed("it happened"), raising=False)
                raise watching.error(Refuted, f"must not happen, and did within {for_:g} s")
            watching.judge(state, lambda _: Pending("it has not happened"))


def eventually_gone(
    source: Source[Any],
    *,
    timeout: float,
    what: str,
    explain: Callable[[Any], Cause | None] | None = None,
) -> None:
    """Wait until an object, or every object of a set, no longer exists.

    Args:
        source: `kube.one(...)` or `kube.many(...)`.
        timeout: seconds.
        what: what is to go, as a sentence with the object's name.
        explain: works the cause out from what is still there.

    Raises:
        Timeout: it still exists; the text names deletion time and finalizers.
        Unobserved: nothing could be read at all.
    """
    eventually(source, _gone, timeout=timeout, what=what, explain=explain)


def _gone(state: Any) -> Verdict:
    """Judge whether nothing is left."""
    left = [state] if isinstance(state, dict) else list(state or [])
    if not left:
        return Met()
    words = []
    for obj in left[:5]:
        meta = obj.get("metadata") or {}
        held = f" held by finalizers {', '.join(meta['finalizers'])}" if meta.get("finalizers") else ""
        words.append(f"{meta.get('name')} {'is being deleted' + held if meta.get('deletionTimestamp') else 'exists'}")
    more = f" and {len(left) - 5} more" if len(left) > 5 else ""
    return Pending(", ".join(words) + more)


def poll(
    fn: Callable[[], Verdict],
    *,
    timeout: float,
    what: str,
    first: float = 0.05,
    most: float = 1.0,
    explain: Callable[[Verdict], Cause | None] | None = None,
) -> Any:
    """Call a function until it says `Met`, and return that value; for what has no watch.

    Args:
        fn: returns a verdict; called once more after the deadline. An `Unavailable` API server counts as pending.
        timeout: seconds.
        what: what is expected, as a sentence with the object's name.
        first: seconds between the first two calls; the pauses grow by half each time.
        most: most seconds between two calls.
        explain: works the cause out from the last verdict.

    Raises:
        Timeout: it did not come in time.
        Refuted: the function said `Failed`.
        Unobserved: it only ever raised `Unavailable`.
    """
    return eventually(Polled(fn, what, first=first, most=most), pending_on, timeout=timeout, what=what, explain=explain)


@overload
def all_of(*parts: Source[Any]) -> Source[tuple[Any, ...]]: ...
@overload
def all_of(*parts: Expectation[S]) -> Expectation[S]: ...
def all_of(*parts: Any) -> Any:
    """Put sources, or expectations, together.

    Sources become one whose state is the tuple of their states, judged as soon as each was read once and then on every
    change of any. Expectations become one that is met when all are met, with the tuple of their values.
    """
    if all(isinstance(part, Source) for part in parts):
        return Joint(parts)
    return met_all(parts)


def any_of(*expectations: Expectation[S]) -> Expectation[S]:
    """Return the expectation that one of several holds; its value is that one's. It fails when all have failed."""
    return met_any(expectations)


class _Watching(Generic[S]):
    """One wait: pumps the source's states and remembers what it takes to tell of them."""

    def __init__(self, source: Source[S], what: str, explain: Callable[[S], Cause | None] | None) -> None:
        self._source = source
        self._what = what
        self._explain = explain
        self._inbox: Inbox = Inbox()
        self._view: View[S] = source.open(self._inbox)
        self._history = History()
        self._last = "nothing was read"
        self._trouble = ""
        self._gaps = 0

    def __enter__(self) -> _Watching[S]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.close()

    @property
    def began(self) -> float:
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
        view = self._view
        while not done():
            now, due = time.monotonic(), view.due()
            if due is not None and due <= now:
                if view.act(until):
                    yield view.state()
            elif now < until or not self._inbox.empty():
                until_due = until if due is None else min(due, until)
                yield from self._next(max(until_due - now, 0.0))
            self._note_trouble()
            if time.monotonic() >= until and self._inbox.empty():
                return

    def _next(self, seconds: float) -> Iterator[S]:
        """Take the next message in and yield the states that it brings."""
        try:
            part, message = self._inbox.get(timeout=seconds)
        except Empty:
            return
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
        self._view.catch_up()
        yield from self.states(time.monotonic() + PATIENCE, self._view.settled)
        if not self._view.settled():
            raise self.error(Unobserved, f"could not be read to the end of {seconds:g} s")

    def error(self, kind: type[_Told], outcome: str) -> _Told:
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
