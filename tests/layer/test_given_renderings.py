"""What the team has rendered itself stands for what an Application becomes: nothing else is asked how to render it."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e import layer
from platform_e2e.errors import WrongUsage
from platform_e2e.layer import Layer, given_renderings
from tests.fakes import layers, rendering

PLUGIN = layers.APPLICATION.replace("path: manifests/one", "path: manifests/one\n    plugin: {name: cdk8s}")
ROLLED = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rolled}\n---\n" + layers.CONFIGMAP


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """A directory beside the layer, with what a plugin made."""
    made = tmp_path / "rendered" / "deep"
    made.mkdir(parents=True)
    (made / "all.yaml").write_text(ROLLED)
    (made / "notes.txt").write_text("no manifest")
    return made.parent


def load(tmp_path: Path, given: dict[str, Path]) -> Layer:
    root = layers.write(tmp_path / "layer", {"argocd/applications/one.yaml": PLUGIN})
    return given_renderings.noted(layer.load(root, given_renderings.around(rendering.renderer(), given)), given)


@pytest.mark.parametrize("name", ["one", "argocd/one"])
def test_an_application_of_a_plugin_is_judged_by_what_the_team_rendered(
    tmp_path: Path, rendered: Path, name: str
) -> None:
    found = load(tmp_path, {name: rendered})
    assert found.not_judged == ()
    assert sorted(each.name for each in found.rendered) == ["one", "rolled"]
    assert {each.namespace for each in found.rendered} == {"one"}, "its destination's, as Argo CD would write"
    assert found.application("one").given == rendered
    assert f"application/one -n argocd is taken from {rendered}, as --rendered says" in found.begins


def test_of_several_sources_all_that_they_become_is_given(tmp_path: Path, rendered: Path) -> None:
    source = "{repoURL: https://git.example.com/team/platform.git, targetRevision: main, path: manifests/one}"
    several = layers.APPLICATION.split("  source:")[0] + (
        f"  sources: [{source}, {{repoURL: oci://charts.example/a, chart: a, targetRevision: 1.0.0}}]\n  destination:"
        + layers.APPLICATION.split("  destination:")[1]
    )
    root = layers.write(tmp_path / "layer", {"argocd/applications/one.yaml": several})
    given = {"one": rendered}
    found = layer.load(root, given_renderings.around(rendering.renderer(), given))
    assert sorted(each.name for each in found.rendered) == ["one", "rolled"]


def test_a_name_that_the_layer_does_not_have_is_refused_with_those_that_it_has(tmp_path: Path, rendered: Path) -> None:
    with pytest.raises(
        WrongUsage, match="--rendered two=DIR must name an Application of the layer, got two"
    ) as refused:
        given_renderings.noted(layers.load(layers.write(tmp_path / "layer", {})), {"two": rendered})
    assert "it has one" in str(refused.value)


@pytest.mark.parametrize(
    ("file", "got"), [("", "must have manifests, got none"), ("a: [", "must have manifests: a.yaml")]
)
def test_a_directory_without_manifests_is_refused(tmp_path: Path, file: str, got: str) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    if file:
        (empty / "a.yaml").write_text(file)
    with pytest.raises(WrongUsage, match=got):
        load(tmp_path, {"one": empty})
