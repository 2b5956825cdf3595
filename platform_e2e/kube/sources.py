"""Sources of the states that an expectation judges: the interface, polled functions, and several sources combined.

The sources that watch the API server are in `watched.py`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from queue import Queue
from typing import Any, Generic, TypeVar

from platform_e2e.kube.errors import Unavailable
from platform_e2e.kube.verdict import Pending, Verdict

S = TypeVar("S")

GROWTH = 1.5
"""Growth of the pauses of a polled source, as in argo-cd's own e2e tests."""

Inbox = Queue[tuple["View[Any]", object]]
"""Queue of the messages for one wait, each with the view that it is for.

Not a SimpleQueue: in CPython 3.11 its `get` blocks for ever when the timeout passes while it wakes up for an item that was taken
already, since the remaining timeout is then negative (Modules/_queuemodule.c). Measured: once in 1,000 to 10,000 of the shortest
timeouts on a busy machine.
"""


class View(ABC, Generic[S]):
    """One wait's view of a source, used by one thread."""

    trouble: str = ""
    """Why it cannot be read now, or empty."""

    gaps: int = 0
    """Number of times that changes may have been missed, because the API server had forgotten them."""

    @abstractmethod
    def known(self) -> bool:
        """Tell whether a state was read since the wait began."""

    @abstractmethod
    def state(self) -> S:
        """Return the last state that was read."""

    @abstractmethod
    def take(self, message: object) -> Iterator[None]:
        """Process a message, and stop at each state that must be judged."""

    @abstractmethod
    def due(self) -> float | None:
        """Return the monotonic time at which `act` must be called, or None while only messages matter."""

    @abstractmethod
    def act(self, deadline: float) -> bool:
        """Read what is due, within the deadline if possible, and tell whether there is a state to judge."""

    @abstractmethod
    def reread(self) -> None:
        """Request a fresh reading that replaces the state."""

    @abstractmethod
    def catch_up(self) -> None:
        """Request a fresh reading, up to which every change is processed in order."""

    @abstractmethod
    def settled(self) -> bool:
        """Tell whether `reread` or `catch_up` has finished."""

    @abstractmethod
    def close(self) -> None:
        """Release the view's resources."""


class StateSource(ABC, Generic[S]):
    """Something that has a state: an object, a set of objects, a function, or several of these."""

    @abstractmethod
    def open(self, inbox: Inbox) -> View[S]:
        """Start to read it for one wait."""

    @abstractmethod
    def describe(self) -> str:
        """Return its name for a person."""

    def show(self, state: S) -> list[str]:
        """Return lines that describe a state to a person, without the values of Secrets."""
        return [str(state)]

    def events(self) -> list[str]:
        """Return the newest events about it, one line each."""
        return []


class Joint(StateSource[tuple[Any, ...]]):
    """Several sources that are judged together, as a tuple of states in the same order."""

    def __init__(self, sources: Sequence[StateSource[Any]]) -> None:
        self._sources = tuple(sources)

    def open(self, inbox: Inbox) -> View[tuple[Any, ...]]:
        """Open all of them on one inbox."""
        views: list[View[Any]] = []
        try:
            views.extend(source.open(inbox) for source in self._sources)
        except BaseException:
            for view in views:
                view.close()
            raise
        return _JointView(views)

    def describe(self) -> str:
        """Name all of them."""
        return ", ".join(source.describe() for source in self._sources)

    def show(self, state: tuple[Any, ...]) -> list[str]:
        """Show the state of each source."""
        return [line for source, part in zip(self._sources, state, strict=True) for line in source.show(part)]

    def events(self) -> list[str]:
        """Return the events of all."""
        return [line for source in self._sources for line in source.events()]


class _JointView(View[tuple[Any, ...]]):
    """The views of a joint source."""

    def __init__(self, views: Sequence[View[Any]]) -> None:
        self._views = tuple(views)

    def known(self) -> bool:
        return all(view.known() for view in self._views)

    def state(self) -> tuple[Any, ...]:
        return tuple(view.state() for view in self._views)

    def take(self, message: object) -> Iterator[None]:
        raise NotImplementedError("messages go to the parts")

    def due(self) -> float | None:
        times = [due for view in self._views if (due := view.due()) is not None]
        return min(times) if times else None

    def act(self, deadline: float) -> bool:
        now = time.monotonic()
        ready = [view for view in self._views if (due := view.due()) is not None and due <= now]
        read = [view.act(deadline) for view in ready]  # all of them: `any` must not stop at the first that has a state
        return any(read) and self.known()

    def reread(self) -> None:
        for view in self._views:
            view.reread()

    def catch_up(self) -> None:
        for view in self._views:
            view.catch_up()

    def settled(self) -> bool:
        return all(view.settled() for view in self._views)

    def close(self) -> None:
        for view in self._views:
            view.close()

    @property
    def trouble(self) -> str:  # type: ignore[override]  # the parts' troubles, computed
        return "; ".join(view.trouble for view in self._views if view.trouble)

    @property
    def gaps(self) -> int:  # type: ignore[override]  # the parts' gaps, computed
        return sum(view.gaps for view in self._views)


class Polled(StateSource[S]):
    """A function that is called repeatedly, for states that cannot be watched: HTTP, ARP, a file, a program.

    Args:
        read: returns the state. When it raises `Unavailable`, the state is unknown, and it is called again.
        what: name of the state for a person.
        first: seconds between the first two calls; the pauses grow by half each time.
        most: longest seconds between two calls.
    """

    def __init__(self, read: Callable[[], S], what: str, *, first: float = 0.05, most: float = 1.0) -> None:
        self.read = read
        self.first = first
        self.most = most
        self._what = what

    def open(self, inbox: Inbox) -> View[S]:  # noqa: ARG002  a function sends no messages
        """Start; the first call is due at once."""
        return _PolledView(self)

    def describe(self) -> str:
        """Name it."""
        return self._what

    def show(self, state: S) -> list[str]:
        """Show a state; nothing for a verdict, since the history has its words already."""
        return [] if isinstance(state, Verdict) else [str(state)]


class _PolledView(View[S]):
    """One wait's calls of a polled function."""

    def __init__(self, source: Polled[S]) -> None:
        self._source = source
        self._pause = source.first
        self._next = time.monotonic()
        self._states: list[S] = []
        self._awaited = False

    def known(self) -> bool:
        return bool(self._states)

    def state(self) -> S:
        return self._states[0]

    def take(self, message: object) -> Iterator[None]:
        raise NotImplementedError("a polled source has no messages")

    def due(self) -> float | None:
        return self._next

    def act(self, deadline: float) -> bool:  # noqa: ARG002  a function cannot be cut short
        try:
            self._states = [self._source.read()]
            self.trouble = ""
            self._awaited = False
        except Unavailable as error:
            self.trouble = str(error.problem)
        self._next = time.monotonic() + self._pause
        self._pause = min(self._pause * GROWTH, self._source.most)
        return not self.trouble

    def reread(self) -> None:
        self._next = time.monotonic()
        self._awaited = True

    def catch_up(self) -> None:
        self.reread()

    def settled(self) -> bool:
        return not self._awaited

    def close(self) -> None:
        pass


def pending_on(state: object) -> Verdict:
    """Judge the state of a polled function that returns verdicts: the state is the verdict."""
    return state if isinstance(state, Verdict) else Pending(f"the polled function must return a verdict, got {state!r}")
