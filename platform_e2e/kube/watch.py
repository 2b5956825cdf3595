"""The watch streams of one client: one for each kind and namespace, shared by all waits of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.audience import Listener
from platform_e2e.kube.selection import Choice
from platform_e2e.kube.source import Inbox, View
from platform_e2e.kube.stream import Api, WatchStream


class Watches:
    """Open streams when they are needed and end them when they are not.

    Args:
        api: the API server.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._streams: dict[tuple[str, str | None], WatchStream] = {}
        self._closed = False

    def join(self, kind: str, choice: Choice, inbox: Inbox, make: Callable[[Listener], View[Any]]) -> View[Any]:
        """Add a wait to the stream of its kind and namespace; one of all namespaces serves as well, if there is one.

        Args:
            kind: as in a manifest.
            choice: which objects the wait is about; its namespace chooses the stream.
            inbox: of the wait.
            make: makes the wait's view for its place at the stream.

        Raises:
            WrongUsage: the client is closed, the kind cannot be watched, or a namespace is missing or too much.
        """
        namespace = (choice.key[0] or None) if choice.key else choice.namespace
        self._api.check(kind, choice)
        with self._lock:
            if self._closed:
                raise WrongUsage(
                    f"a wait for {kind} was begun on a client that is closed", "keep it open while you wait"
                )
            self._sweep()
            stream = self._streams.get((kind, namespace)) or self._streams.get((kind, None))
            if stream is None:
                stream = self._streams[kind, namespace] = WatchStream(self._api, kind, namespace)
            return stream.join(choice, inbox, make)

    def _sweep(self) -> None:
        """End the streams that nobody listens to."""
        for where, stream in list(self._streams.items()):
            if stream.idle():
                stream.stop()
                del self._streams[where]

    def close(self) -> None:
        """End all streams."""
        with self._lock:
            self._closed = True
            for stream in self._streams.values():
                stream.stop()
            self._streams.clear()
