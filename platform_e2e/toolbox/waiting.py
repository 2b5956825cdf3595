"""Wait for a part of the cluster to come up or to go away; a timeout is a failure of the harness, not of the platform."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll

T = TypeVar("T")


class NotInTime(BrokenHarness):
    """A part of the cluster did not come up, or did not go away, in time."""


def wait_until(
    look: Callable[[], T | str],
    *,
    timeout: float,
    what: str,
    remedy: str = "",
    most: float = 0.2,
    explain: Callable[[], str] = str,
) -> T:
    """Call a function until it returns anything but a text.

    Args:
        look: returns the result, or a text that says why it is not there yet.
        timeout: the longest wait in seconds.
        what: the awaited state, as a sentence with the object's name.
        remedy: what a reader can do after a timeout.
        most: the longest pause between two looks, in seconds.
        explain: called after a timeout; its text is added to the error's.

    Raises:
        NotInTime: the timeout passed; the error has the last text.
    """

    def judge() -> Verdict:
        found = look()
        return Pending(found) if isinstance(found, str) else Met(found)

    try:
        found: T = poll(judge, timeout=timeout, what=what, first=0.02, most=most)
    except Timeout as error:
        raise NotInTime("\n".join(filter(None, [error.problem, explain()])), remedy) from error
    return found
