"""Helm on a cluster in memory, and a release for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.foundations.chart_source import Chart
from platform_e2e.foundations.manifests import Object
from platform_e2e.layer.releases import Release
from platform_e2e.shell import CommandError
from tests.fakes.memory_kube import MemoryKube, release_secret

MODULE = "platform_e2e.foundations.installation"
CONFIG: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c", "namespace": "ns"},
    "data": {"a": "1"},
}


class FakeHelm:
    """Does to a cluster in memory what Helm does, and remembers it."""

    def __init__(self, memory: MemoryKube) -> None:
        self.memory = memory
        self.upgraded: list[dict[str, Any]] = []
        self.refuses: set[str] = set()
        self.pulled: list[tuple[str, str, str]] = []

    def pull(self, chart: str, version: str, repository: str, directory: Path) -> None:
        self.pulled.append((chart, version, repository))
        (directory / f"{chart}-{version}.tgz").write_bytes(b"")

    def show_chart(self, chart: Path) -> Object:
        return {"version": "2.0.0", "appVersion": "v2"}

    def template(self, *_: Any, **__: Any) -> list[Object]:
        return []

    def upgrade(self, release: str, chart: Path, namespace: str, *, labels: dict[str, str], **how: Any) -> None:
        self.upgraded.append({"release": release, "chart": chart, "labels": labels, **how})
        if release in self.refuses:
            raise CommandError(["helm", "upgrade", release], "ended with status 1", "values don't meet the schema")
        self.memory.put({**CONFIG, "metadata": {"name": "c", "namespace": namespace}})
        manifest = json.dumps({**CONFIG, "metadata": {"name": "c"}})
        self.memory.put(release_secret(release, namespace, manifest, revision=len(self.upgraded), **labels))


@pytest.fixture
def memory() -> MemoryKube:
    return MemoryKube()


@pytest.fixture
def helm(memory: MemoryKube, monkeypatch: pytest.MonkeyPatch) -> FakeHelm:
    fake = FakeHelm(memory)
    monkeypatch.setattr(f"{MODULE}.Helm", lambda *_: fake)
    monkeypatch.setattr(
        f"{MODULE}.build.made",
        lambda chart, **_: Chart(Path(f"/cache/{chart}"), "2.0.0+assembled", "v2", "assembled", absent=("grafana",)),
    )
    monkeypatch.setattr(f"{MODULE}.chart_source.identity", lambda chart: str(chart.path))
    monkeypatch.setattr(f"{MODULE}.chart_source.definitions", lambda chart, helm: [])
    monkeypatch.setattr(f"{MODULE}.chart_source.templated_definitions", lambda *_, **__: [])
    monkeypatch.setattr(f"{MODULE}.verify", lambda kube, release, namespace, manifest, *_, **__: len(manifest))
    return fake


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return named("demo", tmp_path)


def named(name: str, directory: Path, version: str = "v2") -> Release:
    values = directory / f"{name}.yaml"
    values.write_text("a: 1\n")
    return Release(name, name, "https://charts.example.org", "2.0.0", version, "ns", values)
