"""A layer knows whether its files are still those that were read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.layer import Layer
from tests.fakes import layers


@pytest.fixture
def found(tmp_path: Path) -> Layer:
    return layers.load(layers.write(tmp_path, {}), besides=tmp_path / "artifacts")


def changed(found: Layer) -> str:
    """Return what the layer says of its files, or an empty string."""
    try:
        found.demand_unchanged()
    except WrongUsage as error:
        return str(error)
    return ""


def test_what_is_written_again_with_the_same_content_has_not_changed(found: Layer) -> None:
    path = found.directory / "manifests" / "one" / "configmap.yaml"
    path.write_text(layers.CONFIGMAP)
    os.utime(path, (1, 1))
    assert changed(found) == ""


def test_what_is_no_part_of_the_layer_may_change(found: Layer) -> None:
    for name in ("artifacts/run/run.json", ".git/index", "x/__pycache__/x.pyc"):
        path = found.directory / name
        path.parent.mkdir(parents=True)
        path.write_text("x")
    assert changed(found) == ""


def test_a_link_that_leads_elsewhere_has_changed(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {})
    (root / "link").symlink_to("argocd")
    found = layers.load(root)
    (root / "link").unlink()
    (root / "link").symlink_to("manifests")
    with pytest.raises(WrongUsage, match="since this run read it: link\n"):
        found.demand_unchanged()


def test_of_many_files_five_are_named(found: Layer) -> None:
    for number in range(7):
        (found.directory / f"{number}.txt").write_text("x")
    with pytest.raises(
        WrongUsage, match=r"read it: 0\.txt, 1\.txt, 2\.txt, 3\.txt, 4\.txt and 2 more\n  remedy: run again"
    ):
        found.demand_unchanged()


def test_what_is_written_while_the_layer_is_read_counts_as_changed(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {"manifests/one/kustomization.yaml": "resources: [configmap.yaml]\n"})

    def render(directory: Path) -> list[dict[str, object]]:
        (directory / "configmap.yaml").write_text(layers.CONFIGMAP + "  more: x\n")
        return layers.one_configmap(directory)

    with pytest.raises(WrongUsage, match=r"manifests/one/configmap\.yaml"):
        layers.load(root, render).demand_unchanged()
