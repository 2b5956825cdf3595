from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from platform_e2e.checks.applications import may_sync
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.sync_windows import holding, is_active, matches
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from tests.fakes import layers
from tests.fakes.recorded_view import RecordedView, made

pytestmark = pytest.mark.point("sync-windows")

NOON = datetime(2026, 11, 25, 12, 0, 30, tzinfo=UTC)  # a Wednesday


def application(status: str = "OutOfSync") -> Object:
    destination = {"server": "https://kubernetes.default.svc", "namespace": "chat-dev"}
    spec = {"project": "chat", "destination": destination, "syncPolicy": {"automated": {}}}
    return made(argocd.APPLICATION, "chat-dev", "argocd", spec=spec, status={"sync": {"status": status}})


def window(kind: str = "deny", schedule: str = "* * * * *", duration: str = "24h", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "schedule": schedule, "duration": duration, **(more or {"applications": ["*"]})}


def project(*windows: dict[str, Any]) -> RecordedView:
    return RecordedView(made(argocd.APPPROJECT, "chat", "argocd", spec={"syncWindows": list(windows)}))


@pytest.mark.parametrize(
    ("schedule", "duration", "zone", "active"),
    [
        ("* * * * *", "24h", "", True),
        ("0 12 * * *", "1m", "", True),
        ("0 12 * * *", "30s", "", False),
        ("0 12 * * *", "31s", "", True),
        ("0 11 * * *", "1h", "", False),
        ("0 11 * * *", "1h0.5m1s", "", True),
        ("0 13 * * *", "5m", "Europe/Berlin", True),
        ("0 7 * * 3", "5m", "America/New_York", True),
        ("0 12 * * *", "5m", "Europe/Berlin", False),
        ("0 12 * * *", "5m", "Nowhere/AtAll", True),
        ("0 12 * * 1-5", "5m", "", True),
        ("0 12 * * SUN", "5m", "", False),
        ("0 22 * * *", "16h", "", True),
    ],
)
def test_a_window_is_open_for_its_duration_by_the_clock_of_its_zone(
    schedule: str, duration: str, zone: str, active: bool
) -> None:
    assert is_active({"schedule": schedule, "duration": duration, "timeZone": zone}, NOON) is active


@pytest.mark.parametrize(
    ("about", "matched"),
    [
        ({"applications": ["*"]}, True),
        ({"applications": ["chat-d?v"]}, True),
        ({"applications": ["CHAT-*"]}, False),
        ({"applications": ["other"], "namespaces": ["chat-*"]}, True),
        ({"applications": ["other"], "namespaces": ["chat-*"], "andOperator": True}, False),
        ({"applications": ["chat-*"], "namespaces": ["chat-*"], "andOperator": True}, True),
        ({"clusters": ["https://kubernetes.*"]}, True),
        ({"clusters": ["in-cluster"]}, False),
        ({"namespaces": ["prod"]}, False),
        ({}, False),
    ],
)
def test_a_window_is_about_applications_clusters_and_namespaces(about: dict[str, Any], matched: bool) -> None:
    assert matches({"kind": "deny", **about}, application()) is matched


@pytest.mark.parametrize(
    ("windows", "held"),
    [
        ([window()], "denies syncs, deny from `* * * * *` for 24h (applications *)"),
        ([window("allow", "0 3 * * *", "1h")], "no sync window of AppProject chat that allows syncs is open"),
        ([window("allow"), window()], "denies syncs"),
        ([window("allow"), window("allow", "0 3 * * *", "1h")], None),
        ([window("deny", "0 3 * * *", "1h")], None),
        ([window("deny", applications=["other"])], None),
        ([window("allow", "0 3 * * *", "1h", namespaces=["prod"])], None),
        ([window(schedule="every day")], "has the schedule 'every day', which cannot be read"),
        ([window(duration="a while")], "has the duration 'a while', which cannot be read"),
        ([], None),
    ],
)
def test_what_holds_is_what_holds_for_argo_cd(windows: list[dict[str, Any]], held: str | None) -> None:
    cause = holding(application(), project(*windows), NOON)
    if held is None:
        assert cause is None
    else:
        assert cause is not None
        assert cause.id == "application-sync-window"
        assert held in cause.sentence
        assert "application/chat-dev -n argocd is not synced" in cause.sentence


@pytest.mark.parametrize("offered", [True, False])
def test_a_sync_by_hand_is_offered_only_where_the_window_lets_it(offered: bool) -> None:
    cause = holding(application(), project(window(applications=["*"], manualSync=offered)), NOON)
    assert cause is not None
    assert ("argocd app sync" in cause.remedy) is offered


def test_a_window_is_the_cause_of_what_is_not_synced_alone() -> None:
    found = explain(application(), project(window()))
    assert found is not None
    assert found.id == "application-sync-window"
    assert explain(application("Synced"), project(window())) is None


def test_an_application_that_is_as_in_git_while_no_sync_may_begin_is_told() -> None:
    one = layers.demo().application("chat-dev")
    (finding,) = may_sync(one, application("Synced"), project(window()))
    assert (finding.promise, finding.cause.id) == ("applications", "application-sync-window")
    assert may_sync(one, application("Synced"), project()) == []
