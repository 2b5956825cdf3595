"""The versions that the embedded cluster states are those that go.mod pins and that its images have."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.foundations import embedded
from platform_e2e.layer import releases
from platform_e2e.paths import ROOT
from platform_e2e.toolbox import gomod, images

PINNED = gomod.read()


@pytest.mark.parametrize("chart", embedded.CHARTS)
def test_a_chart_comes_from_the_module_that_go_mod_pins(chart: str) -> None:
    have = embedded.of(chart)
    assert PINNED.module(have.module).version == have.module_version


@pytest.mark.parametrize("chart", embedded.CHARTS)
def test_the_version_that_is_told_is_the_module_s(chart: str) -> None:
    have = embedded.of(chart)
    assert have.app_version.removeprefix("v") == have.module_version.removeprefix("v")


@pytest.mark.parametrize(
    "image", [str(image) for have in embedded.CHARTS.values() for image in have.images.values()], ids=str
)
def test_an_image_that_a_chart_asks_for_is_assembled(image: str) -> None:
    assert image in images.table(ROOT / "tests" / "data" / "platform" / "apps")


def test_every_release_of_the_layer_can_be_had() -> None:
    layer = releases.read(ROOT / "tests" / "data" / "platform")
    assert {release.chart for release in layer} <= set(embedded.CHARTS)
    assert all(release.values.is_file() for release in layer)


def test_a_chart_that_cannot_be_had_is_wrong_usage() -> None:
    with pytest.raises(WrongUsage, match="got `loki`") as error:
        embedded.of("loki")
    assert "--charts-dir" in error.value.remedy


def test_speed_values_exist_for_known_charts_only() -> None:
    from platform_e2e.foundations.installation import SPEED

    assert {Path(path).stem for path in SPEED.glob("*.yaml")} <= set(embedded.CHARTS)
