from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest

from benchmarks.planted.search import search
from benchmarks.planted.shapes import Shape, shapes
from platform_e2e import redact
from platform_e2e.evidence.cluster_state import Beside
from platform_e2e.evidence.collect import Evidence
from platform_e2e.evidence.pack import pack
from platform_e2e.evidence.store import Store
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops.bare_repository import BareRepository, File, PlannedCommit
from platform_e2e.pytest_plugin.redaction import sweep
from platform_e2e.redact.known import KnownSecrets
from platform_e2e.runs import provenance
from platform_e2e.runs.directory import Run
from platform_e2e.runs.verdict import Outcome, Result
from platform_e2e.settings import resolve
from tests.support.box import Box

SHAPES = shapes(seed=7)
TEXTS = [shape.text for shape in SHAPES]
ALL = "\n".join(TEXTS)


def objects(kind: str) -> list[dict[str, Any]]:  # noqa: PLR0911 - one for each kind
    """Return objects into which every shape is planted, wherever an object has room for text."""
    meta = {
        "name": "planted", "namespace": "shop",
        "annotations": {f"note-{number}": text for number, text in enumerate(TEXTS)},
        "managedFields": [{"manager": "m", "operation": "Apply", "time": "2026-11-24T10:00:00Z",
                           "fieldsV1": {f'k:{{"name":{json.dumps(text)}}}': {} for text in TEXTS}}],
    }  # fmt: skip
    obj: dict[str, Any] = {"apiVersion": kind.rpartition("/")[0], "kind": kind.rpartition("/")[2], "metadata": meta}
    if kind == "v1/Pod":
        containers = [
            {
                "name": "c",
                "args": TEXTS,
                "command": ["sh", "-c", ALL],
                "env": [{"name": "X", "value": t} for t in TEXTS],
            }
        ]
        states = [
            {
                "name": "c",
                "restartCount": 1,
                "state": {"waiting": {"message": ALL}},
                "lastState": {"terminated": {"message": ALL}},
            }
        ]
        return [{**obj, "spec": {"containers": containers}, "status": {"containerStatuses": states}}]
    if kind == "v1/Event":
        return [{**obj, "message": text, "involvedObject": {"name": "planted"}} for text in TEXTS]
    if kind.endswith("/Application"):
        source = {
            "repoURL": "https://git.example/x",
            "helm": {"values": ALL, "parameters": [{"name": "x", "value": t} for t in TEXTS]},
        }
        status = {
            "conditions": [{"type": "Error", "message": text} for text in TEXTS],
            "operationState": {"phase": "Failed", "message": ALL},
            "resources": [{"kind": "Service", "name": "x", "namespace": "shop", "health": {"status": "Degraded", "message": t}} for t in TEXTS],
        }  # fmt: skip
        return [{**obj, "spec": {"source": source}, "status": status}]
    if kind == "v1/ConfigMap":
        return [{**obj, "data": {f"file-{number}": text for number, text in enumerate(TEXTS)}}]
    if kind == "v1/Secret":
        return [
            {
                **obj,
                "data": {"room": "c3dvcmRmaXNoMjAyNg=="},
                "stringData": {f"k{n}": text for n, text in enumerate(TEXTS)},
            }
        ]
    if kind == "v1/Service":
        return [
            {**obj, "metadata": {**meta, "name": name}} for name in ("prometheus-operated", "alertmanager-operated")
        ]
    return [obj]


class Planted:
    """A cluster in which everything has every secret."""

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        return objects(kind)[0]

    def events(self, kind: str, name: str, namespace: str | None) -> Sequence[dict[str, Any]]:
        return objects(kind)

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        _labels: str | Mapping[str, str] | None = None,
        _fields: str | None = None,
    ) -> list[dict[str, Any]]:
        return objects(kind) if kind.rpartition("/")[2] in {"Pod", "Event", "Application", "Service", "Secret"} else []

    def logs(
        self, pod: str, namespace: str, container: str | None = None, *, previous: bool = False, tail: int = 50
    ) -> str:
        return "".join(f"2026-11-24T10:00:00Z info {text}\n" for text in TEXTS)

    def proxy(
        self, namespace: str, service: str, port: str | int, path: str, params: Mapping[str, Any] | None = None
    ) -> bytes:
        target = [{"health": "down", "lastError": text, "scrapeUrl": "http://x/"} for text in TEXTS]
        return json.dumps({"status": "success", "data": {"yaml": ALL, "activeTargets": target}}).encode()

    def raw(self, method: str, path: str, *, accept: str = "") -> Any:
        return ALL

    def version(self) -> str:
        return "v1.34.4"


class Host:
    def run(self, command: str) -> Any:
        return SimpleNamespace(rc=0, stdout=ALL, stderr=ALL)


def junit(path: Path) -> None:
    """Write what pytest would, had it been told everything."""
    cases = "".join(
        f"<testcase name={quoteattr(shape.name)}><properties><property name='x' value={quoteattr(shape.text)}/></properties>"
        f"<failure message={quoteattr(shape.text)}>{escape(shape.text)}</failure><system-out>{escape(shape.text)}</system-out></testcase>"
        for shape in SHAPES
    )
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite>{cases}</testsuite></testsuites>')


def git(directory: Path, *words: str) -> None:
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run(["git", *settings, "-C", directory, *words], check=True, capture_output=True)


def leave(path: Path) -> Path:
    """Write every kind of artifact by the functions that write it, from sources that are full of secrets."""
    layer = path / "layer"
    layer.mkdir()
    (layer / "values.yaml").write_text("level: info\n")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "x")):
        git(layer, *words)
    for number, text in enumerate(TEXTS):
        (layer / f"{number}.txt").write_text(text)
    (layer / "values.yaml").write_text(ALL)
    git(layer, "add", ".")
    settings = resolve({"layer": str(layer), "cluster": "x"}, {"PLATFORM_E2E_ARTIFACTS": str(path / "artifacts")})
    run = Run.plan(settings)
    run.begin()
    for shape in SHAPES:
        run.timeline.event("fact", shape.text, text=shape.text, why={"deep": [shape.text]})
    run.timeline.wait(ALL, seconds=1, outcome=ALL, steps=TEXTS)
    finding = Finding("service/x -n shop", Promise.MONITORING, ALL, ALL, Cause("x", ALL, ALL), {"figures": TEXTS})
    results = [Result(s.name, Outcome.FAILED, reason=s.text, text=s.text, figures={"x": s.text}) for s in SHAPES]
    results.append(Result("x", Outcome.FAILED, findings=(finding,)))
    described = provenance.layer(run, None)
    run.write_json("run.json", {"tests": [asdict(one) for one in results], "layer": described, "events": run.events()})
    junit(run.junit)
    sweep(run.junit)
    repository = BareRepository.create(path / "git")
    changes: dict[str, File | None] = {f"{number}.yaml": File(text.encode()) for number, text in enumerate(TEXTS)}
    (sha,) = repository.write(None, [PlannedCommit("x", changes)])
    repository.move("main", sha, None)
    (path / "logs" / "n1").mkdir(parents=True)
    (path / "logs" / "n1" / "kubelet.log").write_text(ALL)
    store = Store(
        run.directory / "evidence", run.directory / "marks" / "evidence.jsonl", limit=10**9, end=time.monotonic() + 300
    )
    evidence = Evidence(Planted(), store, run.claim, Beside({"n1": Host}, path / "logs", repository.directory))
    evidence.keep("test_it", ["configmap/x -n shop", "secret/x -n shop", "application/x -n argocd"], ["shop"])
    return run.directory


def test_no_planted_secret_is_found_in_any_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        redact, "KNOWN", KnownSecrets()
    )  # only names and shapes: no Secret of the cluster gives anything away
    run = leave(tmp_path)
    assert len(SHAPES) >= 40
    assert search(run, SHAPES) == []
    assert search(pack(run), SHAPES) == []


def test_without_redaction_every_one_would_be_found_in_every_kind_of_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity: Callable[..., Any] = lambda value, name="": value  # noqa: E731
    for name in ("text", "plain", "patch", "xml"):
        monkeypatch.setattr(redact, name, identity)
    hits = search(leave(tmp_path), SHAPES)
    assert {hit.shape for hit in hits} == {shape.name for shape in SHAPES}
    where = {hit.file.split("!")[0].rpartition("/")[2] for hit in hits}
    for kind in (
        "run.json", "timeline.jsonl", "junit.xml", "uncommitted.patch", "kubelet.log", "events.txt", "pods.yaml", "pods.fields.txt",
        "tree.txt", "tree.json", "configmap-x.yaml", "secret-x.yaml", "facts.txt", "planted.c.log", "planted.c.previous.log",
        "targets.txt", "config.json", "applications.yaml",
    ):  # fmt: skip
        assert kind in where, kind
    assert any(name.startswith("layer-") for name in where)


def test_the_search_finds_a_secret_in_any_coat_and_in_archives(tmp_path: Path) -> None:
    import base64
    import gzip
    import zipfile

    shape = Shape("one", "x", ("correct horse/battery+staple",))
    raw = shape.secrets[0].encode()
    (tmp_path / "plain.txt").write_bytes(b"a" + raw)
    (tmp_path / "b64.txt").write_bytes(base64.b64encode(b"ab" + raw + b"c"))
    (tmp_path / "url.txt").write_text("q=correct%20horse%2Fbattery%2Bstaple")
    (tmp_path / "x.gz").write_bytes(gzip.compress(gzip.compress(raw)))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("inner.txt", raw)
    (tmp_path / "innocent.txt").write_text("nothing")
    found = {hit.file for hit in search(tmp_path, [shape])}
    assert {"plain.txt", "b64.txt", "url.txt", "x.gz!gunzipped!gunzipped", "x.zip!inner.txt"} <= found
    assert "innocent.txt" not in found


def test_pytest_itself_writes_none_of_what_tests_print_raise_or_are_skipped_for(box: Box) -> None:
    (box.directory / "texts.json").write_text(json.dumps(TEXTS))
    box.tests("""
import json, logging, sys
from pathlib import Path
TEXTS = json.loads(Path("texts.json").read_text())
@pytest.mark.promise("loadbalancer")
@pytest.mark.parametrize("number", range(4))
def test_prints(cluster, promises, number, record_property):
    for text in TEXTS[number::4]:
        print(text)
        print(text, file=sys.stderr)
        logging.getLogger("x").warning(text)
        record_property("said", text)
    promises.report(figures={"said": TEXTS[number::4]})
    assert not TEXTS[number::4]
def test_raises(cluster):
    raise BrokenPlatform("\\n".join(TEXTS), "mend it")
def test_raises_at_random(cluster):
    raise KeyError(TEXTS)
def test_skips(cluster):
    pytest.skip("; ".join(TEXTS))
def test_is_blocked(cluster):
    error = BrokenPlatform("x")
    error.by = "promise x: " + "; ".join(TEXTS)
    raise error
def test_phase(platform_e2e_run):
    with platform_e2e_run.phase("foundations"):
        raise BrokenPlatform("\\n".join(TEXTS))
""")
    (box.directory / "texts.json").chmod(0o600)
    status, out = box.run("e2e", "-o", "junit_logging=all")
    assert status == 1, out
    run = (box.artifacts / "latest").resolve()
    assert (run / "junit.xml").stat().st_size > 2000
    assert search(run, SHAPES) == []
