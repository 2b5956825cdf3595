"""What the team has rendered itself is added to the served layer, and its Application reads that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platform_e2e import layer
from platform_e2e.errors import WrongUsage
from platform_e2e.gitops import given_sources
from platform_e2e.gitops.transform import message, transform
from platform_e2e.layer import Layer, given_renderings, yamlfile
from tests.fakes import layers, rendering

URL = "http://git.e2e/layer.git"
READS = {"repoURL": URL, "targetRevision": "main", "path": "platform-e2e-rendered/argocd/one"}
HEAD, _, TAIL = layers.APPLICATION.partition("  source:\n")
AFTER = TAIL[TAIL.index("  destination:") :]
OWN = "{repoURL: https://git.example.com/team/platform.git, targetRevision: main, path: manifests/one}"

WRITTEN = {
    "block": layers.APPLICATION.replace(
        "path: manifests/one\n", "path: manifests/one\n    plugin:\n      name: cdk8s # ours\n"
    ),
    "flow": f"{HEAD}  source: {OWN}\n{AFTER}",
    "several": f"{HEAD}  sources:\n    - {OWN}\n    - {OWN}\n{AFTER}",
    "last": f"{HEAD}{AFTER}  source:\n    repoURL: https://git.example.com/team/platform.git\n    path: manifests/one\n",
    "list": json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [yamlfile.parse(layers.APPLICATION, "a")[0].data]}
    ),
    "second": f"{layers.CONFIGMAP}---\n{layers.APPLICATION}",
}


def load(tmp_path: Path, text: str, **more: str) -> Layer:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rolled}\n")
    root = layers.write(tmp_path / "layer", {"argocd/applications/one.yaml": text, **more})
    given = {"one": tmp_path / "given"}
    return given_renderings.noted(layer.load(root, given_renderings.around(rendering.renderer(), given)), given)


@pytest.mark.parametrize("form", WRITTEN)
def test_the_application_reads_what_was_rendered_and_nothing_else_of_it_changes(tmp_path: Path, form: str) -> None:
    found = load(tmp_path, WRITTEN[form])
    name = "argocd/applications/one.yaml"
    made, changes = given_sources.served({name: WRITTEN[form].encode()}, given_sources.of(found), URL)
    before, after = (yamlfile.parse(text, name)[-1].data for text in (WRITTEN[form], made[name].decode()))
    if form == "list":
        before, after = before["items"][0], after["items"][0]
    read = after["spec"].pop("sources", None) or [after["spec"].pop("source")]
    assert read == [READS]
    before["spec"].pop("sources", None)
    before["spec"].pop("source", None)
    assert after == before, "only what it reads"
    assert json.loads(made["platform-e2e-rendered/argocd/one/manifests.yaml"])["metadata"] == {"name": "rolled"}
    (change,) = changes
    assert str(change).endswith("as written -> platform-e2e-rendered/argocd/one")
    # What is read in its place is served already, and named in the commit of transformations.
    new = transform(made, url=URL, also_own=[layers.URL])
    assert str(change) in message(new, redirected=changes)


def test_the_objects_of_a_rendered_root_are_told_too(tmp_path: Path) -> None:
    found = load(tmp_path, WRITTEN["several"])
    (application,) = found.applications
    given = given_sources.of(found)
    told = given_sources.redirected(application.manifest, given, URL)
    assert (told["spec"].get("sources"), told["spec"]["source"]) == (None, READS)
    other = {**application.manifest, "metadata": {"name": "two"}}
    assert given_sources.redirected(other, given, URL) is other


def test_what_is_given_may_have_any_character(tmp_path: Path) -> None:
    found = load(tmp_path, WRITTEN["block"])
    (tmp_path / "given" / "a.yaml").write_text(
        '{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: "😀"}}\n'
    )
    (given,) = given_sources.of(found)
    assert "😀" in given.content().decode(), "YAML has no surrogate pairs"


def test_an_application_that_is_generated_cannot_be_given(tmp_path: Path) -> None:
    generated = """\
    apiVersion: argoproj.io/v1alpha1
    kind: ApplicationSet
    metadata: {name: set, namespace: argocd}
    spec:
      generators: [{list: {elements: [{name: one}]}}]
      template:
        metadata: {name: "{{name}}"}
        spec:
          project: default
          source: {repoURL: https://git.example.com/team/platform.git, targetRevision: main, path: manifests/one}
          destination: {server: https://kubernetes.default.svc, namespace: one}
    """
    with pytest.raises(
        WrongUsage, match=r"--rendered one=DIR must be for an Application .* the ApplicationSet set makes"
    ):
        given_sources.of(load(tmp_path, generated))
