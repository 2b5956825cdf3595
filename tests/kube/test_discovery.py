"""Words for kinds, as kubectl takes them, from what the API server tells of itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from platform_e2e.kube.client import Kube
from platform_e2e.kube.discovery import UnknownKind, kinds
from tests.fakes.scripted_api import ScriptedApi


@pytest.fixture(params=[True, False], ids=["aggregated", "by group"])
def api(request: pytest.FixtureRequest) -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    api.aggregated = request.param
    api.serve("argoproj.io/v1alpha1", "applications", "Application", "app", "apps")
    api.serve("metallb.io/v1beta1", "ipaddresspools", "IPAddressPool", status=False)
    api.serve("example.org/v1", "pods", "Pod", "po")  # a CRD that is called like a kind of the core
    yield api
    api.stop()


@pytest.fixture
def kube(api: ScriptedApi) -> Iterator[Kube]:
    with api.client(patience=0) as kube:
        yield kube


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("deploy", "apps/v1/Deployment"),
        ("deployment", "apps/v1/Deployment"),
        ("deployments", "apps/v1/Deployment"),
        ("Deployment", "apps/v1/Deployment"),
        ("deployments.apps", "apps/v1/Deployment"),
        ("deploy.v1.apps", "apps/v1/Deployment"),
        ("app", "argoproj.io/v1alpha1/Application"),
        ("application.argoproj.io", "argoproj.io/v1alpha1/Application"),
        ("ipaddresspool", "metallb.io/v1beta1/IPAddressPool"),
        ("po", "v1/Pod"),
        ("pods", "v1/Pod"),
        ("pods.v1", "v1/Pod"),
        ("pods.example.org", "example.org/v1/Pod"),
    ],
)
def test_a_kind_is_found_by_each_of_its_words(kube: Kube, word: str, kind: str) -> None:
    assert kinds(kube).require(word).resource.kind == kind


def test_a_kind_knows_where_it_lives_and_whether_somebody_tells_its_status(kube: Kube) -> None:
    known = kinds(kube)
    pool, namespace = known.require("ipaddresspool"), known.require("ns")
    assert (pool.resource.namespaced, pool.has_status) == (True, False)
    assert (namespace.resource.namespaced, namespace.has_status) == (False, True)
    assert "watch" in pool.resource.verbs


def test_another_group_or_version_is_another_kind(kube: Kube) -> None:
    assert kinds(kube).find("deployments.extensions") is None
    assert kinds(kube).find("deployments.v1beta1.apps") is None


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("deploymnt", "did you mean deployment? `kubectl api-resources`"),
        ("aplication.argoproj.io", "did you mean application? "),
        ("xyz", "`kubectl api-resources` lists all 9 kinds"),
    ],
)
def test_an_unknown_kind_is_wrong_usage_that_offers_the_nearest(kube: Kube, word: str, remedy: str) -> None:
    with pytest.raises(UnknownKind) as error:
        kinds(kube).require(word)
    assert error.value.problem == f"the API server serves no kind `{word}`"
    assert error.value.remedy.startswith(remedy)
    assert error.value.exit_code == 4


def test_all_kinds_are_known_after_two_requests() -> None:
    api = ScriptedApi()
    with api.client(patience=0) as kube:
        kinds(kube)
    assert api.asked() == 2
    api.stop()


def test_a_group_that_does_not_answer_does_not_hide_the_others(api: ScriptedApi, kube: Kube) -> None:
    api.aggregated = False
    api.fail("GET", "/apis/metallb.io/v1beta1", 503)
    known = kinds(kube)
    assert known.find("ipaddresspool") is None
    assert known.find("app") is not None
