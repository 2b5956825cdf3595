"""Foundations that a layer has in one form or another are recognised, taken with their values, and left out of the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.layer import Layer, cuts
from platform_e2e.layer.cuts import CannotBeCut
from tests.fakes import layers

URL = layers.URL

CHART = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: balancer
  namespace: argocd
spec:
  project: default
  source:
    repoURL: REPOSITORY
    chart: NAME
    targetRevision: 0.14.9
    helm:
      releaseName: metal
      values: |
        speaker: {frr: {enabled: false}}
        controller: {logLevel: warn}
      valuesObject: {controller: {logLevel: debug}}
  destination: {server: https://kubernetes.default.svc, namespace: metallb-system}
"""

POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: pool, namespace: metallb-system}
spec: {addresses: [192.0.2.0/28]}
"""


def application(path: str, more: str = "") -> str:
    return layers.APPLICATION.replace("name: one", "name: balancer").replace(
        "path: manifests/one", f"path: {path}{more}"
    )


def load(root: Path, files: Mapping[str, str | bytes | None], build: Any = layers.no_objects) -> Layer:
    return layers.load(layers.write(root, files), build)


def values_of(layer: Layer, chart: str) -> Any:
    return json.loads(next(each for each in layer.releases if each.chart == chart).values.read_text())


@pytest.mark.parametrize(
    ("repository", "name"),
    [
        ("https://metallb.github.io/metallb", "metallb"),
        ("registry-1.docker.io/bitnamicharts", "metallb"),
        ("oci://ghcr.io/mirror", "charts/metallb"),
    ],
)
def test_an_application_of_the_chart_is_the_foundation(tmp_path: Path, repository: str, name: str) -> None:
    text = CHART.replace("REPOSITORY", repository).replace("NAME", name)
    layer = load(tmp_path, {"argocd/balancer.yaml": text})
    release = next(each for each in layer.releases if each.chart == "metallb")
    assert (release.name, release.namespace, release.version) == ("metal", "metallb-system", "0.14.9")
    assert (release.app_version, release.brought, release.place) == ("v0.14.9", False, "argocd/balancer.yaml:10")
    assert values_of(layer, "metallb") == {"controller": {"logLevel": "debug"}}
    assert [each.name for each in layer.applications] == ["one"]
    assert not layer.not_judged
    assert [each.object for each in layer.aside] == ["application/balancer -n argocd"]


def test_the_head_says_what_was_taken_from_where_and_what_the_harness_brings(tmp_path: Path) -> None:
    text = CHART.replace("REPOSITORY", "https://metallb.github.io/metallb").replace("NAME", "metallb")
    said = load(tmp_path, {"argocd/balancer.yaml": text}).rendered_by
    assert (
        "foundations taken from it: metallb 0.14.9 (argocd/balancer.yaml:10, source of application/balancer -n argocd)"
        in said
    )
    assert "it has no foundations of these kinds, so they are the harness's own: argo-cd 10.1.1" in said


def test_what_else_an_application_reads_stays_in_the_layer(tmp_path: Path) -> None:
    text = f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: balancer
  namespace: argocd
spec:
  sources:
    - repoURL: https://metallb.github.io/metallb
      chart: metallb
      targetRevision: 0.15.3
      helm:
        valueFiles: [$values/values/metallb.yaml]
    - repoURL: {URL}
      ref: values
    - repoURL: {URL}
      path: manifests/pools
  destination: {{server: https://kubernetes.default.svc, namespace: metallb-system}}
"""
    files = {
        "argocd/balancer.yaml": text,
        "manifests/pools/pool.yaml": POOL,
        "values/metallb.yaml": "controller: {logLevel: all}\n",
    }
    layer = load(tmp_path, files)
    assert values_of(layer, "metallb") == {"controller": {"logLevel": "all"}}
    assert [str(each) for each in layer.pools[:1]]
    assert [each.name for each in layer.applications] == ["balancer", "one"]
    served = layer.taken_out["argocd/balancer.yaml"]
    assert served is not None
    assert b"chart: metallb" not in served
    assert b"path: manifests/pools" in served


def test_an_umbrella_is_the_foundation_and_its_own_templates_are_not(tmp_path: Path) -> None:
    chart = "apiVersion: v2\nname: lb\nversion: 0.1.0\ndependencies:\n  - name: metallb\n    alias: mlb\n    version: 0.15.3\n    repository: https://metallb.github.io/metallb"
    files = {
        "argocd/balancer.yaml": application("charts/lb", "\n    helm: {valueFiles: [lab.yaml]}"),
        "charts/lb/Chart.yaml": chart,
        "charts/lb/values.yaml": "mlb: {controller: {logLevel: info}, speaker: {logLevel: info}}\nglobal: {a: 1}\n",
        "charts/lb/lab.yaml": "mlb: {controller: {logLevel: debug}}\n",
        "charts/lb/templates/pool.yaml": POOL,
    }
    layer = load(tmp_path, files)
    assert values_of(layer, "metallb") == {
        "controller": {"logLevel": "debug"},
        "speaker": {"logLevel": "info"},
        "global": {"a": 1},
    }
    assert [each.name for each in layer.rendered if each.application == "balancer"] == ["pool"]
    assert (
        layer.taken_out["charts/lb/Chart.yaml"]
        == chart.partition("dependencies")[0].encode() + b"dependencies:\n    []\n"
    )


def test_an_umbrella_whose_condition_is_false_is_no_foundation(tmp_path: Path) -> None:
    chart = "apiVersion: v2\nname: lb\nversion: 0.1.0\ndependencies:\n  - {name: metallb, version: 0.15.3, condition: metallb.enabled, repository: https://x.example}\n"
    files = {
        "argocd/balancer.yaml": application("charts/lb"),
        "charts/lb/Chart.yaml": chart,
        "charts/lb/values.yaml": "metallb: {enabled: false}\n",
        "charts/lb/templates/pool.yaml": POOL,
    }
    layer = load(tmp_path, files)
    assert not layer.taking.taken
    assert any("its condition metallb.enabled is false" in each for each in layer.begins)


def test_a_chart_that_a_kustomization_inflates_is_the_foundation(tmp_path: Path) -> None:
    kustomization = """\
resources: [pool.yaml]
helmCharts:
  - name: metallb
    repo: https://metallb.github.io/metallb
    version: 0.15.3
    releaseName: metallb
    namespace: lb
    valuesFile: values.yaml
    additionalValuesFiles: [lab.yaml]
    valuesInline: {speaker: {logLevel: warn}}
"""
    files = {
        "argocd/balancer.yaml": application("manifests/lb"),
        "manifests/lb/kustomization.yaml": kustomization,
        "manifests/lb/values.yaml": "controller: {logLevel: info}\n",
        "manifests/lb/lab.yaml": "controller: {logLevel: debug}\n",
        "manifests/lb/pool.yaml": POOL,
    }
    layer = load(tmp_path, files, lambda _: [layers_pool()])
    release = next(each for each in layer.releases if each.chart == "metallb")
    assert (release.namespace, release.place) == ("lb", "manifests/lb/kustomization.yaml:3")
    assert values_of(layer, "metallb") == {"controller": {"logLevel": "debug"}, "speaker": {"logLevel": "warn"}}
    assert layer.taken_out["manifests/lb/kustomization.yaml"] == b"resources: [pool.yaml]\nhelmCharts:\n    []\n"


def layers_pool() -> dict[str, Any]:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": "pool", "namespace": "metallb-system"},
        "spec": {"addresses": ["192.0.2.0/28"]},
    }


def test_a_kustomization_of_a_chart_alone_is_left_out_as_a_whole(tmp_path: Path) -> None:
    files = {
        "argocd/balancer.yaml": application("manifests/lb"),
        "manifests/lb/kustomization.yaml": "namespace: lb\nhelmCharts: [{name: metallb, repo: https://x.example, version: 0.15.3}]\n",
    }
    layer = load(tmp_path, files)
    assert layer.taking.apart == {("argocd", "balancer")}
    assert b"argocd.argoproj.io/hook: Skip" in (layer.taken_out["argocd/balancer.yaml"] or b"")


def test_install_manifests_are_recognised_by_where_they_come_from(tmp_path: Path) -> None:
    kustomization = """\
namespace: metallb-system
resources:
  - github.com/metallb/metallb/config/native?ref=v0.13.12
  - pool.yaml
patches:
  - path: speaker.yaml
"""
    files = {
        "argocd/balancer.yaml": application("manifests/lb"),
        "manifests/lb/kustomization.yaml": kustomization,
        "manifests/lb/pool.yaml": POOL,
    }
    layer = load(tmp_path, files, lambda _: [layers_pool()])
    (taken,) = layer.taking.taken
    assert (taken.release.app_version, str(taken.foundation.form)) == ("v0.13.12", "install manifests")
    left = json.loads(layer.taken_out["manifests/lb/kustomization.yaml"] or b"")
    assert left == {"namespace": "metallb-system", "resources": ["pool.yaml"]}


OBJECTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: controller, namespace: metallb-system}
spec:
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec: {containers: [{name: controller, image: 'quay.io/metallb/controller:v0.13.7'}]}
"""


@pytest.mark.parametrize("pool", [False, True])
def test_the_products_own_objects_in_git_are_the_foundation(tmp_path: Path, *, pool: bool) -> None:
    files = {"argocd/balancer.yaml": application("manifests/lb"), "manifests/lb/install.yaml": OBJECTS}
    layer = load(tmp_path, {**files, **({"manifests/lb/pool.yaml": POOL} if pool else {})})
    (taken,) = layer.taking.taken
    assert (str(taken.foundation.form), taken.release.app_version) == ("objects of the product", "v0.13.7")
    assert [each.name for each in layer.applications] == ["one"]
    assert [(each.object, each.reason) for each in layer.not_judged] == (
        [("application/balancer -n argocd", "foundation")] if pool else []
    )
    assert b"hook: Skip" in (layer.taken_out["argocd/balancer.yaml"] or b"")


def test_generated_applications_are_recognised(tmp_path: Path) -> None:
    text = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: addons, namespace: argocd}
spec:
  generators:
    - list:
        elements:
          - {name: metallb, url: https://metallb.github.io/metallb, version: 0.15.3}
          - {name: sealed-secrets, url: https://bitnami.github.io/sealed-secrets, version: 2.18.5}
  template:
    metadata: {name: '{{name}}'}
    spec:
      project: default
      source: {repoURL: '{{url}}', chart: '{{name}}', targetRevision: '{{version}}'}
      destination: {server: https://kubernetes.default.svc, namespace: '{{name}}'}
"""
    layer = load(tmp_path, {"argocd/addons.yaml": text})
    assert {(each.chart, each.version) for each in layer.releases if not each.brought} == {
        ("metallb", "0.15.3"),
        ("sealed-secrets", "2.18.5"),
    }
    assert [each.name for each in layer.applications] == ["one"]


def test_a_second_one_is_judged_as_any_other_application(tmp_path: Path) -> None:
    first = CHART.replace("REPOSITORY", "https://metallb.github.io/metallb").replace("NAME", "metallb")
    second = (
        first.replace("name: balancer", "name: other").replace("metallb-system", "other").replace("metal\n", "other\n")
    )
    layer = load(tmp_path, {"argocd/a.yaml": first, "argocd/b.yaml": second})
    assert [each.foundation.place for each in layer.taking.taken] == ["argocd/a.yaml:10"]
    assert [each.object for each in layer.not_judged] == ["application/other -n argocd"]
    assert any("is a second metallb, besides argocd/a.yaml:10" in each for each in layer.begins)


def test_one_for_another_cluster_is_no_foundation_here(tmp_path: Path) -> None:
    text = CHART.replace("REPOSITORY", "https://metallb.github.io/metallb").replace("NAME", "metallb")
    layer = load(
        tmp_path, {"argocd/a.yaml": text.replace("https://kubernetes.default.svc", "https://prod.example.com")}
    )
    assert not layer.taking.taken
    assert any("is no foundation of this cluster" in each for each in layer.begins)


def test_files_of_values_that_are_not_here_are_named(tmp_path: Path) -> None:
    text = CHART.replace("REPOSITORY", "https://metallb.github.io/metallb").replace("NAME", "metallb")
    text = text.replace("releaseName: metal\n", "valueFiles: [https://x.example/v.yaml]\n")
    layer = load(tmp_path, {"argocd/a.yaml": text})
    assert "warning: metallb 0.14.9: its file of values https://x.example/v.yaml is not here" in layer.rendered_by
    assert values_of(layer, "metallb")["controller"] == {"logLevel": "debug"}


def test_a_chart_with_objects_of_a_team_is_not_taken_for_the_product(tmp_path: Path) -> None:
    files = {
        "argocd/balancer.yaml": application("charts/metallb"),
        "charts/metallb/Chart.yaml": "apiVersion: v2\nname: metallb\nversion: 0.1.0\n",
        "charts/metallb/templates/pool.yaml": POOL,
    }
    layer = load(tmp_path, files)
    assert not layer.taking.taken
    assert [each.name for each in layer.applications] == ["balancer", "one"]


@pytest.mark.parametrize("name", ["bootstrap/argocd/values.yaml", "bootstrap/argo-cd-values.yaml", "helm/argocd.yaml"])
def test_values_beside_are_those_of_what_is_installed_by_hand(tmp_path: Path, name: str) -> None:
    layer = load(tmp_path, {name: "configs: {cm: {a: b}}\n"})
    (release,) = layer.releases
    assert (release.chart, release.brought, release.place) == ("argo-cd", False, f"{name}:1")
    assert values_of(layer, "argo-cd") == {"configs": {"cm": {"a": "b"}}}
    assert any(each.startswith(f"{name} is taken for the values of argo-cd") for each in layer.begins)


def test_of_several_files_of_values_none_is_taken(tmp_path: Path) -> None:
    text = "configs: {cm: {a: b}}\n"
    layer = load(tmp_path, {"argocd-dev/values.yaml": text, "argocd-prod/values.yaml": text, "x/values.yaml": text})
    assert [each.brought for each in layer.releases] == [True]
    assert any(
        "several files of values for it: argocd-dev/values.yaml, argocd-prod/values.yaml" in each
        for each in layer.begins
    )


def test_a_layer_that_lists_its_foundations_has_nothing_taken_out() -> None:
    demo = layers.demo()
    assert not demo.taking.taken
    assert not demo.taken_out


@pytest.mark.parametrize(
    ("text", "keys", "expected"),
    [
        ("a:\n- x: 1\n\n# c\n- y\nb: 2\n", ("a", 0), "a:\n- y\nb: 2\n"),
        ("a:\n- x\n- y\n# c\nb: 2\n", ("a", 1), "a:\n- x\nb: 2\n"),
        ("a: [x, y, z]\n", ("a", 1), "a: [x, z]\n"),
        ("a: [x, y]\n", ("a", 1), "a: [x]\n"),
        ("a: [x]\n", ("a", 0), "a: []\n"),
        ("a:\n- x", ("a", 0), "a:\n  []\n"),
        ("- a:\n    - x\n    - y", (0, "a", 1), "- a:\n    - x\n"),
    ],
)
def test_an_entry_is_taken_out_of_a_list(text: str, keys: tuple[str | int, ...], expected: str) -> None:
    assert cuts.without_entry(text, keys) == expected


def test_what_is_used_elsewhere_cannot_be_taken_out() -> None:
    with pytest.raises(CannotBeCut):
        cuts.without_entry("a:\n- &x 1\n- *x\n", ("a", 0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m:\n  n: 1\n", "m:\n  a: {k: Skip}\n  n: 1\n"),
        ("m: {n: 1}\n", "m: {a: {k: Skip}, n: 1}\n"),
        ("m:\n  a:\n    b: c\n  n: 1\n", "m:\n  a:\n    k: Skip\n    b: c\n  n: 1\n"),
    ],
)
def test_a_key_is_added(text: str, expected: str) -> None:
    assert cuts.with_key(text, ("m", "a"), "k", "Skip") == expected
