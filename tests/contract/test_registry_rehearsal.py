"""What `nox -s registry` fills its registry with and pins: nothing is claimed that is not there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from contract.registry import crane, standin, stock
from platform_e2e import paths
from platform_e2e.foundations import build
from platform_e2e.foundations.chart_source import Chart
from platform_e2e.foundations.embedded import CHARTS
from platform_e2e.layer import releases
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import gomod


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo layer as the rehearsal copies it, with charts of nothing."""

    def made(chart: str, **_: object) -> Chart:
        directory = tmp_path / "made" / chart
        directory.mkdir(parents=True)
        (directory / "Chart.yaml").write_text(f"name: {chart}\n")
        (tmp_path / "crd.json").write_text("{}")
        version = CHARTS[chart].app_version
        return Chart(directory, f"{version}+made", version, "made", crds=(tmp_path / "crd.json",))

    class Built:
        @staticmethod
        def path(name: str) -> Path:
            return Path(name)

    monkeypatch.setattr(build, "made", made)
    monkeypatch.setattr("contract.registry.stock.programs.ensure", lambda _: Built())
    stock.layer(paths.ROOT / "tests" / "data" / "platform", tmp_path / "layer", tmp_path / "charts", Timeline(None))
    return tmp_path


def test_the_copy_pins_the_versions_whose_images_are_in_the_registry(copied: Path) -> None:
    found = {release.chart: release for release in releases.read(copied / "layer")}
    assert set(found) == set(CHARTS)
    for name, chart in CHARTS.items():
        assert (found[name].app_version, found[name].version) == (chart.app_version, f"{chart.app_version}+made")
        assert (copied / "charts" / name / "crds" / "crd.yaml").read_text() == "---\n{}"
    original = releases.read(paths.ROOT / "tests" / "data" / "platform")
    assert [release.name for release in found.values()] == [release.name for release in original]


def test_the_copys_own_image_is_built_without_fetching_packages(copied: Path) -> None:
    text = (copied / "layer" / "apps" / "chat" / "Containerfile").read_text()
    assert "apt-get" not in text
    assert re.findall(r"^(FROM|COPY|RUN|USER|EXPOSE|ENTRYPOINT)", text, re.MULTILINE) == [
        "FROM",
        "COPY",
        "RUN",
        "USER",
        "EXPOSE",
        "ENTRYPOINT",
    ]


@pytest.mark.parametrize(
    ("registries", "arguments", "text"),
    [
        ("mirrors: {}\n", "server", "registries.yaml names no mirror"),
        (
            "mirrors:\n  '*':\n    endpoint:\n    - http://10.89.0.1:5000\n",
            "server --tls-san x",
            "not told to use mirrors only",
        ),
    ],
)
def test_the_node_refuses_to_start_where_k3d_did_not_hand_over_the_mirror(
    tmp_path: Path, registries: str, arguments: str, text: str
) -> None:
    """Its launcher reads what k3d writes into a node; here from another directory."""
    (tmp_path / "registries.yaml").write_text(registries)
    script = tmp_path / "k3s"
    script.write_text(
        standin.LAUNCHER.read_text().replace("/etc/rancher/k3s", str(tmp_path)).replace("/etc/", f"{tmp_path}/etc/")
    )
    bash = shutil.which("bash")
    assert bash is not None
    words = [bash, str(script), *arguments.split()]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert text in done.stderr


def test_crane_is_pinned_as_the_one_tool_of_its_module() -> None:
    pinned = gomod.read(crane.MODULE / "go.mod")
    assert pinned.tools == (crane.PACKAGE,)
    assert (crane.MODULE / "go.sum").is_file()
