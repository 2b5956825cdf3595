"""How often and with which pauses a failed sync is tried again, and how it ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platform_e2e.checks import retry
from platform_e2e.checks.retry import Attempt, Schedule
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer
from tests.fakes import layers

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, 7.0), ("", 7.0), ("5", 5.0), (5, 5.0), ("5s", 5.0), ("1m30s", 90.0), ("1.5h", 5400.0), ("500ms", 0.5)],
)
def test_durations_are_read_as_argo_cd_reads_them(text: object, expected: float) -> None:
    assert retry.seconds(text, 7.0) == expected


def test_pauses_grow_from_the_first_one_which_is_longer_than_the_duration() -> None:
    schedule = Schedule.of({})
    assert [schedule.pause(number) for number in (1, 2, 3, 4, 5, 9)] == [10.0, 20.0, 40.0, 80.0, 160.0, 180.0]
    assert schedule.total == 310.0
    assert Schedule.of({"retry": {}}).limit == 0
    assert Schedule(limit=2, duration=1, factor=2, longest=0).total == 6
    assert Schedule(limit=-1).total == float("inf")


def test_the_demo_layer_stops_in_time(demo: Layer) -> None:
    assert [finding for application in demo.applications for finding in retry.check(application)] == []


@pytest.mark.parametrize(
    ("block", "cause", "words"),
    [
        ({"limit": -1, "refresh": True}, "retry-unlimited", "spec.syncPolicy.retry.limit is -1"),
        (
            {"limit": 10, "backoff": {"duration": "1m", "factor": 2, "maxDuration": "16m"}},
            "retry-holds-fix",
            "keeps the commit that mends it out for up to 126 minutes",
        ),
    ],
)
def test_what_never_stops_or_keeps_the_mended_commit_out_is_told(
    demo: Layer, block: dict[str, Any], cause: str, words: str
) -> None:
    application = replace(demo.application("metallb-config"), sync_policy={"retry": block})
    (finding,) = retry.check(application)
    assert (finding.promise, finding.cause.id) == ("retry", cause)
    assert words in finding.cause.sentence
    exempt = {"metadata": {"annotations": {"platform-e2e/exempt-retry": "it is waited for by hand"}}}
    assert retry.check(replace(application, manifest=exempt)) == []


def test_with_refresh_long_pauses_keep_nothing_out(demo: Layer) -> None:
    block = {"limit": 10, "refresh": True, "backoff": {"duration": "1m", "factor": 2, "maxDuration": "16m"}}
    assert retry.check(replace(demo.application("metallb-config"), sync_policy={"retry": block})) == []


def state(
    retries: int, second: int, phase: str = "Running", message: str = "no. Retrying attempt #1 at 5:00PM."
) -> Object:
    finished = (NOON + timedelta(seconds=second)).isoformat()
    return {"status": {"operationState": {
        "phase": phase, "retryCount": retries, "finishedAt": finished, "message": message, "operation": {"retry": {"limit": 2}}
    }}}  # fmt: skip


def test_attempts_are_the_states_that_wait_for_the_next_one() -> None:
    states = [None, state(1, 0), state(1, 0), state(2, 2), state(2, 7, "Failed")]
    assert retry.attempts(states) == [Attempt(1, NOON, "no."), Attempt(2, NOON + timedelta(seconds=2), "no.")]


SCHEDULE = Schedule(limit=2, duration=1, factor=2)


@pytest.mark.parametrize(
    ("states", "last", "succeeds", "observed"),
    [
        ([state(1, 0), state(2, 3)], state(2, 7, "Failed", "gave up"), False, ""),
        ([state(1, 0)], state(1, 3, "Succeeded"), True, ""),
        ([state(1, 0)], state(1, 3, "Failed", "gave up"), True, "the sync Failed: gave up"),
        ([], state(0, 3, "Succeeded"), True, "it was not tried again"),
        ([state(2, 0)], state(2, 3, "Failed"), False, "attempts [2] were seen, and it counts 2"),
        ([state(1, 0)], state(1, 3, "Failed"), False, "it stopped after 1 of 2 attempts"),
        (
            [state(1, 0), state(2, 0)],
            state(2, 9, "Failed"),
            False,
            "attempt 2 ended 0 s after the one before, after a pause of 2 s",
        ),
    ],
)
def test_each_attempt_counts_and_comes_after_its_pause(
    states: list[Object], last: Object, succeeds: bool, observed: str
) -> None:
    seen, done = retry.attempts(states), argocd.operation(last)
    found = retry.made("application/app -n argocd", seen, SCHEDULE, done, succeeds=succeeds)
    assert [finding.observed for finding in found] == ([observed] if observed else [])
    assert {finding.cause.id for finding in found} <= {"retry-not-made"}


def test_what_was_tried_again_is_not_the_heal_after_it() -> None:
    retried, last, heal = state(1, 0), state(1, 3, "Succeeded"), state(0, 4, "Succeeded")
    for app, started in ((retried, NOON), (last, NOON), (heal, NOON + timedelta(seconds=4))):
        app["status"]["operationState"]["startedAt"] = started.isoformat()
    assert retry.ended([None, retried, last, heal]).retries == 1
    assert retry.ended([heal]).started == NOON + timedelta(seconds=4)
    assert retry.ended([]).phase == ""
