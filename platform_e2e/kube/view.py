"""One wait's own sight of a shared stream: no older than the wait's begin, each change in its order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from platform_e2e.kube.messages import Changed, Listed, NotServed, Trouble
from platform_e2e.kube.objects import Key, Object, revision
from platform_e2e.kube.selection import Choice
from platform_e2e.kube.source import View

S = TypeVar("S")

RETRY = 0.05
"""Seconds until a wait lists again by itself; where the stream is in trouble, the stream tries and the wait only listens."""


class Feed(Protocol):
    """A wait's place at a shared stream."""

    def wants_list(self) -> bool:
        """Tell whether the wait needs a list that the stream does not already bring by itself."""
        ...

    def ask(self) -> None:
        """Ask for a list that is requested from now on."""
        ...

    def fetch(self, deadline: float) -> None:
        """List now, together with all others that need one."""
        ...

    def took(self, size: int) -> None:
        """Note that changes of so many bytes are done with."""
        ...

    def leave(self) -> None:
        """Hear no more."""
        ...


class WatchView(View[S], Generic[S]):
    """Put a stream's messages together to the state of one object or of a set.

    The messages of the stream come in its order; a list that was asked for may come between any two of them. Until the
    first list is there, changes are kept; with it, those that it already contains are dropped and the others follow.

    Args:
        feed: the wait's place at the stream.
        choice: which objects belong to it.
        shape: makes the state out of the objects.
    """

    def __init__(self, feed: Feed, choice: Choice, shape: Callable[[Mapping[Key, Object]], S]) -> None:
        self._feed = feed
        self._choice = choice
        self._shape = shape
        self._objects: dict[Key, Object] = {}
        self._seen: dict[Key, int] = {}  # the newest change of each object, deletions included
        self._floor = 0  # the revision of the last list: what is not newer is contained in it
        self._known = False
        self._served = True
        self._replacing = True
        self._comparing = False
        self._kept: list[Changed] = []
        self._goal: Listed | None = None
        self._retry = 0.0

    def known(self) -> bool:
        """Tell whether the first list is there."""
        return self._known

    def state(self) -> S:
        """Return the object, or the set."""
        return self._shape(self._objects)

    def due(self) -> float | None:
        """Ask to be called when a list is needed that the stream does not bring."""
        return self._retry if self._feed.wants_list() else None

    def act(self, deadline: float) -> bool:
        """List; what comes of it is in the inbox."""
        self._feed.fetch(deadline)
        self._retry = time.monotonic() + RETRY
        return False

    def reread(self) -> None:
        """Replace the state by a list that is requested from now on."""
        self._replacing, self._comparing, self._goal = True, False, None
        self._feed.ask()

    def catch_up(self) -> None:
        """Ask for a list, and settle when every change that it contains was seen."""
        self._comparing, self._goal = True, None
        self._feed.ask()

    def settled(self) -> bool:
        """Tell whether the list that was asked for is there, or reached."""
        if self._comparing:
            return self._goal is not None and self._reached(self._goal)
        return not self._replacing

    def close(self) -> None:
        """Leave the stream."""
        self._feed.leave()

    def take(self, message: object) -> Iterator[None]:
        """Take a message of the stream in, and stop at each state that is to be judged."""
        match message:
            case Changed():
                yield from self._change(message)
            case Listed():
                yield from self._list(message)
            case NotServed():
                yield from self._not_served(message)
            case Trouble(words):
                self.trouble = words

    def _change(self, change: Changed) -> Iterator[None]:
        if self._replacing:
            self._kept.append(change)
        else:
            self._feed.took(change.size)
        if self._known and change.revision > self._floor and self._apply(change):
            yield

    def _apply(self, change: Changed) -> bool:
        self._seen[change.key] = change.revision
        if change.obj is not None and self._choice.matches(change.key, change.obj):
            self._objects[change.key] = change.obj
            return True
        return self._objects.pop(change.key, None) is not None

    def _list(self, listed: Listed) -> Iterator[None]:
        if listed.fresh and self._comparing:
            self._goal = listed
        newer = listed.revision > self._floor or listed.restored
        if listed.relisted and self._known and newer:
            self.gaps += self._served  # a kind that comes to be served had nothing to miss
            yield from self._replace(listed)
        elif listed.fresh and self._replacing:
            yield from self._replace(listed)

    def _replace(self, listed: Listed) -> Iterator[None]:
        """Begin anew from a list and apply what is newer."""
        first, kept = not self._known, [] if listed.restored else self._kept
        self._objects, self._seen, self._floor = self._choice.select(listed.objects), {}, listed.revision
        self._known = self._served = True
        self.trouble = ""
        if listed.fresh:
            self._replacing = False
            self._forget()
        if first:
            yield
        for change in kept:
            # What a known view kept it has judged already, so only the outcome is judged again.
            if change.revision > self._floor and self._apply(change) and first:
                yield
        if not first:
            yield

    def _not_served(self, message: NotServed) -> Iterator[None]:
        if not self._known and not message.fresh:
            return
        self.trouble = ""
        news = bool(self._objects) or not self._known or self._replacing
        self._objects, self._seen, self._known, self._served = {}, {}, True, False
        if message.fresh:
            self._replacing = False
            self._forget()
            self._goal = Listed(0, {}) if self._comparing else None
        if news:
            yield

    def _forget(self) -> None:
        """Let go of the changes that were kept."""
        self._feed.took(sum(change.size for change in self._kept))
        self._kept = []

    def _reached(self, goal: Listed) -> bool:
        """Tell whether every change was seen that the list contains."""
        for key in self._choice.scope(goal.objects) | self._objects.keys():
            seen = max(self._seen.get(key, 0), self._floor)
            # An object that the list has not got was created later, or its deletion is still to come.
            if seen < revision(goal.objects[key]) if key in goal.objects else seen <= goal.revision:
                return False
        return True
