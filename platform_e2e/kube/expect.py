"""Wait: judge every state of a source until it is as expected, and report what was seen if it never was.

    eventually(kube.one("apps/v1/Deployment", "chat", "chat-dev"), rolled_out, timeout=60, what="chat is rolled out")

An expectation is a function from a state to `Met(value)`, `Pending(why)` or `Failed(why)`. The state is `Object | None` for
`kube.one`, `list[Object]` for `kube.many`, the function's result for `Polled`, and a tuple of these for
`all_of(source, source, ...)`. An absent object or kind is None (or the empty list), not an error.

Every wait starts with a reading that is requested after the wait has started, so it never judges a state from before a write
that the caller has made; from there on each change is judged in order.

All times are seconds; deadlines are monotonic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, overload

from platform_e2e.finding import Cause
from platform_e2e.kube.backoff import pause
from platform_e2e.kube.sources import Joint, Polled, StateSource, pending_on
from platform_e2e.kube.verdict import Expectation, Failed, Met, Pending, Verdict, met_all, met_any, met_each
from platform_e2e.kube.wait import Refuted, Timeout, Unobserved, Watching

__all__ = [
    "Expectation",
    "Failed",
    "Met",
    "Pending",
    "Polled",
    "Refuted",
    "StateSource",
    "Timeout",
    "Unobserved",
    "Verdict",
    "all_of",
    "any_of",
    "consistently",
    "each_of",
    "eventually",
    "eventually_gone",
    "gone",
    "never",
    "pause",
    "poll",
]

S = TypeVar("S")


def eventually(
    source: StateSource[S],
    expectation: Expectation[S],
    *,
    timeout: float,
    what: str,
    for_: float = 0.0,
    explain: Callable[[S], Cause | None] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Any:
    """Wait until a state is as expected and return the value of its `Met`.

    Args:
        source: what to read: `kube.one(...)`, `kube.many(...)`, `Polled(...)`, `all_of(...)`.
        expectation: judges each state.
        timeout: seconds; a last reading is made after them, so a state that came with the deadline counts.
        what: what is expected, as a sentence with the object's name; the first words of the error.
        for_: seconds that every state must stay so from then on. A state that is not as expected restarts this period as long as
            the timeout lasts, so the wait takes at most the sum of both. The value then is that of the last `Met`.
        explain: determines the cause from the last state.
        progress: called with the words of each state that differs from the one before.

    Raises:
        Timeout: the state did not come in time, or did not last.
        Refuted: the expectation returned `Failed`.
        Unobserved: nothing could be read.
    """
    with Watching(source, what, explain, progress) as watching:
        if for_ > 0:
            return _lasting(watching, expectation, timeout=timeout, for_=for_).value
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
    source: StateSource[S],
    expectation: Expectation[S],
    *,
    for_: float,
    what: str,
    explain: Callable[[S], Cause | None] | None = None,
) -> Any:
    """Check that every state is as expected for some time, and return the value of the last `Met`.

    The time starts with the first reading and ends only when every change up to its end was seen. Where the API server had
    forgotten changes (410), the states between two lists are not known; `Report.history` of an error says so.

    Args:
        source: what to read.
        expectation: judges each state; `Pending` is a violation as much as `Failed`.
        for_: seconds.
        what: what must stay true, as a sentence with the object's name.
        explain: determines the cause from the state that violated it.

    Raises:
        Refuted: a state was not as expected.
        Unobserved: the source could not be read, or not to the end.
    """
    with Watching(source, what, explain) as watching:
        value = None
        for state in watching.throughout(for_):
            verdict = watching.judge(state, expectation)
            if not isinstance(verdict, Met):
                raise watching.error(Refuted, f"did not stay so for {for_:g} s")
            value = verdict.value
        return value


def never(
    source: StateSource[S],
    expectation: Expectation[S],
    *,
    for_: float,
    what: str,
    explain: Callable[[S], Cause | None] | None = None,
) -> None:
    """Check that no state is `Met` for some time.

    Args:
        source: what to read.
        expectation: judges each state; `Met` is the violation.
        for_: seconds.
        what: what must not happen, as a sentence with the object's name.
        explain: determines the cause from the state that violated it.

    Raises:
        Refuted: a state was `Met`.
        Unobserved: the source could not be read, or not to the end.
    """
    with Watching(source, what, explain) as watching:
        for state in watching.throughout(for_):
            if isinstance(expectation(state), Met):
                watching.judge(state, lambda _: Failed("it happened"), raising=False)
                raise watching.error(Refuted, f"must not happen, and did within {for_:g} s")
            watching.judge(state, lambda _: Pending("it has not happened"))


def eventually_gone(
    source: StateSource[Any],
    *,
    timeout: float,
    what: str,
    explain: Callable[[Any], Cause | None] | None = None,
) -> None:
    """Wait until an object, or every object of a set, no longer exists.

    Args:
        source: `kube.one(...)` or `kube.many(...)`.
        timeout: seconds.
        what: what must be deleted, as a sentence with the object's name.
        explain: determines the cause from the remaining state.

    Raises:
        Timeout: it still exists; the error names its finalizers.
        Unobserved: nothing could be read.
    """
    eventually(source, gone, timeout=timeout, what=what, explain=explain)


def gone(state: Any) -> Verdict:
    """Judge whether an object, or every object of a set, no longer exists; remaining objects are named with their finalizers."""
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
    """Call a function until it returns `Met`, and return that value; for states that cannot be watched.

    Args:
        fn: returns a verdict; called once more after the deadline. An `Unavailable` API server counts as pending.
        timeout: seconds.
        what: what is expected, as a sentence with the object's name.
        first: seconds between the first two calls; the pauses grow by half each time.
        most: longest seconds between two calls.
        explain: determines the cause from the last verdict.

    Raises:
        Timeout: it did not return `Met` in time.
        Refuted: it returned `Failed`.
        Unobserved: every call raised `Unavailable`.
    """
    return eventually(Polled(fn, what, first=first, most=most), pending_on, timeout=timeout, what=what, explain=explain)


@overload
def all_of(*parts: StateSource[Any]) -> StateSource[tuple[Any, ...]]: ...
@overload
def all_of(*parts: Expectation[S]) -> Expectation[S]: ...
def all_of(*parts: Any) -> Any:
    """Combine sources, or expectations.

    Sources become one source with the tuple of their states, judged when each was read once and then on every change.
    Expectations become one expectation that is met when all are met, with the tuple of their values.
    """
    if all(isinstance(part, StateSource) for part in parts):
        return Joint(parts)
    return met_all(parts)


def any_of(*expectations: Expectation[S]) -> Expectation[S]:
    """Return the expectation that at least one of several holds; its value is that of the first. It fails when all have failed."""
    return met_any(expectations)


def each_of(*expectations: Expectation[Any]) -> Expectation[tuple[Any, ...]]:
    """Return the expectation for `all_of(source, ...)` that judges each source's state by a separate expectation.

    Its value is the tuple of their values.

    Args:
        expectations: for each source, in the same order.
    """
    return met_each(expectations)


class _Hold(Generic[S]):
    """Track since when all states have been as expected."""

    def __init__(self, watching: Watching[S], expectation: Expectation[S]) -> None:
        self._watching = watching
        self._expectation = expectation
        self.began: float | None = None
        self.ever = False
        self.last = Met()

    def take(self, states: Iterable[S]) -> None:
        """Judge states in order."""
        for state in states:
            verdict = self._watching.judge(state, self._expectation)
            if not isinstance(verdict, Met):
                self.began = None
                continue
            self.last, self.ever = verdict, True
            if self.began is None:
                self.began = time.monotonic()

    def take_until_it_turns(self, until: float) -> None:
        """Judge states until a monotonic time, or until the expectation starts or stops to hold.

        A message is always processed completely, or its further states would be lost.
        """
        before = self.began
        self.take(self._watching.states(until, lambda: self.began != before))


def _lasting(watching: Watching[S], expectation: Expectation[S], *, timeout: float, for_: float) -> Met:
    """Wait for a period in which every state is as expected, and return the verdict on its last state.

    Args:
        watching: the wait, started.
        expectation: judges each state.
        timeout: seconds from the wait's start in which the period must start.
        for_: seconds of the period.

    Raises:
        Timeout: no period of that length started in time.
        Refuted: the expectation returned `Failed`.
        Unobserved: nothing could be read, or not to the end of the period.
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
