"""After a revert everything is as before: objects, fields, history, and the answers of what it does not concern."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks import request_loop, rollback
from platform_e2e.checks.external_client import ProbeResult
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer
from platform_e2e.layer.objects import SYNC_OPTIONS
from tests.fakes import layers
from tests.fakes.recorded_view import made
from tests.fakes.rendered import rendered

FORCED = f"""
apiVersion: v1
kind: Service
metadata: {{name: shop, namespace: shop, annotations: {{{SYNC_OPTIONS}: "Replace=true,Force=true"}}}}
"""


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def test_the_demo_layer_changes_objects_in_place(demo: Layer) -> None:
    assert [finding for application in demo.applications for finding in rollback.check(application)] == []


def test_what_a_commit_may_delete_is_told(demo: Layer) -> None:
    application = demo.application("metallb-config")
    (finding,) = rollback.check(replace(application, objects=tuple(rendered(FORCED))))
    assert (finding.object, finding.promise, finding.cause.id) == (
        "service/shop -n shop",
        "rollback",
        "sync-deletes-first",
    )
    assert (
        finding.cause.sentence.endswith("its annotation argocd.argoproj.io/sync-options has Replace=true,Force=true")
        is False
    )
    assert finding.cause.sentence.endswith("its annotation argocd.argoproj.io/sync-options has Force=true")
    (finding,) = rollback.check(replace(application, sync_policy={"syncOptions": ["Force=true"]}))
    assert (finding.object, finding.cause.id) == ("application/metallb-config -n argocd", "sync-deletes-first")


@pytest.mark.parametrize(
    "text",
    [
        FORCED.replace("kind: Service", "kind: Job"),
        FORCED.replace(",Force=true", ""),
        FORCED.replace("annotations: {", "annotations: {platform-e2e/exempt-rollback: 'it is made anew', "),
    ],
    ids=["job", "replace", "exempt"],
)
def test_what_keeps_nothing_or_says_why_may_be_made_again(demo: Layer, text: str) -> None:
    assert rollback.check(replace(demo.application("metallb-config"), objects=tuple(rendered(text)))) == []


def config_map(name: str, colour: str = "blue", **metadata: Any) -> Object:
    return made("v1/ConfigMap", name, "ns", data={"colour": colour}, metadata=metadata)


A, B = config_map("a"), config_map("b")


def test_what_only_the_server_sets_may_differ() -> None:
    assert rollback.equal([A, B], [B, config_map("a", resourceVersion="9", uid="another")]) == []


@pytest.mark.parametrize(
    ("after", "name", "observed"),
    [
        ([A], "configmap/b -n ns", "it is not"),
        ([A, B, config_map("c")], "configmap/c -n ns", "it is"),
        ([A, config_map("b", "red")], "configmap/b -n ns", "/data/colour: expected 'blue', is 'red'"),
    ],
)
def test_what_is_not_as_before_is_told(after: list[Object], name: str, observed: str) -> None:
    (finding,) = rollback.equal([A, B], after)
    assert (finding.object, finding.cause.id, finding.observed) == (name, "rollback-incomplete", observed)


def test_a_service_that_was_removed_and_made_again_may_have_another_cluster_ip() -> None:
    def service(ip: str, uid: str, port: int = 80) -> Object:
        spec = {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"port": port}]}
        return made("v1/Service", "shop", "ns", metadata={"uid": uid}, spec=spec)

    before = service("10.0.0.1", "one")
    assert rollback.equal([before], [service("10.0.0.2", "two")]) == []
    assert rollback.equal([before], [service("10.0.0.2", "two", 81)]) != []
    assert rollback.equal([before], [service("10.0.0.2", "one")]) != []


def test_an_object_that_was_made_again_is_told() -> None:
    assert rollback.untouched([A], [A]) == []
    assert rollback.untouched([A], [config_map("a", uid="another")])[0].object == "configmap/a -n ns"
    # That it is gone is told by the comparison.
    assert rollback.untouched([A], []) == []


def application(*revisions: str, automated: bool = True) -> Object:
    history = [
        {"id": number, "revision": sha, "initiatedBy": {"automated": automated}} for number, sha in enumerate(revisions)
    ]
    return made("argoproj.io/v1alpha1/Application", "app", "argocd", status={"history": history})


def test_the_history_tells_of_the_revert() -> None:
    before = application("one", "two")
    assert rollback.recorded(before, application("one", "two", "three"), "three", more=1) == []
    for after in (before, application("one", "two", "four"), application("one", "two", "three", automated=False)):
        assert [finding.cause.id for finding in rollback.recorded(before, after, "three", more=1)] == [
            "rollback-not-recorded"
        ]
    assert rollback.recorded(application(), application(), "three", more=1)[0].observed == (
        "the last entry is of no sync, and there are 0 more"
    )


GOOD = ProbeResult("HTTP", "http://192.0.2.1/", "", True, 0.01)


def test_every_request_counts() -> None:
    enough, outcomes = threading.Event(), [GOOD, replace(GOOD, problem="refused"), GOOD]

    def ask() -> ProbeResult:
        if len(outcomes) == 1:
            enough.set()
        return outcomes.pop(0) if len(outcomes) > 1 else outcomes[0]

    with request_loop.asking({"service/shop -n shop": ask}) as answers:
        assert enough.wait(5)
    assert request_loop.figures(answers)["failed requests"] == 1
    (finding,) = request_loop.check(answers, "a rollback")
    assert finding.cause.id == "requests-lost"
    assert "first http://192.0.2.1/: refused" in finding.cause.sentence


def test_what_was_never_asked_is_not_taken_for_sound() -> None:
    assert request_loop.check({"a": request_loop.Answers()}, "x")[0].observed == "0 of 0 requests failed"
    assert request_loop.check({"a": request_loop.Answers(asked=3)}, "x") == []
    assert request_loop.check({}, "x") == []
