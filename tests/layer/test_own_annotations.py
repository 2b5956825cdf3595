"""An annotation of the harness that it does not know is refused, with the file and line where it is written."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.layer import LayerError
from tests.fakes import layers

APPLICATION = "argocd/applications/one.yaml"
CONFIGMAP = "manifests/one/configmap.yaml"

KNOWN = "known are platform-e2e/probe, platform-e2e/websocket, platform-e2e/series and platform-e2e/exempt-PROMISE"


def annotated(text: str, *names: str) -> str:
    """Return an object with annotations below its name, one a line."""
    lines = "".join(f"    {name}: x\n" for name in names)
    return text.replace("  name: one\n", f"  name: one\n  annotations:\n{lines}", 1)


def refused(root: Path, files: dict[str, str | bytes | None], rendered: list[dict[str, Any]] | None = None) -> str:
    layers.write(root, files)
    with pytest.raises(LayerError) as caught:
        layers.load(root, lambda _directory: copy.deepcopy(rendered or []))
    return caught.value.problem


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("probes", "; did you mean platform-e2e/probe"),
        ("Probe", "; did you mean platform-e2e/probe"),
        ("serie", "; did you mean platform-e2e/series"),
        ("exempt_monitoring", "; did you mean platform-e2e/exempt-monitoring"),
        ("exempts-selfheal", "; did you mean platform-e2e/exempt-selfheal"),
        ("owner", ""),
        ("exempt", "; did you mean platform-e2e/exempt-waves"),
        ('""', ""),
    ],
)
def test_an_unknown_annotation_of_an_object(tmp_path: Path, name: str, says: str) -> None:
    key = f"platform-e2e/{name}".replace('""', "")
    text = annotated(layers.CONFIGMAP, "example.com/team", key)
    with pytest.raises(LayerError) as caught:
        layers.load(layers.write(tmp_path, {CONFIGMAP: text}))
    assert caught.value.problem == f"{CONFIGMAP}:7: configmap/one -n one: unknown annotation {key}{says}"
    assert caught.value.remedy == KNOWN
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("prefix", ["platfrom-e2e", "platform-e2", "platform-e2e.io"])
@pytest.mark.parametrize("name", ["probe", "exempt-monitoring"])
def test_a_misspelt_prefix_of_a_known_annotation(tmp_path: Path, prefix: str, name: str) -> None:
    said = refused(tmp_path, {CONFIGMAP: annotated(layers.CONFIGMAP, f"{prefix}/{name}")})
    assert said.endswith(f"unknown annotation {prefix}/{name}; did you mean platform-e2e/{name}")


@pytest.mark.parametrize(
    "name",
    [
        "platform-e2e/probe",
        "platform-e2e/series",
        "platform-e2e/exempt-monitoring",
        "platform-e2e/exempt-certificates",
        "platform-e2e.io/owner",
        "platform-team/probe",
        "example.com/probes",
        "probes",
    ],
)
def test_what_is_known_and_what_belongs_to_others_is_left_alone(tmp_path: Path, name: str) -> None:
    found = layers.load(layers.write(tmp_path, {CONFIGMAP: annotated(layers.CONFIGMAP, name)}))
    assert name in found.rendered[0].annotations


def test_an_exemption_from_a_misspelt_promise_is_refused_where_it_is_written(tmp_path: Path) -> None:
    said = refused(tmp_path, {APPLICATION: annotated(layers.APPLICATION, "platform-e2e/exempt-selfheel")})
    assert said == (
        f"{APPLICATION}:6: application/one -n argocd: platform-e2e/exempt-selfheel: "
        "promise must be `selfheal`, got `selfheel`"
    )


@pytest.mark.parametrize(
    ("name", "text", "line", "subject"),
    [
        (APPLICATION, annotated(layers.APPLICATION, "platform-e2e/probes"), 6, "application/one -n argocd: "),
        (
            "argocd/projects/one.yaml",
            annotated(
                "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata:\n  name: one\n", "platform-e2e/probes"
            ),
            6,
            "appproject/one: ",
        ),
        (
            "argocd/settings.yaml",
            (
                "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: one\n"
                "    annotations: {platform-e2e/probes: x}\n"
            ),
            8,
            "secret/one: ",
        ),
        (
            "manifests/one/deployment.yaml",
            (
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: one}\nspec:\n  template:\n    metadata:\n"
                "      annotations:\n        platform-e2e/probes: x\n"
            ),
            8,
            "deployment/one -n one: ",
        ),
        (
            "foundations/values/one.yaml",
            "service:\n  type: ClusterIP\n  extra: [{podAnnotations: {a: b,\n    platform-e2e/probes: x}}]\n",
            4,
            "",
        ),
    ],
    ids=["application", "project", "list", "pod-template", "values"],
)
def test_wherever_annotations_are(tmp_path: Path, name: str, text: str, line: int, subject: str) -> None:
    release = (
        "{name: one, chart: c, repository: r, version: '1', appVersion: '1', namespace: one, values: values/one.yaml}"
    )
    files = {"foundations/foundations.yaml": f"releases: [{release}]\n", "foundations/values/one.yaml": "a: 1\n"}
    said = refused(tmp_path, {**files, name: text})
    assert said == f"{name}:{line}: {subject}unknown annotation platform-e2e/probes; did you mean platform-e2e/probe"


SET = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: set
spec:
  goTemplate: true
  generators: [{list: {elements: [{name: one, promise: monitoring}]}}]
  template:
    metadata:
      name: '{{.name}}'
      annotations:
        KEY: x
    spec:
      project: default
      source: {repoURL: https://git.example.com/team/platform.git, path: manifests/one}
      destination: {namespace: one, server: https://kubernetes.default.svc}
"""


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (
            "platform-e2e/probes",
            "12: applicationset/set: unknown annotation platform-e2e/probes; did you mean platform-e2e/probe",
        ),
        (
            "'platform-e2e/{{.promise}}'",
            "11: application/one -n argocd: unknown annotation platform-e2e/monitoring; did you mean platform-e2e/exempt-monitoring",
        ),
    ],
)
def test_in_the_template_of_an_applicationset(tmp_path: Path, key: str, said: str) -> None:
    assert (
        refused(tmp_path, {APPLICATION: None, "argocd/set.yaml": SET.replace("KEY", key)}) == f"argocd/set.yaml:{said}"
    )


def test_a_template_that_makes_a_known_annotation(tmp_path: Path) -> None:
    text = SET.replace("KEY", "'platform-e2e/exempt-{{.promise}}'")
    found = layers.load(layers.write(tmp_path, {APPLICATION: None, "argocd/set.yaml": text}))
    assert found.application("one").exempt("monitoring") == "x"


OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}
RENDERED = [{**OBJECT, "metadata": {"name": "one", "annotations": {"platform-e2e/probes": "x"}}}]


@pytest.mark.parametrize(
    ("kustomization", "patch", "place"),
    [
        (
            "patches: [{path: patch.yaml}]",
            annotated(layers.CONFIGMAP, "platform-e2e/probes"),
            "patch.yaml:6: configmap/one -n one",
        ),
        (
            "patches:\n- path: patch.yaml\n  target: {kind: ConfigMap}",
            "- op: add\n  path: /metadata/annotations/platform-e2e~1probes\n  value: x\n",
            "patch.yaml:3: configmap/one -n one",
        ),
        ("commonAnnotations:\n  platform-e2e/probes: x", "", "kustomization.yaml:3"),
        ("metadata:\n  annotations: {platform-e2e/probes: x}", "", "kustomization.yaml:3"),
        ("generatorOptions: {annotations: {platform-e2e/probes: x}}", "", "kustomization.yaml:2"),
    ],
    ids=["patch", "json-patch", "common", "own", "generated"],
)
def test_in_a_kustomization_and_its_patches(tmp_path: Path, kustomization: str, patch: str, place: str) -> None:
    files = {
        "manifests/one/kustomization.yaml": f"resources: [configmap.yaml]\n{kustomization}\n",
        "manifests/one/patch.yaml": patch or None,
    }
    said = refused(tmp_path, {**files}, RENDERED)
    assert said == f"manifests/one/{place}: unknown annotation platform-e2e/probes; did you mean platform-e2e/probe"


def test_in_an_environment_that_no_applicationset_reads(tmp_path: Path) -> None:
    text = SET.replace("    KEY: x\n", "    a: x\n").replace("manifests/one", "'manifests/{{.name}}'")
    files: dict[str, str | bytes | None] = {
        APPLICATION: None,
        "argocd/set.yaml": text,
        "manifests/two/kustomization.yaml": "metadata:\n  annotations: {platform-e2e/exempt-enviroments: later}\n",
    }
    assert refused(tmp_path, files) == (
        "manifests/two/kustomization.yaml:2: platform-e2e/exempt-enviroments: "
        "promise must be `environments`, got `enviroments`"
    )
