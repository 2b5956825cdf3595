"""Describe an object's state and its events in a few lines. Never the values of a Secret."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from platform_e2e.kube.objects import Object, described

EVENTS_SHOWN = 8
"""Number of an object's newest events that an error shows."""

EVENTS_KEPT = 5000
"""Number of a namespace's newest events that are kept; the API server keeps those of an hour."""

NUMBERS = (
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "desiredNumberScheduled",
    "updatedNumberScheduled",
    "numberAvailable",
    "active",
    "succeeded",
    "failed",
)
"""Numbers of a status that show the progress of a workload."""


def state_lines(obj: Object) -> list[str]:
    """Return generation, deletion, phase, replicas, conditions and containers that are not ready."""
    meta, status = obj.get("metadata") or {}, obj.get("status") or {}
    head = [described(obj), f"resourceVersion {meta.get('resourceVersion')}"]
    if meta.get("generation"):
        observed = status.get("observedGeneration")
        head.append(f"generation {meta['generation']}" + (f" (observed {observed})" if observed else ""))
    if meta.get("deletionTimestamp"):
        head.append(f"being deleted since {meta['deletionTimestamp']}, finalizers: {meta.get('finalizers') or 'none'}")
    if isinstance(status.get("phase"), str):
        head.append(f"phase {status['phase']}")
    head += [f"{name} {status[name]}" for name in NUMBERS if status.get(name) is not None]
    return [", ".join(head), *(f"  {line}" for line in [*_conditions(status), *_containers(status)])]


def _conditions(status: dict[str, Any]) -> list[str]:
    """Return one line for each condition."""
    conditions = status.get("conditions")
    return [
        " ".join(
            str(part)
            for part in (f"{c.get('type')}={c.get('status', '?')}", c.get("reason"), _short(c.get("message")))
            if part
        )
        for c in (conditions if isinstance(conditions, list) else [])
        if isinstance(c, dict)
    ]


def _containers(status: dict[str, Any]) -> list[str]:
    """Return one line for each container that is not ready."""
    lines = []
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        for state, detail in (container.get("state") or {}).items():
            done = state == "terminated" and detail.get("exitCode") == 0
            if (state == "running" and container.get("ready")) or done:
                continue
            words = [detail.get("reason"), _short(detail.get("message")), _exit(detail)]
            restarts = f"restarted {container['restartCount']} times" if container.get("restartCount") else None
            lines.append(f"container {container.get('name')} {state}: " + ", ".join(w for w in [*words, restarts] if w))
    return lines


def _exit(detail: dict[str, Any]) -> str | None:
    return f"exit code {detail['exitCode']}" if "exitCode" in detail else None


def _short(message: object) -> str:
    """Return a message on one line, shortened to 300 characters."""
    text = " ".join(str(message or "").split())
    return text if len(text) <= 300 else text[:297] + "..."


def event_lines(events: Iterable[Object], now: datetime | None = None) -> list[str]:
    """Return one line for each of the newest events, the newest last.

    Args:
        events: `v1/Event` objects.
        now: reference for the ages, the present by default.
    """
    moment = now or datetime.now(UTC)
    newest = sorted(events, key=event_time)[-EVENTS_SHOWN:]
    lines = []
    for event in newest:
        about, times = event.get("involvedObject") or {}, _times(event)
        age = max((moment - event_time(event)).total_seconds(), 0)
        lines.append(
            f"{age:.0f} s ago  {event.get('type')} {event.get('reason')} {about.get('kind')} {about.get('name')}: "
            f"{_short(event.get('message'))}" + (f" ({times} times)" if times > 1 else "")
        )
    return lines


def event_time(event: Object) -> datetime:
    """Return when an event happened last, from the first of its time fields that is set."""
    text = (
        (event.get("series") or {}).get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or (event.get("metadata") or {}).get("creationTimestamp")
        or "1970-01-01T00:00:00Z"
    )
    return datetime.fromisoformat(str(text))


def dated_event_lines(events: Iterable[Object]) -> list[str]:
    """Return one line with a date for each event, the newest last, for a reader who comes days later.

    Args:
        events: of one namespace.
    """
    ordered = sorted(events, key=event_time)
    left_out = len(ordered) - EVENTS_KEPT
    lines = [f"# {left_out} older ones are left out"] if left_out > 0 else []
    for event in ordered[-EVENTS_KEPT:]:
        about, times = event.get("involvedObject") or {}, _times(event)
        words = " ".join(str(event.get("message") or "").split())
        lines.append(
            f"{event_time(event):%Y-%m-%dT%H:%M:%SZ} {event.get('type')} {event.get('reason')} "
            f"{about.get('kind')}/{about.get('name')}: {words}" + (f" ({times} times)" if times > 1 else "")
        )
    return lines


def _times(event: Object) -> int:
    """Return how often an event happened."""
    return int(event.get("count") or (event.get("series") or {}).get("count") or 1)
