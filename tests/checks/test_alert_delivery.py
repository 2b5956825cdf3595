"""What the receiver has kept is read, and an alert on its way is followed to its end."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.checks.alerts import delivery, loaded, notifications, probe
from platform_e2e.checks.alerts.delivery import Expected
from platform_e2e.checks.alerts.notifications import Notification, parsed
from platform_e2e.foundations import alert_receiver
from platform_e2e.kube.errors import NotFound
from platform_e2e.kube.objects import Object

AT = datetime(2026, 11, 30, 16, 23, 20, tzinfo=UTC)

LINE = {
    "at": "2026-11-30T16:23:20.337552711Z",
    "path": "/on-call",
    "size": 100,
    "body": {
        "receiver": "on-call",
        "status": "firing",
        "alerts": [
            {"status": "firing", "labels": {"alertname": "Down"}, "annotations": {"summary": "s"}, "fingerprint": "1"},
            {"status": "resolved", "labels": {"alertname": "Full"}, "annotations": {}, "fingerprint": "2"},
        ],
    },
}


def test_each_alert_of_a_notification_is_read() -> None:
    log = "\n".join(["a stand-in", json.dumps(LINE), "[1]", '{"at": "x", "path": "/", "size": 9}', "{cut"])
    assert [(each.alert, each.status, each.receiver, each.at.second) for each in parsed(log)] == [
        ("Down", "firing", "on-call", 20),
        ("Full", "resolved", "on-call", 20),
    ]


class Reader:
    """A cluster with pods of the receiver and of Alertmanager that have logs."""

    def __init__(self, **logs: str) -> None:
        self._logs = logs

    def list(self, _kind: str, _namespace: str | None = None, labels: Any = None) -> list[Object]:
        """Return the pods."""
        kind = "receiver" if labels == alert_receiver.LABELS else "alertmanager"
        return [{"metadata": {"namespace": "n", "name": name}} for name in self._logs if name.startswith(kind)]

    def logs(self, pod: str, *_: Any, **__: Any) -> str:
        """Return a pod's log."""
        if not self._logs[pod]:
            raise NotFound("GET log", 404, "NotFound", "no container")
        return self._logs[pod]


def test_what_all_pods_of_the_receiver_have_kept_is_in_the_order_of_its_time() -> None:
    later = json.dumps({**LINE, "at": "2026-11-30T17:00:00Z"})
    reader: Any = Reader(receiver_a=later, receiver_b=json.dumps(LINE), receiver_c="")
    assert [each.at.hour for each in notifications.received(reader)] == [16, 16, 17, 17]


def got(**changes: Any) -> Notification:
    """Return a notification about an alert."""
    fields: dict[str, Any] = {
        "at": AT,
        "receiver": "on-call",
        "status": "firing",
        "labels": {"alertname": "Down", "pool": "a"},
        "annotations": {"summary": "The pool a is full."},
    }
    return Notification(**{**fields, **changes})


EXPECTED = Expected("Down", ["on-call"], {"pool": "a"}, {"summary": "The pool a is full."}, AT - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({}, True),
        ({"at": AT - timedelta(seconds=2)}, False),
        ({"labels": {"alertname": "Down", "pool": "b"}}, False),
        ({"labels": {"alertname": "Up", "pool": "a"}}, False),
        ({"receiver": "team"}, True),
    ],
)
def test_notification_is_told_from_those_of_others(changes: dict[str, Any], about: bool) -> None:
    assert EXPECTED.about(got(**changes)) is about


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, ""),
        ({"receiver": "team"}, "the receiver team got it in place of on-call"),
        ({"annotations": {}}, "it has no annotation summary"),
        ({"annotations": {"summary": "x"}}, "its annotation summary is `x` in place of `The pool a is full.`"),
    ],
)
def test_what_is_received_otherwise_is_told(changes: dict[str, Any], wrong: str) -> None:
    assert EXPECTED.wrong(got(**changes)) == wrong
    cause = delivery.misdelivered(EXPECTED, got(**changes))
    assert (cause.id if cause else "") == ("alert-received-otherwise" if wrong else "")


@pytest.mark.parametrize("text", ["{{ $labels.pool }}", "<error expanding template: x>", "The pool <no value>"])
def test_text_that_is_not_rendered_is_told(text: str) -> None:
    anything = Expected("Down", ["on-call"], {}, {"summary": ""}, AT)
    assert "is not rendered" in anything.wrong(got(annotations={"summary": text}))


def test_cause_has_what_alertmanager_says_of_its_last_attempt() -> None:
    log = 'level=info msg=ok\nlevel=WARN msg="Notify attempt failed, will retry later" num_alerts=1 err="dial tcp: refused"\n'
    reader: Any = Reader(alertmanager_0=log)
    cause = delivery.undelivered(EXPECTED, reader, "firing", 60)
    assert cause.id == "alert-not-delivered"
    assert cause.sentence == (
        "Down fires, and on-call was not told of it within 60 s; Alertmanager says: pod/alertmanager_0 -n n: dial tcp: refused"
    )
    assert delivery.undelivered(EXPECTED, reader, "resolved", 60).id == "alert-not-cleared"


def test_wait_ends_with_the_first_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "received", lambda _: [got(status="resolved"), got()])
    reader: Any = None
    assert delivery.wait_received(EXPECTED, reader, "firing", timeout=1) == got()
    monkeypatch.setattr(notifications, "received", lambda _: [])
    assert delivery.wait_received(EXPECTED, reader, "firing", timeout=0.1) is None


CONFIG = "route: {receiver: a}\nreceivers: [{name: a}]\n"


class Operated:
    """A cluster with an Alertmanager, what it is given, and what it has loaded."""

    def __init__(self, given: str = CONFIG, at_work: str = CONFIG, *conditions: dict[str, str]) -> None:
        self._given, self._at_work, self._conditions = given, at_work, conditions

    def list(self, kind: str, *_: Any, **__: Any) -> list[Object]:
        """Return the Alertmanager, or its Service."""
        metadata = {"namespace": "monitoring", "name": "main"}
        if kind == "v1/Service":
            return [{"metadata": {**metadata, "name": "alertmanager-operated"}}]
        return [{"kind": "Alertmanager", "metadata": metadata, "status": {"conditions": list(self._conditions)}}]

    def get(self, _kind: str, name: str, _namespace: str) -> Object:
        """Return the Secret that the operator makes."""
        assert name == "alertmanager-main-generated"
        packed = base64.b64encode(gzip.compress(self._given.encode())).decode() if self._given else "no base64!"
        return {"data": {"alertmanager.yaml.gz": packed}}

    def proxy(self, *place: Any, **_: Any) -> bytes:
        """Return its status, and no silence."""
        return json.dumps({"config": {"original": self._at_work}} if place[3].endswith("status") else []).encode()


REFUSED = {"type": "Reconciled", "status": "False", "message": 'undefined receiver "b"\nused in route'}


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        (Operated(), []),
        (Operated(""), []),
        (
            Operated(CONFIG, CONFIG, REFUSED),
            ['the configuration of alertmanager/main -n monitoring is refused: undefined receiver "b" used in route'],
        ),
        (
            Operated(CONFIG.replace("}", ", continue: true}", 1), CONFIG),
            [
                (
                    "alertmanager/main -n monitoring has not loaded the configuration that it is given: "
                    "its routes, receivers or inhibitions are others"
                )
            ],
        ),
    ],
)
def test_configuration_that_is_not_at_work_is_told(cluster: Any, told: list[str]) -> None:
    layer: Any = SimpleNamespace(releases=[])
    assert [finding.cause.sentence for finding in loaded.check(layer, cluster)] == told


def test_probe_is_selected_as_a_prometheus_asks() -> None:
    prometheus: Object = {
        "metadata": {"namespace": "monitoring", "name": "main"},
        "spec": {"ruleSelector": {"matchLabels": {"release": "stack"}}, "ruleNamespaceSelector": {}},
    }
    view: Any = SimpleNamespace(list=lambda kind, *_, **__: [prometheus] if kind.endswith("/Prometheus") else [])
    assert probe.selecting("e2e-1", view) == {"release": "stack"}
    del prometheus["spec"]["ruleNamespaceSelector"]
    assert probe.selecting("e2e-1", view) is None


def test_probe_ends_by_an_expression_that_is_false() -> None:
    firing, over = (probe.rule("e2e-1", {}, {"severity": "x"}, fires=fires) for fires in (True, False))
    (one,), (other,) = (each["spec"]["groups"][0]["rules"] for each in (firing, over))
    assert other == {**one, "expr": f"{one['expr']} > 1"}
