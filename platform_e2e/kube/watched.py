"""The two sources that are watched: one object, and a set of objects of a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from platform_e2e.errors import HarnessError
from platform_e2e.kube.answers import understood
from platform_e2e.kube.objects import Key, Object, describe, kind_of
from platform_e2e.kube.selection import Choice, LabelSelector
from platform_e2e.kube.show import event_lines, state_lines
from platform_e2e.kube.source import Inbox, Source, View
from platform_e2e.kube.view import WatchView
from platform_e2e.kube.watch import Watches

SHOWN = 5
"""How many objects of a set an error shows."""

EVENTS_PATIENCE = 2.0
"""Seconds that the text of an error may wait for the events: what it says without them is worth more than waiting."""


class Reader(Protocol):
    """What a source needs of the client."""

    watches: Watches

    def events(self, kind: str, name: str, namespace: str | None, *, patience: float | None = None) -> list[Object]:
        """Return the events about an object and what it owns by name."""
        ...


class One(Source[Object | None]):
    """One object; its state is None while it, its namespace or its kind does not exist."""

    def __init__(self, reader: Reader, kind: str, name: str, namespace: str | None) -> None:
        self._reader = reader
        self.kind = kind
        self.name = name
        self.namespace = namespace

    def open(self, inbox: Inbox) -> View[Object | None]:
        """Join the stream of the object's kind and namespace."""
        choice = Choice(key=(self.namespace or "", self.name))

        def shape(objects: Mapping[Key, Object]) -> Object | None:
            return next(iter(objects.values()), None)

        return self._reader.watches.join(self.kind, choice, inbox, lambda feed: WatchView(feed, choice, shape))

    def describe(self) -> str:
        """Name the object."""
        return describe(self.kind, self.name, self.namespace)

    def show(self, state: Object | None) -> list[str]:
        """Return generation, phase, replicas and conditions."""
        return _shown([state] if state else [])

    def events(self) -> list[str]:
        """Return the newest events about it and what it owns."""
        return _events(self._reader, self.kind, self.name, self.namespace)


class Many(Source[list[Object]]):
    """The objects of a kind, sorted by namespace and name; empty while the kind does not exist."""

    def __init__(
        self, reader: Reader, kind: str, namespace: str | None, labels: str | Mapping[str, str] | None
    ) -> None:
        self._reader = reader
        self.kind = kind
        self.namespace = namespace or None
        self._selector = LabelSelector.parse(labels)
        self._last: list[Object] = []

    def open(self, inbox: Inbox) -> View[list[Object]]:
        """Join the stream of the kind and namespace."""
        choice = Choice(namespace=self.namespace, labels=self._selector)

        def shape(objects: Mapping[Key, Object]) -> list[Object]:
            self._last = [objects[key] for key in sorted(objects)]
            return self._last

        return self._reader.watches.join(self.kind, choice, inbox, lambda feed: WatchView(feed, choice, shape))

    def describe(self) -> str:
        """Name the set."""
        where = f" -n {self.namespace}" if self.namespace else " of all namespaces"
        labels = f" with {self._selector.query()}" if self._selector.requirements else ""
        return f"{self.kind.rsplit('/', 1)[-1]} objects{where}{labels}"

    def show(self, state: list[Object]) -> list[str]:
        """Return what `One` shows, for the first few objects."""
        lines = _shown(state[:SHOWN])
        return lines + ([f"... {len(state) - SHOWN} more"] if len(state) > SHOWN else [])

    def events(self) -> list[str]:
        """Return the newest events about the first few objects."""
        lines: list[str] = []
        for obj in self._last[:SHOWN]:
            meta = obj["metadata"]
            lines += _events(self._reader, kind_of(obj), meta["name"], meta.get("namespace"))
        return lines


def _shown(objects: Sequence[Object]) -> list[str]:
    """Return objects as lines; one of an odd shape is a line, too."""
    try:
        with understood("the object"):
            return [line for obj in objects for line in state_lines(obj)]
    except HarnessError as error:
        return [f"cannot be shown: {error.problem}"]


def _events(reader: Reader, kind: str, name: str, namespace: str | None) -> list[str]:
    """Return events as lines; an error while telling of an error is a line, too."""
    try:
        with understood(f"events of {describe(kind, name, namespace)}"):
            return event_lines(reader.events(kind, name, namespace, patience=EVENTS_PATIENCE))
    except HarnessError as error:
        return [f"cannot be read: {error.problem}"]
