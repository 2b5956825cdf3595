from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from platform_e2e.checks.drift import DELETABLE, GENTLEST, HARMLESS
from platform_e2e.errors import BrokenHarness
from platform_e2e.report import redact
from platform_e2e.report.evidence import LOG_LINES, Evidence, as_yaml, containers, events_as_text, keep_logs

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "chat-1", "namespace": "chat-dev", "managedFields": [{"manager": "kubelet"}]},
    "spec": {"containers": [{"name": "chat", "env": [{"name": "ROOM_PASSWORD", "value": "hunter2"}]}]},
    "status": {
        "containerStatuses": [
            {"name": "chat", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            {"name": "sidecar", "restartCount": 0, "state": {"running": {}}},
            {"name": "never", "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}},
        ]
    },
}
EVENTS: list[dict[str, Any]] = [
    {"lastTimestamp": "2026-11-24T10:00:05Z", "type": "Warning", "count": 3, "reason": "BackOff",
     "involvedObject": {"kind": "Pod", "name": "chat-1"}, "message": "restarting\n  failed container"},
    {"eventTime": "2026-11-24T10:00:01Z", "type": "Normal", "reason": "Scheduled",
     "regarding": {"kind": "Pod", "name": "chat-1"}, "message": "assigned"},
]  # fmt: skip


class FakeCluster:
    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        self.asked.append(("get", kind, name, namespace or ""))
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"k": "c2VjcmV0"}}

    def list(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        self.asked.append(("list", kind, namespace or ""))
        if kind == "v1/Service":
            raise BrokenHarness("the API server answered 503")
        return {"v1/Pod": [POD], "v1/Event": EVENTS}.get(kind, [])

    def logs(
        self, pod: str, namespace: str, container: str | None = None, previous: bool = False, tail: int = 50
    ) -> str:
        assert tail == LOG_LINES
        return f"log of {container}{' before' if previous else ''}: token=abcdefgh\n"


def keep(directory: Path, *objects: str, namespaces: tuple[str, ...] = ("chat-dev",)) -> FakeCluster:
    kube, seen = FakeCluster(), set[str]()
    first = lambda name: name not in seen and not seen.add(name)  # type: ignore[func-returns-value]  # noqa: E731
    evidence = Evidence(kube, directory, first)
    evidence.keep(objects, namespaces)
    evidence.keep(objects, namespaces)
    return kube


def test_objects_events_and_logs_are_kept_without_secrets(tmp_path: Path) -> None:
    keep(tmp_path)
    files = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert set(files) == {
        "chat-dev/pods.yaml",
        "chat-dev/services.yaml",
        "chat-dev/events.txt",
        "chat-dev/logs/chat-1.chat.log",
        "chat-dev/logs/chat-1.chat.previous.log",
        "chat-dev/logs/chat-1.sidecar.log",
    }
    assert "hunter2" not in "".join(files.values())
    assert "abcdefgh" not in "".join(files.values())
    assert files["chat-dev/logs/chat-1.chat.previous.log"] == f"log of chat before: token={redact.HIDDEN}\n"
    assert YAML(typ="safe").load(files["chat-dev/pods.yaml"])["metadata"] == {"name": "chat-1", "namespace": "chat-dev"}


def test_what_cannot_be_read_is_said_and_stops_nothing(tmp_path: Path) -> None:
    keep(tmp_path)
    assert (tmp_path / "chat-dev" / "services.yaml").read_text() == "could not be read: the API server answered 503\n"


def test_a_cluster_that_does_not_answer_is_not_asked_for_ever(tmp_path: Path) -> None:
    kube = FakeCluster()
    Evidence(kube, tmp_path, lambda _name: True, limit=0).keep(["Pod/chat-1 -n chat-dev"], [])
    assert kube.asked == [("list", "v1/Pod", "chat-dev")], "only to know whose logs there would be"
    assert (tmp_path / "chat-dev" / "events.txt").read_text() == "not read: reading the evidence took too long\n"


def test_a_namespace_is_kept_once(tmp_path: Path) -> None:
    assert keep(tmp_path).asked.count(("list", "v1/Pod", "chat-dev")) == 2, "once as YAML, once for the logs"


def test_the_object_of_a_finding_and_its_namespace_are_kept(tmp_path: Path) -> None:
    kube = keep(tmp_path, "ServiceMonitor/chat -n chat-dev", "IPAddressPool/default", namespaces=())
    assert ("get", "monitoring.coreos.com/v1/ServiceMonitor", "chat", "chat-dev") in kube.asked
    assert ("get", "metallb.io/v1beta1/IPAddressPool", "default", "") in kube.asked
    assert "c2VjcmV0" not in (tmp_path / "chat-dev" / "servicemonitor-chat.yaml").read_text()
    assert (tmp_path / "chat-dev" / "pods.yaml").exists()


def test_every_kind_that_a_heal_may_change_can_be_kept(tmp_path: Path) -> None:
    kinds = {*DELETABLE, *GENTLEST, *HARMLESS}
    kube = keep(tmp_path, *(f"{kind.rpartition('/')[2].lower()}/x -n demo" for kind in kinds), namespaces=())
    assert kinds <= {asked[1] for asked in kube.asked if asked[0] == "get"}


def test_a_finding_about_no_object_of_the_cluster_keeps_none(tmp_path: Path) -> None:
    assert not [asked for asked in keep(tmp_path, "environment/staging", namespaces=()).asked if asked[0] == "get"]


def test_events_are_one_line_each_oldest_first() -> None:
    assert events_as_text(EVENTS).splitlines() == [
        "2026-11-24T10:00:01Z Normal  x1 Pod/chat-1 Scheduled: assigned",
        "2026-11-24T10:00:05Z Warning x3 Pod/chat-1 BackOff: restarting failed container",
    ]


def test_only_containers_that_ran_have_logs() -> None:
    assert containers(POD) == [("chat", True), ("sidecar", False)]
    assert containers({}) == []


def test_the_ends_of_the_nodes_logs_are_kept_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "logs" / "n1" / "pods").mkdir(parents=True)
    (tmp_path / "logs" / "n1" / "kubelet.log").write_text("old\n" + "token=abcdefgh\n" * LOG_LINES)
    (tmp_path / "logs" / "n1" / "empty.log").write_text("")
    keep_logs(tmp_path / "logs", tmp_path / "kept")
    (kept,) = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert kept == tmp_path / "kept" / "n1" / "kubelet.log"
    assert kept.read_text() == f"token={redact.HIDDEN}\n" * LOG_LINES


def test_nothing_is_no_yaml() -> None:
    assert as_yaml({}) == ""
