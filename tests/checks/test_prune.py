"""What keeps an object from being pruned, what a commit has pruned, and what belongs to no Application."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks import prune
from platform_e2e.gitops.leftovers import TRACKING
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Application, Layer
from platform_e2e.layer.objects import SYNC_OPTIONS
from tests.fakes import layers
from tests.fakes.recorded_view import made
from tests.fakes.rendered import rendered

NEVER = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings, namespace: shop, annotations: {{{SYNC_OPTIONS}: "Validate=false, Prune=false"}}}}
"""


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def one(demo: Layer, **policy: Any) -> Application:
    application = demo.application("metallb-config")
    return replace(application, sync_policy={**application.sync_policy, **policy})


def test_the_demo_layer_prunes_everything_that_git_drops(demo: Layer) -> None:
    assert [finding for application in demo.applications for finding in prune.check(application)] == []


def test_an_object_that_is_never_pruned_is_told_with_its_line(demo: Layer) -> None:
    (finding,) = prune.check(replace(one(demo), objects=tuple(rendered(NEVER))))
    assert (finding.object, finding.promise, finding.cause.id) == (
        "configmap/settings -n shop",
        "prune",
        "prune-disabled",
    )
    assert finding.cause.sentence == (
        "configmap/settings -n shop stays when Git drops it: its annotation argocd.argoproj.io/sync-options has Prune=false"
    )
    assert "manifests/shop.yaml" in finding.cause.remedy


@pytest.mark.parametrize(
    "text",
    [
        NEVER.replace("ConfigMap", "PersistentVolumeClaim"),
        NEVER.replace("ConfigMap", "Namespace"),
        NEVER.replace("Prune=false", "PruneLast=true"),
        NEVER.replace("annotations: {", "annotations: {platform-e2e/exempt-prune: 'by hand', "),
        NEVER.replace("annotations: {", "annotations: {argocd.argoproj.io/hook: PreSync, "),
    ],
    ids=["data", "namespace", "prune-last", "exempt", "hook"],
)
def test_what_holds_data_or_says_why_may_be_kept(demo: Layer, text: str) -> None:
    assert prune.check(replace(one(demo), objects=tuple(rendered(text)))) == []


def test_options_of_the_whole_application_count_too(demo: Layer) -> None:
    (finding,) = prune.check(one(demo, syncOptions=["CreateNamespace=true", "Prune=false"]))
    assert finding.cause.id == "prune-disabled"
    assert "keeps everything that Git drops: spec.syncPolicy.syncOptions has Prune=false" in finding.cause.sentence
    (finding,) = prune.check(one(demo, automated={"prune": True, "allowEmpty": True}))
    assert finding.cause.id == "prune-everything-allowed"
    assert "spec.syncPolicy.automated.allowEmpty is true" in finding.cause.sentence


def config_map(name: str, uid: str = "", **metadata: Any) -> Object:
    return made("v1/ConfigMap", name, "ns", metadata={"uid": uid or name, **metadata})


def application(*names: str) -> Object:
    resources = [{"version": "v1", "kind": "ConfigMap", "namespace": "ns", "name": name} for name in names]
    return made("argoproj.io/v1alpha1/Application", "app", "argocd", status={"resources": resources})


A, B = config_map("a"), config_map("b")


def test_what_was_dropped_is_gone_and_its_neighbours_are_the_same() -> None:
    assert prune.pruned([A, B], [A], [B], application("a")) == []


@pytest.mark.parametrize(
    ("after", "listed", "cause", "observed"),
    [
        ([A, B], ("a", "b"), "prune-incomplete", "it is still there"),
        ([A], ("a", "b"), "prune-incomplete", "it is gone, and the Application still lists it"),
        ([config_map("a", "another")], ("a",), "prune-took-another", "it is another object of that name"),
        ([], (), "prune-took-another", "it is gone"),
    ],
)
def test_what_is_left_or_went_with_it_is_told(
    after: list[Object], listed: tuple[str, ...], cause: str, observed: str
) -> None:
    (finding,) = prune.pruned([A, B], after, [B], application(*listed))
    assert (finding.cause.id, finding.observed) == (cause, observed)


def test_an_application_names_what_it_would_have_to_prune() -> None:
    app = application("a", "b")
    app["status"]["resources"][1]["requiresPruning"] = True
    assert prune.requires_pruning(app) == ["configmap/b -n ns"]


def test_an_object_of_others_that_went_is_told() -> None:
    by_hand = made("v1/ConfigMap", "by-hand", "ns", {"app.kubernetes.io/instance": "app"})
    assert prune.taken([by_hand, A], [by_hand, A]) == []
    (finding,) = prune.taken([by_hand, A], [A])
    assert (finding.object, finding.cause.id) == ("configmap/by-hand -n ns", "prune-took-another")


def test_orphans_are_what_nothing_owns() -> None:
    def tracked(name: str, by: str) -> Object:
        return config_map(name, annotations={TRACKING: f"{by}:/ConfigMap:ns/a"})

    objects = [
        tracked("a", "app"),
        tracked("copied", "app"),
        tracked("a", "left"),
        config_map("kube-root-ca.crt"),
        config_map("owned", ownerReferences=[{"name": "x"}]),
        made("v1/ConfigMap", "labelled", "ns", {"app.kubernetes.io/instance": "app"}),
    ]
    assert prune.orphans(objects, ["app"]) == [
        "configmap/a -n ns",
        "configmap/copied -n ns",
        "configmap/labelled -n ns",
    ]
