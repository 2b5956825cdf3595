"""Values that an assembled chart does not honour are left out and named; the others are installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import foundations
from platform_e2e.foundations.chart_source import Chart
from platform_e2e.foundations.honoured import honoured
from platform_e2e.kube.client import Kube
from platform_e2e.layer.releases import Release
from platform_e2e.timeline import Timeline
from tests.fakes.helm import MODULE, FakeHelm, helm, memory, release
from tests.fakes.memory_kube import MemoryKube

__all__ = ["helm", "memory", "release"]

CHARTS = Path(foundations.__file__).parent / "charts"


def schema(chart: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHARTS / chart / "values.schema.json").read_text())
    return found


def test_what_the_chart_has_is_kept_and_the_rest_is_named() -> None:
    values = {
        "configs": {"cm": {"admin.enabled": False}, "ssh": {"knownHosts": "x"}},
        "server": {"replicas": 2, "ingress": {"enabled": True, "hosts": ["a"]}, "extraArgs": ["--insecure"]},
        "redis-ha": {"enabled": True},
        "dex": {"enabled": True},
        "controller": {"replicas": "two"},
    }
    kept, refused = honoured(values, schema("argo-cd"), built=False)
    assert kept == {
        "configs": {"cm": {"admin.enabled": False}},
        "server": {"replicas": 2, "extraArgs": ["--insecure"]},
        "dex": {},
        "controller": {},
    }
    assert refused == [
        "configs.ssh.knownHosts",
        "server.ingress.enabled",
        "server.ingress.hosts",
        "redis-ha.enabled",
        "dex.enabled",
        "controller.replicas",
    ]


@pytest.mark.parametrize("built", [True, False])
def test_images_are_those_of_a_cluster_that_builds_its_own(*, built: bool) -> None:
    values = {"global": {"image": {"tag": "v2.9.0"}, "logging": {"level": "warn"}}}
    kept, refused = honoured(values, schema("argo-cd"), built=built)
    assert kept == ({"global": {"logging": {"level": "warn"}}} if built else values)
    assert refused == (["global.image"] if built else [])


@pytest.mark.parametrize("built", [True, False])
def test_programs_without_an_image_stay_off(*, built: bool) -> None:
    values = {"speaker": {"frr": {"enabled": True}, "logLevel": "debug"}, "frrk8s": {"enabled": False}}
    kept, refused = honoured(values, {}, built=built)
    assert refused == (["speaker.frr.enabled"] if built else [])
    assert kept == (values if not built else {**values, "speaker": {"frr": {}, "logLevel": "debug"}})


def test_what_the_stack_cannot_do_is_named() -> None:
    values = {
        "grafana": {"enabled": True},
        "nodeExporter": {"enabled": True},
        "prometheus": {"prometheusSpec": {"retention": 3}},
    }
    kept, refused = honoured(values, schema("kube-prometheus-stack"), built=False)
    assert kept == {"grafana": {"enabled": True}, "nodeExporter": {}, "prometheus": {"prometheusSpec": {}}}
    assert refused == ["nodeExporter.enabled", "prometheus.prometheusSpec.retention"]


def test_they_are_told_and_the_rest_is_installed(
    memory: MemoryKube, helm: FakeHelm, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chart = Chart(tmp_path, "2.0.0+assembled", "v2", "assembled")
    monkeypatch.setattr(f"{MODULE}.build.made", lambda *_, **__: chart)
    (tmp_path / "values.schema.json").write_text('{"additionalProperties": false, "properties": {"a": {}}}')
    release.values.write_text("{a: 1, b: {c: 2}}\n")
    kube: Kube = memory.kube
    (done,), _ = foundations.install(
        kube,
        [release],
        helm=Path("helm"),
        kubeconfig=Path("kubeconfig"),
        timeline=Timeline(None),
        module_directory=lambda _: Path(),
    )
    assert done.unhonoured == ("b.c",)
    assert json.loads(helm.upgraded[0]["values"][0].read_text()) == {"a": 1}
