"""Attempts that fail in the same words while nothing comes that could change it are not waited for."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.gitops.attempts import SYNCS, Attempts

pytestmark = pytest.mark.point("wait-ends-when-still")

WEBHOOK = 'Internal error occurred: failed calling webhook "x.metallb.io": connection refused'
INVALID = 'Service "chat" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack"'


def app(retries: int, message: str = WEBHOOK, *, waits: bool = True, phase: str = "Running") -> dict[str, Any]:
    """Return an Application whose attempts have failed so often; one that does not wait has begun the next one."""
    state: dict[str, Any] = {
        "phase": phase,
        "message": f"one or more objects failed to apply, reason: {message}. Retrying attempt #{retries + 1} at 1:0{retries}PM.",
        "retryCount": retries,
        "syncResult": {"resources": [{"kind": "Service", "name": "chat", "status": "SyncFailed", "message": message}]},
    }
    if waits:
        state["finishedAt"] = f"2026-01-01T10:00:0{retries}Z"
    return {"metadata": {"name": "chat-dev"}, "status": {"operationState": state}}


def test_an_attempt_after_a_quiet_pause_that_fails_alike_is_the_last_that_is_waited_for() -> None:
    attempts = Attempts()
    assert not attempts.vain(app(0), now=0, still=0)
    assert not attempts.vain(app(1), now=6, still=4), "the second"
    assert not attempts.vain(app(2), now=17, still=10), "what came 6 s before it may not be seen by all"
    assert not attempts.vain(app(2), now=36, still=29), "so the next one tells"
    assert not attempts.vain(app(3, waits=False), now=37, still=0)
    assert attempts.vain(app(3), now=38, still=1), "it began 29 s after the last news"


def test_what_comes_in_the_pause_is_waited_for() -> None:
    attempts = Attempts()
    for number, now in ((0, 0), (1, 6), (2, 17)):
        attempts.vain(app(number), now=now, still=5)
    attempts.vain(app(2), now=40, still=28)
    assert attempts.vain(app(3), now=42, still=1)
    assert not attempts.vain(app(3), now=60, still=2), "a pod has become ready"
    assert not attempts.vain(app(4), now=100, still=1.0), "and this attempt began after that"


def test_an_attempt_that_fails_otherwise_counts_anew() -> None:
    attempts = Attempts()
    for number, now in ((0, 0), (1, 6), (2, 17)):
        attempts.vain(app(number), now=now, still=25)
    assert attempts.vain(app(3), now=42, still=1)
    assert not attempts.vain(app(4, "another reason"), now=90, still=1)
    assert not attempts.vain(app(0), now=100, still=60), "another operation"
    attempts.vain(app(0, phase="Succeeded"), now=101, still=0)
    assert not attempts.vain(app(5), now=102, still=60)


def test_what_the_api_server_refuses_by_itself_needs_no_pause() -> None:
    attempts = Attempts()
    assert not attempts.vain(app(0, INVALID), now=0, still=0)
    assert not attempts.vain(app(1, INVALID), now=30, still=25)
    assert not attempts.vain(app(2, INVALID), now=31, still=1), "something still moves"
    assert attempts.vain(app(2, INVALID), now=51, still=20)
    taken = f"{INVALID}: provided IP is already allocated"
    other = Attempts()
    assert not any(other.vain(app(number, taken), now=10 * number, still=9) for number in range(5))
    assert not other.vain(app(4, taken), now=80, still=40), "another object may free it"


def test_numbers_and_times_are_no_other_words() -> None:
    attempts = Attempts()
    for number in range(3):
        attempts.vain(app(number, f"{INVALID} at 12:0{number} by node {number}"), now=10 * number, still=0)
    assert attempts.vain(app(2, f"{INVALID} at 12:09 by node 7"), now=50, still=20)


def synced(number: int, revision: str = "a" * 40, sync: str = "OutOfSync", retries: int = 0) -> dict[str, Any]:
    """Return an Application in a sync that began at a time."""
    state = {
        "phase": "Running",
        "startedAt": f"2026-01-01T10:00:{number:02}Z",
        "retryCount": retries,
        "operation": {"sync": {"revision": revision}},
    }
    return {"metadata": {"name": "roots"}, "status": {"operationState": state, "sync": {"status": sync}}}


def test_an_application_that_is_synced_for_ever_is_not_waited_for() -> None:
    """Such as one with a field that the API server drops."""
    attempts = Attempts()
    told = [attempts.vain(synced(number // 3), now=number, still=0) for number in range(3 * SYNCS)]
    assert told == [False] * (3 * (SYNCS - 1)) + [True] * 3


@pytest.mark.parametrize(
    "other", [{"revision": "b" * 40}, {"sync": "Synced"}, {"retries": 1}], ids=["commit", "in sync", "failed"]
)
def test_what_moves_on_meanwhile_is_waited_for(other: dict[str, Any]) -> None:
    attempts = Attempts()
    for number in range(SYNCS - 1):
        assert not attempts.vain(synced(number), now=number, still=0)
    assert not attempts.vain(synced(20, **other), now=20, still=0)
    assert not attempts.vain(synced(21), now=21, still=0)
