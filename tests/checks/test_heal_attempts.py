"""Drift that comes again and again is healed as often, after the pauses of the backoff."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from platform_e2e.checks import heal_attempts
from platform_e2e.checks.heal_attempts import Backoff
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import RecordedView, made

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def settings(**data: str) -> RecordedView:
    prefix = "controller.self.heal.backoff."
    named = {f"{prefix}{name.replace('_', '.')}": value for name, value in data.items()}
    return RecordedView(made("v1/ConfigMap", "argocd-cmd-params-cm", "argocd", data=named))


def test_pauses_are_those_that_argo_cd_was_told() -> None:
    default = Backoff.of(RecordedView())
    assert [default.pause(number) for number in (1, 2, 3, 4, 5, 6, 7, 8)] == [0, 2, 6, 18, 54, 162, 300, 300]
    assert Backoff.of(settings(timeout_seconds="0")).pause(5) == 0
    assert Backoff.of(settings(timeout_seconds="1", factor="2", cap_seconds="3")).pause(4) == 3


def heal(
    number: int,
    second: int,
    phase: str = "Succeeded",
    resources: tuple[str, ...] = ("settings",),
    *,
    automated: bool = True,
) -> Object:
    sync: dict[str, Any] = {"resources": [{"kind": "ConfigMap", "name": name} for name in resources]}
    if number:
        sync["autoHealAttemptsCount"] = number
    at = (NOON + timedelta(seconds=second)).isoformat()
    operation = {"initiatedBy": {"automated": automated}, "sync": sync}
    return {"status": {"operationState": {"phase": phase, "startedAt": at, "finishedAt": at, "operation": operation}}}


SYNC = argocd.operation(heal(0, 0))


@pytest.mark.parametrize(
    ("states", "problem"),
    [
        ([heal(1, 1), heal(2, 3), heal(3, 9)], ""),
        ([heal(1, 1, "Running"), heal(1, 1), heal(2, 3), heal(3, 9)], ""),
        ([heal(1, 1), heal(2, 3)], "the heals after number 0 have the numbers [1, 2]"),
        ([heal(1, 1), heal(3, 9), heal(4, 30)], "the heals after number 0 have the numbers [1, 3, 4]"),
        ([heal(1, 1), heal(2, 3), heal(3, 9), heal(4, 30)], "there were 4 heals"),
        ([heal(1, 1), heal(2, 3), heal(3, 5)], "heal 3 began after 2 s, and the backoff says 6 s"),
        ([heal(1, 1), heal(2, 3, "Failed"), heal(3, 9)], "heal 2 is Failed, of ['ConfigMap/settings']"),
        ([heal(1, 1), heal(2, 3, resources=()), heal(3, 9)], "heal 2 is Succeeded, of everything"),
    ],
)
def test_each_drift_is_one_heal_after_its_pause(states: list[Object], problem: str) -> None:
    seen = heal_attempts.heals([None, *states])
    found = heal_attempts.counted("application/app -n argocd", SYNC, seen, Backoff(), 3)
    assert [finding.observed for finding in found] == ([problem] if problem else [])
    assert {finding.cause.id for finding in found} <= {"drift-not-counted"}


def test_without_pauses_one_drift_may_take_several_heals_and_they_count_on() -> None:
    before = argocd.operation(heal(1, 0))
    seen = heal_attempts.heals([heal(1, 0), heal(2, 1), heal(3, 1), heal(4, 2)])
    assert heal_attempts.counted("application/app -n argocd", before, seen, Backoff(first=0), 2) == []
    assert heal_attempts.counted("application/app -n argocd", before, seen, Backoff(first=0), 4) != []
