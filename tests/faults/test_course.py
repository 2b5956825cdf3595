"""Faults that touch nothing of each other are made at once, each is watched to its end, and every one is undone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.checks.alerts import delivery, notifications
from platform_e2e.checks.alerts.notifications import Notification
from platform_e2e.checks.monitoring.prometheus import ActiveAlert
from platform_e2e.faults import course as module
from platform_e2e.faults.course import Course, Parts, Stopped, Wanted
from platform_e2e.faults.declaration import Fault, Step
from platform_e2e.faults.outcome import Outcome, table
from platform_e2e.kube.objects import Object
from tests.fakes.memory_kube import MemoryKube
from tests.fakes.series import NOW


def fault(name: str, *, parts: str = "", needs: str = "", **more: Any) -> Fault:
    """Return a fault that scales a workload to none."""
    step = Step(
        "create", change={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}}
    )
    return Fault(name, name.title(), [step], parts=frozenset(parts.split()), needs=frozenset(needs.split()), **more)


@pytest.fixture
def parts() -> Parts:
    """Return parts of which nothing is in use."""
    return Parts(threading.Event())


def free(parts: Parts, *faults: Fault) -> list[bool]:
    """Tell of each of some faults that wait in this order whether it may begin."""
    for each in faults:
        parts.enter(each)
    return [parts._free(each) for each in faults]


def test_faults_of_different_parts_begin_at_once_and_those_of_one_part_in_their_order(parts: Parts) -> None:
    found = free(parts, fault("a", parts="x"), fault("b", parts="y"), fault("c", parts="x"))
    assert found == [True, True, False]


def test_what_several_need_is_taken_by_one_only_alone(parts: Parts) -> None:
    found = free(
        parts, fault("a", parts="x", needs="argocd"), fault("b", parts="y", needs="argocd"), fault("c", parts="argocd")
    )
    assert found == [True, True, False]


def test_fault_that_runs_keeps_its_parts_until_it_is_over(parts: Parts) -> None:
    first, second = fault("a", parts="x"), fault("b", parts="x")
    free(parts, first, second)
    with parts.taken(first):
        assert not parts._free(second)
    assert parts._free(second)


def test_nothing_begins_once_the_course_is_to_end() -> None:
    stop = threading.Event()
    parts, held = Parts(stop), fault("a", parts="x")
    parts.enter(held)
    stop.set()
    with pytest.raises(Stopped), parts.taken(held):
        pytest.fail("it begins")


class Cluster(MemoryKube):
    """A cluster in which an alert fires while the ConfigMap of its fault is there."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: set[str] = set()
        self.endless = False
        self.sent: list[Notification] = []

    def delete(self, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete an object, and tell the end of its alert."""
        there = super().delete(kind, name, namespace)
        if there and not self.endless and name.title() not in self.silent:
            self._send(name.title(), "resolved")
        return there

    def apply(self, obj: Object, **more: Any) -> Object:
        """Make an object, and tell of its alert."""
        found = super().apply(obj, **more)
        name = str(obj["metadata"]["name"]).title()
        if name not in self.silent:
            self._send(name, "firing")
        return found

    def list(self, kind: str, namespace: str | None = None, labels: Any = None) -> list[Object]:
        """Return no object of an earlier course."""
        return super().list(kind, namespace, labels) if isinstance(labels, dict) else []

    def _send(self, alert: str, status: str) -> None:
        at = NOW + timedelta(seconds=len(self.sent) + 1)
        self.sent.append(Notification(at, "team", status, {"alertname": alert}, {"summary": "It is down."}))


def course(
    kube: Cluster, *faults: Fault, monkeypatch: pytest.MonkeyPatch, fires: Sequence[str] | None = None
) -> Course:
    """Return the course of faults on a cluster."""

    def alerts() -> list[ActiveAlert]:
        there = [key[2].title() for key in kube.objects] or (["A"] if kube.endless else [])
        return [ActiveAlert(name, "firing", {}) for name in there if fires is None or name in fires]

    monkeypatch.setattr(notifications, "received", lambda _: list(kube.sent))
    monkeypatch.setattr(module, "LOOKED_SECONDS", 0.0)
    prometheus: Any = SimpleNamespace(alerts=alerts, now=lambda: NOW)
    layer: Any = SimpleNamespace(applications=[])
    made = Course(layer, kube.kube, prometheus, [Wanted(each, 0.0, ["team"]) for each in faults])
    made.begin()
    return made


def test_fault_is_watched_from_pending_to_cleared_and_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Cluster()
    made = course(kube, fault("a", parts="x"), fault("b", parts="x"), monkeypatch=monkeypatch)
    try:
        outcomes = [made.outcome("A"), made.outcome("B")]
    finally:
        made.end()
    assert [outcome.cause for outcome in outcomes] == [None, None]
    assert all(list(outcome.seconds) == ["pending", "firing", "received", "cleared"] for outcome in outcomes)
    assert {outcome.receiver for outcome in outcomes} == {"team"}
    assert kube.objects == {}
    assert outcomes[0].figures["receiver"] == "team"


def test_alert_that_does_not_fire_is_told_and_its_fault_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEEN_SECONDS", 0.1)
    kube = Cluster()
    made = course(kube, fault("a", parts="x"), monkeypatch=monkeypatch, fires=[])
    try:
        cause = made.outcome("A").cause
    finally:
        made.end()
    assert cause is not None
    assert cause.id == "alert-not-fired"
    assert "A is not pending 0.1 s after the fault a: it is inactive" in cause.sentence
    assert kube.objects == {}


def test_alert_that_nobody_receives_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "SEND_SECONDS", 0.1)
    monkeypatch.setattr(delivery, "last_failure", lambda _: "connection refused")
    kube = Cluster()
    kube.silent.add("A")
    made = course(kube, fault("a", parts="x"), monkeypatch=monkeypatch)
    try:
        cause = made.outcome("A").cause
    finally:
        made.end()
    assert cause is not None
    assert (cause.id, "Alertmanager says: connection refused" in cause.sentence) == ("alert-not-delivered", True)


def test_alert_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACK_SECONDS", 0.1)
    kube = Cluster()
    kube.endless = True
    made = course(kube, fault("a", parts="x"), monkeypatch=monkeypatch)
    try:
        cause = made.outcome("A").cause
    finally:
        made.end()
    assert cause is not None
    assert (cause.id, kube.objects) == ("alert-still-firing", {})


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"annotations": {"summary": "It is up."}}, "its annotation summary is `It is down.` in place of `It is up.`"),
        ({"annotations": {"description": ""}}, "it has no annotation description"),
    ],
)
def test_alert_that_is_received_otherwise_is_told(
    wanted: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = course(Cluster(), fault("a", parts="x", **wanted), monkeypatch=monkeypatch)
    try:
        cause = made.outcome("A").cause
    finally:
        made.end()
    assert cause is not None
    assert (cause.id, told in cause.sentence) == ("alert-received-otherwise", True)


def test_end_undoes_what_is_under_way_and_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = Cluster()
    made = course(kube, fault("a", parts="x"), fault("b", parts="x"), monkeypatch=monkeypatch, fires=[])
    made.end()
    assert kube.objects == {}
    causes = [made.outcome(name).cause for name in ("A", "B")]
    assert [cause and cause.id for cause in causes] == ["fault-not-finished"] * 2
    assert made.outcomes["B"].began is None


def test_table_has_every_step_in_the_order_of_the_faults() -> None:
    first = Outcome(
        "Down", "shop-down", 0.0, {"pending": 4.0, "firing": 64.1, "received": 66.0, "cleared": 9.0}, "team"
    )
    never = Outcome("Full", "pool-full")
    text = table([never, first])
    assert text.index("shop-down") < text.index("pool-full")
    assert "64.1 s" in text
