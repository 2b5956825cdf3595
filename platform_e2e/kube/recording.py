"""Record every state of a source while a block runs, each with its time: what a wait's last state no longer tells."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from platform_e2e.kube.sources import StateSource
from platform_e2e.kube.wait import follow

S = TypeVar("S")

FIRST_SECONDS = 10.0
"""For the first state; a list takes milliseconds."""

END_SECONDS = 5.0
"""For the thread to end; it looks twice a second."""


@dataclass
class Recording(Generic[S]):
    """The states of a source.

    Attributes:
        states: each with the monotonic time at which it was seen, in order.
    """

    states: list[tuple[float, S]] = field(default_factory=list)


@contextlib.contextmanager
def recorded(source: StateSource[S]) -> Iterator[Recording[S]]:
    """Record the states of a source until the block ends; the first one is there when it begins.

    Args:
        source: what to read: `kube.one(...)`, `kube.many(...)`; it shares the streams of all waits of its client.
    """
    found: Recording[S] = Recording()
    stop, first = threading.Event(), threading.Event()

    def work() -> None:
        for state in follow(source, stop):
            found.states.append((time.monotonic(), state))
            first.set()

    thread = threading.Thread(target=work, name=f"records {source.describe()}", daemon=True)
    thread.start()
    try:
        first.wait(FIRST_SECONDS)
        yield found
    finally:
        stop.set()
        thread.join(END_SECONDS)
