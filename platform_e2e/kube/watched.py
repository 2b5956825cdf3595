"""The watched sources: one object, or a set of objects of a kind, each with the cache that one wait keeps of the shared stream.

A cache is never older than the start of its wait, and takes each change in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from platform_e2e.errors import HarnessError
from platform_e2e.kube.answers import understood
from platform_e2e.kube.describe import event_lines, state_lines
from platform_e2e.kube.labels import LabelSelector, ObjectSelector
from platform_e2e.kube.objects import Key, Object, describe, kind_of, revision
from platform_e2e.kube.sources import Inbox, StateSource, View
from platform_e2e.kube.subscribers import Changed, Listed, NotServed, Subscriber, Trouble
from platform_e2e.kube.watch import Watches

S = TypeVar("S")

RETRY = 0.05
"""Seconds until a wait requests a list again; while the stream is in trouble, the stream retries and the wait only listens."""


class WatchView(View[S], Generic[S]):
    """Build the state of one object or of a set from a stream's messages.

    The stream's messages arrive in order; a requested list may arrive between any two of them. Changes are kept until the first
    list arrives; then those that it already contains are dropped, and the others are applied.

    Args:
        subscription: of the wait at the stream.
        choice: which objects belong to the state.
        shape: makes the state from the objects.
    """

    def __init__(
        self, subscription: Subscriber, choice: ObjectSelector, shape: Callable[[Mapping[Key, Object]], S]
    ) -> None:
        self._subscription = subscription
        self._choice = choice
        self._shape = shape
        self._objects: dict[Key, Object] = {}
        self._seen: dict[Key, int] = {}  # the newest change of each object, deletions included
        self._floor = 0  # the revision of the last list: everything up to it is contained in the list
        self._known = False
        self._served = True
        self._replacing = True
        self._comparing = False
        self._kept: list[Changed] = []
        self._goal: Listed | None = None
        self._retry = 0.0

    def known(self) -> bool:
        """Tell whether the first list has arrived."""
        return self._known

    def state(self) -> S:
        """Return the object, or the set."""
        return self._shape(self._objects)

    def due(self) -> float | None:
        """Return when to list: as soon as a list is needed that the stream will not deliver on its own."""
        return self._retry if self._subscription.wants_list() else None

    def act(self, deadline: float) -> bool:
        """List; the result arrives in the inbox."""
        self._subscription.fetch(deadline)
        self._retry = time.monotonic() + RETRY
        return False

    def reread(self) -> None:
        """Replace the state by a list that is requested from now on."""
        self._replacing, self._comparing, self._goal = True, False, None
        self._subscription.ask()

    def catch_up(self) -> None:
        """Ask for a list, and settle when every change that it contains was processed."""
        self._comparing, self._goal = True, None
        self._subscription.ask()

    def settled(self) -> bool:
        """Tell whether the requested list has arrived, or has been caught up with."""
        if self._comparing:
            return self._goal is not None and self._reached(self._goal)
        return not self._replacing

    def close(self) -> None:
        """Unsubscribe from the stream."""
        self._subscription.leave()

    def take(self, message: object) -> Iterator[None]:
        """Process a message of the stream, and stop at each state that must be judged."""
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
            self._subscription.took(change.size)
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
            self.gaps += self._served  # a kind that was not served had no changes to miss
            yield from self._replace(listed)
        elif listed.fresh and self._replacing:
            yield from self._replace(listed)

    def _replace(self, listed: Listed) -> Iterator[None]:
        """Replace the objects by a list and apply newer changes."""
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
            # A view that was known has judged these changes already, so only their outcome is judged again.
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
        """Drop the changes that were kept."""
        self._subscription.took(sum(change.size for change in self._kept))
        self._kept = []

    def _reached(self, goal: Listed) -> bool:
        """Tell whether every change that the list contains was processed."""
        for key in self._choice.scope(goal.objects) | self._objects.keys():
            seen = max(self._seen.get(key, 0), self._floor)
            # An object that is not in the list was created later, or its deletion has not arrived yet.
            if seen < revision(goal.objects[key]) if key in goal.objects else seen <= goal.revision:
                return False
        return True


SHOWN = 5
"""Number of objects of a set that an error shows."""

EVENTS_PATIENCE = 2.0
"""Seconds that an error may wait for events: the error is useful without them."""


class WatchClient(Protocol):
    """The client as a watched source sees it: `Reader`.

    Attributes:
        watches: its watch streams.
    """

    watches: Watches

    def events(self, kind: str, name: str, namespace: str | None, *, patience: float | None = None) -> list[Object]:
        """Return the events about an object and the objects that it owns by name."""
        ...


class One(StateSource[Object | None]):
    """One object; its state is None while it, its namespace or its kind does not exist."""

    def __init__(self, client: WatchClient, kind: str, name: str, namespace: str | None) -> None:
        self._client = client
        self.kind = kind
        self.name = name
        self.namespace = namespace

    def open(self, inbox: Inbox) -> View[Object | None]:
        """Subscribe to the stream of the object's kind and namespace."""
        choice = ObjectSelector(key=(self.namespace or "", self.name))

        def shape(objects: Mapping[Key, Object]) -> Object | None:
            return next(iter(objects.values()), None)

        return self._client.watches.join(
            self.kind, choice, inbox, lambda subscription: WatchView(subscription, choice, shape)
        )

    def describe(self) -> str:
        """Name the object."""
        return describe(self.kind, self.name, self.namespace)

    def show(self, state: Object | None) -> list[str]:
        """Return generation, phase, replicas and conditions."""
        return _shown([state] if state else [])

    def events(self) -> list[str]:
        """Return the newest events about it and the objects that it owns."""
        return _events(self._client, self.kind, self.name, self.namespace)


class Many(StateSource[list[Object]]):
    """The objects of a kind, sorted by namespace and name; empty while the kind does not exist."""

    def __init__(
        self, client: WatchClient, kind: str, namespace: str | None, labels: str | Mapping[str, str] | None
    ) -> None:
        self._client = client
        self.kind = kind
        self.namespace = namespace or None
        self._selector = LabelSelector.parse(labels)
        self._last: list[Object] = []

    def open(self, inbox: Inbox) -> View[list[Object]]:
        """Subscribe to the stream of the kind and namespace."""
        choice = ObjectSelector(namespace=self.namespace, labels=self._selector)

        def shape(objects: Mapping[Key, Object]) -> list[Object]:
            self._last = [objects[key] for key in sorted(objects)]
            return self._last

        return self._client.watches.join(
            self.kind, choice, inbox, lambda subscription: WatchView(subscription, choice, shape)
        )

    def describe(self) -> str:
        """Name the set."""
        where = f" -n {self.namespace}" if self.namespace else " of all namespaces"
        labels = f" with {self._selector.query()}" if self._selector.requirements else ""
        return f"{self.kind.rsplit('/', 1)[-1]} objects{where}{labels}"

    def show(self, state: list[Object]) -> list[str]:
        """Return the lines of `One` for the first few objects."""
        lines = _shown(state[:SHOWN])
        return lines + ([f"... {len(state) - SHOWN} more"] if len(state) > SHOWN else [])

    def events(self) -> list[str]:
        """Return the newest events about the first few objects."""
        lines: list[str] = []
        for obj in self._last[:SHOWN]:
            meta = obj["metadata"]
            lines += _events(self._client, kind_of(obj), meta["name"], meta.get("namespace"))
        return lines


def _shown(objects: Sequence[Object]) -> list[str]:
    """Return objects as lines; a malformed object becomes a line that says so."""
    try:
        with understood("the object"):
            return [line for obj in objects for line in state_lines(obj)]
    except HarnessError as error:
        return [f"cannot be shown: {error.problem}"]


def _events(client: WatchClient, kind: str, name: str, namespace: str | None) -> list[str]:
    """Return events as lines; a failure to read them becomes a line that says so."""
    try:
        with understood(f"events of {describe(kind, name, namespace)}"):
            return event_lines(client.events(kind, name, namespace, patience=EVENTS_PATIENCE))
    except HarnessError as error:
        return [f"cannot be read: {error.problem}"]
