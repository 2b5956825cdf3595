"""Let one layer at a time be tested on a kept cluster: runs with another one wait for those that use it (`Lease.for_layer`)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.locks import FileLock

WORTH_TELLING = 0.1
"""Shortest wait for a lock, in seconds, that a report shows; taking a free one is below a millisecond."""


@contextlib.contextmanager
def hold(directory: Path, fingerprint: str, name: str, timeline: Timeline) -> Iterator[None]:
    """Hold a cluster for one layer, shared with processes that test the same one.

    Args:
        directory: of the cluster's locks.
        fingerprint: the fingerprint of the layer's content and of its settings on the cluster.
        name: the name of the layer, shown to waiting processes.
        timeline: is told for which runs this one waits, and how long it has waited.
    """

    def waits(who: str) -> None:
        timeline.progress("cluster", f"another layer: waits for {who}")

    which, lock = directory / "layer", FileLock(directory / "layer.lock")
    gate = FileLock(directory / "layer.gate.lock")
    began, words = time.monotonic(), f"tests the layer {name}"
    while True:
        # A process that comes at the same moment must not find the lock taken and the layer unnamed.
        with gate.held(words):
            same = which.exists() and which.read_text() == fingerprint
            release = lock.try_take(words, shared=same)
            if release is not None and not same:
                try:
                    which.write_text(fingerprint)
                finally:
                    release()
                release = lock.try_take(words, shared=True)
        if release is not None:
            break
        # Wait for its end only; the loop above decides which layer is next.
        with lock.held(f"waits to test the layer {name}", waiting=waits):
            pass
    waited = time.monotonic() - began
    if waited >= WORTH_TELLING:
        timeline.wait("the end of the runs that test another layer", seconds=waited, outcome="met")
    try:
        yield
    finally:
        release()
