"""Who listens to a shared stream, and which list is new enough for whom."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from platform_e2e.kube.messages import Changed, Listed, NotServed, Trouble
from platform_e2e.kube.objects import Key, Object
from platform_e2e.kube.selection import Choice
from platform_e2e.kube.source import Inbox, View


class Lister(Protocol):
    """What a listener asks of its stream."""

    live: bool

    def fetch(self, listener: Listener, deadline: float) -> None:
        """List for a wait and all others that need one."""
        ...

    def wake(self) -> None:
        """Look at the listeners again."""
        ...


@dataclass(eq=False)
class Listener:
    """A wait's place at a stream.

    Attributes:
        audience: that it belongs to.
        stream: that it listens to.
        choice: which objects it wants to hear of.
        inbox: where messages go.
        asked: when it last asked for a list, by the audience's own count.
        answered: whether that list was delivered.
        view: what the messages are for.
        told: bytes in memory of all changes that it was told.
        taken: of those of them that it has done with.
    """

    audience: Audience
    stream: Lister
    choice: Choice
    inbox: Inbox
    asked: int = 0
    answered: bool = False
    view: View[Any] | None = None
    told: int = 0
    taken: int = 0

    def took(self, size: int) -> None:
        """Note that it has done with changes."""
        self.taken += size

    def post(self, message: object) -> None:
        """Put a message into the wait's inbox."""
        assert self.view is not None  # noqa: S101  set before it joins
        self.inbox.put((self.view, message))

    def wants_list(self) -> bool:
        """Tell whether it needs a list that the stream does not already bring by itself."""
        return not self.answered and self.stream.live

    def ask(self) -> None:
        """Ask for a list that is requested from now on."""
        self.audience.ask(self)
        self.stream.wake()

    def fetch(self, deadline: float) -> None:
        """List now, together with all others that need one."""
        self.stream.fetch(self, deadline)

    def leave(self) -> None:
        """Hear no more."""
        self.audience.leave(self)


class Audience:
    """The listeners of one stream, found by the object that they wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock = count(1)
        self._one: dict[Key, list[Listener]] = {}
        self._many: list[Listener] = []
        self._left = time.monotonic()
        self.trouble = ""

    def join(self, listener: Listener) -> None:
        """Add a listener; it hears of a trouble that lasts."""
        with self._lock:
            listener.asked = next(self._clock)
            if listener.choice.key is None:
                self._many.append(listener)
            else:
                self._one.setdefault(listener.choice.key, []).append(listener)
            if self.trouble:
                listener.post(Trouble(self.trouble))

    def leave(self, listener: Listener) -> None:
        """Remove a listener."""
        with self._lock:
            place = self._many if listener.choice.key is None else self._one.get(listener.choice.key, [])
            if listener in place:
                place.remove(listener)
            if listener.choice.key is not None and not place:
                self._one.pop(listener.choice.key, None)
            self._left = time.monotonic()

    def ask(self, listener: Listener) -> None:
        """Note that a listener needs a list requested from now on."""
        with self._lock:
            listener.asked, listener.answered = next(self._clock), False

    def absent_for(self) -> float:
        """Return for how many seconds nobody has listened; zero while somebody does."""
        with self._lock:
            return 0.0 if self._one or self._many else time.monotonic() - self._left

    def unanswered(self) -> int:
        """Return how many wait for a list."""
        with self._lock:
            return sum(not listener.answered for listener in self._all())

    def moment(self) -> int:
        """Return the count of now: a list requested after it is new enough for all who have asked before."""
        with self._lock:
            return next(self._clock)

    def listed(self, sent: int, revision: int, objects: dict[Key, Object], *, relisted: bool, restored: bool) -> None:
        """Deliver a list to all who need it, and to everybody when the stream begins anew from it.

        Args:
            sent: the moment before it was requested.
            revision: of the list.
            objects: of the list.
            relisted: whether the stream goes on from it.
            restored: whether the revisions went backwards.
        """
        with self._lock:
            for listener in self._all():
                fresh = listener.asked < sent
                if relisted or restored or (fresh and not listener.answered):
                    listener.post(Listed(revision, objects, fresh, relisted or restored, restored))
                listener.answered = listener.answered or fresh

    def not_served(self, sent: int) -> None:
        """Tell everybody that there is no such kind."""
        with self._lock:
            for listener in self._all():
                fresh = listener.asked < sent
                listener.post(NotServed(fresh))
                listener.answered = listener.answered or fresh

    def change(self, change: Changed) -> int:
        """Deliver a change to those whom it may concern, and return the most bytes that one of them has still to take."""
        backlog = 0
        with self._lock:
            for listener in [*self._many, *self._one.get(change.key, ())]:
                listener.post(change)
                listener.told += change.size
                backlog = max(backlog, listener.told - listener.taken)
        return backlog

    def backlog(self) -> int:
        """Return the most bytes that a listener has still to take."""
        with self._lock:
            return max((listener.told - listener.taken for listener in self._all()), default=0)

    def tell(self, trouble: str) -> None:
        """Tell everybody that the stream cannot be read, or by an empty text that it can.

        Whoever still waits for a list is told in any case, since it may ask for one itself now.
        """
        with self._lock:
            news = bool(trouble or self.trouble)
            self.trouble = trouble
            for listener in self._all():
                if news or not listener.answered:
                    listener.post(Trouble(trouble))

    def _all(self) -> list[Listener]:
        """Return all, with the lock held."""
        return [*self._many, *(listener for place in self._one.values() for listener in place)]
