"""The values of a layer's foundations are those that Argo CD, helm and kustomize themselves would give the charts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import layer
from platform_e2e.layer import Layer
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import layer_renderer, programs

URL = "https://git.example.com/team/platform.git"

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: balancer, namespace: argocd}
spec:
  project: default
  sources: [SOURCES]
  destination: {server: https://kubernetes.default.svc, namespace: metallb-system}
"""

SET = """\
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: web, namespace: argocd}
spec:
  generators: [{clusters: {selector: {matchLabels: {env: prod}}}}]
  template:
    metadata: {name: 'web-{{name}}'}
    spec:
      project: default
      source: {repoURL: 'OWN', path: web}
      destination: {server: '{{server}}', namespace: '{{metadata.labels.env}}'}
"""


def load(root: Path, files: Mapping[str, str]) -> Layer:
    """Read a layer of these files and one Application of something else."""
    web = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"
    other = APPLICATION.replace("balancer", "web").replace("SOURCES", f"{{repoURL: '{URL}', path: web}}")
    for name, text in {"web/web.yaml": web, "argocd/web.yaml": other, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    built = programs.ensure(Timeline(None), programs.TOOLS_OF_HOST)
    return layer.load(root, layer_renderer.renderer(lambda: built))


def values(found: Layer) -> Any:
    """Return the values of the one foundation that was taken."""
    (taken,) = found.taking.taken
    return json.loads(taken.release.values.read_text())


def test_parameters_come_after_files_and_the_object(tmp_path: Path) -> None:
    """Argo CD gives helm files, the object in place of the text, and parameters."""
    source = f"""{{repoURL: 'https://metallb.github.io/metallb', chart: metallb, targetRevision: 0.15.3, helm: {{
      valueFiles: [$lent/values/a.yaml, $lent/values/b.yaml], values: "c: text\\nd: {{e: text}}\\n", valuesObject: {{d: {{e: object}}}},
      parameters: [{{name: d.f, value: '1'}}, {{name: g, value: '1', forceString: true}}, {{name: 'h[1].i', value: x}}],
      fileParameters: [{{name: j, path: $lent/values/note.txt}}]}}}}, {{repoURL: '{URL}', ref: lent}}"""
    files = {
        "argocd/balancer.yaml": APPLICATION.replace("SOURCES", source),
        "values/a.yaml": "a: 1\nb: {c: 1, d: 1000000}\n",
        "values/b.yaml": "b: {c: 2}\nc: file\n",
        "values/note.txt": "read",
    }
    assert values(load(tmp_path, files)) == {
        "a": 1,
        "b": {"c": 2, "d": 1000000},
        "c": "file",
        "d": {"e": "object", "f": 1},
        "g": "1",
        "h": [None, {"i": "x"}],
        "j": "read",
    }


def test_an_umbrella_and_its_dependency_share_what_is_global(tmp_path: Path) -> None:
    """What is below a dependency's alias is its own; `global` is for all."""
    chart = "apiVersion: v2\nname: lb\nversion: 0.1.0\ndependencies: [{name: metallb, alias: lb, version: 0.15.3, repository: 'https://x.example'}]\n"
    files = {
        "argocd/balancer.yaml": APPLICATION.replace(
            "SOURCES", f"{{repoURL: '{URL}', path: lb, helm: {{valueFiles: [more.yaml]}}}}"
        ),
        "lb/Chart.yaml": chart,
        "lb/values.yaml": "global: {a: 1}\nlb: {controller: {logLevel: info}}\n",
        "lb/more.yaml": "lb: {controller: {logLevel: debug}}\n",
        "lb/templates/own.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n",
    }
    found = load(tmp_path, files)
    assert values(found) == {"global": {"a": 1}, "controller": {"logLevel": "debug"}}
    assert [each.name for each in found.rendered if each.application == "balancer"] == ["own"]


@pytest.mark.parametrize(
    ("merge", "level"), [("", "inline"), ("valuesMerge: merge, ", "file"), ("valuesMerge: replace, ", "inline")]
)
def test_kustomize_merges_as_it_does(tmp_path: Path, merge: str, level: str) -> None:
    """The fields valuesInline and valuesFile have three ways to go together."""
    entry = f"{{name: metallb, repo: 'https://x.example', version: 0.15.3, {merge}valuesFile: v.yaml, valuesInline: {{level: inline}}}}"
    files = {
        "argocd/balancer.yaml": APPLICATION.replace("SOURCES", f"{{repoURL: '{URL}', path: lb}}"),
        "lb/kustomization.yaml": f"resources: [own.yaml]\nhelmCharts:\n  - {entry}\n",
        "lb/v.yaml": "level: file\nother: 1\n",
        "lb/own.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n",
    }
    found = load(tmp_path, files)
    told = values(found)
    assert told["level"] == level
    assert ("other" in told) is ("replace" not in merge)
    assert [each.name for each in found.rendered if each.application == "balancer"] == ["own"]


def test_clusters_are_generated_for_by_their_labels(tmp_path: Path) -> None:
    """The generator asks the clusters that the team names for their labels."""
    files = {
        "argocd/set.yaml": SET.replace("OWN", URL),
        "platform-e2e.yaml": "clusters: [{name: prod, server: 'https://prod.example.com', labels: {env: prod}}, {name: lab}]\ndestinations: [prod, in-cluster]\n",
    }
    found = load(tmp_path, files)
    assert {each.name: each.destination for each in found.applications} == {"web": "metallb-system", "web-prod": "prod"}
