"""What the proxy does to requests: one class for each fault, its choices drawn from a seed.

All of it is what API servers do: they end watches, forget versions (410), ask to come later (429). An expired version
stays expired, as after a compaction; whoever asks for it again is told so again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

CLOSED_SECONDS = 1.0
"""How long a watch lasts where streams are closed."""

COMPACTED_SECONDS = 1.0
"""How often the past is forgotten where versions expire."""

BUSY_SHARE = 0.4
"""The share of requests that are answered by 429."""

BUSY_SECONDS = "1"
"""The Retry-After of a 429, as the API server's priority and fairness sets it."""


class Manner(StrEnum):
    """How a watch is ended: as the API server ends it, by a broken connection, or by the event of a 410."""

    CLEAN = "clean"
    BROKEN = "broken"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Asked:
    """What a fault knows of a request: whether it is a watch, and from which version."""

    watch: bool
    version: int | None = None


@dataclass(frozen=True)
class Refusal:
    """An answer in place of the API server's.

    Attributes:
        status: of HTTP.
        body: a `Status`, or the event that holds one.
        headers: further ones.
    """

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ending:
    """When and how a watch ends: so many seconds after it was opened."""

    after: float
    manner: Manner


class Faults:
    """Let everything pass; the faults differ from this."""

    period: float | None = None
    """Seconds between two looks at the API server's newest version, where they are needed."""

    def __init__(self, seed: int) -> None:
        """Seed the choices."""
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.newest = 0
        """The version before which nothing is known any more."""

    def refuse(self, asked: Asked) -> Refusal | None:
        """Return what is answered in place of the API server, if anything is."""
        del asked
        return None

    def ending(self, now: float) -> Ending | None:
        """Return how the watch that is opened now is going to end, or None where the API server decides."""
        del now
        return None


class Closing(Faults):
    """Close every watch a second after it was opened, half of them in the middle of the connection."""

    def ending(self, now: float) -> Ending:
        """Draw the manner."""
        del now
        return Ending(CLOSED_SECONDS, self.chance.choice([Manner.CLEAN, Manner.BROKEN]))


class Expiring(Faults):
    """Forget the past every second: open watches are told 410, and so is whoever asks for an older version."""

    period = COMPACTED_SECONDS

    def refuse(self, asked: Asked) -> Refusal | None:
        """Answer 410 to a watch from before; as status or as event, since API servers do both."""
        if not asked.watch or not asked.version or asked.version >= self.newest:
            return None
        if self.chance.random() < 0.5:
            return Refusal(410, expired(asked.version, self.newest))
        return Refusal(200, error_event(expired(asked.version, self.newest)))

    def ending(self, now: float) -> Ending:
        """End with the next compaction; these are at whole periods of the clock."""
        return Ending(COMPACTED_SECONDS - now % COMPACTED_SECONDS, Manner.EXPIRED)


class Busy(Faults):
    """Answer some requests, of whatever sort, by 429."""

    def refuse(self, asked: Asked) -> Refusal | None:
        """Draw whether it passes."""
        del asked
        if self.chance.random() >= BUSY_SHARE:
            return None
        body = status(429, "TooManyRequests", "the server is currently unable to handle the request")
        return Refusal(429, body, {"Retry-After": BUSY_SECONDS})


FAULTS: dict[str, type[Faults]] = {
    "stream closed every second": Closing,
    "versions expired (410)": Expiring,
    "server busy (429)": Busy,
    "object replaced": Faults,
    "API server restarted": Faults,
}
"""The hostile waits' surroundings; the last two happen behind the proxy."""


def status(code: int, reason: str, message: str) -> dict[str, Any]:
    """Return an error as the API server writes it."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def expired(version: int, newest: int) -> dict[str, Any]:
    """Return the error for a version that is not known any more."""
    return status(410, "Expired", f"too old resource version: {version} ({newest})")


def error_event(body: dict[str, Any]) -> dict[str, Any]:
    """Return the event by which a watch is told an error."""
    return {"type": "ERROR", "object": body}
