"""See every state of a source from now on, without expecting anything: for who records what happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar

from platform_e2e.kube.source import Source
from platform_e2e.kube.waiting import Watching

S = TypeVar("S")

LOOK_SECONDS = 0.5
"""How often it is looked whether to end, where nothing happens."""


class _Following(Watching[S]):
    """A wait for nothing, which no timeline shows."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.close()


def follow(source: Source[S], stop: threading.Event) -> Iterator[S]:
    """Yield each state of a source as it comes; a source that cannot be read yields nothing until it can.

    Args:
        source: what to read: `kube.one(...)`, `kube.many(...)`; it shares the streams of all waits of its client.
        stop: ends it within half a second.
    """
    with _Following(source, source.describe(), None) as following:
        while not stop.is_set():
            yield from following.states(time.monotonic() + LOOK_SECONDS, stop.is_set)
