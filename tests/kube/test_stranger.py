"""A slow, endless, huge, malformed or nested answer of an API server ends as a sentence with status 3, soon and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e.kube.answers import KEPT, Limits, cost, parsed
from platform_e2e.kube.errors import BadAnswer, Unavailable
from platform_e2e.kube.kubeconfig import Endpoint
from platform_e2e.kube.reader import Reader
from tests.fakes.bad_answers import (
    BODIES,
    CHUNKED,
    ITEM,
    OK,
    SMALL,
    WIRE,
    Raw,
    Write,
    drip,
    flood,
    items,
    plain,
    zipped,
)
from tests.fakes.scripted_api import ScriptedApi
from tests.support.command_line import Run, api, deployment, pod, run

__all__ = ["api", "run"]

pytestmark = pytest.mark.point("server-bounded")

SOON = 4.0
"""Seconds in which each command must have ended, on a busy machine."""

PEAK = 200_000_000


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands take little, so that a test is quick."""
    monkeypatch.setattr("platform_e2e.kube.answers.KEPT", SMALL)
    monkeypatch.setattr("platform_e2e.commands.explain.PATIENCE", 0)
    monkeypatch.setattr("platform_e2e.diagnosis.wait.AFTER", 0.5)
    monkeypatch.setattr("platform_e2e.incident.capture.TAKEN", SMALL)
    monkeypatch.setattr("platform_e2e.incident.capture.PATIENCE", 0)
    monkeypatch.setattr("platform_e2e.diagnosis.wait.ASKED", SMALL)


def assert_ended(capsys: pytest.CaptureFixture[str], began: float, status: int) -> str:
    """Demand that a command has ended soon, not judged and with a sentence, and return what it said."""
    took = time.monotonic() - began
    out, err = capsys.readouterr()
    assert status == 3, (status, out, err)
    assert took < SOON, f"{took:.1f} s: {err}"
    assert "Traceback" not in out + err
    assert "remedy: " in out + err or "could not be worked out" in out + err
    return out + err


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("path", ["/api", "/deployments"], ids=["discovery", "list"])
@pytest.mark.parametrize("name", WIRE)
def test_an_answer_that_is_no_http_or_has_no_end(
    api: ScriptedApi, run: Run, capsys: pytest.CaptureFixture[str], name: str, path: str
) -> None:
    api.hack(path, WIRE[name])
    began = time.monotonic()
    assert_ended(capsys, began, run("explain", "deploy", "-l", "app=a", "--timeout", "1"))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", BODIES)
def test_a_list_that_is_none(api: ScriptedApi, run: Run, capsys: pytest.CaptureFixture[str], name: str) -> None:
    api.hack("/deployments?", plain(BODIES[name]))
    began = time.monotonic()
    assert_ended(capsys, began, run("explain", "deploy", "-l", "app=a", "--timeout", "1"))
    began = time.monotonic()
    assert_ended(capsys, began, run("wait", "deploy/a", "--timeout", "1"))


DISCOVERY: dict[str, Any] = {
    "empty": {},
    "groups-are-a-text": {"kind": "APIGroupList", "groups": "abc"},
    "groups-are-numbers": {"kind": "APIGroupList", "groups": [1, 2]},
    "no-preferred-version": {"kind": "APIGroupList", "groups": [{"name": "apps"}]},
    "resources-are-null": {"resources": None},
    "resources-are-texts": {"resources": ["pods"]},
    "a-resource-without-name": {"resources": [{"kind": "Pod", "namespaced": True}]},
    "a-name-that-is-a-path": {"resources": [{"name": "../../x?y=z ", "kind": "Pod", "namespaced": True}]},
    "a-kind-that-is-a-list": {"resources": [{"name": "pods", "kind": [1], "namespaced": True, "verbs": 7}]},
    "aggregated-items-are-a-text": {"kind": "APIGroupDiscoveryList", "items": "abc"},
    "aggregated-versions-are-numbers": {"kind": "APIGroupDiscoveryList", "items": [{"versions": [1]}]},
    "aggregated-resource-is-a-list": {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {"versions": [{"version": "v1", "resources": [{"resource": ["pods"], "responseKind": {"kind": "P"}}]}]}
        ],
    },
    "too-many": {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "versions": [
                    {
                        "version": "v1",
                        "resources": [{"resource": f"a{n}", "responseKind": {"kind": "A"}} for n in range(20_000)],
                    }
                ]
            }
        ],
    },
}
"""What a discovery document may be instead of one."""


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", DISCOVERY)
def test_a_discovery_document_that_is_none(
    api: ScriptedApi, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("platform_e2e.kube.answers.KEPT", KEPT)
    api.hack("/api", plain(json.dumps(DISCOVERY[name]).encode()))
    for words in (["explain"], ["explain", "deploy/a"]):
        began = time.monotonic()
        assert_ended(capsys, began, run(*words, "--timeout", "1"))


def test_a_server_that_has_nothing_is_no_api_server(
    api: ScriptedApi, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    api.fail("GET", "/", 404, times=99)
    for words in (["explain"], ["explain", "deploy/a"]):
        began = time.monotonic()
        assert_ended(capsys, began, run(*words))


SPECS: dict[str, dict[str, Any]] = {
    "spec-is-a-list": {"spec": [1]},
    "spec-is-a-text": {"spec": "abc"},
    "status-is-a-list": {"status": [1]},
    "conditions-are-a-mapping": {"status": {"conditions": {"a": 1}}},
    "conditions-are-numbers": {"status": {"conditions": [1]}},
    "generation-is-a-text": {"metadata": {"generation": "5"}},
    "replicas-are-a-text": {"metadata": {"generation": 1}, "spec": {"replicas": "many"}, "status": {"replicas": {}}},
    "selector-is-a-list": {
        "spec": {"selector": ["a"], "replicas": 1},
        "status": {"replicas": 1, "observedGeneration": 1},
    },
    "containers-are-a-text": {"spec": {"containers": "abc"}, "status": {"containerStatuses": "abc"}},
    "states-are-lists": {"status": {"phase": [1], "containerStatuses": [{"name": "a", "state": [1]}]}},
    "replicas-are-vast": {"spec": {"replicas": 1e999}, "status": {"replicas": float("nan")}},
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("plural", ["deployments", "pods", "services", "jobs"])
@pytest.mark.parametrize("name", SPECS)
def test_an_object_of_an_odd_shape_never_leads_to_a_traceback(
    api: ScriptedApi, run: Run, capsys: pytest.CaptureFixture[str], name: str, plural: str
) -> None:
    api.put(plural, "default", "a", **json.loads(json.dumps(SPECS[name])))
    api.put("events", "default", "e", involvedObject=[1], lastTimestamp="yesterday", count="x", series=[1])
    more = ["--exists", "--rolled-out"] if plural == "deployments" else []
    for words in (["explain"], ["explain", f"{plural}/a"], ["wait", f"{plural}/a", *more]):
        began = time.monotonic()
        status = run(*words, "--timeout", "0" if words[0] == "wait" else "1")
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert status in {0, 1, 3}
        assert time.monotonic() - began < 6


def test_an_odd_object_hides_no_other_and_is_not_judged(
    api: ScriptedApi, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    api.put("pods", "default", "odd", spec={"containers": "abc"}, status={"containerStatuses": "abc"})
    assert run("explain") == 3
    out = capsys.readouterr().out
    assert "pod/odd -n default\n  expected: can be judged\n  observed: it has an odd shape" in out
    assert "must have the shape that Kubernetes documents" in out
    deployment(api, available=0)
    pod(api, ready=False, reason="ErrImagePull")
    assert run("explain") == 1
    out = capsys.readouterr().out
    assert "pod/odd -n default" in out
    assert "[pod-image]" in out


STREAMS: dict[str, Raw] = {
    "garbage": plain(b"what\n" * 50),
    "numbers": plain(b"1\n2\n"),
    "odd-events": plain(b'{"type": 1}\n{"object": []}\n{"type": "ADDED", "object": {"metadata": []}}\n'),
    "odd-error": plain(b'{"type": "ERROR", "object": {"metadata": {}, "code": "x"}}\n'),
    "nested": plain(b"[" * 40_000 + b"\n"),
    "no-utf-8": plain(b'{"type": "\xff"}\n'),
    "a-version-that-is-none": plain(b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "x"}}}\n'),
    "an-endless-line": flood(CHUNKED, b"400\r\n" + b" " * 1024 + b"\r\n"),
    "an-endless-length": flood(CHUNKED, b"0"),
    "drips": drip(CHUNKED, b"1\r\n \r\n"),
    "headers-drip": drip(OK, b"X: y\r\n"),
    "no-http": WIRE["no-http"],
}
"""What a watch may be told."""


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", STREAMS)
def test_a_watch_that_is_none(
    api: ScriptedApi, run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("platform_e2e.kube.watch.SERVER_ENDS", (240, 240))
    # Less than the second that a person could ask for.
    monkeypatch.setattr("platform_e2e.commands.wait.duration", float)
    deployment(api, "a", "default", available=0)
    api.hack("watch=true", STREAMS[name])
    began = time.monotonic()
    status = run("wait", "deploy/a", "--timeout", "0.3")
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert time.monotonic() - began < SOON
    # Where the stream can be opened, the last look is a list, which is sound here: then the object was judged.
    assert status == 3 or (status == 1 and "observed: 0 of 1 replicas are available" in err and "reading:" not in err)


def test_a_watch_that_floods_has_an_end(api: ScriptedApi, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    deployment(api, "a", "default", available=0)
    version = 200

    def send(write: Write) -> None:
        nonlocal version
        write(CHUNKED)
        obj = json.loads(json.dumps(api.objects["deployments", "default", "a"]))
        while True:
            lines = []
            for _ in range(200):
                version += 1
                obj["metadata"]["resourceVersion"] = str(version)
                obj["status"]["availableReplicas"] = -version
                lines.append(json.dumps({"type": "MODIFIED", "object": obj}).encode() + b"\n")
            whole = b"".join(lines)
            write(f"{len(whole):x}\r\n".encode() + whole + b"\r\n")

    api.hack("watch=true", send)
    began = time.monotonic()
    assert run("wait", "deploy/a", "--timeout", "1", "-q") == 1
    assert time.monotonic() - began < 6
    assert "more steps" in capsys.readouterr().err


def test_a_list_without_an_end_is_not_read_for_ever(api: ScriptedApi) -> None:
    numbers = iter(range(10**9))

    def page(write: Write) -> None:
        plain(items(**{"continue": f"t{next(numbers)}"}))(write)

    api.hack("/configmaps", page)
    with reader(api) as found, pytest.raises(BadAnswer, match="must end within 20 pages, and does not"):
        found.list("v1/ConfigMap")
    assert next(numbers) == 20


def test_large_objects_are_asked_for_fewer_at_once(api: ScriptedApi) -> None:
    for number in range(30):
        api.put("configmaps", "ns", f"c{number:02}", data={"a": "x" * 20_000})
    with reader(api, memory=10_000_000, whole=1e9) as found:
        assert len(found.list("v1/ConfigMap")) == 30
    asked = [query["limit"] for _, path, query in api.requests if path.endswith("/configmaps")]
    assert asked == ["1000", "100", "10", "10", "10"]


def test_what_all_answers_take_together_is_bounded(api: ScriptedApi) -> None:
    for number in range(8):
        api.put("configmaps", "ns", f"c{number:02}", data={"a": "x" * 20_000})
    with reader(api, whole=500_000) as found:
        assert len(found.list("v1/ConfigMap")) == 8
        assert len(found.list("v1/ConfigMap")) == 8
        with pytest.raises(BadAnswer, match=r"together with earlier answers: .* must fit into 500000 bytes of memory"):
            found.list("v1/ConfigMap")


def reader(api: ScriptedApi, **limits: Any) -> Reader:
    """Return a client with small limits."""
    whole = {**SMALL.__dict__, **limits}
    return Reader(Endpoint(f"http://127.0.0.1:{api.port}", None, None, {}), patience=0, limits=Limits(**whole))


def test_the_time_of_a_command_ends_all_its_requests(api: ScriptedApi) -> None:
    endpoint = Endpoint(f"http://127.0.0.1:{api.port}", None, None, {})
    api.hack("/configmaps", drip(OK + b"Content-Length: 9\r\n\r\n"))
    began = time.monotonic()
    with Reader(endpoint, patience=30, ends=began + 0.5) as found:
        for _ in range(3):
            with pytest.raises(Unavailable, match="must be complete in time"):
                found.list("v1/ConfigMap")
    assert time.monotonic() - began < 2


def test_a_sound_answer_may_be_gzip(api: ScriptedApi) -> None:
    api.hack("/configmaps", zipped(items(ITEM)))
    with reader(api) as found:
        assert [one["metadata"]["name"] for one in found.list("v1/ConfigMap")] == ["a"]


DENSE: dict[str, bytes] = {
    "mappings": b"[" + b",".join([b'{"a":1}'] * 8_000) + b"]",
    "lists": b"[" + b",".join([b"[[]]"] * 8_000) + b"]",
    "texts": b"[" + b",".join([b'"ab"'] * 20_000) + b"]",
    "wide-texts": b"[" + b",".join([b'"\xf0\x9f\x98\x80"'] * 20_000) + b"]",
    "keys": b"[" + b",".join(b'{"%x":{"%x":1}}' % (n, n + 1) for n in range(8_000)) + b"]",
    "deep": b"[" + b",".join([b'{"a":' * 100 + b"1" + b"}" * 100] * 200) + b"]",
    "one-wide-text": b'["' + b"x" * 1_000_000 + b'\xf0\x9f\x98\x80"]',
    "one-escaped-text": b'["' + b"x" * 1_000_000 + b'\\ud83d\\ude00"]',
}


def test_who_owns_which_field_is_not_kept_of_lists(api: ScriptedApi) -> None:
    fields: dict[str, Any] = {"f:data": {"f:a": {}, "f:b": {"f:c": {}}}}
    managed = [{"manager": "kubectl", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields}]
    api.put("configmaps", "ns", "a", metadata={"managedFields": managed})
    with reader(api, slim=True) as found:
        before = found._http._spent
        (one,) = found.list("v1/ConfigMap")
        assert one["metadata"]["managedFields"] == [{"manager": "kubectl", "time": "2026-01-01T00:00:00Z"}]
        single = found.get("v1/ConfigMap", "a", "ns")
        assert single is not None
        assert single["metadata"]["managedFields"][0]["fieldsV1"] == fields
        assert found._http._spent > before


@pytest.mark.parametrize("name", DENSE)
def test_the_memory_of_an_answer_is_not_underestimated(name: str) -> None:
    import tracemalloc

    body = DENSE[name]
    tracemalloc.start()
    try:
        value = parsed(body, "GET")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert value
    assert cost(body) > 0.95 * taken


def many() -> Raw:
    meta = ({"name": f"a{n}", "namespace": "default", "labels": {f"l{n}": ""}} for n in range(12_000))
    return plain(items(*({"metadata": one} for one in meta)))


LARGE: dict[str, Callable[[], Raw]] = {
    "endless": lambda: flood(CHUNKED, b"100000\r\n" + b" " * 0x100000 + b"\r\n"),
    "gzip-bomb": lambda: zipped(bytes(60_000_000)),
    "dense": lambda: plain(b'{"items": [' + b",".join([b'{"a":{"b":{}}}'] * 500_000) + b"]}"),
    "wide": lambda: plain(b'{"items": ["' + b"x" * 8_000_000 + b'\xf0\x9f\x98\x80"]}'),
    "many": many,
}


@pytest.mark.parametrize("name", LARGE)
def test_a_command_stays_below_200_mb(api: ScriptedApi, tmp_path: Path, name: str) -> None:
    api.hack("/deployments", LARGE[name]())
    words = ["wait", "deploy/a", "--timeout", "1"] if name == "many" else ["explain", "deploy", "-l", "app=a"]
    status, peak, said = measured(api, tmp_path, *words)
    assert status == 1 if name == "many" else 3, said
    assert "Traceback" not in said
    assert peak < PEAK, f"{peak / 1e6:.0f} MB"


def measured(api: ScriptedApi, tmp_path: Path, *words: str) -> tuple[int, int, str]:
    """Run a command in a process of its own and return status, most bytes of memory, and what it said."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        f"""
current-context: c
contexts: [{{name: c, context: {{cluster: c}}}}]
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{api.port}"}}}}]
"""
    )
    argv = [sys.executable, "-c", MEASURED, *words, "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(argv, cwd=Path(cli.__file__).parents[1], capture_output=True, check=False, timeout=60)
    said, _, peak = done.stderr.decode().rpartition("VmHWM:")
    return done.returncode, int(peak.split()[0]) * 1024, done.stdout.decode() + said


MEASURED = """
import sys
from pathlib import Path
from platform_e2e import cli
status = cli.main(sys.argv[1:])
sys.stderr.write(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
sys.exit(status)
"""
"""Runs a command and says how much memory it had at most; what `wait4` tells counts the process that has forked it, too."""
