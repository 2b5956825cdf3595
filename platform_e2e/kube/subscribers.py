"""The waits that are subscribed to a shared watch stream, the messages that they receive, and which list is new enough for whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from platform_e2e.kube.labels import ObjectSelector
from platform_e2e.kube.objects import Key, Object
from platform_e2e.kube.sources import Inbox, View


@dataclass(frozen=True)
class Changed:
    """One change of one object.

    Attributes:
        key: of the object.
        revision: of the change.
        obj: the object after the change, None when it was deleted.
        size: bytes that it takes in memory, about.
    """

    key: Key
    revision: int
    obj: Object | None
    size: int = 0


@dataclass(frozen=True)
class Listed:
    """All objects as they were at one revision.

    Attributes:
        revision: of the list.
        objects: by key.
        fresh: whether it was requested after the wait asked for one.
        relisted: whether the stream restarts from this list, so that earlier changes may never be delivered.
        restored: whether revisions went backwards: the API server's store was replaced by an older one.
    """

    revision: int
    objects: Mapping[Key, Object]
    fresh: bool = True
    relisted: bool = False
    restored: bool = False


@dataclass(frozen=True)
class NotServed:
    """The API server does not serve the kind.

    Attributes:
        fresh: whether it said so after the wait asked.
    """

    fresh: bool = True


@dataclass(frozen=True)
class Trouble:
    """Why the stream cannot be read; an empty text means that it can be read again."""

    words: str


class SubscribedStream(Protocol):
    """The stream as its subscribers see it.

    Attributes:
        live: whether a watch is open.
    """

    live: bool

    def fetch(self, subscriber: Subscriber, deadline: float) -> None:
        """List for a wait and for all others that need a list."""
        ...

    def wake(self) -> None:
        """Check at once whether the kind is served."""
        ...


@dataclass(eq=False)
class Subscriber:
    """A wait's subscription to a stream.

    Attributes:
        group: the subscribers that it belongs to.
        stream: the stream.
        choice: which objects it wants to hear of.
        inbox: where its messages go.
        asked: when it last asked for a list, by the group's own count.
        answered: whether that list was delivered.
        view: receives the messages.
        sent: bytes in memory of all changes that were put into its inbox.
        taken: bytes of those changes that it has processed.
    """

    group: Subscribers
    stream: SubscribedStream
    choice: ObjectSelector
    inbox: Inbox
    asked: int = 0
    answered: bool = False
    view: View[Any] | None = None
    sent: int = 0
    taken: int = 0

    def took(self, size: int) -> None:
        """Count bytes of changes as processed."""
        self.taken += size

    def post(self, message: object) -> None:
        """Put a message into the wait's inbox."""
        assert self.view is not None  # noqa: S101  set before it joins
        self.inbox.put((self.view, message))

    def wants_list(self) -> bool:
        """Tell whether it must request a list itself, since the stream will not deliver one on its own."""
        return not self.answered and self.stream.live

    def ask(self) -> None:
        """Ask for a list that is requested from now on."""
        self.group.ask(self)
        self.stream.wake()

    def fetch(self, deadline: float) -> None:
        """List now, for all subscribers that need a list."""
        self.stream.fetch(self, deadline)

    def leave(self) -> None:
        """Unsubscribe."""
        self.group.leave(self)


class Subscribers:
    """The subscribers of one stream, indexed by the object that they wait for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock = count(1)
        self._by_key: dict[Key, list[Subscriber]] = {}
        self._of_sets: list[Subscriber] = []
        self._left = time.monotonic()
        self.trouble = ""

    def join(self, subscriber: Subscriber) -> None:
        """Add a subscriber; it receives a trouble that persists."""
        with self._lock:
            subscriber.asked = next(self._clock)
            if subscriber.choice.key is None:
                self._of_sets.append(subscriber)
            else:
                self._by_key.setdefault(subscriber.choice.key, []).append(subscriber)
            if self.trouble:
                subscriber.post(Trouble(self.trouble))

    def leave(self, subscriber: Subscriber) -> None:
        """Remove a subscriber."""
        key = subscriber.choice.key
        with self._lock:
            group = self._of_sets if key is None else self._by_key.get(key, [])
            if subscriber in group:
                group.remove(subscriber)
            if key is not None and not group:
                self._by_key.pop(key, None)
            self._left = time.monotonic()

    def ask(self, subscriber: Subscriber) -> None:
        """Record that a subscriber needs a list that is requested from now on."""
        with self._lock:
            subscriber.asked, subscriber.answered = next(self._clock), False

    def absent_for(self) -> float:
        """Return for how many seconds there was no subscriber, 0 while there is one."""
        with self._lock:
            return 0.0 if self._by_key or self._of_sets else time.monotonic() - self._left

    def unanswered(self) -> int:
        """Return how many subscribers wait for a list."""
        with self._lock:
            return sum(not subscriber.answered for subscriber in self._all())

    def moment(self) -> int:
        """Return the present count: a list that is requested after it is new enough for all who asked before."""
        with self._lock:
            return next(self._clock)

    def listed(self, sent: int, revision: int, objects: dict[Key, Object], *, relisted: bool, restored: bool) -> None:
        """Deliver a list to all subscribers that need it, or to all when the stream restarts from it.

        Args:
            sent: the moment before it was requested.
            revision: of the list.
            objects: of the list.
            relisted: whether the stream restarts from it.
            restored: whether revisions went backwards.
        """
        with self._lock:
            for subscriber in self._all():
                fresh = subscriber.asked < sent
                if relisted or restored or (fresh and not subscriber.answered):
                    subscriber.post(Listed(revision, objects, fresh, relisted or restored, restored))
                subscriber.answered = subscriber.answered or fresh

    def not_served(self, sent: int) -> None:
        """Tell all subscribers that the kind is not served."""
        with self._lock:
            for subscriber in self._all():
                fresh = subscriber.asked < sent
                subscriber.post(NotServed(fresh))
                subscriber.answered = subscriber.answered or fresh

    def change(self, change: Changed) -> int:
        """Deliver a change to those whom it may concern, and return the largest backlog among them in bytes."""
        backlog = 0
        with self._lock:
            for subscriber in [*self._of_sets, *self._by_key.get(change.key, ())]:
                subscriber.post(change)
                subscriber.sent += change.size
                backlog = max(backlog, subscriber.sent - subscriber.taken)
        return backlog

    def backlog(self) -> int:
        """Return the largest number of bytes that a subscriber has not processed yet."""
        with self._lock:
            return max((subscriber.sent - subscriber.taken for subscriber in self._all()), default=0)

    def tell(self, trouble: str) -> None:
        """Tell all subscribers why the stream cannot be read, or by an empty text that it can.

        A subscriber that still waits for a list is told in any case, since it may now request one itself.
        """
        with self._lock:
            news = bool(trouble or self.trouble)
            self.trouble = trouble
            for subscriber in self._all():
                if news or not subscriber.answered:
                    subscriber.post(Trouble(trouble))

    def _all(self) -> list[Subscriber]:
        """Return all subscribers, with the lock held."""
        return [*self._of_sets, *(subscriber for group in self._by_key.values() for subscriber in group)]
