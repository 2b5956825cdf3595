"""A layer is hostile input: everything that cannot be used is refused with file and line, before anything is started."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from platform_e2e import layer
from platform_e2e.checks import applications
from platform_e2e.errors import WrongUsage
from platform_e2e.gitops import bare_repository
from platform_e2e.layer import LayerError, tree, yamlfile
from platform_e2e.layer.renderer import Problem, Reason, Rendering
from tests.fakes import layers, rendering

CONFIGMAP = "manifests/one/configmap.yaml"
APPLICATION = "argocd/applications/one.yaml"
KUSTOMIZATION = "manifests/one/kustomization.yaml"


def refused(root: Path) -> str:
    """Load a layer that must be refused and return the first line of the error."""
    with pytest.raises(LayerError) as caught:
        layers.load(root, layers.one_configmap)
    assert isinstance(caught.value, WrongUsage)
    assert caught.value.exit_code == 4
    return str(caught.value).splitlines()[0]


def test_the_small_layer_itself_is_sound(tmp_path: Path) -> None:
    found = layers.load(layers.write(tmp_path, {}))
    assert [str(one) for one in found.rendered] == ["configmap/one -n one"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (CONFIGMAP, "kind: [\n", f"{CONFIGMAP}:2: is not valid YAML"),
        (CONFIGMAP, "a: b\n  c: d\n", f"{CONFIGMAP}:2: is not valid YAML: mapping values are not allowed here"),
        (CONFIGMAP, "a: 1\n\tb: 2\n", f"{CONFIGMAP}:2: is not valid YAML"),
        (
            CONFIGMAP,
            layers.CONFIGMAP + "  key: other\n",
            f'{CONFIGMAP}:7: is not valid YAML: while constructing a mapping found duplicate key "key" with value "other"',
        ),
        (APPLICATION, layers.APPLICATION + "      selfHeal: false\n", f"{APPLICATION}:19: is not valid YAML"),
        (CONFIGMAP, b"a: 1\nb: \xff\n", f"{CONFIGMAP}:2: is not UTF-8: invalid start byte 0xff"),
        (CONFIGMAP, b"a: 1\nb: \x00\n", f"{CONFIGMAP}:2: is not valid YAML: special characters are not allowed"),
        (CONFIGMAP, "- a\n", f"{CONFIGMAP}:1: is not a Kubernetes object: it must be a mapping"),
        (CONFIGMAP, "just text\n", f"{CONFIGMAP}:1: is not a Kubernetes object: it must be a mapping"),
        (
            CONFIGMAP,
            "kind: ConfigMap\nmetadata: {name: a}\n",
            f"{CONFIGMAP}:1: is not a Kubernetes object: it must have apiVersion",
        ),
        (CONFIGMAP, "apiVersion: v1\nkind: ConfigMap\n", f"{CONFIGMAP}:1: ConfigMap has no metadata.name"),
        (
            CONFIGMAP,
            layers.CONFIGMAP.replace("name: one", "name: one\n  annotations:\n    wave: 1"),
            f"{CONFIGMAP}:6: configmap/one -n one: metadata.annotations.wave must be a text, got the number 1",
        ),
        (CONFIGMAP, "? {a: b}\n: c\n", f"{CONFIGMAP}:1: has a key that is not a text"),
        (CONFIGMAP, "a: .inf\n", f"{CONFIGMAP}:1: is not valid YAML: found .inf, which is not a number of JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, name: str, content: str | bytes, expected: str
) -> None:
    assert refused(layers.write(tmp_path, {name: content})).startswith(expected)


def test_json_is_held_to_the_same_rules(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {CONFIGMAP: None}
    root = layers.write(tmp_path, {**files, "manifests/one/one.json": '{"kind": "ConfigMap",\n'})
    assert refused(root).startswith("manifests/one/one.json:2: is not valid JSON")
    root = layers.write(tmp_path, {**files, "manifests/one/one.json": '{"kind": 1,\n"kind": 2}'})
    assert refused(root) == 'manifests/one/one.json: is not valid JSON: found duplicate key "kind"'


def test_nesting_that_would_exhaust_the_stack_is_an_error(tmp_path: Path) -> None:
    text = "a:\n" + "[" * 200_000
    assert refused(layers.write(tmp_path, {CONFIGMAP: text})) == f"{CONFIGMAP}:2: is nested more than 500 levels deep"
    (tmp_path / CONFIGMAP).rename(tmp_path / "manifests" / "one" / "one.json")
    assert refused(tmp_path) == "manifests/one/one.json:2: is nested more than 500 levels deep"


def test_nesting_by_indentation_is_an_error_too(tmp_path: Path) -> None:
    text = "\n".join(" " * n + "a:" for n in range(1000))
    assert refused(layers.write(tmp_path, {CONFIGMAP: text})).startswith(f"{CONFIGMAP}: is nested too deeply")


def test_aliases_of_aliases_are_stopped(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    found = refused(layers.write(tmp_path, {CONFIGMAP: "\n".join(lines)}))
    assert found == f"{CONFIGMAP}:1: has more than {yamlfile.MOST_VALUES} values once its aliases are resolved"


def test_a_structure_that_contains_itself_is_stopped(tmp_path: Path) -> None:
    expected = "is not valid YAML: found an alias within what it stands for"
    assert refused(layers.write(tmp_path, {CONFIGMAP: "a: &a\n  b: *a\n"})) == f"{CONFIGMAP}:1: {expected}"
    assert refused(layers.write(tmp_path, {CONFIGMAP: "a: 1\nb: &b [*b, 1]\n"})) == f"{CONFIGMAP}:2: {expected}"


def test_harmless_anchors_are_resolved(tmp_path: Path) -> None:
    text = layers.CONFIGMAP.replace("data:\n", "data: &data\n") + "  other: &v value\n  third: *v\n"
    found = layers.load(layers.write(tmp_path, {CONFIGMAP: text}))
    assert found.rendered[0].object["data"] == {"key": "value", "other": "value", "third": "value"}


def test_a_date_stays_a_text_as_in_kubernetes(tmp_path: Path) -> None:
    found = layers.load(layers.write(tmp_path, {CONFIGMAP: layers.CONFIGMAP + "  day: 2026-11-24\n"}))
    assert found.rendered[0].object["data"]["day"] == "2026-11-24"


def test_a_50_mb_file_of_manifests_is_refused_unread(tmp_path: Path) -> None:
    place = "manifests/one/big.yaml"
    root = layers.write(tmp_path, {place: b""})
    os.truncate(root / place, 50 << 20)
    assert refused(root) == f"{place}:1: is 50.0 MiB large, more than 10 MiB"


def test_a_file_that_cannot_be_served_is_left_out_and_named(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {"apps/big.bin": b""})
    os.truncate(root / "apps/big.bin", 50 << 20)
    os.mkfifo(root / "apps/pipe")
    found = layers.load(root)
    assert [each.name for each in found.applications] == ["one"]
    assert not {"big.bin", "pipe"} & {path.name for path in found.files}
    assert not {"apps/big.bin", "apps/pipe"} & bare_repository.files_of(root).keys()
    assert [each for each in found.begins if "left out" in each] == [
        "apps/big.bin is left out: it is 50 MiB large, more than 10 MiB",
        "apps/pipe is left out: it is not a regular file",
    ]


def test_a_file_of_many_objects_may_be_larger_than_one_object(tmp_path: Path) -> None:
    """Argo CD's own install manifest has 1.9 MB."""
    every = [layers.CONFIGMAP.replace("name: one", f"name: n{n}").replace("value", "x" * 100_000) for n in range(15)]
    found = layers.load(layers.write(tmp_path, {CONFIGMAP: "---\n".join(every)}))
    assert len(found.rendered) == 15


def test_a_layer_that_is_large_in_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = layers.write(tmp_path, {})
    monkeypatch.setattr(tree, "MOST_FILES", 1)
    assert refused(root) == ".: has more than 1 files"
    monkeypatch.setattr(tree, "MOST_FILES", 10)
    monkeypatch.setattr(tree, "LARGEST_LAYER", 10)
    assert refused(root).startswith(".: is more than 0 MiB large")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/etc/passwd", "is a symbolic link to the absolute path /etc/passwd"),
        ("../../../outside", "is a symbolic link to ../../../outside, outside of the layer"),
        ("../../../nowhere", "is a symbolic link to ../../../nowhere, outside of the layer"),
        ("link.yaml", "is a symbolic link to link.yaml, which does not exist"),
    ],
)
def test_a_symbolic_link_out_of_the_layer_is_refused(tmp_path: Path, target: str, expected: str) -> None:
    (tmp_path / "outside").write_text("secret")
    root = layers.write(tmp_path / "layer", {})
    (root / "manifests" / "one" / "link.yaml").symlink_to(target)
    assert refused(root) == f"manifests/one/link.yaml: {expected}"


def test_a_symbolic_link_to_nothing_within_the_layer_refuses_nothing(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {"notes/a.txt": "a"})
    (root / "notes" / "link.yaml").symlink_to("../nowhere")
    (root / "manifests" / "one" / "link.yaml").symlink_to("gone.yaml")
    found = layers.load(root)
    assert [each.name for each in found.rendered] == ["one"]
    assert bare_repository.files_of(root)["notes/link.yaml"].mode == "120000"


def test_a_linked_directory_out_of_the_layer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    root = layers.write(tmp_path / "layer", {})
    (root / "apps").symlink_to("../outside")
    assert refused(root) == "apps: is a symbolic link to ../outside, outside of the layer"


def test_a_link_within_the_layer_is_followed(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {CONFIGMAP: None, "shared/configmap.yaml": layers.CONFIGMAP})
    (root / "manifests" / "one").mkdir(parents=True)
    (root / CONFIGMAP).symlink_to("../../shared/configmap.yaml")
    assert [str(one) for one in layers.load(root).rendered] == ["configmap/one -n one"]


def test_what_is_no_file_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = layers.write(tmp_path, {})
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(root)  # the path of a socket may not be long
        listener.bind("socket")
        found = layers.load(root)
    assert "socket" not in {path.name for path in found.files}
    assert "socket is left out: it is not a regular file" in found.begins


def test_the_repository_of_git_itself_is_not_looked_at(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {".git/objects/pack": b""})
    os.truncate(root / ".git" / "objects" / "pack", 50 << 20)
    assert layers.load(root).files == tuple(sorted((root / APPLICATION, root / CONFIGMAP)))


REMOTE = "which would be fetched while rendering"


@pytest.mark.parametrize(
    ("kustomization", "expected"),
    [
        ("resources:\n  - https://example.com/all.yaml\n", f"2: resources refers to https://example.com/all.yaml, {REMOTE}"),
        ("resources: [github.com/a/b]\n", f"1: resources refers to github.com/a/b, {REMOTE}"),
        ("resources: ['git@host:a/b']\n", f"1: resources refers to git@host:a/b, {REMOTE}"),
        ("bases: ['host/a//b?ref=v1']\n", f"1: bases refers to host/a//b?ref=v1, {REMOTE}"),
        ("components: ['ssh://host/a']\n", f"1: components refers to ssh://host/a, {REMOTE}"),
        ("patches:\n  - path: https://a.b/c\n", f"2: patches refers to https://a.b/c, {REMOTE}"),
        ("generators: ['https://a.b/c']\n", f"1: generators refers to https://a.b/c, {REMOTE}"),
        ("transformers: ['https://a.b/c']\n", f"1: transformers refers to https://a.b/c, {REMOTE}"),
        ("crds: ['https://a.b/c']\n", f"1: crds refers to https://a.b/c, {REMOTE}"),
        ("openapi: {path: 'https://a.b/c'}\n", f"1: openapi refers to https://a.b/c, {REMOTE}"),
        ("configMapGenerator:\n  - {name: a, files: ['k=https://a.b/c']}\n", f"2: configMapGenerator refers to https://a.b/c, {REMOTE}"),
        ("helmCharts:\n  - name: a\n    repo: https://a.b\n", "1: helmCharts fetches a chart while rendering"),
        ("helmChartInflationGenerator: [{chartName: a}]\n", "1: helmChartInflationGenerator fetches a chart while rendering"),
        ("resources: [/etc/passwd]\n", "1: resources refers to the absolute path /etc/passwd"),
        ("resources: [../../../outside.yaml]\n", "1: resources refers to ../../../outside.yaml, outside of the layer"),
        ("secretGenerator: [{name: a, envs: [../../../outside.yaml]}]\n", "1: secretGenerator refers to ../../../outside.yaml, outside of the layer"),
        ("secretGenerator: [{name: a, env: ../../../outside.yaml}]\n", "1: secretGenerator refers to ../../../outside.yaml, outside of the layer"),
        ("patchesStrategicMerge: [missing.yaml]\n", "1: patchesStrategicMerge refers to missing.yaml, which does not exist in the layer"),
        ("resources: [7]\n", "1: resources has an entry that is not a path: 7"),
        ("resources: configmap.yaml\n", "1: resources must be a list"),
        ("- resources\n", "1: is not a kustomization: it must be a mapping"),
        ("resources: [../one]\n", "1: is made of itself"),
        ("generators:\n  - |\n    apiVersion: example.com/v1\n    kind: Exec\n", "2: generators has Exec, a plugin that runs a program or fetches while rendering"),
        ("transformers: [plugin.yaml]\n", "1: transformers has Exec, a plugin that runs a program or fetches while rendering"),
        ("generators: [helm.yaml]\n", "1: generators has HelmChartInflationGenerator, a plugin that runs a program or fetches while rendering"),
        ("validators: [.]\n", "1: validators refers to the directory ."),
        ("patches: [{path: ./}]\n", "1: patches refers to the directory ./"),
        ("patchesStrategicMerge:\n  - .\n", "2: patchesStrategicMerge refers to the directory ."),
        ("patchesJson6902: [{path: ../one}]\n", "1: patchesJson6902 refers to the directory ../one"),
        ("replacements: [{path: .}]\n", "1: replacements refers to the directory ."),
        ("crds: [.]\n", "1: crds refers to the directory ."),
        ("configurations: [.]\n", "1: configurations refers to the directory ."),
        ("openapi: {path: .}\n", "1: openapi refers to the directory ."),
        ("configMapGenerator: [{name: a, files: [.]}]\n", "1: configMapGenerator refers to the directory ."),
        ("secretGenerator: [{name: a, envs: 5}]\n", "1: secretGenerator has an entry whose envs must be a list"),
        ("secretGenerator: [{name: a, files: {a: b}}]\n", "1: secretGenerator has an entry whose files must be a list"),
    ],
)  # fmt: skip
def test_a_kustomization_that_reads_anything_but_the_layer_is_refused(
    tmp_path: Path, kustomization: str, expected: str
) -> None:
    (tmp_path / "outside.yaml").write_text(layers.CONFIGMAP)
    plugins = {
        "manifests/one/plugin.yaml": "apiVersion: example.com/v1\nkind: Exec\nmetadata: {name: a}\n",
        "manifests/one/helm.yaml": "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: a}\n",
    }
    root = layers.write(tmp_path / "layer", {KUSTOMIZATION: kustomization, **plugins})
    assert refused(root) == f"{KUSTOMIZATION}:{expected}"


def test_a_base_is_held_to_the_same_rules_and_named(tmp_path: Path) -> None:
    files = {
        KUSTOMIZATION: "resources: [../base]\n",
        "manifests/base/kustomization.yaml": "# a comment\nresources:\n  - https://a.b/c\n",
    }
    assert refused(layers.write(tmp_path, files)).startswith(
        "manifests/base/kustomization.yaml:3: resources refers to https"
    )


def test_a_broken_resource_of_a_kustomization_is_named(tmp_path: Path) -> None:
    files = {KUSTOMIZATION: "resources: [configmap.yaml]\n", CONFIGMAP: "a: [\n"}
    assert refused(layers.write(tmp_path, files)).startswith(f"{CONFIGMAP}:2: is not valid YAML")


@pytest.mark.parametrize("field", ["patches: [{path: patch.yaml}]", "patchesStrategicMerge: [patch.yaml]"])
def test_a_patch_that_says_a_key_twice_is_named_since_kustomize_would_take_the_last(tmp_path: Path, field: str) -> None:
    files = {KUSTOMIZATION: f"{field}\n", "manifests/one/patch.yaml": "data:\n  a: 1\n  a: 2\n"}
    assert refused(layers.write(tmp_path, files)).startswith("manifests/one/patch.yaml:3: is not valid YAML")


@pytest.mark.parametrize(
    "field",
    ["patches:\n  - patch: |-\n      a: 1\n      a: 2\n", "patchesStrategicMerge:\n  - |-\n    a: 1\n    a: 2\n"],
)
def test_a_patch_within_the_kustomization_is_held_to_the_same_rules(tmp_path: Path, field: str) -> None:
    expected = f"{KUSTOMIZATION}:2: the patch is not valid YAML: while constructing a mapping found duplicate key"
    assert refused(layers.write(tmp_path, {KUSTOMIZATION: field})).startswith(expected)


@pytest.mark.parametrize(
    "pattern",
    [".*" * 5 + "x", "a.*" * 5 + "x", ".*" * 50_000, "|".join(["a.*x"] * 20_000), "(a+)+$", "a" * 500_000],
    ids=["stars", "letters and stars", "long", "choices", "groups", "text"],
)
@pytest.mark.parametrize("field", ["kind", "name"])
def test_the_pattern_of_a_target_takes_no_time(tmp_path: Path, field: str, pattern: str) -> None:
    """A regular expression of a stranger could take hours, and the layer is loaded before anybody is asked to trust it."""
    name, many = "a" * 253, 50
    files = {
        KUSTOMIZATION: f"resources: [configmap.yaml]\npatches: [{{path: patch.yaml, target: {{{field}: '{pattern}'}}}}]\n",
        CONFIGMAP: layers.CONFIGMAP.replace("name: one", f"name: {name}"),
        "manifests/one/patch.yaml": "[{op: remove, path: /data}]\n",
    }
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": f"n{n}"}} for n in range(many)
    ]
    root = layers.write(tmp_path, files)
    began = time.process_time()
    assert len(layers.load(root, lambda _: objects).rendered) == many
    assert time.process_time() - began < 5


@pytest.mark.parametrize("field", ["resources", "components"])
@pytest.mark.parametrize("objects", ["resources: [../configmap.yaml]\n", ""], ids=["objects", "none"])
def test_bases_that_double_with_each_level_are_refused(tmp_path: Path, field: str, objects: str) -> None:
    """Kustomize would render each as often as it is named."""
    twice = {
        f"manifests/b{n}{side}/kustomization.yaml": f"{field}: [../b{n + 1}a, ../b{n + 1}b]\n" if n < 30 else objects
        for n in range(31)
        for side in "ab"
    }
    files = {KUSTOMIZATION: f"{field}: [../b0a]\n", "manifests/configmap.yaml": layers.CONFIGMAP, **twice}
    began = time.process_time()
    expected = f"{KUSTOMIZATION}:1: is made of more bases and objects than can be followed"
    assert refused(layers.write(tmp_path, files)) == expected
    assert time.process_time() - began < 5


@pytest.mark.parametrize("reverse", [False, True], ids=["from the top", "from the bottom"])
def test_bases_of_many_levels_are_refused(tmp_path: Path, *, reverse: bool) -> None:
    numbers = sorted(range(1, 120), reverse=reverse)
    deep = {f"manifests/b{n}/kustomization.yaml": f"resources: [../b{n + 1}]\n" for n in range(1, 120)}
    every = ", ".join(f"../b{n}" for n in numbers)
    files = {KUSTOMIZATION: f"resources: [{every}]\n", "manifests/b120/kustomization.yaml": "resources: []\n", **deep}
    assert "levels below" in (told := refused(layers.write(tmp_path, files))) or "can be followed" in told


def test_an_empty_kustomization_is_what_kustomize_says_of_it(tmp_path: Path) -> None:
    def says(_: Path) -> list[dict[str, object]]:
        raise LayerError("one/kustomization.yaml", None, "kustomize cannot build it: kustomization.yaml is empty")

    with pytest.raises(LayerError, match=f"^{KUSTOMIZATION}:1: kustomize cannot build it"):
        layers.load(layers.write(tmp_path, {KUSTOMIZATION: ""}), says)


ODD = ("[aa]", "{a: b}", "5", "null", "''", "[[]]", "text")


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "text",
    [
        "patches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: ODD}}'}]",
        "patches: [{patch: '{apiVersion: v1, kind: ODD, metadata: {name: one, namespace: ODD}}'}]",
        "patches: [{patch: '{apiVersion: ODD, kind: ConfigMap, metadata: ODD}'}]",
        "patches: [{patch: '[{op: ODD, path: /spec, value: ODD, from: ODD}, ODD]', target: {kind: ConfigMap}}]",
        "patches: [{patch: '[{op: replace, path: ODD}]', target: {kind: ConfigMap}}]",
        "patches: [{patch: '[{op: add, path: /spec/replicas, value: 1}]', target: {kind: ODD, name: ODD, group: ODD}}]",
        "patches: [{patch: '[{op: add, path: /spec/replicas, value: 1}]', target: {labelSelector: ODD, namespace: ODD}}]",
        "patches: [{patch: ODD, target: ODD, path: null}]",
        "patchesJson6902: [ODD]",
        "replicas: [{name: ODD, count: ODD}]",
        "replicas: ODD",
        "images: [{name: ODD, newTag: ODD}]",
        "images: ODD",
        "labels: [{pairs: ODD}]",
        "labels: ODD\ncommonLabels: ODD",
        "commonAnnotations: ODD\nnamePrefix: ODD\nnameSuffix: ODD\nnamespace: ODD",
        "configMapGenerator: [{name: ODD}]",
        "configMapGenerator: [ODD]",
    ],
)
def test_values_of_other_types_in_a_kustomization_are_no_crash(tmp_path: Path, text: str, odd: str) -> None:
    """What kustomize says of them is told; where it takes them, so does the layer."""
    metadata = {"name": "one", "labels": {"a": "b"}}
    rendered = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "spec": {"replicas": 1, "image": "a"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "generated"}},
    ]
    if odd == "''":
        odd = '""'
    root = layers.write(tmp_path, {KUSTOMIZATION: f"resources: [configmap.yaml]\n{text.replace('ODD', odd)}\n"})
    try:
        one, _ = layers.load(root, lambda _: rendered).rendered
    except LayerError:
        return
    for keys in (
        ("spec", "replicas"),
        ("spec", "image"),
        ("metadata", "labels", "a"),
        ("metadata", "annotations", "a"),
        (),
    ):
        assert one.place(*keys).startswith("manifests/one/")


def test_files_of_a_generator_may_contain_anything(tmp_path: Path) -> None:
    generator = "configMapGenerator: [{name: a, files: [x.yaml]}]\n"
    root = layers.write(tmp_path, {KUSTOMIZATION: generator, "manifests/one/x.yaml": b"a: [\xff"})
    assert layers.load(root, layers.one_configmap).rendered


def test_two_kustomizations_in_one_directory_are_refused(tmp_path: Path) -> None:
    files = {KUSTOMIZATION: "resources: []\n", "manifests/one/Kustomization": "resources: []\n"}
    assert refused(layers.write(tmp_path, files)) == "manifests/one: has both kustomization.yaml and Kustomization"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({CONFIGMAP: "a: 1\n"}, f"{APPLICATION}:1: application/one -n argocd: renders nothing from manifests/one"),
        ({CONFIGMAP: "", "manifests/one/b.txt": "x"}, f"{APPLICATION}:1: application/one -n argocd: renders nothing from manifests/one"),
        ({CONFIGMAP: None}, f"{APPLICATION}:9: application/one -n argocd: it reads https://git.example.com/team/platform.git, of which there is no copy"),
    ],
)  # fmt: skip
def test_a_layer_that_renders_nothing_or_cannot_be_rendered_is_refused(
    tmp_path: Path, files: Mapping[str, str | None], expected: str
) -> None:
    assert refused(layers.write(tmp_path, files)) == expected


def test_of_an_object_that_is_rendered_twice_the_last_is_applied_as_by_argo_cd(tmp_path: Path) -> None:
    again = layers.CONFIGMAP.replace("value", "last")
    found = layers.load(layers.write(tmp_path, {"manifests/one/two.yaml": again}))
    (one,) = found.rendered
    assert (one.object["data"], one.file, found.not_judged) == ({"key": "last"}, "manifests/one/two.yaml", ())


def test_what_renders_nothing_is_not_said_to_be_refused_by_argo_cd(tmp_path: Path) -> None:
    other = layers.APPLICATION.replace("name: one", "name: two").replace("manifests/one", "manifests/two")
    files = {"argocd/applications/two.yaml": other, "manifests/two/a.txt": "x"}
    (one,) = layers.load(layers.write(tmp_path, files)).not_judged
    assert (one.object, one.reason) == ("application/two -n argocd", Reason.EMPTY)
    assert applications.refused(one) == []


def test_a_chart_that_cannot_be_rendered_is_not_read_as_manifests(tmp_path: Path) -> None:
    chart = {"manifests/one/Chart.yaml": "apiVersion: v2\nname: one\nversion: 1.0.0\n"}
    root = layers.write(tmp_path, chart)
    made = Rendering(problem=Problem(Reason.RENDER, "`helm template` failed exit status 1: Error: no value for x"))
    with pytest.raises(LayerError, match=rf"^{APPLICATION}:8: .*Argo CD cannot render it: no value for x"):
        layer.load(root, lambda _: contextlib.nullcontext(rendering.Fake(lambda objects: [made for _ in objects])))


def test_an_application_that_is_written_twice_is_named_with_both_places(tmp_path: Path) -> None:
    found = layers.load(layers.write(tmp_path, {"argocd/again.yaml": layers.APPLICATION}))
    (one,) = found.not_judged
    assert (one.object, one.file, one.line) == ("application/one -n argocd", "argocd/applications/one.yaml", 1)
    assert (one.problem, one.remedy) == (
        "application/one -n argocd is there a second time",
        "the first is in argocd/again.yaml:1",
    )


def test_a_kustomization_that_renders_nothing_is_refused(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {KUSTOMIZATION: "resources: []\n"})
    with pytest.raises(LayerError, match="application/one -n argocd: renders nothing"):
        layers.load(root, layers.no_objects)


def test_what_kustomize_renders_is_checked_too(tmp_path: Path) -> None:
    root = layers.write(tmp_path, {KUSTOMIZATION: "resources: []\n"})
    with pytest.raises(LayerError, match=f"^{KUSTOMIZATION}:1: ConfigMap has no metadata.name"):
        layers.load(root, lambda _: [{"apiVersion": "v1", "kind": "ConfigMap"}])
    with pytest.raises(LayerError, match=f"^{KUSTOMIZATION}:1: renders something that is not a Kubernetes object"):
        layers.load(root, lambda _: [{"a": 1}])


@pytest.mark.parametrize(
    ("find", "replace", "expected"),
    [
        ("path: manifests/one", "path: /etc", "11: Application one has the path /etc, which leaves the layer"),
        ("path: manifests/one", "path: ../x", "11: Application one has the path ../x, which leaves the layer"),
        ("path: manifests/one", "path: a/../../x", "11: Application one has the path a/../../x, which leaves the layer"),
        ("    path: manifests/one\n", "", "8: Application one has a source without path"),
        ("path: manifests/one", "chart: redis", "11: application/one -n argocd: its chart is of another place: redis main of https://git.example.com/team/platform.git"),
        ("path: manifests/one", "path: a\n    plugin: {name: x}", "12: application/one -n argocd: it is rendered by a config management plugin: x"),
        ("    repoURL: https://git.example.com/team/platform.git\n", "", "8: Application one has a source without repoURL"),
    ],
)  # fmt: skip
def test_an_application_that_cannot_be_served_from_the_layer_is_named(
    tmp_path: Path, find: str, replace: str, expected: str
) -> None:
    text = layers.APPLICATION
    assert find in text
    assert refused(layers.write(tmp_path, {APPLICATION: text.replace(find, replace)})) == f"{APPLICATION}:{expected}"


def test_an_application_of_another_repository_is_named_and_the_others_are_judged(tmp_path: Path) -> None:
    two = layers.APPLICATION.replace("name: one", "name: two").replace("manifests/one", "manifests/two")
    other = layers.APPLICATION.replace("name: one", "name: other").replace("team/platform", "else/where")
    files = {"argocd/two.yaml": two, "argocd/other.yaml": other, "manifests/two/two.yaml": layers.CONFIGMAP}
    found = layers.load(layers.write(tmp_path, files))
    assert [one.name for one in found.applications] == ["one", "two"]
    (one,) = found.not_judged
    assert (one.object, one.reason, one.file, one.line) == (
        "application/other -n argocd",
        "repository",
        "argocd/other.yaml",
        9,
    )
    assert one.problem == "it reads https://git.example.com/else/where.git, of which there is no copy"


def test_a_directory_that_is_no_layer_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="--layer must be a directory that exists"):
        layers.load(tmp_path / "missing")
    with pytest.raises(WrongUsage, match="must have an Application or ApplicationSet of Argo CD, got none"):
        layers.load(tmp_path)


@pytest.mark.parametrize("field", ["include: 5", "include: yes", "exclude: [a]"])
def test_a_pattern_that_is_not_a_text_is_refused(tmp_path: Path, field: str) -> None:
    source = f"    path: manifests/one\n    directory: {{{field}}}\n"
    text = layers.APPLICATION.replace("    path: manifests/one\n", source)
    key = field.partition(":")[0]
    at, line = "spec.source.directory", f"{APPLICATION}:12: application/one -n argocd"
    assert f"{line}: {at}.{key} must be a text, got " in refused(layers.write(tmp_path, {APPLICATION: text}))
    text = text.replace(f"{{{field}}}", "[a]")
    assert f"{line}: {at} must be a mapping, got a list" in refused(layers.write(tmp_path, {APPLICATION: text}))
