"""What a layer is rendered to before there is a cluster is what the live Argo CD renders: object by object, for many small layers."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from contract.conftest import Standing
from contract.rendering import comparison, others, repository
from contract.rendering.live import LiveArgoCD, Refused
from platform_e2e import layer
from platform_e2e.bringup_phases import from_registry, git_server
from platform_e2e.checks.rendered_objects import check, rendered_otherwise
from platform_e2e.foundations import install
from platform_e2e.gitops import argocd, server
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Met, Pending, Verdict, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Application, Layer
from platform_e2e.pytest_plugin.options import settings_of
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import layer_renderer, programs

BRANCH = "small-layers"

COMPARED_SECONDS = 120.0
"""Timeout of Argo CD's own comparison of all Applications, which takes ten seconds."""

FOUNDATIONS = """releases:
  - name: argocd
    chart: argo-cd
    repository: https://argoproj.github.io/argo-helm
    version: 10.1.1
    appVersion: v3.4.4
    namespace: argocd
    values: values/argo-cd.yaml
"""

VALUES = """configs:
  cm:
    kustomize.buildOptions: --enable-helm --load-restrictor LoadRestrictionsNone
"""


@dataclass
class Both:
    """What was rendered here, and what the live Argo CD says.

    Attributes:
        layer: as it is read here.
        sha: the commit.
        manifests: what Argo CD renders, by Application; its own words where it refuses.
        applications: that are in the cluster, by name.
        errors: of ApplicationSets, by name.
        kube: the cluster.
    """

    layer: Layer
    sha: str
    kube: Kube
    manifests: dict[str, list[Object] | Refused] = field(default_factory=dict)
    applications: dict[str, Object] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> list[Application]:
        """Return the Applications of a small layer."""
        return [each for each in self.layer.applications if name in (each.name, each.generated_by)]


@pytest.fixture(scope="module")
def both(
    standing: Standing, pytestconfig: pytest.Config, timeline: Timeline, tmp_path_factory: pytest.TempPathFactory
) -> Both:
    """Install Argo CD, serve all small layers as one commit, and ask it about each Application; nothing is synced."""
    if from_registry(standing.facts):
        pytest.skip("the Argo CD of a registry is of another version than what renders here")
    place, settings, kube = tmp_path_factory.mktemp("rendering"), settings_of(pytestconfig), standing.kube
    beside = others.elsewhere(place)
    files = repository.content(server.URL, BRANCH, others.urls(beside))
    files |= {"foundations/foundations.yaml": FOUNDATIONS.encode(), "foundations/values/argo-cd.yaml": VALUES.encode()}
    root = place / "repository"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    subprocess.run(["git", "-C", root, "remote", "add", "origin", server.URL], check=True)
    read = layer.load(root, layer_renderer.renderer(unconfined=settings.trust), material=others.material(beside))

    built, kubeconfig = programs.ensure(timeline), Path(standing.facts.kubeconfig)
    git = git_server(kube, standing.facts, read, built.path("kubectl"))
    _, failures = install(
        kube,
        read.releases,
        helm=built.path("helm"),
        kubeconfig=kubeconfig,
        timeline=timeline,
        module_directory=programs.module_directory,
    )
    assert not failures, "".join(map(str, failures))
    git.others.serve(beside, (server.URL,))
    sha = git.branch(BRANCH).commit(files, "Small layers")
    # As when all is synced: Argo CD tells charts what the cluster serves.
    for each in read.rendered:
        if each.kind == "CustomResourceDefinition":
            kube.apply(each.object)
    for file in sorted(root.glob("argocd/*.json")):
        kube.apply(repository.read(file))
    found = Both(read, sha, kube)
    found.errors = _expanded(kube)
    found.applications = _compared(kube)
    with LiveArgoCD.open(kube, built.path("kubectl"), kubeconfig, place) as live:
        found.manifests = {name: _manifests(live, name) for name in found.applications}
    return found


def _manifests(live: LiveArgoCD, name: str) -> list[Object] | Refused:
    try:
        return live.manifests(name)
    except Refused as refused:
        return refused


def _expanded(kube: Kube) -> dict[str, str]:
    """Wait until every ApplicationSet has been expanded, and return the errors of those that have any."""

    def judge(sets: list[Object]) -> Verdict:
        said = {each["metadata"]["name"]: _conditions(each) for each in sets}
        waiting = [
            name for name, conditions in said.items() if not conditions.keys() & {"ResourcesUpToDate", "ErrorOccurred"}
        ]
        if waiting:
            return Pending(f"{', '.join(waiting)} is not expanded")
        return Met({name: each["ErrorOccurred"] for name, each in said.items() if "ErrorOccurred" in each})

    source = kube.many(argocd.APPLICATIONSET, argocd.NAMESPACE)
    found: dict[str, str] = eventually(source, judge, timeout=COMPARED_SECONDS, what="ApplicationSets are expanded")
    return found


def _conditions(applicationset: Object) -> dict[str, str]:
    every = argocd.status(applicationset).get("conditions") or ()
    return {each["type"]: each.get("message", "") for each in every if each.get("status") == "True"}


def _compared(kube: Kube) -> dict[str, Object]:
    """Wait until Argo CD has compared every Application of the branch, and return them."""

    def judge(apps: list[Object]) -> Verdict:
        own = [each for each in apps if BRANCH in json.dumps(each["spec"])]
        waiting = [each["metadata"]["name"] for each in own if not argocd.sync_status(each)]
        return Pending(f"{len(waiting)} are not compared") if waiting else Met(own)

    source = kube.many(argocd.APPLICATION, argocd.NAMESPACE)
    every = eventually(source, judge, timeout=COMPARED_SECONDS, what="Applications are compared")
    return {each["metadata"]["name"]: each for each in every}


@pytest.mark.parametrize("name", repository.names())
def test_it_becomes_what_the_live_argo_cd_makes_of_it(name: str, both: Both) -> None:
    """Object by object and in the same order, as it is applied; and of what an ApplicationSet makes, each Application."""
    every = both.of(name)
    assert every
    assert name not in both.errors
    scoped = comparison.Scopes(both.kube)
    for each in every:
        theirs = both.manifests[each.name]
        assert isinstance(theirs, list), theirs
        placed = comparison.placed(theirs, each.destination, scoped)
        assert comparison.text([rendered.object for rendered in each.objects]) == comparison.text(placed)
        if each.generated_by:
            assert comparison.generated(each.manifest) == comparison.generated(both.applications[each.name])


@pytest.mark.parametrize("name", repository.names(refused=True))
def test_what_is_refused_here_the_live_argo_cd_refuses(name: str, both: Both) -> None:
    """And nothing of it is judged."""
    assert [each.object for each in both.layer.not_judged if f"/{name} " in each.object]
    assert not both.of(name)
    assert name in both.errors or isinstance(both.manifests[name], Refused)


def test_nothing_else_is_there(both: Both) -> None:
    """Argo CD makes no Application of an ApplicationSet that is not known here."""
    assert {*both.applications} == {each.name for each in both.layer.applications} | {
        name for name in repository.names(refused=True) if name not in both.errors
    }


def test_argo_cd_is_to_apply_what_was_rendered(both: Both) -> None:
    """The check of the product compares every Application, and finds no difference."""
    done = {
        each.name: check(each, both.sha, both.kube, engine=both.layer.engine, timeout=COMPARED_SECONDS)
        for each in both.layer.applications
    }
    assert [finding for _, findings in done.values() for finding in findings] == []
    wanted = {each.name: len(each.objects) for each in both.layer.applications}
    assert {name: count for name, (count, _) in done.items()} == wanted


def test_an_object_that_one_of_both_lacks_is_a_finding_about_the_harness(both: Both) -> None:
    """Just that one, with just that cause."""
    application = both.layer.application("kustomize")
    lost, *others = application.objects
    live = both.applications["kustomize"]
    (finding,) = rendered_otherwise(replace(application, objects=tuple(others)), live, "3.2.11")
    assert finding.cause.id == "rendered-otherwise"
    assert finding.observed == f"Argo CD applies {lost}, which was not rendered here"
