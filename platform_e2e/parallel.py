"""Foundations and layer side by side, as they come up in production: each may need what the other brings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


def together(foundations: Callable[[], A], layer: Callable[[Callable[[], bool]], B]) -> tuple[A, B]:
    """Bring the foundations and the layer up at once.

    Argo CD's kinds are served long before its pods are ready, so Git is published and applied while Helm still waits; and a
    release may wait for a Secret that only the layer brings.

    Args:
        foundations: installs them.
        layer: applies it; is given what tells whether the foundations are there, or will not come, for before that nothing of
            the layer is given up.

    Returns:
        What both returned.

    Raises:
        Exception: that of the foundations at once, for it is the cause of whatever becomes of the layer; else that of the layer.
    """
    first = _Work(foundations)
    second = _Work(lambda: layer(first.done))
    for work in (first, second):
        work.start()
    return first.result(), second.result()


class _Work(threading.Thread, Generic[A]):
    """A thread with a result. After the deadline or Ctrl-C it is not waited for: it ends with the process."""

    def __init__(self, work: Callable[[], A]) -> None:
        super().__init__(daemon=True, name="phase")
        self.work = work
        self.outcome: list[A] = []
        self.error: Exception | None = None

    def run(self) -> None:
        """Do the work."""
        try:
            self.outcome.append(self.work())
        except Exception as error:  # noqa: BLE001 - raised again by `result`, in the thread that waits
            self.error = error

    def done(self) -> bool:
        """Tell whether the work has ended well."""
        return bool(self.outcome)

    def result(self) -> A:
        """Wait for the end of the work, and return or raise what came of it."""
        self.join()
        if self.error is not None:
            raise self.error
        return self.outcome[0]
