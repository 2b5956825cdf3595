"""A release is installed, upgraded, repaired or left alone; versions that differ are told or refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.foundations import OtherVersions, ReleaseFailed, install, release_store
from platform_e2e.kube.client import Kube
from platform_e2e.layer.releases import Release
from platform_e2e.timeline import Timeline
from tests.fakes.helm import CONFIG, MODULE, FakeHelm, helm, memory, named, release
from tests.fakes.memory_kube import MemoryKube, release_secret

__all__ = ["helm", "memory", "release"]


def run(kube: Kube, releases: Sequence[Release], **how: Any) -> list[Any]:
    done, failures = both(kube, releases, **how)
    if failures:
        raise failures[0].beside(failures[1:])
    return done


def both(kube: Kube, releases: Sequence[Release], **how: Any) -> tuple[list[Any], list[ReleaseFailed]]:
    return install(
        kube,
        releases,
        helm=Path("helm"),
        kubeconfig=Path("kubeconfig"),
        timeline=how.pop("timeline", Timeline(None)),
        module_directory=how.pop("module_directory", lambda _: Path()),
        **how,
    )


def test_a_new_release_is_installed(memory: MemoryKube, helm: FakeHelm, release: Release) -> None:
    (done,) = run(memory.kube, [release])
    assert (done.action, done.pinned, done.running, done.checks) == ("installed", "v2", "v2", 1)
    assert done.absent == ("grafana",)
    assert done.as_json()["origin"] == "assembled"
    assert helm.upgraded[0]["values"] == (release.values,)
    assert memory.get("v1/Namespace", "ns") is not None


def test_what_is_set_for_speed_is_told(
    memory: MemoryKube, helm: FakeHelm, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "speed").mkdir()
    speed = tmp_path / "speed" / "demo.yaml"
    speed.write_text("spec:\n  interval: 5s\n  containers:\n  - name: main\n    probe: {periodSeconds: 1}\n")
    monkeypatch.setattr(f"{MODULE}.SPEED", tmp_path / "speed")
    (done,) = run(memory.kube, [release])
    assert done.speed == ("spec.interval: 5s", "spec.containers[main].probe.periodSeconds: 1")
    assert helm.upgraded[0]["values"] == (release.values, speed)


def test_an_unchanged_release_is_left_alone(memory: MemoryKube, helm: FakeHelm, release: Release) -> None:
    run(memory.kube, [release])
    (done,) = run(memory.kube, [release])
    assert done.action == "unchanged"
    assert len(helm.upgraded) == 1


def test_changed_values_upgrade_a_release(memory: MemoryKube, helm: FakeHelm, release: Release) -> None:
    run(memory.kube, [release])
    release.values.write_text("a: 2\n")
    (done,) = run(memory.kube, [release])
    assert done.action == "upgraded"
    assert len({call["labels"][release_store.FINGERPRINT] for call in helm.upgraded}) == 2


def test_drift_is_put_right_and_told(memory: MemoryKube, helm: FakeHelm, release: Release, tmp_path: Path) -> None:
    run(memory.kube, [release])
    memory.put({**CONFIG, "data": {"a": "changed"}})
    timeline = Timeline(tmp_path / "timeline")
    (done,) = run(memory.kube, [release], timeline=timeline)
    assert done.action == "repaired"
    assert done.repaired == ("ConfigMap c -n ns was changed: data.a",)
    found = memory.get("v1/ConfigMap", "c", "ns")
    assert found is not None
    assert found["data"] == {"a": "1"}
    assert "release demo: ConfigMap c -n ns was changed: data.a; put right" in (tmp_path / "timeline").read_text()
    assert len(helm.upgraded) == 1


def test_a_release_of_somebody_else_is_taken_over(memory: MemoryKube, helm: FakeHelm, release: Release) -> None:
    memory.put(release_secret("demo", "ns", "", revision=1))
    (done,) = run(memory.kube, [release])
    assert done.action == "upgraded"
    assert len(helm.upgraded) == 1


def test_a_failed_and_an_interrupted_release_are_applied_again(
    memory: MemoryKube, helm: FakeHelm, release: Release
) -> None:
    run(memory.kube, [release])
    fingerprint = helm.upgraded[0]["labels"]
    memory.put(release_secret("demo", "ns", "", revision=7, status="pending-upgrade", **fingerprint))
    run(memory.kube, [release])
    assert len(helm.upgraded) == 2
    memory.put(release_secret("demo", "ns", "", revision=8, status="failed", **fingerprint))
    run(memory.kube, [release])
    assert len(helm.upgraded) == 3


def test_what_helm_refuses_names_release_values_and_reason(
    memory: MemoryKube, helm: FakeHelm, release: Release
) -> None:
    helm.refuses.add("demo")
    with pytest.raises(ReleaseFailed) as error:
        run(memory.kube, [release])
    text = str(error.value)
    assert text == (
        "release demo is not ready: Helm could not apply it\n"
        "    values don't meet the schema\n"
        f"  remedy: The values are in {release.values}; the chart is assembled."
    )


def test_the_others_are_finished_when_one_fails_and_two_are_named(
    memory: MemoryKube, helm: FakeHelm, tmp_path: Path
) -> None:
    releases = [named(name, tmp_path) for name in ("one", "two", "three")]
    helm.refuses |= {"one", "three"}
    with pytest.raises(ReleaseFailed, match="release one is not ready") as error:
        run(memory.kube, releases)
    assert "also not ready: three" in str(error.value)
    assert release_store.newest(memory.kube, "two", "ns") is not None


def test_another_version_is_told_and_with_strict_versions_refused(
    memory: MemoryKube, helm: FakeHelm, tmp_path: Path
) -> None:
    releases = [named("demo", tmp_path, "v3"), named("same", tmp_path)]
    done = run(memory.kube, releases)
    assert [(one.pinned, one.running) for one in done] == [("v3", "v2"), ("v2", "v2")]
    calls = len(helm.upgraded)
    with pytest.raises(OtherVersions, match=r"foundations.yaml pins, got demo v2 in place of v3\.") as error:
        run(memory.kube, releases, strict_versions=True)
    assert isinstance(error.value, WrongUsage)
    assert len(helm.upgraded) == calls


def test_without_modules_the_chart_comes_from_its_repository(
    memory: MemoryKube, helm: FakeHelm, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    (done,) = run(memory.kube, [release], module_directory=None)
    assert done.origin == "from https://charts.example.org"
    assert helm.pulled == [("demo", "2.0.0", "https://charts.example.org")]
    assert helm.upgraded[0]["chart"].name == "demo-2.0.0.tgz"


def test_charts_dir_comes_first_and_says_what_is_missing(
    memory: MemoryKube, helm: FakeHelm, release: Release, tmp_path: Path
) -> None:
    directory = tmp_path / "charts"
    directory.mkdir()
    with pytest.raises(WrongUsage, match=r"must have demo-2.0.0.tgz or a directory demo, got neither") as error:
        run(memory.kube, [release], charts_dir=directory)
    assert "helm pull demo --version 2.0.0" in error.value.remedy
    (directory / "demo-2.0.0.tgz").write_bytes(b"")
    (done,) = run(memory.kube, [release], charts_dir=directory)
    assert done.origin == f"from {directory / 'demo-2.0.0.tgz'}"


def test_no_releases_is_nothing_to_do(memory: MemoryKube, helm: FakeHelm) -> None:
    assert run(memory.kube, []) == []
