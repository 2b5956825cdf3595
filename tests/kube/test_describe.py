"""What a person reads of an object and its events; and how pauses grow."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from platform_e2e.kube.backoff import Backoff
from platform_e2e.kube.describe import event_lines, state_lines
from platform_e2e.kube.objects import Object
from platform_e2e.kube.verdict import Pending
from platform_e2e.kube.wait import WaitHistory

POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "chat-1", "namespace": "chat-dev", "resourceVersion": "7"},
    "status": {
        "phase": "Running",
        "conditions": [
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "unready:\n [chat]"}
        ],
        "initContainerStatuses": [{"name": "init", "ready": True, "state": {"terminated": {"exitCode": 0}}}],
        "containerStatuses": [
            {"name": "fine", "ready": True, "state": {"running": {}}},
            {
                "name": "chat",
                "ready": False,
                "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            },
        ],
    },
}


def test_a_pod_is_shown_by_what_is_not_ready() -> None:
    assert state_lines(POD) == [
        "Pod chat-1 -n chat-dev, resourceVersion 7, phase Running",
        "  Ready=False ContainersNotReady unready: [chat]",
        "  container chat waiting: CrashLoopBackOff, back-off 40s, restarted 3 times",
    ]


def test_a_workload_is_shown_by_its_generations_and_figures() -> None:
    obj: Object = {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": "a",
            "resourceVersion": "9",
            "generation": 3,
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": ["foregroundDeletion"],
        },
        "status": {"observedGeneration": 2, "replicas": 2, "readyReplicas": 0},
    }
    shown = (
        "Deployment a, resourceVersion 9, generation 3 (observed 2), being deleted since 2026-01-01T00:00:00Z, "
        "finalizers: ['foregroundDeletion'], replicas 2, readyReplicas 0"
    )
    assert state_lines(obj) == [shown]


def test_a_secret_is_shown_without_its_values() -> None:
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "s",
            "namespace": "ns",
            "resourceVersion": "1",
            "annotations": {"last-applied": "aHVudGVyMg=="},
        },
        "data": {"password": "aHVudGVyMg=="},
        "stringData": {"password": "hunter2"},
    }
    assert state_lines(secret) == ["Secret s -n ns, resourceVersion 1"]


def event(seconds: int, reason: str, **more: object) -> Object:
    return {
        "type": "Warning",
        "reason": reason,
        "message": f"{reason} happened",
        "involvedObject": {"kind": "Pod", "name": "chat-1"},
        "lastTimestamp": f"2026-01-01T00:00:{seconds:02d}Z",
        **more,
    }


def test_events_are_the_newest_ones_with_their_ages() -> None:
    now = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    later = event(0, "Series", lastTimestamp=None, series={"lastObservedTime": "2026-01-01T00:00:59.5Z", "count": 4})
    lines = event_lines(
        [later, *(event(second, f"R{second}") for second in range(20)), event(30, "Often", count=7)], now
    )
    assert len(lines) == 8
    assert lines[0] == "46 s ago  Warning R14 Pod chat-1: R14 happened"
    assert lines[-2] == "30 s ago  Warning Often Pod chat-1: Often happened (7 times)"
    assert lines[-1] == "0 s ago  Warning Series Pod chat-1: Series happened (4 times)"


def test_equal_neighbours_of_a_history_are_one_step() -> None:
    history = WaitHistory()
    for words in ("a", "a", "b", "a"):
        history.add(Pending(words))
    assert [(step.words, step.times) for step in history.steps] == [("a", 2), ("b", 1), ("a", 1)]


def test_pauses_double_with_jitter_up_to_the_most() -> None:
    backoff = Backoff(0.02, 1.0, random.Random(1))
    pauses = [backoff.pause() for _ in range(12)]
    limits = [min(0.02 * 2**n, 1.0) for n in range(12)]
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, limits, strict=True))
    assert len(set(pauses)) == 12
    backoff.reset()
    assert backoff.pause() <= 0.02


def test_a_pause_is_never_shorter_than_asked() -> None:
    assert 2.0 < Backoff().pause(2.0) < 2.1
