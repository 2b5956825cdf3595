"""Waiting for a part of the cluster to come up or to go: what does not come is the harness's fault, not the platform's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll

T = TypeVar("T")


class NotInTime(BrokenHarness):
    """A part of the cluster did not come up, or did not go, in time."""


def wait_until(
    look: Callable[[], T | str],
    *,
    timeout: float,
    what: str,
    remedy: str = "",
    most: float = 0.2,
    explain: Callable[[], str] = str,
) -> T:
    """Call a function until it returns something else than words.

    Args:
        look: returns what is waited for, or why it is not there yet.
        timeout: seconds.
        what: what is waited for, as a sentence with the object's name.
        remedy: what a reader can do when it does not come.
        most: most seconds between two looks.
        explain: called when it did not come in time; its text is added to the error's.

    Raises:
        NotInTime: it did not come; the text has the last words.
    """

    def judge() -> Verdict:
        found = look()
        return Pending(found) if isinstance(found, str) else Met(found)

    try:
        found: T = poll(judge, timeout=timeout, what=what, first=0.02, most=most)
    except Timeout as error:
        raise NotInTime("\n".join(filter(None, [error.problem, explain()])), remedy) from error
    return found
