"""ApplicationSets: what they generate, what they should, and what cannot be followed."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from platform_e2e import layer
from platform_e2e.layer import Layer, LayerError, templates
from tests.fakes import layers

FILE = "argocd/set.yaml"


def applicationset(
    generators: str, *, go: bool = True, path: str = "envs/{{.name}}", name: str = "app-{{.name}}"
) -> str:
    return f"""\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: set
spec:
  goTemplate: {str(go).lower()}
  generators:
{indent(generators, "    ")}
  template:
    metadata:
      name: {name!r}
    spec:
      source: {{repoURL: https://git.example.com/team/platform.git, path: {path!r}}}
      destination: {{namespace: {name!r}}}
"""


LIST = "- list:\n    elements:\n      - name: dev\n      - name: prod\n"
GIT = "- git:\n    repoURL: https://git.example.com/team/platform.git\n    directories:\n"


def written(tmp_path: Path, text: str, *environments: str) -> Path:
    files = {f"{environment}/configmap.yaml": layers.CONFIGMAP for environment in environments}
    return layers.write(tmp_path, {"argocd/applications/one.yaml": None, FILE: text, **files})


def generated(found: Layer) -> dict[str, str]:
    return {one.name: one.path for one in found.applications if one.generated_by == "set"}


def test_a_list_generates_one_application_for_each_element(tmp_path: Path) -> None:
    found = layer.load(written(tmp_path, applicationset(LIST), "envs/dev", "envs/prod"))
    assert generated(found) == {"app-dev": "envs/dev", "app-prod": "envs/prod"}
    (owner,) = found.applicationsets
    assert (owner.name, owner.namespace, owner.generates) == ("set", "argocd", ("app-dev", "app-prod"))


def test_the_older_template_language_is_understood(tmp_path: Path) -> None:
    text = applicationset(
        "- list:\n    elements:\n      - name: dev\n        values: {dir: envs/dev}\n",
        go=False,
        path="{{values.dir}}",
        name="app-{{name}}",
    )
    assert generated(layer.load(written(tmp_path, text, "envs/dev"))) == {"app-dev": "envs/dev"}


@pytest.mark.parametrize(
    ("go", "path", "name"),
    [
        (True, "{{.path.path}}", "app-{{.path.basename}}"),
        (True, "envs/{{index .path.segments 1}}", "app-{{ .path.basenameNormalized }}"),
        (False, "{{path}}", "app-{{path.basename}}"),
        (False, "envs/{{path[1]}}", "app-{{path.basenameNormalized}}"),
    ],
)
def test_git_directories_generate_one_application_for_each(tmp_path: Path, go: bool, path: str, name: str) -> None:
    text = applicationset(
        GIT + "      - path: envs/*\n      - {path: envs/base, exclude: true}\n", go=go, path=path, name=name
    )
    found = layer.load(
        written(tmp_path, text, "envs/base", "envs/dev", "envs/prod", "envs/prod/deeper", "envs/.hidden")
    )
    assert generated(found) == {"app-dev": "envs/dev", "app-prod": "envs/prod"}


def test_a_prefix_and_values_of_git_directories_are_parameters(tmp_path: Path) -> None:
    text = applicationset(
        GIT + "      - path: envs/*\n    pathParamPrefix: my\n    values: {short: 'x-{{.my.path.basename}}'}\n",
        path="{{.my.path.path}}",
        name="{{.values.short}}",
    )
    assert generated(layer.load(written(tmp_path, text, "envs/dev"))) == {"x-dev": "envs/dev"}


def test_matrix_combines_and_hands_parameters_on(tmp_path: Path) -> None:
    generators = """\
- matrix:
    generators:
      - list:
          elements: [{team: a}, {team: b}]
      - git:
          repoURL: https://git.example.com/team/platform.git
          directories:
            - path: teams/{{.team}}/*
"""
    text = applicationset(generators, path="{{.path.path}}", name="{{.team}}-{{.path.basename}}")
    found = layer.load(written(tmp_path, text, "teams/a/dev", "teams/b/dev", "teams/b/prod"))
    assert generated(found) == {"a-dev": "teams/a/dev", "b-dev": "teams/b/dev", "b-prod": "teams/b/prod"}


def test_merge_overrides_by_key(tmp_path: Path) -> None:
    generators = """\
- merge:
    mergeKeys: [name]
    generators:
      - list:
          elements: [{name: dev, dir: envs/dev}, {name: prod, dir: envs/prod}]
      - list:
          elements: [{name: prod, dir: envs/special}, {name: other, dir: envs/other}]
"""
    text = applicationset(generators, path="{{.dir}}")
    found = layer.load(written(tmp_path, text, "envs/dev", "envs/prod", "envs/special"))
    assert generated(found) == {"app-dev": "envs/dev", "app-prod": "envs/special"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (applicationset("- clusters: {}\n"), "the generator clusters needs more than the layer"),
        (applicationset("- list: {elementsYaml: 'x'}\n"), "elementsYaml is not followed here"),
        (applicationset("- list: {elements: [a]}\n"), "the generator list has an element that is not a mapping"),
        (applicationset("- git: {files: [{path: a}]}\n"), "the generator git reads parameters from files"),
        (applicationset("- list: {elements: [{name: a}]}\n  selector: {}\n"), "a generator must have exactly one kind and nothing else; this has list, selector"),
        (applicationset("- list:\n"), "the generator list is empty"),
        (applicationset("- list: {elements: [{name: a}], template: {spec: {project: x}}}\n"), "the generator list has a template of its own"),
        (applicationset("- matrix: {generators: []}\n"), "the generator matrix must have exactly two generators"),
        (applicationset("- matrix: {generators: [{list: {elements: [{name: a}]}}, {list: {elements: [{name: b}]}}]}\n"), "both generators of the matrix set name"),
        (applicationset("- merge: {generators: []}\n"), "the generator merge must have mergeKeys and at least two generators"),
        (applicationset("- merge: {mergeKeys: [x], generators: [{list: {elements: [{name: a}]}}, {list: {elements: [{x: b}]}}]}\n"), "the generator merge has a parameter set without its key x"),
        (applicationset(LIST, path="envs/{{.nmae}}"), "{{.nmae}} is not a parameter of the generators"),
        (applicationset(LIST, path="envs/{{.name | lower}}"), "{{.name | lower}} cannot be followed"),
        (applicationset(LIST, path="envs/{{index .name 9}}"), "{{index .name 9}} is not a parameter of the generators"),
        (applicationset(LIST, go=False, path="envs/{{nmae}}", name="{{name}}"), "{{nmae}} is not a parameter of the generators"),
        (applicationset("- list: {elements: [{name: [a]}]}\n"), "a parameter in a text must be a string, number or boolean, got ['a']"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_with_the_applicationset_and_its_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(LayerError) as caught:
        layer.load(written(tmp_path, text, "envs/dev", "envs/prod"))
    assert str(caught.value).startswith(f"{FILE}:5: ApplicationSet set: {expected}")


def test_an_applicationset_that_generates_nothing_or_one_name_twice_is_refused(tmp_path: Path) -> None:
    root = written(tmp_path, applicationset(GIT + "      - path: none/*\n"), "envs/dev")
    with pytest.raises(
        LayerError, match=f"^{FILE}:7: ApplicationSet set must generate at least one Application, got none"
    ):
        layer.load(root)
    root = written(tmp_path, applicationset(LIST, name="same"), "envs/dev", "envs/prod")
    with pytest.raises(
        LayerError, match=r"^argocd/set\.yaml:.*: ApplicationSet set generates the Application same twice"
    ):
        layer.load(root)


def test_a_template_patch_and_a_missing_template_are_refused(tmp_path: Path) -> None:
    root = written(tmp_path, applicationset(LIST) + "  templatePatch: 'spec: {}'\n", "envs/dev", "envs/prod")
    with pytest.raises(LayerError, match=r"^argocd/set\.yaml:.*: ApplicationSet set has a templatePatch"):
        layer.load(root)
    root = written(tmp_path, applicationset(LIST).partition("  template:")[0], "envs/dev")
    with pytest.raises(LayerError, match=r"^argocd/set\.yaml:5: ApplicationSet set has no template"):
        layer.load(root)


def test_an_error_in_a_generated_application_names_the_applicationset(tmp_path: Path) -> None:
    root = written(tmp_path, applicationset(LIST, path="../{{.name}}"), "envs/dev")
    with pytest.raises(
        LayerError, match=r"^argocd/set\.yaml:1: Application app-dev has the path ../dev, which leaves the layer"
    ):
        layer.load(root)
    root = written(tmp_path, applicationset(LIST), "envs/dev")
    with pytest.raises(
        LayerError, match=r"^argocd/set\.yaml:1: application/app-prod -n argocd: its path envs/prod is not a directory"
    ):
        layer.load(root)


def environments(found: Layer) -> dict[str, str | None]:
    return {one.path: one.application for one in found.environments}


def test_a_directory_beside_the_generated_ones_is_an_expected_environment(tmp_path: Path) -> None:
    found = layer.load(
        written(tmp_path, applicationset(LIST), "envs/dev", "envs/prod", "envs/staging", "envs/a/deeper")
    )
    (tmp_path / "envs" / "empty").mkdir()
    assert environments(found) == {"envs/dev": "app-dev", "envs/prod": "app-prod", "envs/staging": None}


def test_a_directory_that_a_git_generator_excludes_is_still_expected(tmp_path: Path) -> None:
    text = applicationset(
        GIT + "      - path: envs/*\n      - {path: envs/prod, exclude: true}\n",
        path="{{.path.path}}",
        name="{{.path.basename}}",
    )
    found = layer.load(written(tmp_path, text, "envs/dev", "envs/prod"))
    assert environments(found) == {"envs/dev": "dev", "envs/prod": None}


def test_an_applicationset_may_exempt_its_environments(tmp_path: Path) -> None:
    text = applicationset(LIST).replace(
        "  name: set\n", "  name: set\n  annotations: {platform-e2e/exempt-environments: tried out}\n"
    )
    found = layer.load(written(tmp_path, text, "envs/dev", "envs/prod", "envs/staging"))
    assert found.expected_environments() == ()
    assert {one.reason for one in found.exemptions} == {"tried out"}


def test_the_same_set_twice_is_refused(tmp_path: Path) -> None:
    root = written(tmp_path, applicationset(LIST), "envs/dev", "envs/prod")
    (root / "argocd" / "zet.yaml").write_text(applicationset(LIST))
    with pytest.raises(LayerError, match=r"^argocd/zet\.yaml:1: applicationset/set -n argocd is there a second time"):
        layer.load(root)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{.a}}-{{ .b.c }}-{{- .a -}}", "x-1-x"),
        ({"{{.a}}": ["{{.b.c}}", 2, None]}, {"x": ["1", 2, None]}),
        ('{{index .b "c"}}', "1"),
        ("{{.t}}", "true"),
        ("plain", "plain"),
    ],
)
def test_parameters_are_put_in_their_places(value: Any, expected: Any) -> None:
    assert templates.substitute(value, {"a": "x", "b": {"c": 1}, "t": True}, go=True) == expected


@pytest.mark.parametrize("path", ["/envs/prod", "envs/prod/", "envs/\\prod", 1])
def test_a_path_that_argo_cd_matches_otherwise_is_refused(tmp_path: Path, path: str | int) -> None:
    text = applicationset(
        GIT + f"      - path: envs/*\n      - {{path: {path}, exclude: true}}\n",
        path="{{.path.path}}",
        name="{{.path.basename}}",
    )
    with pytest.raises(LayerError, match="the generator git has the path"):
        layer.load(written(tmp_path, text, "envs/dev", "envs/prod"))
