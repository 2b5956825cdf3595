"""Argo CD's `kustomize.buildOptions`: where a repository says it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import layer
from platform_e2e.layer import LayerError
from platform_e2e.layer.build_options import HEALTH, build_options, given
from platform_e2e.layer.place import place
from platform_e2e.layer.renderer import Problem, Reason, RenderedSource, Rendering
from tests.fakes import layers, rendering
from tests.layer.test_place import ALONE, write

CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm}\ndata:\n  kustomize.buildOptions: --enable-helm\n"
VALUES = "configs:\n  cm:\n    kustomize.buildOptions: --load-restrictor LoadRestrictionsNone\n"
STATED = "kustomizeBuildOptions: --enable-helm --enable-alpha-plugins\n"


@pytest.mark.parametrize(
    ("files", "text", "where"),
    [
        ({"x/cm.yaml": CM}, "--enable-helm", "x/cm.yaml:5"),
        (
            {"x/cm.yaml": CM, "foundations/values/argo-cd.yaml": VALUES},
            "--load-restrictor LoadRestrictionsNone",
            "foundations/values/argo-cd.yaml:3",
        ),
        (
            {"x/cm.yaml": CM, "foundations/values/argo-cd.yaml": VALUES, "platform-e2e.yaml": STATED},
            "--enable-helm --enable-alpha-plugins",
            "platform-e2e.yaml:1",
        ),
        ({"x/values.yaml": VALUES}, "--load-restrictor LoadRestrictionsNone", "x/values.yaml:3"),
        (
            {"x/values.yaml": "argo-cd:\n  configs: {cm: {kustomize.buildOptions: --enable-helm}}\n"},
            "--enable-helm",
            "x/values.yaml:2",
        ),
        (
            {"x/argocd.yaml": "kind: ArgoCD\nspec:\n  kustomizeBuildOptions: --enable-helm\n"},
            "--enable-helm",
            "x/argocd.yaml:3",
        ),
        ({"platform-e2e.yaml": "kustomizeBuildOptions: ''\n", "x/cm.yaml": CM}, "", "platform-e2e.yaml:1"),
    ],
)
def test_the_first_place_that_says_it_counts(tmp_path: Path, files: Mapping[str, str], text: str, where: str) -> None:
    found = build_options(place(write(tmp_path, {**ALONE, **files})))
    assert found is not None
    assert (found.text, found.place, found.others) == (text, where, ())


@pytest.mark.parametrize(
    "content",
    [
        "kustomize.buildOptions: [",
        "{{ kustomize.buildOptions }}",
        CM.replace("argocd-cm", "other"),
        "data: [kustomize.buildOptions]",
    ],
)
def test_what_does_not_say_it_is_passed_over(tmp_path: Path, content: str) -> None:
    assert build_options(place(write(tmp_path, {**ALONE, "x/cm.yaml": content}))) is None


def test_where_files_differ_the_others_are_named(tmp_path: Path) -> None:
    found = build_options(
        place(write(tmp_path, {**ALONE, "dev/cm.yaml": CM, "prod/cm.yaml": CM.replace("--enable-helm", "''")}))
    )
    assert found is not None
    assert found.text == "--enable-helm"
    other = CM.replace("--enable-helm", "--enable-alpha-plugins")
    found = build_options(place(write(tmp_path, {"prod/cm.yaml": other})))
    assert found is not None
    assert found.others == (("--enable-alpha-plugins", "prod/cm.yaml:5"),)


CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
CHARTS = {"x/kustomization.yaml": "helmCharts:\n- name: a\n"}


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (CHARTS, "--enable-helm"),
        ({"x/kustomization.yaml": "resources: [a]\n"}, ""),
        ({**CHARTS, "y/cm.yaml": CM.replace("--enable-helm", "--enable-alpha-plugins")}, "--enable-alpha-plugins"),
        ({**CHARTS, "platform-e2e.yaml": "kustomizeBuildOptions: ''\n"}, ""),
        # This Argo CD has no options.
        ({**CHARTS, "foundations/values/argo-cd.yaml": "server: {}\n"}, ""),
    ],
)
def test_charts_in_kustomizations_say_that_an_argo_cd_that_is_not_here_builds_them(
    tmp_path: Path, files: Mapping[str, str], text: str
) -> None:
    options, known, assumed = given(place(write(tmp_path, {**ALONE, **files})))
    assert options == text
    assert known is (len(files) > 1)
    assert [each.partition(", since")[0] for each in assumed] == (
        ["kustomize.buildOptions is in no file: --enable-helm is taken for it"] if files == CHARTS else []
    )


@pytest.mark.parametrize("known", [False, True])
def test_a_file_outside_may_need_an_option_of_an_argo_cd_that_is_not_here(tmp_path: Path, *, known: bool) -> None:
    values = {"foundations/values/argo-cd.yaml": "server: {}\n"} if known else {}
    kustomization = {"manifests/two/kustomization.yaml": "resources: [../one/configmap.yaml]\n"}
    two = {"argocd/applications/two.yaml": layers.APPLICATION.replace("/one", "/two").replace("name: one", "name: two")}
    root = layers.write(tmp_path, {**values, **kustomization, **two})
    said = "loading: security; file 'manifests/one/configmap.yaml' is not in or below 'manifests/two'"

    def render(objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        refused = Rendering(problem=Problem(Reason.RENDER, said))
        sound = Rendering((RenderedSource("Directory", (CONFIGMAP,)),))
        return [refused if each["metadata"]["name"] == "two" else sound for each in objects]

    found = layer.load(root, lambda _: contextlib.nullcontext(rendering.Fake(render)))
    assert [each.reason for each in found.not_judged] == [Reason.RENDER if known else Reason.OPTIONS]


PLUGIN = "kind: ConfigMap\nmetadata: {name: plugin}\ndata:\n  plugin.yaml: |\n    command: kustomize build --enable-helm . | envsub\n"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"y/plugin.yaml": PLUGIN, **CHARTS}, "a plugin builds kustomizations with it (y/plugin.yaml:5)"),
        (
            {
                "argocd/kustomization.yaml": "resources: [one.yaml]\nhelmCharts: [{name: a}]\n",
                "argocd/one.yaml": layers.APPLICATION,
            },
            "argocd/kustomization.yaml has charts and is built by hand",
        ),
        ({"y/plugin.yaml": PLUGIN}, ""),
        (CHARTS, ""),
    ],
)
def test_charts_are_built_by_what_is_not_argo_cd_itself(tmp_path: Path, files: Mapping[str, str], why: str) -> None:
    stated = {"y/cm.yaml": CM.replace("--enable-helm", "--load-restrictor LoadRestrictionsNone")}
    options, known, assumed = given(place(write(tmp_path, {**ALONE, **stated, **files})))
    assert known
    assert options == "--load-restrictor LoadRestrictionsNone" + (" --enable-helm" if why else "")
    assert [each.rpartition("nevertheless: ")[2] for each in assumed] == ([why] if why else [])


def test_a_kustomization_with_charts_that_argo_cd_was_not_told_of_has_a_true_remedy(tmp_path: Path) -> None:
    said = "`kustomize build x` failed exit status 1: Error: trouble configuring builtin: must specify --enable-helm"

    def render(objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        return [Rendering(problem=Problem(Reason.RENDER, said)) for _ in objects]

    with pytest.raises(LayerError, match=r"renders only where kustomize\.buildOptions has --enable-helm"):
        layer.load(layers.write(tmp_path, {}), lambda _: contextlib.nullcontext(rendering.Fake(render)))


def test_another_url_of_what_is_here_may_be_this_repository(tmp_path: Path) -> None:
    def render(objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        return [Rendering(problem=Problem(Reason.REPOSITORY, "https://git.example.com/fork.git")) for _ in objects]

    fork = layers.APPLICATION.replace("team/platform.git", "fork.git")
    with pytest.raises(
        LayerError, match=r"since it has manifests/one, write `urls: \[https://git.example.com/fork.git\]`"
    ):
        layer.load(
            layers.write(tmp_path, {"argocd/applications/one.yaml": fork}),
            lambda _: contextlib.nullcontext(rendering.Fake(render)),
        )


@pytest.mark.parametrize("brings", [True, False], ids=["brings its own", "has none"])
def test_waves_wait_for_applications_only_where_the_layer_says_so(tmp_path: Path, *, brings: bool) -> None:
    """Argo CD's own default is not to assess their health; that of the harness's own layer is another one."""
    listed: dict[str, str | bytes | None] = {
        "foundations/foundations.yaml": "releases: [{name: argocd, chart: argo-cd, repository: https://a, version: 10.1.1,"
        " appVersion: v3.4.4, namespace: argocd, values: values/a.yaml}]\n",
        "foundations/values/a.yaml": f"configs: {{cm: {{{HEALTH}: return nil}}}}\n",
    }
    found = layers.load(layers.write(tmp_path, listed if brings else {}))
    (argocd,) = (each for each in found.releases if each.chart == "argo-cd")
    assert argocd.brought is not brings
    assert (HEALTH in argocd.values.read_text()) is brings
