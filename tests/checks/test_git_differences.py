from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_e2e.checks.git_differences import bare, changed, escaped, is_assigned, missing_from, quantity, value_at
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import made


def deployment(**spec: Any) -> Object:
    return made("apps/v1/Deployment", "chat", "chat-dev", spec={"replicas": 1, **spec})


def paths(git: Object, live: Object) -> list[str]:
    return [one.path for one in missing_from(git, live)]


def test_what_git_does_not_mention_is_no_difference() -> None:
    live = deployment(progressDeadlineSeconds=600)
    live["metadata"]["annotations"] = {"somebody/else": "x"}
    live["status"] = {"replicas": 1}
    assert missing_from(deployment(), live) == []


@pytest.mark.parametrize("said", [{"values": ""}, {}, {"valuesObject": {}, "skipCrds": False, "valueFiles": []}])
@pytest.mark.parametrize("several", [False, True])
def test_what_argo_cd_removes_of_an_application_is_no_difference(said: Object, *, several: bool) -> None:
    def application(**helm: Any) -> Object:
        source = {"repoURL": "https://charts.example", "chart": "a", **helm}
        return made(argocd.APPLICATION, "a", "argocd", spec={"sources": [source]} if several else {"source": source})

    assert paths(application(helm=said), application()) == []
    assert paths(application(helm={**said, "releaseName": "b"}), application()) == [
        f"/spec/{'sources/0' if several else 'source'}/helm"
    ]


def test_what_a_generator_leaves_in_a_manifest_is_no_difference() -> None:
    """As controller-gen does in each CRD."""
    git, live = made("v1/Service", "a", "b", spec={"x": 1}), made("v1/Service", "a", "b", spec={"x": 1})
    git["metadata"]["creationTimestamp"] = None
    git["status"] = {"acceptedNames": {"kind": ""}, "conditions": None}
    live["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    live["status"] = {"acceptedNames": {"kind": "A"}}
    assert missing_from(git, live) == []
    git["spec"]["x"] = 2
    assert [each.path for each in missing_from(git, live)] == ["/spec/x"]


def test_every_field_that_differs_is_named() -> None:
    git = deployment(
        template={"spec": {"containers": [{"name": "chat", "image": "chat:1", "env": [{"name": "A"}]}]}}, paused=True
    )
    live = deployment(replicas=2, template={"spec": {"containers": [{"name": "chat", "image": "chat:2", "env": []}]}})
    assert sorted(paths(git, live)) == [
        "/spec/paused",
        "/spec/replicas",
        "/spec/template/spec/containers/0/env",
        "/spec/template/spec/containers/0/image",
    ]


def test_a_difference_says_both_sides() -> None:
    (one,) = missing_from(deployment(), deployment(replicas=3))
    assert str(one) == "/spec/replicas: expected 1, is 3"


def test_an_item_too_many_is_a_difference() -> None:
    assert paths(deployment(args=["a"]), deployment(args=["a", "b"])) == ["/spec/args"]


def test_items_may_be_completed_by_the_api_server() -> None:
    git = made("v1/Service", "chat", spec={"ports": [{"port": 80}]})
    live = made("v1/Service", "chat", spec={"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]})
    assert missing_from(git, live) == []


@pytest.mark.parametrize("empty", [{}, [], "", 0, False, None])
def test_what_is_empty_may_be_left_out(empty: object) -> None:
    assert missing_from(deployment(extra=empty), deployment()) == []


def test_null_asks_for_absence() -> None:
    assert paths(deployment(strategy=None), deployment(strategy={"type": "Recreate"})) == ["/spec/strategy"]


def test_true_is_not_one() -> None:
    assert paths(deployment(paused=True), deployment(paused=1)) == ["/spec/paused"]


@pytest.mark.parametrize(
    ("git", "live", "same"),
    [("0.5", "500m", True), ("1024Mi", "1Gi", True), (1, "1", True), ("1", "1001m", False), ("1G", "1Gi", False)],
)
def test_quantities_are_compared_by_value(git: object, live: object, same: bool) -> None:
    one = deployment(resources={"limits": {"memory": git}})
    assert (missing_from(one, deployment(resources={"limits": {"memory": live}})) == []) == same


def test_only_quantities_are_quantities() -> None:
    assert paths(deployment(image="1"), deployment(image="1000m")) == ["/spec/image"]


@given(st.integers(-(10**12), 10**12))
def test_a_number_is_its_own_quantity(number: int) -> None:
    assert quantity(number) == Decimal(number)
    assert quantity(f"{number}k") == Decimal(number) * 1000
    assert quantity(f"{number}Ki") == Decimal(number) * 1024


def test_a_secret_shows_no_values() -> None:
    git = made("v1/Secret", "key", data={"password": "aHVudGVyMg=="})
    live = made("v1/Secret", "key", data={"password": "c2VjcmV0"})
    (one,) = missing_from(git, live)
    assert one.path == "/data/password"
    assert "aHVudGVyMg" not in str(one)
    assert "c2VjcmV0" not in str(one)


def test_the_plain_text_of_a_secret_is_not_shown_either() -> None:
    git = made("v1/Secret", "key", stringData={"password": "hunter2"})
    assert "hunter2" not in " ".join(map(str, missing_from(git, made("v1/Secret", "key"))))


@pytest.mark.point("string-data")
@pytest.mark.parametrize("text", ["hunter2", "", "zwölf", "a: 1\nb: 2\n"])
def test_the_plain_text_of_a_secret_is_what_the_api_server_makes_of_it(text: str) -> None:
    git = made("v1/Secret", "key", stringData={"a": text}, data={"b": "eA=="})
    stored = {"a": base64.b64encode(text.encode()).decode(), "b": "eA=="}
    assert missing_from(git, made("v1/Secret", "key", data=stored)) == []
    assert missing_from(git, made("v1/Secret", "key", data={**stored, "more": "eA=="})) == []
    (one,) = missing_from(git, made("v1/Secret", "key", data={**stored, "a": "Y2hhbmdlZA=="}))
    assert (one.path, one.expected, one.observed) == ("/data/a", "[redacted]", "[redacted]")


@pytest.mark.point("string-data")
def test_plain_text_wins_over_data_as_with_the_api_server() -> None:
    git = made("v1/Secret", "key", stringData={"a": "new"}, data={"a": "b2xk"})
    assert missing_from(git, made("v1/Secret", "key", data={"a": "bmV3"})) == []


def test_an_object_made_anew_is_what_it_was() -> None:
    before, after = deployment(), deployment()
    after["metadata"].update(
        uid="other", resourceVersion="99", generation=3, creationTimestamp="2026-02-02T00:00:00Z", managedFields=[]
    )
    after["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    after["status"] = {"replicas": 0}
    assert changed(before, after) == []
    assert before == deployment()


def test_an_addition_is_a_change() -> None:
    after = deployment(paused=True)
    after["metadata"]["labels"] = {"a": "b"}
    assert [one.path for one in changed(deployment(), after)] == ["/metadata/labels", "/spec/paused"]


def test_bare_leaves_the_object_alone() -> None:
    one = deployment()
    bare(one)
    assert one["metadata"]["uid"] == "uid-chat"


@given(st.dictionaries(st.text(), st.integers(), min_size=1))
def test_every_key_is_found_by_its_pointer(data: dict[str, int]) -> None:
    assert all(value_at({"data": data}, f"/data/{escaped(key)}") == value for key, value in data.items())


@pytest.mark.parametrize("pointer", ["/a/1/b", "/a/7", "/a/x", "/b", "/a/0/b/c"])
def test_a_pointer_to_nothing_finds_none(pointer: str) -> None:
    assert value_at({"a": [{"b": 1}, {"c": 2}]}, pointer) is None


def test_what_argo_cd_is_asked_for_is_no_change_of_an_application() -> None:
    app = made("argoproj.io/v1alpha1/Application", "one", "argocd", spec={"project": "p"})
    asked = {
        **app,
        "operation": {"sync": {}},
        "metadata": {**app["metadata"], "annotations": {argocd.REFRESH: "normal"}},
    }
    assert changed(asked, app) == changed(app, asked) == []
    assert [one.path for one in changed(app, {**app, "spec": {"project": "q"}})] == ["/spec/project"]
    quota = made("v1/ResourceQuota", "one", "n")
    assert [one.path for one in changed(quota, {**quota, "operation": {}})] == ["/operation"]


@pytest.mark.parametrize(
    ("kind", "path", "assigned"),
    [
        ("v1/Service", "/spec/clusterIP", True),
        ("v1/Service", "/spec/clusterIPs/0", True),
        ("v1/Service", "/spec/ports/1/nodePort", True),
        ("v1/Service", "/spec/ports/1/port", False),
        ("v1/Service", "/spec/clusterIPPolicy", False),
        ("v1/PersistentVolumeClaim", "/spec/volumeName", True),
        ("batch/v1/Job", "/spec/selector/matchLabels/batch.kubernetes.io~1controller-uid", True),
        ("v1/ConfigMap", "/spec/clusterIP", False),
    ],
)
def test_what_an_object_gets_when_it_is_made(kind: str, path: str, *, assigned: bool) -> None:
    """A Service without an address in Git has another after it was deleted and made again; that is as in Git."""
    assert is_assigned(made(kind, "one", "ns"), path) is assigned
