"""Events as lines with their time, for a reader who comes days later."""

from __future__ import annotations

from collections.abc import Iterable

from platform_e2e.kube.objects import Object
from platform_e2e.kube.show import event_time

MOST = 5000
"""Of each namespace, the newest; the API server keeps an hour's."""


def lines(events: Iterable[Object]) -> list[str]:
    """Return one line for each event, the newest last.

    Args:
        events: of one namespace.
    """
    every = sorted(events, key=event_time)
    left_out = len(every) - MOST
    found = [f"# {left_out} older ones are left out"] if left_out > 0 else []
    for event in every[-MOST:]:
        about = event.get("involvedObject") or {}
        times = event.get("count") or (event.get("series") or {}).get("count") or 1
        words = " ".join(str(event.get("message") or "").split())
        found.append(
            f"{event_time(event):%Y-%m-%dT%H:%M:%SZ} {event.get('type')} {event.get('reason')} "
            f"{about.get('kind')}/{about.get('name')}: {words}" + (f" ({times} times)" if int(times) > 1 else "")
        )
    return found
