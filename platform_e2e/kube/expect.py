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
from collections.abc import Callable
from typing import Any, TypeVar, overload

from platform_e2e.finding import Cause
from platform_e2e.kube.lasting import lasting
from platform_e2e.kube.source import Joint, Polled, Source, pending_on
from platform_e2e.kube.verdict import Expectation, Failed, Met, Pending, Verdict, met_all, met_any, met_each
from platform_e2e.kube.waiting import Refuted, Timeout, Unobserved, Watching

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
    "each_of",
    "eventually",
    "eventually_gone",
    "gone",
    "never",
    "pause",
    "poll",
]

S = TypeVar("S")


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
    for_: float = 0.0,
    explain: Callable[[S], Cause | None] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Any:
    """Wait until a state is as expected and return the value of its `Met`.

    Args:
        source: what to read: `kube.one(...)`, `kube.many(...)`, `Polled(...)`, `all_of(...)`.
        expectation: judges each state.
        timeout: seconds; a last reading is made after them, so what came with the deadline counts.
        what: what is expected, as a sentence with the object's name; the first words of the error.
        for_: seconds that every state must stay so from then on. One that is not begins the while anew as long as the timeout
            lasts, so the whole takes both together at most. The value then is that of the last `Met`.
        explain: works the cause out from the last state.
        progress: is given in words each state that differs from the one before, when it comes.

    Raises:
        Timeout: it did not come in time, or did not last.
        Refuted: the expectation said `Failed`.
        Unobserved: nothing could be read at all.
    """
    with Watching(source, what, explain, progress) as watching:
        if for_ > 0:
            return lasting(watching, expectation, timeout=timeout, for_=for_).value
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
    with Watching(source, what, explain) as watching:
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
    with Watching(source, what, explain) as watching:
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
    eventually(source, gone, timeout=timeout, what=what, explain=explain)


def gone(state: Any) -> Verdict:
    """Judge whether an object, or every object of a set, no longer exists; what is left is named with its finalizers."""
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


def each_of(*expectations: Expectation[Any]) -> Expectation[tuple[Any, ...]]:
    """Return the expectation for `all_of(source, ...)` that judges each source's state by its own expectation.

    Its value is the tuple of their values.

    Args:
        expectations: one for each source, in the same order.
    """
    return met_each(expectations)
