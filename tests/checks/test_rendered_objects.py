"""What Argo CD applies is what was rendered here, but for what it leaves out, makes anew, or has yet to prune."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks.rendered_objects import compared, rendered_otherwise
from platform_e2e.diagnosis.causes import promise_of
from platform_e2e.finding import Promise
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Application
from platform_e2e.layer.objects import Rendered
from tests.fakes import layers

pytestmark = pytest.mark.point("rendered-as-argo-cd-applies")

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def application() -> Application:
    return layers.demo().application("chat-dev")


def entry(rendered: Rendered, **other: Any) -> dict[str, Any]:
    group, kind, namespace, name = rendered.identity
    place = {"namespace": namespace} if namespace else {}
    return {"group": group, "version": "v1", "kind": kind, **place, "name": name, "status": "Synced", **other}


def live(application: Application, *more: Object, **status: Any) -> Object:
    """Return an Application of a cluster that has what was rendered, and more."""
    entries = [entry(each) for each in application.objects if each.kept]
    spec = copy.deepcopy(application.manifest["spec"])
    sync = {"status": "Synced", "revision": SHA, "comparedTo": {"source": copy.deepcopy(spec["source"])}}
    return {"spec": spec, "status": {"sync": sync, "resources": [*entries, *more], **status}}


def made(kind: str, name: str, **metadata: Any) -> Rendered:
    names = {"name": name} if name else {}
    data = {"apiVersion": "v1", "kind": kind, "metadata": {**names, "namespace": "chat-dev", **metadata}}
    return Rendered(data, "chat-dev", "a.yaml", 1)


EXTRA = {"version": "v1", "kind": "ConfigMap", "namespace": "chat-dev", "name": "extra", "status": "OutOfSync"}


def test_the_same_objects_are_no_finding(application: Application) -> None:
    assert application.objects
    assert rendered_otherwise(application, live(application), "3.2.11") == []


def test_an_object_that_only_argo_cd_has_is_the_harnesss_fault(application: Application) -> None:
    (finding,) = rendered_otherwise(application, live(application, EXTRA), "3.2.11")
    assert (finding.object, finding.promise, finding.cause.id) == (
        "application/chat-dev -n argocd",
        "applications",
        "rendered-otherwise",
    )
    assert finding.cause.sentence == (
        "application/chat-dev -n argocd was rendered here by Argo CD 3.2.11 to other objects than in the cluster: "
        "Argo CD applies configmap/extra -n chat-dev, which was not rendered here"
    )
    assert "the harness's and not the layer's: report it" in finding.cause.remedy
    assert promise_of(finding.cause, Promise.SELFHEAL) == Promise.APPLICATIONS


def test_an_object_that_was_only_rendered_here_is_too(application: Application) -> None:
    more = replace(application, objects=(*application.objects, made("ConfigMap", "lost")))
    (finding,) = rendered_otherwise(more, live(application, EXTRA), "3.2.11")
    assert finding.observed == (
        "Argo CD does not apply configmap/lost -n chat-dev; "
        "Argo CD applies configmap/extra -n chat-dev, which was not rendered here"
    )


def test_an_object_in_another_namespace_is_another(application: Application) -> None:
    first, *rest = application.objects
    elsewhere = replace(first, object={**first.object, "metadata": {**first.object["metadata"], "namespace": "other"}})
    moved = replace(application, objects=(elsewhere, *rest))
    (finding,) = rendered_otherwise(moved, live(application), "3.2.11")
    assert "-n other" in finding.observed
    assert "-n chat-dev" in finding.observed


@pytest.mark.parametrize(
    "explained",
    [
        {**EXTRA, "requiresPruning": True},
        {**EXTRA, "status": ""},
        {**EXTRA, "hook": True},
    ],
    ids=["to be pruned", "bears the mark only", "a hook"],
)
def test_what_argo_cd_does_not_apply_as_its_own_is_explained(application: Application, explained: Object) -> None:
    assert rendered_otherwise(application, live(application, explained), "3.2.11") == []


@pytest.mark.parametrize(
    "rendered",
    [
        made("Job", "", generateName="migrate-"),
        made("Job", "migrate", annotations={"argocd.argoproj.io/hook": "PreSync"}),
        made("ConfigMap", "skipped", annotations={"argocd.argoproj.io/hook": "Skip"}),
        made("Pod", "test", annotations={"helm.sh/hook": "test"}),
    ],
    ids=["generateName", "hook", "skipped", "test of a chart"],
)
def test_what_is_made_anew_or_left_out_is_explained(application: Application, rendered: Rendered) -> None:
    more = replace(application, objects=(*application.objects, rendered))
    assert rendered_otherwise(more, live(application), "3.2.11") == []


def test_what_is_excluded_in_argocd_cm_is_explained(application: Application) -> None:
    more = replace(application, objects=(*application.objects, made("Endpoints", "by-hand")))
    said = {"type": "ExcludedResourceWarning", "message": "Resource /Endpoints by-hand is excluded in the settings"}
    assert rendered_otherwise(more, live(application, conditions=[said]), "3.2.11") == []
    (finding,) = rendered_otherwise(more, live(application), "3.2.11")
    assert "endpoints/by-hand" in finding.observed


def test_what_another_application_has_too_is_explained(application: Application) -> None:
    shared = made("ConfigMap", "shared")
    more = replace(application, objects=(*application.objects, shared))
    assert rendered_otherwise(more, live(application, entry(shared, status="")), "3.2.11") == []


def test_only_the_same_commit_and_the_same_sources_compare(application: Application) -> None:
    there = live(application)
    assert compared(application, there, SHA)
    assert not compared(application, None, SHA)
    assert not compared(application, there, "f" * 40)
    edited = copy.deepcopy(there)
    edited["spec"]["source"]["path"] = "elsewhere"
    assert not compared(application, edited, SHA)
    failed = live(application, conditions=[{"type": "ComparisonError", "message": "no"}])
    assert not compared(application, failed, SHA)
    asked = {**there, "metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}
    assert not compared(application, asked, SHA)


def test_what_argo_cd_writes_out_of_a_source_is_no_edit(application: Application) -> None:
    there = live(application)
    there["spec"]["source"] |= {"directory": {"recurse": True}, "helm": {"valuesObject": {"none": None, "no": 0}}}
    sources = {"source": copy.deepcopy(there["spec"]["source"])}
    sources["source"] |= {"directory": {"recurse": True, "jsonnet": {}}, "helm": {"valuesObject": {"no": 0}}}
    there["status"]["sync"]["comparedTo"] = sources
    assert compared(application, there, SHA)
    there["status"]["sync"]["comparedTo"]["source"]["helm"]["valuesObject"]["no"] = 1
    assert not compared(application, there, SHA)
    several = live(application)
    several["spec"] = {"sources": [several["spec"]["source"]], "source": None}
    several["status"]["sync"]["comparedTo"] = {"source": {"repoURL": ""}, "sources": several["spec"]["sources"]}
    assert compared(application, several, SHA)


def test_of_a_chart_the_revision_is_its_version(application: Application) -> None:
    (source,) = application.sources
    several = replace(application, sources=(replace(source, path="", chart="web"), source))
    there = live(application)
    there["status"]["sync"]["revisions"] = ["1.2.3", SHA]
    assert compared(several, there, SHA)
    there["status"]["sync"]["revisions"] = ["1.2.3", "f" * 40]
    assert not compared(several, there, SHA)
