"""The page about other people's repositories: what is counted, what breaks down, and whose names stay out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from benchmarks.foreign import __main__ as foreign
from benchmarks.foreign import one, page, stored
from benchmarks.foreign.one import Read
from benchmarks.foreign.page import Row
from benchmarks.layers.large import OBJECTS, large
from platform_e2e.shell import CommandError, Completed
from platform_e2e.sources.store import Store
from platform_e2e.toolbox import layer_renderer
from tests.fakes import layers, rendering

SOUND = Read(["directory argocd"], 6, 60, 2, 3, {"chart": 2, "plugin": 1, "render": 1}, [], "", 1.25, 120.4)


def test_the_page_has_both_figures_and_each_repository() -> None:
    rows = [Row("argoproj/apps", SOUND), Row("some-person/k8s", Read(["file a/b.yaml", "file c.yaml"], 3))]
    text = page.markdown(rows, page.names(rows))
    assert "- 9 of 13 Applications are rendered: 69 %." in text
    assert (
        "- 9 of the 10 that are for this cluster and need no chart, repository or plugin that is not there: 90 %."
        in text
    )
    assert (
        "| argoproj/apps | directory argocd | 6 / 10 | 60 | 2 | 3 | 2 chart, 1 plugin, 1 render | 1.2 | 120 |" in text
    )
    assert "| homelab A | 2 file | 3 / 3 |" in text
    assert "some-person" not in text
    assert "b.yaml" not in text


def test_objects_of_judged_applications_and_applications_of_other_clusters_are_no_fault_of_the_reader() -> None:
    read = Read([], 6, 60, 2, 3, {"monitor": 3, "address": 1, "destination": 2, "render": 1})
    text = page.markdown([Row("argoproj/apps", read)], {"argoproj/apps": "argoproj/apps"})
    assert "- 6 of 9 Applications are rendered: 67 %." in text
    assert "- 6 of the 7 that are for this cluster and need no chart" in text


def test_persons_are_numbered_by_letters() -> None:
    called = page.names([Row(f"person{number}/home", SOUND) for number in range(28)])
    assert [called[f"person{number}/home"] for number in (0, 25, 26, 27)] == [
        "homelab A", "homelab Z", "homelab AA", "homelab AB",
    ]  # fmt: skip


def test_a_layer_that_breaks_the_reader_is_a_row_and_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "broken").mkdir()

    def run(argv: list[str | Path], *, timeout: float) -> Completed:
        assert timeout == 9.0
        if Path(argv[3]).name == "broken":
            raise CommandError(
                [str(word) for word in argv], "ended with status 1", "Traceback\n  ...\nKeyError: 'spec'\n"
            )
        assert argv[4:] == ["", "a", "b"]
        return Completed((), 0, msgspec.json.encode(SOUND).decode(), "", 1.0)

    monkeypatch.setattr("platform_e2e.shell.run", run)
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    target = tmp_path / "page.md"
    words = ["--seconds", "9", "--page", str(target), f"{tmp_path}/sound:a,b"]
    assert foreign.main(words) == 0
    assert foreign.main([*words, f"{tmp_path}/broken"]) == 1
    assert "| homelab B |  |  |  |  |  | **breaks down**: KeyError: 'spec' |" in target.read_text()
    assert "- 1 of 2 repositories made the reader break down." in target.read_text()
    assert "homelab B = broken" in capsys.readouterr().out


def test_a_repository_is_named_by_its_remote(tmp_path: Path) -> None:
    assert foreign._repository(tmp_path) == tmp_path.name
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", "git@github.com:team/layer.git"], check=True)
    assert foreign._repository(tmp_path) == "team/layer"


def test_a_layer_is_counted_also_where_nothing_can_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_renderer, "renderer", rendering.renderer)
    chart = layers.APPLICATION.replace("path: manifests/one", "chart: one")
    sound = one.read(layers.write(tmp_path / "a", {}), [])
    assert (sound.roots, sound.rendered, sound.objects, sound.there, sound.refused) == (
        ["directory argocd"],
        1,
        1,
        1,
        "",
    )
    refused = one.read(layers.write(tmp_path / "b", {"argocd/applications/one.yaml": chart}), [])
    assert (refused.rendered, refused.not_judged, refused.there) == (0, {"chart": 1}, 1)
    assert "its chart is of another place" in refused.refused
    no_elements = (
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: set}\n"
        "spec:\n  generators: [{list: {elements: []}}]\n  template: {metadata: {name: x}, spec: {}}\n"
    )
    empty = one.read(layers.write(tmp_path / "c", {"argocd/set.yaml": no_elements}), [])
    assert (empty.rendered, empty.not_judged, empty.there) == (1, {"empty": 1}, 1)
    nothing = one.read(tmp_path / "none", [])
    assert (nothing.there, nothing.refused.partition(",")[0]) == (0, "--layer must be a directory that exists")


def test_the_large_layer_has_all_that_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_renderer, "renderer", rendering.renderer)
    # Charts and overlays need programs.
    made = large(tmp_path / "layer", 6)
    found = one.read(made, [])
    assert (found.rendered, found.objects, found.not_judged) == (6, 6 * OBJECTS, {})


def test_of_a_store_only_what_a_layer_needs_is_taken(tmp_path: Path) -> None:
    """Also what a repository needs that was taken from it."""
    store, archive = Store(tmp_path / "store"), tmp_path / "chart.tgz"
    for name, version in (("web", "1.2.0"), ("web", "1.3.0"), ("other", "1.0.0")):
        archive.write_bytes(f"{name} {version}".encode())
        store.add_chart("https://charts.example/stable", name, version, archive)
    tree = tmp_path / "tree"
    (tree / "base").mkdir(parents=True)
    (tree / "base" / "kustomization.yaml").write_text("resources: [https://files.example/crds.yaml]\n")
    store.add_repository("https://git.example/other.git", "v1", "1" * 40, tree)
    for name in ("crds", "more"):
        (tmp_path / name).write_text(name)
        store.add_file(f"https://files.example/{name}.yaml", tmp_path / name)
    own = "repoURL: https://git.example.com/team/platform.git\n    targetRevision: main\n    path: manifests/one"
    chart = "repoURL: https://charts.example/stable\n    targetRevision: 1.2.x\n    chart: web"
    other = "repoURL: https://git.example/other\n    targetRevision: v1\n    path: base"
    root = layers.write(
        tmp_path / "layer",
        {
            "argocd/applications/two.yaml": layers.APPLICATION.replace("name: one", "name: two").replace(own, chart),
            "argocd/applications/three.yaml": layers.APPLICATION.replace("name: one", "name: three").replace(
                own, other
            ),
        },
    )
    found = stored.needed(root, (), rendering.renderer(), store)
    assert [(each.name, each.version) for each in found.charts] == [("web", "1.2.0")]
    assert [each.urls for each in found.repositories] == [("https://git.example/other.git",)]
    assert list(found.files) == ["https://files.example/crds.yaml"]
