from __future__ import annotations

import json
import tarfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

from platform_e2e import redact
from platform_e2e.checks.mutations import DELETABLE, GENTLEST, HARMLESS
from platform_e2e.errors import BrokenHarness
from platform_e2e.evidence.cluster_state import LOG_LINES, Beside
from platform_e2e.evidence.collect import Evidence, as_yaml, containers, events_as_text
from platform_e2e.evidence.store import Store
from platform_e2e.gitops.bare_repository import BareRepository, File, PlannedCommit
from platform_e2e.kube.errors import Unavailable
from platform_e2e.redact.known import KnownSecrets

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "chat-1",
        "namespace": "chat-dev",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "chat-7d", "uid": "rs"}],
        "managedFields": [
            {"manager": "kubelet", "operation": "Update", "subresource": "status", "time": "2026-11-24T10:00:00Z",
             "fieldsV1": {"f:status": {"f:phase": {}, "f:podIP": {}}}},
        ],
    },
    "spec": {"containers": [{"name": "chat", "env": [{"name": "ROOM_PASSWORD", "value": "hunter2"}]}]},
    "status": {
        "phase": "Running",
        "containerStatuses": [
            {"name": "chat", "restartCount": 2, "image": "chat:1", "imageID": "sha256:abc",
             "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
            {"name": "sidecar", "restartCount": 0, "state": {"running": {}}, "ready": True},
            {"name": "never", "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}},
        ],
    },
}  # fmt: skip
REPLICASET: dict[str, Any] = {
    "apiVersion": "apps/v1", "kind": "ReplicaSet", "status": {"replicas": 1},
    "metadata": {"name": "chat-7d", "namespace": "chat-dev", "uid": "rs",
                 "ownerReferences": [{"kind": "Deployment", "name": "chat", "uid": "d"}]},
}  # fmt: skip
SPEAKER: dict[str, Any] = {
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "speaker-1", "namespace": "metallb-system", "labels": {"app.kubernetes.io/name": "metallb"}},
    "spec": {"containers": [{"name": "speaker", "ports": [{"name": "monitoring", "containerPort": 7472}]}]},
}  # fmt: skip
APPLICATION: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
    "metadata": {"name": "chat-dev", "namespace": "argocd"},
    "status": {
        "sync": {"status": "OutOfSync", "revision": "4fc39cf24fe1aaaa"}, "health": {"status": "Degraded"},
        "conditions": [{"type": "SyncError", "message": "cannot log in\nwith password=hunter2"}],
        "operationState": {"phase": "Failed", "message": "one or more objects failed", "startedAt": "2026-11-24T10:00:00Z",
                           "operation": {"initiatedBy": {"automated": True}}},
        "resources": [{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "chat-dev", "name": "chat",
                       "status": "OutOfSync", "health": {"status": "Degraded", "message": "it waits"}}],
    },
}  # fmt: skip
EVENTS: list[dict[str, Any]] = [
    {"lastTimestamp": "2026-11-24T10:00:05Z", "type": "Warning", "count": 3, "reason": "BackOff",
     "involvedObject": {"kind": "Pod", "name": "chat-1"}, "message": "restarting\n  failed container"},
    {"eventTime": "2026-11-24T10:00:01Z", "type": "Normal", "reason": "Scheduled",
     "regarding": {"kind": "Pod", "name": "chat-1"}, "message": "assigned"},
]  # fmt: skip
SERVICES: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": {"type": type_}}
    for name, namespace, type_ in (
        ("prometheus-operated", "monitoring", "ClusterIP"),
        ("alertmanager-operated", "monitoring", "ClusterIP"),
        ("chat", "chat-dev", "LoadBalancer"),
    )
]
SECRETS = [
    {"kind": "Secret", "metadata": {"name": "room", "namespace": "chat-dev"}, "data": {"room": "c3dvcmRmaXNoMjAyNg=="}}
]


class FakeCluster:
    """Knows one broken chat, and can be told to break itself."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.gone = False
        self.log_lines = 1
        self.hang = ""

    def _ask(self, *words: str) -> None:
        self.asked.append(words)
        if self.gone:
            raise Unavailable("GET /api", 0, "Refused", "https://10.0.0.1 does not answer")
        if self.hang and self.hang in words:
            threading.Event().wait(5)

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        self._ask("get", kind, name, namespace or "")
        if kind.endswith("Application"):
            return APPLICATION
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"k": "c2VjcmV0"}}

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        _labels: str | Mapping[str, str] | None = None,
        _fields: str | None = None,
    ) -> list[dict[str, Any]]:
        self._ask("list", kind, namespace or "")
        if kind == "v1/Service" and namespace == "chat-dev":
            raise BrokenHarness("the API server answered 503")
        every: dict[str, list[dict[str, Any]]] = {
            "v1/Pod": [POD, SPEAKER], "v1/Event": EVENTS, "v1/Service": SERVICES, "v1/Secret": SECRETS,
            "apps/v1/ReplicaSet": [REPLICASET], "argoproj.io/v1alpha1/Application": [APPLICATION],
            "v1/Node": [{"metadata": {"name": "n1"}, "status": {"nodeInfo": {"kubeletVersion": "v1.34.4"},
                                                               "images": [{"names": ["chat@sha256:abc", "chat:1"]}]}}],
        }  # fmt: skip
        found = every.get(kind, [])
        return [o for o in found if namespace is None or o.get("metadata", {}).get("namespace", namespace) == namespace]

    def events(self, kind: str, name: str, namespace: str | None) -> Sequence[dict[str, Any]]:
        raise AssertionError("evidence reads the events of all objects together")

    def logs(
        self, pod: str, namespace: str, container: str | None = None, *, previous: bool = False, tail: int = 50
    ) -> str:
        self._ask("logs", pod)
        assert tail == LOG_LINES + 1
        line = f"log of {container}{' before' if previous else ''}: token=abcdefgh of swordfish2026\n"
        return line * min(tail, self.log_lines)

    def proxy(
        self, namespace: str, service: str, port: str | int, path: str, params: Mapping[str, Any] | None = None
    ) -> bytes:
        self._ask("proxy", f"{namespace}/{service}:{port}{path}")
        target = {
            "health": "down",
            "scrapePool": "serviceMonitor/a/b/0",
            "scrapeUrl": "http://u:hunter2@x/",
            "lastError": "refused",
        }
        return json.dumps({"status": "success", "data": {"activeTargets": [target]}}).encode()

    def raw(self, method: str, path: str, *, accept: str = "") -> Any:
        self._ask(method, path)
        return 'go_threads 7\nmetallb_allocator_addresses_in_use_total{pool="platform"} 3\n'

    def version(self) -> str:
        self._ask("version")
        return "v1.34.4"


class FakeHost:
    def run(self, command: str) -> Any:
        if command.startswith("journalctl"):
            return SimpleNamespace(rc=127, stdout="", stderr="not found")
        if command.startswith("iptables"):
            saved = '-A KUBE-SERVICES -d 10.89.0.201/32 -m comment --comment "chat-dev/chat:http" -j KUBE-EXT-AAA\n'
            saved += "-A KUBE-EXT-AAA -j KUBE-SVC-AAA\n-A KUBE-SVC-AAA -j KUBE-SEP-A1\n-A KUBE-SEP-A1 -j DNAT --to 10.42.0.9:80\n"
            saved += '-A KUBE-SERVICES -m comment --comment "other/other:http" -j KUBE-SVC-BBB\n-A KUBE-SVC-BBB -j KUBE-SEP-B1\n'
            return SimpleNamespace(rc=0, stdout=saved, stderr="")
        return SimpleNamespace(rc=0, stdout=f"what {command} prints\n", stderr="")


@pytest.fixture(autouse=True)
def _knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "KNOWN", KnownSecrets())


def keep(
    run: Path, *texts: str, kube: FakeCluster | None = None, namespaces: tuple[str, ...] = ("chat-dev",),
    beside: Beside | None = None, seconds: float = 10.0, limit: int = 50_000_000,
) -> tuple[FakeCluster, Store]:  # fmt: skip
    cluster, seen = kube or FakeCluster(), set[str]()
    first = lambda name: name not in seen and not seen.add(name)  # type: ignore[func-returns-value]  # noqa: E731
    store = Store(run / "evidence", run / "marks" / "evidence.jsonl", limit=limit, end=time.monotonic() + seconds)
    evidence = Evidence(cluster, store, first, beside)
    evidence.learn()
    evidence.keep("test_it", texts, namespaces)
    evidence.keep("test_it", texts, namespaces)
    return cluster, store


def files(run: Path) -> dict[str, str]:
    found = (path for path in (run / "evidence").rglob("*") if path.is_file() and path.suffix != ".gz")
    return {str(path.relative_to(run / "evidence")): path.read_text() for path in found}


def index(run: Path) -> dict[str, Any]:
    return json.loads((run / "evidence" / "index.json").read_text())  # type: ignore[no-any-return]


def test_objects_events_logs_and_the_state_of_the_platform_are_kept_without_secrets(tmp_path: Path) -> None:
    keep(tmp_path, beside=Beside({"n1": FakeHost}))
    kept = files(tmp_path)
    assert {
        "chat-dev/pods.yaml", "chat-dev/pods.fields.txt", "chat-dev/events.txt", "chat-dev/logs/chat-1.chat.log",
        "chat-dev/logs/chat-1.chat.previous.log", "chat-dev/logs/chat-1.sidecar.log", "argocd/tree.txt", "argocd/tree.json",
        "cluster/nodes.yaml", "cluster/applications.yaml", "versions.txt", "versions.json", "metallb/speaker-1.metrics.txt",
        "prometheus-monitoring/targets.json", "prometheus-monitoring/targets.txt", "prometheus-monitoring/rules.json",
        "prometheus-monitoring/alerts.json", "prometheus-monitoring/runtimeinfo.json", "alertmanager-monitoring/alerts.json",
        "nodes/n1/facts.txt", "index.json", "index.txt",
    } <= set(kept)  # fmt: skip
    everything = "".join(kept.values())
    for secret in ("hunter2", "abcdefgh", "swordfish2026", "c3dvcmRmaXNoMjAyNg"):
        assert secret not in everything
    assert (
        kept["chat-dev/logs/chat-1.chat.previous.log"]
        == f"log of chat before: token={redact.HIDDEN} of {redact.HIDDEN}\n"
    )
    shown = YAML(typ="safe").load(kept["chat-dev/pods.yaml"])
    assert "managedFields" not in shown["metadata"]
    assert shown["status"]["phase"] == "Running"


def test_who_owns_which_field_is_told_in_a_form_that_can_be_read(tmp_path: Path) -> None:
    keep(tmp_path)
    assert files(tmp_path)["chat-dev/pods.fields.txt"].splitlines() == [
        "pod/chat-1 -n chat-dev",
        "  2026-11-24T10:00:00Z  kubelet (Update status)",
        "      status{phase, podIP}",
    ]


def test_the_tree_goes_from_the_application_down_to_the_pods(tmp_path: Path) -> None:
    keep(tmp_path)
    lines = [" ".join(line.split()) for line in files(tmp_path)["argocd/tree.txt"].splitlines()]
    assert lines == [
        "application/chat-dev -n argocd OutOfSync Degraded at 4fc39cf24fe1",
        "operation: Failed (automated, 2026-11-24 10:00:00+00:00 to now): one or more objects failed",
        "condition SyncError: cannot log in with password=[redacted]",
        "deployment/chat -n chat-dev OutOfSync Degraded: it waits",
        "replicaset/chat-7d -n chat-dev 0 of 1 ready",
        "pod/chat-1 -n chat-dev Running, 1 of 3 ready, 2 restarts: CrashLoopBackOff; ImagePullBackOff",
    ]


def test_what_cannot_be_read_is_named_with_its_reason_and_stops_nothing(tmp_path: Path) -> None:
    keep(tmp_path)
    left = {one["what"]: one["why"] for one in index(tmp_path)["left_out"]}
    assert left["v1/Service -n chat-dev"] == "could not be read: the API server answered 503"
    assert left["layer as served"] == "nothing was served yet"
    assert "v1/Service -n chat-dev: could not be read: the API server answered 503" in files(tmp_path)["index.txt"]


def test_an_api_server_that_is_gone_is_asked_once_and_the_nodes_logs_are_kept(tmp_path: Path) -> None:
    kube = FakeCluster()
    kube.gone = True
    (tmp_path / "logs" / "n1").mkdir(parents=True)
    (tmp_path / "logs" / "n1" / "kubelet.log").write_text("old\n" + "token=abcdefgh\n" * LOG_LINES)
    (tmp_path / "logs" / "n1" / "empty.log").write_text("")
    keep(tmp_path, "Service/chat -n chat-dev", kube=kube, beside=Beside(logs=tmp_path / "logs"))
    assert len(kube.asked) == 1
    kept = files(tmp_path)
    assert set(kept) == {"nodes/n1/kubelet.log", "index.json", "index.txt"}
    (*lines, last) = kept["nodes/n1/kubelet.log"].splitlines()
    assert lines == [f"token={redact.HIDDEN}"] * LOG_LINES
    assert last == "[of this log the last 500 lines; it has 7504 bytes]"
    assert "does not answer" in kept["index.txt"]


def test_a_question_that_hangs_does_not_keep_the_rest_nor_the_run(tmp_path: Path) -> None:
    kube = FakeCluster()
    kube.hang = "apps/v1/StatefulSet"
    start = time.monotonic()
    keep(tmp_path, kube=kube, seconds=0.5)
    assert time.monotonic() - start < 3
    left = {one["what"]: one["why"] for one in index(tmp_path)["left_out"]}
    assert left["apps/v1/StatefulSet -n chat-dev"] == "reading the evidence took too long"
    assert "chat-dev/pods.yaml" in files(tmp_path)


def test_a_log_that_is_longer_says_so_in_its_last_line_and_in_the_index(tmp_path: Path) -> None:
    kube = FakeCluster()
    kube.log_lines = LOG_LINES + 1
    keep(tmp_path, kube=kube)
    last = files(tmp_path)["chat-dev/logs/chat-1.sidecar.log"].splitlines()[-1]
    assert last == f"[of this log the last {LOG_LINES} lines; there are more before]"
    entry = next(one for one in index(tmp_path)["files"] if one["path"] == "chat-dev/logs/chat-1.sidecar.log")
    assert entry["truncated"] is True
    assert entry["of_bytes"] is None


def test_a_namespace_is_kept_once(tmp_path: Path) -> None:
    kube, _ = keep(tmp_path)
    assert kube.asked.count(("list", "v1/Pod", "chat-dev")) == 2, "once as YAML, once for the logs"


def test_every_object_that_a_finding_names_and_its_namespace_are_kept(tmp_path: Path) -> None:
    sentence = "no Prometheus selects servicemonitor/chat -n chat-dev: prometheus/p -n monitoring wants release=x"
    kube, _ = keep(tmp_path, "IPAddressPool/default", sentence, namespaces=())
    assert ("get", "monitoring.coreos.com/v1/ServiceMonitor", "chat", "chat-dev") in kube.asked
    assert ("get", "monitoring.coreos.com/v1/Prometheus", "p", "monitoring") in kube.asked
    assert ("get", "metallb.io/v1beta1/IPAddressPool", "default", "") in kube.asked
    assert "c2VjcmV0" not in files(tmp_path)["test_it/chat-dev/servicemonitor-chat.yaml"]
    assert "test_it/chat-dev/pods.yaml" in files(tmp_path)


def test_the_namespaces_into_which_an_application_puts_objects_are_kept(tmp_path: Path) -> None:
    keep(tmp_path, "application/chat-dev -n argocd", namespaces=())
    assert "test_it/chat-dev/logs/chat-1.chat.log" in files(tmp_path)


def test_every_kind_that_a_heal_may_change_can_be_kept(tmp_path: Path) -> None:
    kinds = {*DELETABLE, *GENTLEST, *HARMLESS}
    kube, _ = keep(tmp_path, *(f"{kind.rpartition('/')[2].lower()}/x -n demo" for kind in kinds), namespaces=())
    assert kinds <= {asked[1] for asked in kube.asked if asked[0] == "get"}


def test_a_finding_about_no_object_of_the_cluster_keeps_none(tmp_path: Path) -> None:
    kube, _ = keep(tmp_path, "environment/staging", namespaces=())
    assert not [asked for asked in kube.asked if asked[0] == "get"]


def test_a_node_tells_the_rules_of_the_services_involved_only(tmp_path: Path) -> None:
    keep(tmp_path, beside=Beside({"n1": FakeHost}))
    facts = files(tmp_path)["nodes/n1/facts.txt"]
    assert "=== neighbours: ip neighbour show\nwhat ip neighbour show prints" in facts
    assert "DNAT --to 10.42.0.9:80" in facts
    assert "KUBE-SVC-BBB" not in facts
    assert "journalctl" not in facts, "a node without systemd has no such log"


def test_metallb_and_prometheus_are_told_in_short(tmp_path: Path) -> None:
    keep(tmp_path)
    kept = files(tmp_path)
    assert kept["metallb/speaker-1.metrics.txt"] == 'metallb_allocator_addresses_in_use_total{pool="platform"} 3\n'
    assert kept["prometheus-monitoring/targets.txt"].splitlines() == [
        "1 active targets, 1 not up; dropped: not told",
        "down     serviceMonitor/a/b/0  http://[redacted]@x/  last : refused",
    ]


def test_versions_have_foundations_with_what_ran_instead_and_images_by_digest(tmp_path: Path) -> None:
    fact = {
        "kind": "fact",
        "mono": 1.0,
        "name": "release argocd",
        "text": "argocd v3.2.11 in place of v3.4.4: installed",
    }
    keep(tmp_path, beside=Beside(foundations=[fact]))
    assert files(tmp_path)["versions.txt"].splitlines()[:4] == [
        "Kubernetes v1.34.4",
        "node n1: v1.34.4",
        "argocd v3.2.11 in place of v3.4.4: installed",
        "chat:1  sha256:abc",
    ]


def test_the_layer_as_served_is_an_archive_without_secrets(tmp_path: Path) -> None:
    repository = BareRepository.create(tmp_path / "git")
    secret = b"apiVersion: v1\nkind: Secret\nstringData:\n  room: wordfish\n"
    sealed = secret.replace(b"kind: Secret", b"kind: SealedSecret")
    changes: dict[str, File | None] = {
        "a/config.yaml": File(b"level: info\npassword: hunter2\n"), "a/secret.yaml": File(secret), "a/sealed.yaml": File(sealed),
        "run.sh": File(b"#!/bin/sh\n", "100755"), "logo.png": File(b"\x89PNG\0\xff\xfe"),
    }  # fmt: skip
    (sha,) = repository.write(None, [PlannedCommit("The layer", changes)])
    repository.move("main", sha, None)
    keep(tmp_path, beside=Beside(repository=repository.directory))
    with tarfile.open(tmp_path / "evidence" / f"layer-{sha[:12]}.tar.gz") as archive:
        parts = {one.name: archive.extractfile(one).read().decode() for one in archive}  # type: ignore[union-attr]
        assert {one.uid for one in archive} == {0}
    assert set(parts) == {"NOT-AS-SERVED.txt", "logo.png", *(name for name in changes if not name.startswith("logo"))}
    assert parts["logo.png"] == ""
    assert "room" in parts["a/secret.yaml"]
    assert "wordfish" not in parts["a/secret.yaml"]
    assert parts["a/config.yaml"] == "level: info\npassword: [redacted]\n"
    assert parts["a/sealed.yaml"] == sealed.decode()
    for said in (
        "a/secret.yaml: without the values of its Secret",
        "logo.png: without what is not text",
        "a/config.yaml: without values that look like secrets",
    ):
        assert said in parts["NOT-AS-SERVED.txt"]
    assert not list(repository.directory.glob("served-*"))


def test_events_are_one_line_each_oldest_first() -> None:
    assert events_as_text(EVENTS).splitlines() == [
        "2026-11-24T10:00:01Z Normal  x1 Pod/chat-1 Scheduled: assigned",
        "2026-11-24T10:00:05Z Warning x3 Pod/chat-1 BackOff: restarting failed container",
    ]


def test_only_containers_that_ran_have_logs() -> None:
    assert containers(POD) == [("chat", True), ("sidecar", False)]
    assert containers({}) == []


def test_nothing_is_no_yaml() -> None:
    assert as_yaml({}) == ""
