"""What a run needs from elsewhere is what is asked, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from platform_e2e import paths, supplies
from platform_e2e.cluster import providers
from platform_e2e.cluster.k3d import daemon, image_sources
from platform_e2e.cluster.k3d.image_sources import Supplies
from platform_e2e.cluster.provider import Images
from platform_e2e.commands import doctor
from platform_e2e.foundations import upstream
from platform_e2e.layer import releases
from platform_e2e.settings import Settings, resolve
from tests.fakes import layers
from tests.fakes.k3d import SOUND

FOUNDATIONS = """\
releases:
  - name: team
    chart: team
    repository: {repository}
    version: 1.0.0
    appVersion: v1
    namespace: team
    values: values/team.yaml
"""


def layer(tmp_path: Path, repository: str = "https://charts.example.com/stable", values: str = "{}") -> Settings:
    (tmp_path / "foundations" / "values").mkdir(parents=True)
    (tmp_path / "foundations" / "foundations.yaml").write_text(FOUNDATIONS.format(repository=repository))
    (tmp_path / "foundations" / "values" / "team.yaml").write_text(values)
    return resolve({"layer": str(tmp_path)}, {})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every URL that is asked; all answer."""
    urls: list[str] = []

    def ask(url: str, ca: str = "") -> str:
        urls.append(url)
        return ""

    monkeypatch.setattr(image_sources, "ask", ask)
    monkeypatch.setattr(daemon, "ask", lambda _: SOUND)
    return urls


@pytest.mark.point("registries-asked")
def test_the_demo_layer_asks_every_registry_and_repository_that_its_charts_use(asked: list[str]) -> None:
    needed = supplies.of(resolve({"layer": str(layers.DEMO)}, {}))
    assert needed.registries == ("docker.io", "ecr-public.aws.com", "ghcr.io", "quay.io", "registry.k8s.io")
    choice = providers.decide("k3d", "auto", supplies=needed)
    assert choice.images == Images.REGISTRY
    assert set(asked) == {
        "https://registry-1.docker.io/v2/",
        "https://ecr-public.aws.com/v2/",
        "https://ghcr.io/v2/",
        "https://quay.io/v2/",
        "https://registry.k8s.io/v2/",
        "https://argoproj.github.io/argo-helm/index.yaml",
        "https://bitnami.github.io/sealed-secrets/index.yaml",
        "https://metallb.github.io/metallb/index.yaml",
        "https://prometheus-community.github.io/helm-charts/index.yaml",
        "https://github.com",
    }


@pytest.mark.point("registries-asked")
def test_charts_of_a_directory_need_no_repository(tmp_path: Path) -> None:
    needed = supplies.of(resolve({"layer": str(layers.DEMO), "charts_dir": str(tmp_path)}, {}))
    assert needed.repositories == ()
    assert "quay.io" in needed.registries, "their images are still fetched"


@pytest.mark.point("registries-asked")
def test_a_layer_without_foundations_asks_for_the_nodes_own_images_only(tmp_path: Path, asked: list[str]) -> None:
    providers.decide("k3d", "auto", supplies=supplies.of(resolve({"layer": str(tmp_path)}, {})))
    assert sorted(asked) == ["https://ghcr.io/v2/", "https://registry-1.docker.io/v2/"]


@pytest.mark.point("registries-asked")
@pytest.mark.parametrize(
    ("values", "registries"),
    [
        ("image:\n  registry: registry.example.com:5000\n  repository: a/b\n", ("registry.example.com:5000",)),
        ('image: "private.example.com/team/app:1.2"\n', ("private.example.com",)),
        ("- image: redis:8\n", ("docker.io",)),
        ("images:\n- name: app\n  newName: mirror.example.com/app\n", ("mirror.example.com",)),
        ("# image: commented.example.com/a\nimage:\n  tag: 1\n", ()),
        ("image: quay.io/a/b@sha256:00\n", ("quay.io",)),
        ('{"image": "json.example.com/a"}\n', ()),
        ("image: '{{ .Values.image }}'\n", ()),
        ("registry: simple\n", ()),
    ],
)
def test_the_registries_of_a_layers_own_images_are_known(
    tmp_path: Path, values: str, registries: tuple[str, ...]
) -> None:
    assert supplies.of(layer(tmp_path, values=values)).registries == registries


@pytest.mark.point("registries-asked")
def test_an_image_that_the_layer_brings_itself_is_in_no_registry(tmp_path: Path) -> None:
    settings = layer(tmp_path, values="image: private.example.com/team/app:1\n")
    (tmp_path / "apps" / "app").mkdir(parents=True)
    (tmp_path / "apps" / "app" / "Containerfile").write_text("FROM scratch\n")
    assert supplies.of(settings).registries == ()


@pytest.mark.point("registries-asked")
def test_a_link_in_a_layer_is_not_followed(tmp_path: Path) -> None:
    settings = layer(tmp_path / "layer")
    (tmp_path / "outside.yaml").write_text("image: outside.example.com/a\n")
    (tmp_path / "layer" / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    assert supplies.of(settings).registries == ()


@pytest.mark.point("registries-asked")
def test_a_repository_that_is_a_registry_is_asked_as_one(tmp_path: Path, asked: list[str]) -> None:
    needed = supplies.of(layer(tmp_path, repository="oci://charts.example.com/team"))
    providers.decide("k3d", "auto", supplies=needed)
    assert "https://charts.example.com/v2/" in asked


@pytest.mark.point("registries-asked")
def test_a_mirror_is_asked_for_what_it_mirrors_and_the_rest_directly(asked: list[str]) -> None:
    needed = Supplies(("docker.io", "quay.io"), ("https://charts.example.com",))
    providers.decide("k3d", "auto", "docker.io=http://localhost:5001", supplies=needed)
    assert set(asked) == {
        "http://localhost:5001/v2/",
        "https://quay.io/v2/",
        "https://ghcr.io/v2/",
        "https://charts.example.com/index.yaml",
    }
    asked.clear()
    providers.decide("k3d", "auto", "http://localhost:5001", supplies=replace(needed, repositories=()))
    assert asked == ["http://localhost:5001/v2/"]


@pytest.mark.point("registries-asked")
@pytest.mark.parametrize("silent", ["ecr-public.aws.com", "argoproj.github.io"])
def test_what_is_used_and_does_not_answer_is_named_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], silent: str
) -> None:
    monkeypatch.setattr(image_sources, "ask", lambda url, ca="": "ConnectionError" if silent in url else "")
    monkeypatch.setattr(daemon, "ask", lambda _: SOUND)
    chosen = resolve({"layer": str(layers.DEMO), "provider": "k3d", "images": "registry"}, {})
    assert doctor.main(chosen, supplies=supplies.of(chosen)) == 3
    said = capsys.readouterr().out
    assert silent in said
    assert "cannot be reached (ConnectionError)" in said


@pytest.mark.point("registries-asked")
def test_every_pinned_chart_has_its_registries() -> None:
    assert {release.chart for release in releases.read(paths.ROOT / "tests" / "data" / "platform")} == set(
        upstream.CHARTS
    )
