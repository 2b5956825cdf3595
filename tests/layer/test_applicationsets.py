"""ApplicationSets: what they generate, what they should, and what cannot be followed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from platform_e2e import layer
from platform_e2e.layer import Layer, LayerError, Material, Repository
from platform_e2e.layer.renderer import Problem, Reason, Rendering
from tests.fakes import layers, rendering, templates

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
    found = layers.load(written(tmp_path, applicationset(LIST), "envs/dev", "envs/prod"))
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
    assert generated(layers.load(written(tmp_path, text, "envs/dev"))) == {"app-dev": "envs/dev"}


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
    found = layers.load(
        written(tmp_path, text, "envs/base", "envs/dev", "envs/prod", "envs/prod/deeper", "envs/.hidden")
    )
    assert generated(found) == {"app-dev": "envs/dev", "app-prod": "envs/prod"}


def test_a_prefix_and_values_of_git_directories_are_parameters(tmp_path: Path) -> None:
    text = applicationset(
        GIT + "      - path: envs/*\n    pathParamPrefix: my\n    values: {short: 'x-{{.my.path.basename}}'}\n",
        path="{{.my.path.path}}",
        name="{{.values.short}}",
    )
    assert generated(layers.load(written(tmp_path, text, "envs/dev"))) == {"x-dev": "envs/dev"}


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
    found = layers.load(written(tmp_path, text, "teams/a/dev", "teams/b/dev", "teams/b/prod"))
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
    found = layers.load(written(tmp_path, text, "envs/dev", "envs/prod", "envs/special"))
    assert generated(found) == {"app-dev": "envs/dev", "app-prod": "envs/special"}


def test_what_argo_cd_cannot_expand_is_named_with_the_applicationset_and_its_line(tmp_path: Path) -> None:
    with pytest.raises(LayerError) as caught:
        layers.load(written(tmp_path, applicationset(LIST, path="envs/{{.nmae}}"), "envs/dev", "envs/prod"))
    assert str(caught.value).splitlines()[0] == (
        f"{FILE}:5: ApplicationSet set: Argo CD cannot expand it: {{{{.nmae}}}} is not a parameter of the generators"
    )


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            Problem(Reason.GENERATOR, "scmProvider"),
            "has the generator scmProvider, which asks something outside of Git",
        ),
        (
            Problem(Reason.REPOSITORY, "https://a/b"),
            "has a generator that reads https://a/b, of which there is no copy",
        ),
        (Problem(Reason.RENDER, "no key\nof that name"), "Argo CD cannot expand it: no key of that name"),
    ],
)
def test_an_applicationset_that_is_not_expanded_does_not_stop_the_rest(
    tmp_path: Path, problem: Problem, said: str
) -> None:
    root = layers.write(tmp_path, {FILE: applicationset(LIST)})

    def render(objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        with rendering.renderer()(Material((Repository(root, (layers.URL,)),))) as known:
            every = known(objects)
        kinds = [each["kind"] for each in objects]
        return [
            Rendering(problem=problem) if kind == "ApplicationSet" else each
            for kind, each in zip(kinds, every, strict=True)
        ]

    found = layer.load(root, lambda _: contextlib.nullcontext(rendering.Fake(render)))
    assert [one.name for one in found.applications] == ["one"]
    (one,) = found.not_judged
    assert (one.object, one.reason, one.file, one.line) == ("applicationset/set -n argocd", problem.reason, FILE, 5)
    assert said in one.problem


def test_an_applicationset_that_generates_nothing_or_one_name_twice_is_refused(tmp_path: Path) -> None:
    root = written(tmp_path, applicationset(GIT + "      - path: none/*\n"), "envs/dev")
    with pytest.raises(
        LayerError, match=f"^{FILE}:7: ApplicationSet set must generate at least one Application, got none"
    ):
        layers.load(root)
    root = written(tmp_path, applicationset(LIST, name="same"), "envs/dev", "envs/prod")
    with pytest.raises(
        LayerError, match=r"^argocd/set\.yaml:.*: ApplicationSet set generates the Application same twice"
    ):
        layers.load(root)


def test_an_error_in_a_generated_application_names_the_applicationset(tmp_path: Path) -> None:
    root = written(tmp_path, applicationset(LIST, path="../{{.name}}"), "envs/dev")
    with pytest.raises(
        LayerError, match=r"^argocd/set\.yaml:1: Application app-dev has the path ../dev, which leaves the layer"
    ):
        layers.load(root)
    found = layers.load(written(tmp_path, applicationset(LIST), "envs/dev"))
    assert [one.name for one in found.applications] == ["app-dev"]
    assert [str(one) for one in found.not_judged] == [
        "application/app-prod -n argocd (argocd/set.yaml:1): its path envs/prod is not a directory of the layer"
    ]


def environments(found: Layer) -> dict[str, str | None]:
    return {one.path: one.application for one in found.environments}


def test_a_directory_beside_the_generated_ones_is_an_expected_environment(tmp_path: Path) -> None:
    found = layers.load(
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
    found = layers.load(written(tmp_path, text, "envs/dev", "envs/prod"))
    assert environments(found) == {"envs/dev": "dev", "envs/prod": None}


def test_a_hidden_directory_is_no_environment(tmp_path: Path) -> None:
    found = layers.load(written(tmp_path, applicationset(LIST), "envs/dev", "envs/prod", "envs/.idea"))
    assert [each.name for each in found.environments] == ["dev", "prod"]


def test_what_reads_other_repositories_has_no_environments_here(tmp_path: Path) -> None:
    other = "'https://git.example.com/team/{{.name}}.git'"
    text = applicationset(LIST, path="{{.name}}").replace("https://git.example.com/team/platform.git", other)
    files = {FILE: text, "dev/a.yaml": layers.CONFIGMAP, "settings/a.yaml": layers.CONFIGMAP}
    found = layers.load(layers.write(tmp_path, files))
    assert [each.reason for each in found.not_judged] == [Reason.REPOSITORY] * 2
    assert found.environments == ()


def test_a_directory_that_another_application_reads_is_no_environment_that_is_missing(tmp_path: Path) -> None:
    """Such as with one ApplicationSet for each environment."""
    other = applicationset("- list:\n    elements:\n      - name: staging\n").replace("name: set\n", "name: other\n")
    files = written(tmp_path, applicationset(LIST), "envs/dev", "envs/prod", "envs/staging", "envs/lost")
    (files / "argocd" / "other.yaml").write_text(other)
    found = layers.load(files)
    assert {(one.path, one.applicationset) for one in found.environments if one.application is None} == {
        ("envs/lost", "set"), ("envs/lost", "other"),
    }  # fmt: skip


def test_an_applicationset_may_exempt_its_environments(tmp_path: Path) -> None:
    text = applicationset(LIST).replace(
        "  name: set\n", "  name: set\n  annotations: {platform-e2e/exempt-environments: tried out}\n"
    )
    found = layers.load(written(tmp_path, text, "envs/dev", "envs/prod", "envs/staging"))
    assert found.expected_environments() == ()
    assert {one.reason for one in found.exemptions} == {"tried out"}


def test_the_same_set_twice_is_told(tmp_path: Path) -> None:
    root = written(tmp_path, applicationset(LIST), "envs/dev", "envs/prod")
    (root / "argocd" / "zet.yaml").write_text(applicationset(LIST))
    assert [str(one) for one in layers.load(root).not_judged] == [
        "applicationset/set (argocd/zet.yaml:1): applicationset/set -n argocd is there a second time"
    ]


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
