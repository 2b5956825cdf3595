"""What a kept cluster has of earlier layers and settings: told from what is Argo CD's own, and removed or named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import bringup_phases
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.foundations import release_store
from platform_e2e.gitops import argocd, argocd_requests, leftovers
from platform_e2e.gitops.leftovers import MadeForAnother
from platform_e2e.kube.client import MANAGER, Kube
from platform_e2e.layer import Layer
from platform_e2e.timeline import Timeline
from tests.fakes import layers
from tests.fakes.argocd import ChangingKube, converged
from tests.fakes.scripted_api import ScriptedApi

pytestmark = pytest.mark.point("kept-cluster-as-new")

TESTS = "platform-e2e/run"
BY_ARGOCD = [{"manager": "argocd-controller", "operation": "Update"}]
BY_US = [{"manager": MANAGER, "operation": "Apply"}]
INSTANCE = "argocd.argoproj.io/instance"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApi]:
    """Be a cluster that tracks by annotation, where the Application `one` has the ConfigMap `one`."""
    monkeypatch.setattr(leftovers, "GONE_SECONDS", 0.3)
    api = ScriptedApi()
    api.serve("argoproj.io/v1alpha1", "applications", "Application")
    api.serve("argoproj.io/v1alpha1", "applicationsets", "ApplicationSet")
    api.serve("argoproj.io/v1alpha1", "appprojects", "AppProject")
    api.put("configmaps", "argocd", "argocd-cm", data={"application.instanceLabelKey": INSTANCE})
    own = {"version": "v1", "kind": "ConfigMap", "namespace": "one", "name": "one", "status": "Synced"}
    api.put("applications", "argocd", "one", metadata={"managedFields": BY_US}, status={"resources": [own]})
    marked(api, "one", annotation="one")
    yield api
    api.stop()


@pytest.fixture
def kube(api: ScriptedApi) -> Iterator[Kube]:
    with api.client() as kube:
        yield kube


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    """Return a layer with one Application, `one`."""
    return layers.load(layers.write(tmp_path, {}))


def marked(api: ScriptedApi, name: str, annotation: str = "", label: str = "", **metadata: Any) -> None:
    """Put a ConfigMap with marks of Argo CD."""
    annotations = {"argocd.argoproj.io/tracking-id": f"{annotation}:/ConfigMap:one/{name}"} if annotation else {}
    made = {"annotations": annotations, "labels": {INSTANCE: label} if label else {}, "managedFields": BY_ARGOCD}
    api.put("configmaps", "one", name, metadata={**made, **metadata}, data={})


def removed(kube: Kube, layer: Layer, *, settled: bool = True) -> list[str]:
    return leftovers.remove(kube, layer, cluster="e2e", spared=TESTS, settled=settled)


def test_a_cluster_as_a_new_one_would_be_loses_nothing(api: ScriptedApi, kube: Kube, layer: Layer) -> None:
    api.put("configmaps", "one", "kube-root-ca.crt", data={})
    api.put("configmaps", "one", "helms", metadata={"labels": {INSTANCE: "argocd", "app.kubernetes.io/instance": "x"}})
    marked(api, "to-be-pruned", annotation="one")
    marked(api, "copy", annotation="gone", annotations={"argocd.argoproj.io/tracking-id": "gone:/ConfigMap:one/other"})
    marked(api, "owned", annotation="gone", ownerReferences=[{"kind": "X", "name": "x", "uid": "1"}])
    sandbox = {"labels": {TESTS: "1"}, "managedFields": BY_US}
    api.put("applications", "argocd", "sandbox", metadata=sandbox, status={})
    marked(api, "of-a-test", annotation="sandbox")
    assert removed(kube, layer) == []
    assert api.asked("DELETE") == 0


def test_objects_of_an_application_that_went_without_a_finalizer_go(api: ScriptedApi, kube: Kube, layer: Layer) -> None:
    marked(api, "orphan", annotation="gone")
    assert removed(kube, layer) == ["ConfigMap orphan -n one"]
    assert kube.get("v1/ConfigMap", "orphan", "one") is None
    assert kube.get("v1/ConfigMap", "one", "one") is not None


def test_objects_without_a_namespace_are_known_by_their_mark_too(api: ScriptedApi, kube: Kube, layer: Layer) -> None:
    api.serve("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", namespaced=False)
    for name, app, of in (("a:b", "gone", "a:b"), ("a:c", "one", "a:c"), ("a:d", "gone", "a:x")):
        mark = {"argocd.argoproj.io/tracking-id": f"{app}:rbac.authorization.k8s.io/ClusterRole:one/{of}"}
        api.put("clusterroles", "", name, metadata={"annotations": mark, "managedFields": BY_ARGOCD})
    assert removed(kube, layer) == ["ClusterRole a:b"]


def test_what_was_applied_by_hand_for_an_earlier_layer_goes_with_what_it_made(
    api: ScriptedApi, kube: Kube, layer: Layer
) -> None:
    api.put("applications", "argocd", "earlier", metadata={"managedFields": BY_US}, status={})
    api.put("appprojects", "argocd", "earlier", metadata={"managedFields": BY_US})
    api.put("appprojects", "argocd", "default", metadata={"managedFields": [{"manager": "argocd-server"}]})
    marked(api, "of-it", annotation="earlier")
    assert set(removed(kube, layer)) == {
        "Application earlier -n argocd",
        "AppProject earlier -n argocd",
        "ConfigMap of-it -n one",
    }
    assert kube.get(argocd.APPPROJECT, "default", "argocd") is not None


def test_what_bears_only_the_mark_of_another_method_and_is_not_in_git_goes(
    api: ScriptedApi, kube: Kube, layer: Layer
) -> None:
    marked(api, "tracked-by-label", label="one")
    assert removed(kube, layer) == ["ConfigMap tracked-by-label -n one"]


def test_the_other_way_round_too(api: ScriptedApi, kube: Kube, layer: Layer) -> None:
    settings = {"application.instanceLabelKey": INSTANCE, "application.resourceTrackingMethod": "label"}
    api.put("configmaps", "argocd", "argocd-cm", data=settings)
    marked(api, "one", label="one")
    marked(api, "tracked-by-annotation", annotation="one")
    assert removed(kube, layer) == ["ConfigMap tracked-by-annotation -n one"]


def test_an_object_of_git_that_argocd_does_not_know_as_its_own_means_another_cluster(
    api: ScriptedApi, kube: Kube, layer: Layer
) -> None:
    marked(api, "one", label="one")
    with pytest.raises(MadeForAnother) as caught:
        removed(kube, layer)
    assert caught.value.exit_code == 3
    assert "kept cluster e2e differs from a new one: ConfigMap one -n one" in caught.value.problem
    assert caught.value.remedy == "make it again: nox -s cluster -- down e2e, then the same command"


def test_before_the_sync_with_new_settings_a_mark_that_is_to_come_is_not_missed(
    api: ScriptedApi, kube: Kube, layer: Layer
) -> None:
    marked(api, "one", label="one")
    assert removed(kube, layer, settled=False) == []


@pytest.mark.parametrize(
    "told",
    [
        ("Prune=false", {"automated": {"prune": True}}, True),
        ("Delete=false, Prune=confirm", {"automated": {"prune": True}}, True),
        ("", {"automated": {}}, True),
        ("", {"automated": {"prune": True}, "syncOptions": ["Prune=false"]}, True),
        ("", {"automated": {"prune": True}}, False),
    ],
)
def test_what_argocd_was_told_to_keep_goes_with_the_layer_that_had_it(
    api: ScriptedApi, kube: Kube, layer: Layer, told: tuple[str, dict[str, Any], bool]
) -> None:
    options, policy, goes = told
    api.serve("v1", "namespaces", "Namespace", namespaced=False)
    entries = [
        {"version": "v1", "kind": "ConfigMap", "namespace": "one", "name": "kept", "requiresPruning": True},
        {"version": "v1", "kind": "Namespace", "name": "one", "requiresPruning": True},
        {"version": "v1", "kind": "ConfigMap", "namespace": "one", "name": "one", "status": "Synced"},
    ]
    api.put("applications", "argocd", "one", metadata={"managedFields": BY_US}, spec={"syncPolicy": policy},
            status={"resources": entries})  # fmt: skip
    said = {"argocd.argoproj.io/sync-options": options}
    mark = {"argocd.argoproj.io/tracking-id": "one:/ConfigMap:one/kept"}
    marked(api, "kept", annotations={**mark, **said})
    api.put(
        "namespaces",
        "",
        "one",
        metadata={"annotations": {"argocd.argoproj.io/tracking-id": "one:/Namespace:/one", **said}},
    )
    found = removed(kube, layer)
    assert [line.partition(",")[0] for line in found] == (["ConfigMap kept -n one", "Namespace one"] if goes else [])
    namespace = kube.get("v1/Namespace", "one")
    assert namespace is not None
    assert ("argocd.argoproj.io/tracking-id" in namespace["metadata"].get("annotations", {})) is not goes
    assert (kube.get("v1/ConfigMap", "kept", "one") is None) is goes


def test_what_does_not_go_means_another_cluster(api: ScriptedApi, kube: Kube, layer: Layer) -> None:
    marked(api, "orphan", annotation="gone")
    api.fail("DELETE", "orphan", 200, times=99, body={"kind": "Status"})
    with pytest.raises(MadeForAnother, match="ConfigMap orphan -n one of an earlier layer cannot be removed"):
        removed(kube, layer)


def test_an_application_is_synced_as_argocd_itself_would_and_every_object_is_applied() -> None:
    kube = ChangingKube()
    app = converged("one")
    app["spec"]["syncPolicy"] |= {
        "syncOptions": ["ServerSideApply=true", "ApplyOutOfSyncOnly=true"],
        "retry": {"limit": 2},
    }
    argocd_requests.ask_sync(kube, app)  # type: ignore[arg-type]
    ((_, name, patch),) = kube.patches
    assert name == "one"
    assert patch["operation"] == {
        "initiatedBy": {"automated": True},
        "retry": {"limit": 2},
        "sync": {"prune": True, "syncOptions": ["ServerSideApply=true"], "revision": "a" * 40},
    }


def test_only_what_is_automated_and_has_converged_is_synced_again(layer: Layer) -> None:
    kube = ChangingKube()
    kube.put(argocd.APPLICATION, converged("one"))
    leftovers.sync_again(kube, layer, {})  # type: ignore[arg-type]
    assert kube.patches == []
    leftovers.sync_again(kube, layer, {"one": 1.0})  # type: ignore[arg-type]
    assert [name for _, name, _ in kube.patches] == ["one"]
    by_hand = converged("one")
    del by_hand["spec"]["syncPolicy"]["automated"]
    kube.put(argocd.APPLICATION, by_hand)
    leftovers.sync_again(kube, layer, {"one": 1.0})  # type: ignore[arg-type]
    assert len(kube.patches) == 1


@pytest.mark.parametrize("going", [{"operation": {"sync": {}}}, {"status": {"operationState": {"phase": "Running"}}}])
def test_a_sync_is_asked_for_when_no_other_operation_goes_on(
    layer: Layer, monkeypatch: pytest.MonkeyPatch, going: dict[str, Any]
) -> None:
    monkeypatch.setattr(leftovers, "GONE_SECONDS", 5.0)
    kube = ChangingKube()
    app = converged("one")
    looks: list[int] = []

    def get(kind: str, name: str, namespace: str | None = None) -> Any:
        looks.append(len(kube.patches))
        return {**app, **going} if len(looks) < 3 else app

    monkeypatch.setattr(kube, "get", get)
    leftovers.sync_again(kube, layer, {"one": 1.0})  # type: ignore[arg-type]
    assert looks == [0, 0, 0]
    assert len(kube.patches) == 1


def test_a_release_that_the_layer_has_no_more_means_another_cluster(
    api: ScriptedApi, kube: Kube, layer: Layer, tmp_path: Path
) -> None:
    labels = {"owner": "helm", "name": "metallb", "version": "1", release_store.FINGERPRINT: "x"}
    api.put("secrets", "metallb-system", "sh.helm.release.v1.metallb.v1", metadata={"labels": labels})
    theirs = {"owner": "helm", "name": "vault", "version": "1"}
    api.put("secrets", "vault", "sh.helm.release.v1.vault.v1", metadata={"labels": theirs})
    facts = ClusterFacts("e2e", "embedded", str(tmp_path), "", "v1", ())
    with pytest.raises(MadeForAnother, match="it has release metallb -n metallb-system of an earlier layer"):
        bringup_phases.install_foundations(kube, facts, None, (), helm=tmp_path, timeline=Timeline(None))  # type: ignore[arg-type]
