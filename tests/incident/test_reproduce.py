"""The way from an archive to the table: what is seen again, what is not and why, and what Argo CD heals then."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e import layer as layer_package
from platform_e2e.bringup import RunningPlatform
from platform_e2e.cluster.provider import ClusterFacts, NodeFacts
from platform_e2e.errors import BrokenHarness
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.incident import archive, heal_watch, helm, reproduce
from platform_e2e.incident.archive import files_of
from platform_e2e.incident.model import CapturedRelease, Incident
from platform_e2e.incident.output import clean
from platform_e2e.runs import compare
from tests.fakes import incidents, layers, rendering
from tests.fakes.incidents import FINDING, drift
from tests.fakes.scripted_api import ScriptedApi

SHA = "a" * 40
THEN = Incident(
    captured="2026-01-01T00:00:00Z",
    harness="0.1",
    cluster="context prod",
    kubernetes="v1.33.0",
    nodes=3,
    apps=("one",),
    chosen=True,
    revision=SHA,
    has_layer=True,
    drift=(drift(),),
    findings=(FINDING,),
    foundations=(CapturedRelease("argocd", "argocd", "argo-cd", "10.1.1", "v3.4.4", {"replicas": 2}),),
)

Reproduce = Callable[..., int]


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = incidents.serve(ScriptedApi())
    incidents.platform(api, SHA)
    yield api
    api.stop()


@pytest.fixture
def again(api: ScriptedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reproduce:
    """Return what reproduces an incident on the scripted API server, as if it were the cluster that was made."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    for name in ("CLUSTER", "LAYER"):
        monkeypatch.delenv(f"PLATFORM_E2E_{name}", raising=False)
    monkeypatch.setattr(reproduce, "renderer", lambda: rendering.renderer(layers.no_objects))
    monkeypatch.setattr(reproduce, "AGAIN_SECONDS", 0.3)
    monkeypatch.setattr(heal_watch, "HEAL_SECONDS", 0.3)
    facts = ClusterFacts("incident", "embedded", "", "kubeconfig", "v1.99.0", (NodeFacts("n1", "192.0.2.9", ""),))

    @contextlib.contextmanager
    def stand(
        settings: Any, layer: Any, *, made: Callable[[ClusterFacts], None], **_: Any
    ) -> Iterator[RunningPlatform]:
        assert settings.cluster == "incident"
        made(facts)
        with api.client() as kube:
            yield RunningPlatform(facts, kube, layer, None, SHA, ())  # type: ignore[arg-type]  # nothing is pushed

    monkeypatch.setattr(reproduce, "bring_up", stand)

    def run(incident: Incident = THEN, *words: str, layer: bool = True) -> int:
        files = files_of(incident, [], [])
        if layer:
            files |= {
                "layer/argocd/applications/one.yaml": incidents.application_yaml().encode(),
                "layer/manifests/one/configmap.yaml": layers.CONFIGMAP.encode(),
            }
        (tmp_path / "a.tar.gz").unlink(missing_ok=True)
        archive.write(tmp_path / "a.tar.gz", files)
        return cli.main(["reproduce", str(tmp_path / "a.tar.gz"), "--no-shell", "--trust", *words])

    return run


def test_the_drift_is_applied_with_healing_held_and_the_finding_is_seen_again(
    api: ScriptedApi, again: Reproduce, capsys: pytest.CaptureFixture[str]
) -> None:
    assert again() == 0
    assert api.objects["configmaps", "one", "one"]["data"] == {"key": "other"}
    assert api.objects["appprojects", "argocd", "default"]["spec"]["syncWindows"][-1]["kind"] == "deny"
    said = capsys.readouterr().out
    assert "Argo CD heals nothing: a sync window that denies is on the AppProjects default" in said
    assert "configmap/one -n one: changed /data/key" in said
    assert "1 of 1 findings of the incident are seen again" in said
    assert "Kubernetes v1.33.0 then, v1.99.0 here" in said
    assert "3 nodes then, 1 here" in said
    assert "release argocd (argo-cd 10.1.1) was there then and is not here" in said
    for line in ("cluster -- shell incident", "cluster -- down incident", "export KUBECONFIG=kubeconfig"):
        assert line in said


@pytest.mark.parametrize(("error", "status"), [(BrokenHarness("no foundation"), 3), (KeyboardInterrupt(), 2)])
def test_a_cluster_that_stays_is_named_on_every_way_out(
    again: Reproduce,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(reproduce, "apply_incident", fail)
    assert again() == status
    said = capsys.readouterr().out
    assert "cluster incident stays:" in said
    assert "cluster -- down incident" in said


def test_a_finding_that_is_not_seen_again_ends_with_1_and_says_why(
    again: Reproduce, capsys: pytest.CaptureFixture[str]
) -> None:
    other = dataclasses.replace(FINDING, object="service/gone -n one")
    assert again(dataclasses.replace(THEN, findings=(FINDING, other))) == 1
    said = capsys.readouterr().out
    assert "1 of 2 findings" in said
    assert "here nothing is wrong" in re.sub(r"\s+", " ", said.replace("│", " "))


def test_then_heal_lets_argo_cd_go_and_tells_what_stays(
    api: ScriptedApi, again: Reproduce, capsys: pytest.CaptureFixture[str]
) -> None:
    assert again(THEN, "--then", "heal") == 0
    assert api.objects["appprojects", "argocd", "default"]["spec"]["syncWindows"] is None
    said = capsys.readouterr().out
    assert "Argo CD may heal now" in said
    assert "configmap/one -n one: stays: /data/key: expected 'value', is 'other'" in said
    assert "0 of 1 objects are as in Git again; 0 of 1 findings are gone" in said


def test_without_a_layer_in_the_archive_a_checkout_must_be_named(
    again: Reproduce, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = dataclasses.replace(THEN, has_layer=False, repository=incidents.URL)
    assert again(bare, layer=False) == 4
    assert f"it was {incidents.URL} at aaaaaaaaaaaa" in capsys.readouterr().err
    directory, sha = incidents.checkout(tmp_path / "checkout")
    assert again(bare, "--layer", str(directory), layer=False) == 3
    assert "has no commit aaaaaaaaaaaa" in capsys.readouterr().err
    assert again(dataclasses.replace(bare, revision=sha), "--layer", str(directory), layer=False) == 0


def test_what_is_no_archive_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_text("no archive")
    assert cli.main(["reproduce", str(tmp_path / "a")]) == 4
    assert "is neither a directory nor a .tar.gz" in capsys.readouterr().err


def test_the_same_object_with_another_cause_is_not_seen_again() -> None:
    other = dataclasses.replace(FINDING, cause=Cause("object-missing", "", ""))
    new = Finding("service/new -n one", Promise.LOADBALANCER, "", "", Cause("loadbalancer-no-pool", "", ""))
    rows = compare.compare_findings([FINDING], [other, new], {FINDING.object: "its value is redacted"})
    assert [(row.verdict, row.why) for row in rows] == [
        (compare.OTHER_CAUSE, "its value is redacted"),
        (compare.ONLY_HERE, ""),
    ]
    assert not compare.all_again(rows)
    assert compare.all_again(compare.compare_findings([FINDING], [new, FINDING]))


def test_the_foundations_are_compared_by_version_values_and_absence() -> None:
    then = [
        CapturedRelease(
            "metallb", "metallb-system", "metallb", "0.16.1", "v0.16.1", {"speaker": {"frr": True}, "a": [1]}
        ),
        CapturedRelease("argo", "cd", "argo-cd", "10.1.1", "v3.4.4"),
        CapturedRelease("vault", "vault", "vault", "1", "1"),
    ]
    here = [
        CapturedRelease(
            "metallb", "metallb-system", "metallb", "0.15.3", "v0.15.3", {"speaker": {"frr": False}, "a": [1]}
        ),
        CapturedRelease("argocd", "argocd", "argo-cd", "9.3.7", "3.4.4"),
        CapturedRelease("grafana", "g", "grafana", "1", "1"),
    ]
    assert list(helm.differences(then, here, {"argocd": ("dex",)})) == [
        "release metallb: v0.16.1 then, v0.15.3 here",
        "release metallb: values differ at speaker.frr",
        "release argo: chart 10.1.1 then, 9.3.7 here",
        "release argo: without dex here",
        "release vault (vault 1) was there then and is not here",
        "release grafana (grafana 1) is here and was not captured",
    ]


def test_the_versions_of_the_incident_are_asked_for(tmp_path: Path) -> None:
    wanted = layer_package.Release("argocd", "argo-cd", "https://charts", "9.3.7", "v3.2.11", "argocd", tmp_path)
    (found,) = helm.pinned([wanted], THEN.foundations)
    assert (found.version, found.app_version, found.repository) == ("10.1.1", "v3.4.4", "https://charts")
    assert helm.pinned([wanted], []) == [wanted]


def test_no_control_character_of_an_archive_reaches_the_terminal() -> None:
    assert clean("a\x1b[2Jb\nc\r") == "a\\x1b[2Jb\nc\\r"


def test_an_object_that_comes_back_is_told_with_its_seconds(api: ScriptedApi, tmp_path: Path) -> None:
    layer = layers.load(layers.write(tmp_path, {}), layers.no_objects)
    with api.client() as kube:
        (found,) = heal_watch.watch(kube, [drift()], layer.rendered, timeout=1)
    assert found.seconds is not None
    assert re.fullmatch(r"configmap/one -n one: as in Git after \d\.\d s", str(found))
