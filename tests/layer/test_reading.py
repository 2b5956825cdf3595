"""Directories, kustomizations, records and releases: how each is read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import layer
from platform_e2e.errors import BrokenHarness
from platform_e2e.layer import LayerError, Material, manifests, releases, yamlfile
from platform_e2e.layer.renderer import Problem, Reason, Rendering
from tests.fakes import layers, recorded
from tests.fakes.rendering import Fake

CONFIGMAP = "manifests/one/configmap.yaml"
APPLICATION = "argocd/applications/one.yaml"
RECURSE = layers.APPLICATION.replace("path: manifests/one", "path: manifests/one\n    directory: {recurse: true}")


def named(name: str) -> str:
    return layers.CONFIGMAP.replace("name: one", f"name: {name}")


def names(root: Path) -> list[str]:
    return [one.name for one in layers.load(root, layers.one_configmap).rendered]


def test_a_directory_is_read_without_those_below_it(tmp_path: Path) -> None:
    files = {"manifests/one/b.yml": named("b"), "manifests/one/below/c.yaml": named("c"), "manifests/one/note.txt": "x"}
    assert names(layers.write(tmp_path, files)) == ["b", "one"]


def test_recurse_reads_the_directories_below(tmp_path: Path) -> None:
    files = {
        APPLICATION: RECURSE,
        "manifests/one/below/c.json": json.dumps({"apiVersion": "v1", "kind": "A", "metadata": {"name": "c"}}),
    }
    assert names(layers.write(tmp_path, files)) == ["c", "one"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("exclude: configmap.yaml", ["a", "b"]),
        ("exclude: '*.yaml'", []),
        ("exclude: 'below/*'", ["one"]),
        ("exclude: '{configmap,below/a}.yaml'", ["b"]),
        ("include: 'below/[a]*'", ["a"]),
        ("include: '*/?.yaml'", ["a", "b"]),
    ],
)
def test_include_and_exclude_match_as_in_argo_cd(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    text = RECURSE.replace("recurse: true", f"recurse: true, {pattern}")
    files = {APPLICATION: text, "manifests/one/below/a.yaml": named("a"), "manifests/one/below/b.yaml": named("b")}
    root = layers.write(tmp_path, files)
    if expected:
        assert names(root) == expected
    else:
        with pytest.raises(LayerError, match="renders nothing"):
            layers.load(root)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a.yaml", "a.yaml", True),
        ("a.yaml", "axyaml", False),
        ("*", "a/b/c.yaml", True),
        ("**/c.yaml", "a/b/c.yaml", True),
        ("[!a].yaml", "b.yaml", True),
        ("[!a].yaml", "a.yaml", False),
        ("a,b", "a,b", True),
        ("\\*", "*", True),
        ("{a", "a", True),
        ("{a", "b", False),
        ("[\\w].yaml", "p.yaml", False),
        ("[a-zA-Z].yaml", "p.yaml", False),
        ("[a-z].yaml", "p.yaml", True),
        ("[!a-z].yaml", "p.yaml", False),
        ("[z-a].yaml", "p.yaml", False),
        ("[a.yaml", "[a.yaml", False),
        ("*}.yaml", "x}.yaml", True),
        ("{*.yml,[ab].yaml}", "b.yaml", True),
        ("*a" * 9 + "b", "a" * 120, False),
    ],
)
def test_glob(pattern: str, text: str, expected: bool) -> None:
    assert manifests.glob(pattern, text) is expected


def test_lists_are_taken_apart_and_marked_files_left_out(tmp_path: Path) -> None:
    items = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [{"apiVersion": "v1", "kind": "A", "metadata": {"name": "x"}}],
    }
    files = {
        "manifests/one/list.json": json.dumps(items),
        "manifests/one/skip.yaml": "# +argocd:skip-file-rendering\na: [",
    }
    assert names(layers.write(tmp_path, files)) == ["one", "x"]


def test_a_crd_of_another_application_says_that_its_kind_has_no_namespace(tmp_path: Path) -> None:
    crd = (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: tenants.tenancy.example.com}\n"
        "spec: {group: tenancy.example.com, scope: Cluster, names: {kind: Tenant}}\n"
    )
    files = {
        "argocd/applications/two.yaml": layers.APPLICATION.replace("one", "two"),
        "manifests/two/crd.yaml": crd,
        "manifests/one/tenant.yaml": "apiVersion: tenancy.example.com/v1\nkind: Tenant\nmetadata: {name: shop}\n",
        "manifests/one/other.yaml": "apiVersion: other.example.com/v1\nkind: Tenant\nmetadata: {name: shop}\n",
    }
    found = layers.load(layers.write(tmp_path, files), layers.no_objects)
    assert [(one.api, one.namespace) for one in found.of_kind("Tenant")] == [
        ("other.example.com/v1/Tenant", "one"),
        ("tenancy.example.com/v1/Tenant", None),
    ]


def test_objects_get_the_namespace_that_argo_cd_gives_them(tmp_path: Path) -> None:
    crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: w}\nspec: {scope: Cluster, names: {kind: Widget}}\n"
    files = {
        "manifests/one/b.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: b, namespace: x}\n",
        "manifests/one/c.yaml": named("c").replace("name: c", "name: c\n  namespace: other"),
        "manifests/one/d.yaml": crd,
        "manifests/one/e.yaml": "apiVersion: x/v1\nkind: Widget\nmetadata: {name: e}\n",
    }
    found = {one.name: one.namespace for one in layers.load(layers.write(tmp_path, files)).rendered}
    assert found == {"one": "one", "b": None, "c": "other", "w": None, "e": None}


def test_an_application_that_an_application_renders_is_followed(tmp_path: Path) -> None:
    files = {
        CONFIGMAP: layers.APPLICATION.replace("name: one", "name: two", 1).replace("manifests/one", "manifests/two"),
        "manifests/two/configmap.yaml": layers.CONFIGMAP,
    }
    found = layers.load(layers.write(tmp_path, files))
    assert [(one.name, len(one.objects)) for one in found.applications] == [("one", 1), ("two", 1)]
    with pytest.raises(KeyError, match="the layer has no Application three; it has one, two"):
        found.application("three")


def test_several_sources_are_rendered_one_after_the_other(tmp_path: Path) -> None:
    repository = "repoURL: https://git.example.com/team/platform.git"
    text = layers.APPLICATION.partition("  source:")[0] + (
        f"  sources:\n    - {{{repository}, path: manifests/one}}\n    - {{{repository}, path: manifests/two}}\n"
    )
    files = {APPLICATION: text, "manifests/two/two.yaml": named("two")}
    found = layers.load(layers.write(tmp_path, files))
    assert [one.name for one in found.rendered] == ["one", "two"]
    assert not found.applications[0].automation.enabled
    text = text.replace("path: manifests/two", "chart: redis")
    with pytest.raises(
        LayerError, match=f"^{APPLICATION}:10: application/one -n argocd: its chart is of another place: redis"
    ):
        layers.load(layers.write(tmp_path, {APPLICATION: text}))


def test_an_object_of_two_applications_is_listed(tmp_path: Path) -> None:
    two = layers.APPLICATION.replace("name: one", "name: two", 1)
    found = layers.load(layers.write(tmp_path, {"argocd/two.yaml": two}))
    assert [[one.application for one in several] for several in found.shared()] == [["one", "two"]]


def test_rendered_objects_are_found_where_they_are_written(tmp_path: Path) -> None:
    files = {
        "manifests/one/kustomization.yaml": "resources: [configmap.yaml, ../base]\nconfigMapGenerator:\n  - name: made\n    literals: [a=b]\n",
        "manifests/base/kustomization.yaml": "resources: [two.yaml]\n",
        "manifests/base/two.yaml": "# a comment\n" + named("two"),
    }
    root = layers.write(tmp_path, files)

    def render(_: Path) -> list[dict[str, Any]]:
        every = ("one", "pre-two-suffix", "made-5f8c", "unknown")
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}} for name in every]

    found = {one.name: (one.file, one.line) for one in layers.load(root, render).rendered}
    assert found == {
        "one": (CONFIGMAP, 1),
        "pre-two-suffix": ("manifests/base/two.yaml", 2),
        "made-5f8c": ("manifests/one/kustomization.yaml", 3),
        "unknown": ("manifests/one/kustomization.yaml", 1),
    }


def test_a_record_is_refused_when_its_input_changed(tmp_path: Path) -> None:
    root = layers.write(tmp_path / "layer", {"manifests/one/kustomization.yaml": "resources: [configmap.yaml]\n"})
    records = tmp_path / "records"
    with pytest.raises(BrokenHarness, match=r"has no recorded rendering manifests\.one\.yaml"):
        layers.load(root, recorded.kustomize(root, records))
    assert recorded.record(root, records, layers.one_configmap) == [records / "manifests.one.yaml"]
    assert [one.name for one in layers.load(root, recorded.kustomize(root, records)).rendered] == ["one"]
    (root / CONFIGMAP).write_text(named("other"))
    with pytest.raises(BrokenHarness, match=r"has changed since manifests\.one\.yaml was recorded"):
        layers.load(root, recorded.kustomize(root, records))


def test_records_of_kustomizations_that_are_gone_are_removed(tmp_path: Path) -> None:
    root = layers.write(tmp_path / "layer", {"manifests/one/kustomization.yaml": "resources: [configmap.yaml]\n"})
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "old.yaml").touch()
    recorded.record(root, tmp_path / "records", layers.one_configmap)
    assert [path.name for path in (tmp_path / "records").iterdir()] == ["manifests.one.yaml"]


RELEASE = """\
releases:
  - name: metallb
    chart: metallb
    repository: https://metallb.github.io/metallb
    version: 0.15.3
    appVersion: v0.15.3
    namespace: metallb-system
    values: values/metallb.yaml
"""


def with_releases(tmp_path: Path, text: str) -> Path:
    return layers.write(tmp_path, {releases.FILE: text, "foundations/values/metallb.yaml": "a: 1\n"})


def test_a_release_is_read_with_its_pins(tmp_path: Path) -> None:
    (one,) = layers.load(with_releases(tmp_path, RELEASE)).releases
    assert (one.name, one.version, one.app_version, one.namespace) == ("metallb", "0.15.3", "v0.15.3", "metallb-system")
    assert one.values == tmp_path / "foundations" / "values" / "metallb.yaml"


@pytest.mark.parametrize(
    ("find", "replace", "expected"),
    [
        ("    chart: metallb\n", "", "2: the release metallb must have chart as a text"),
        ("version: 0.15.3", "version: 0.15", "2: the release metallb must have version as a text"),
        ("    appVersion: v0.15.3\n", "", "2: the release metallb must have appVersion as a text"),
        ("chart: metallb", "chrat: metallb", "3: the release metallb has an unknown field chrat"),
        ("values/metallb.yaml", "values/missing.yaml", "8: the release metallb has values in values/missing.yaml, which is not a file of the layer"),
        ("values/metallb.yaml", "../../x.yaml", "8: the release metallb has values in ../../x.yaml, which is not a file of the layer"),
        ("releases:", "release:", "1: must be one document with a list `releases`"),
        ("releases:\n", f"releases:\n{RELEASE.partition('releases:')[2].lstrip(chr(10))}", "9: the release metallb is there twice"),
        ("releases:\n", "releases:\n  - text\n", "2: a release must be a mapping"),
    ],
)  # fmt: skip
def test_a_release_that_cannot_be_used_is_named(tmp_path: Path, find: str, replace: str, expected: str) -> None:
    assert find in RELEASE
    (tmp_path / "x.yaml").touch()
    with pytest.raises(LayerError) as caught:
        layers.load(with_releases(tmp_path / "layer", RELEASE.replace(find, replace, 1)))
    assert str(caught.value).splitlines()[0] == f"{releases.FILE}:{expected}"


def test_broken_values_are_found_before_a_cluster_is_started(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {releases.FILE: RELEASE, "foundations/values/metallb.yaml": "a: 1\na: 2\n"})
    with pytest.raises(LayerError, match=r"^foundations/values/metallb\.yaml:2: is not valid YAML"):
        layers.load(root)


def test_lines_of_fields() -> None:
    (document,) = yamlfile.parse("a:\n  b:\n    - c: 1\n    - d: 2\n", "f")
    assert [document.line_of(*keys) for keys in ((), ("a",), ("a", "b"), ("a", "b", 1), ("a", "x"))] == [1, 1, 2, 4, 1]


def test_what_helm_refuses_of_a_chart_is_told_in_its_words(tmp_path: Path) -> None:
    chart = {
        "manifests/one/Chart.yaml": "apiVersion: v2\nname: one\nversion: 1.0.0\n",
        "manifests/one/templates/a.yaml": "{{ fail }}\n",
    }
    said = "`helm template . --name-template one` failed exit status 1: Error: the word is lacking"

    @contextlib.contextmanager
    def begin(_: Material) -> Iterator[Fake]:
        yield Fake(lambda objects: [Rendering(problem=Problem(Reason.RENDER, said)) for _ in objects])

    with pytest.raises(LayerError) as refused:
        layer.load(layers.write(tmp_path, chart), begin)
    assert refused.value.file == APPLICATION
    assert refused.value.problem.endswith("application/one -n argocd: Argo CD cannot render it: the word is lacking")
