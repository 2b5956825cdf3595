"""Each sync leads to a commit, each operation to who began it, each field to who wrote it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks import audit
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer
from tests.fakes import layers
from tests.fakes.argocd import SHA, converged
from tests.fakes.recorded_view import made


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def test_an_application_without_a_history_is_told(demo: Layer) -> None:
    assert [finding for application in demo.applications for finding in audit.check(application)] == []
    root = demo.application("platform")
    none = {**root.manifest, "spec": {**root.manifest["spec"], "revisionHistoryLimit": 0}}
    (finding,) = audit.check(replace(root, manifest=none))
    assert (finding.promise, finding.cause.id) == ("audit", "history-not-kept")
    assert finding.cause.sentence.endswith("spec.revisionHistoryLimit is 0")


def operation(**by: Any) -> Object:
    app = converged()
    app["status"]["operationState"]["operation"]["initiatedBy"] = by
    return app


def test_a_commit_that_git_does_not_have_is_told() -> None:
    assert audit.traced(converged(), lambda sha: sha == SHA) == []
    (finding,) = audit.traced(converged(), lambda _: False)
    assert finding.cause.id == "sync-of-unknown-commit"
    assert SHA[:12] in finding.cause.sentence


def test_revisions_of_other_sources_are_not_looked_for_in_the_layer() -> None:
    app = converged()
    app["spec"]["sources"] = [
        {"chart": "shop", "repoURL": "https://charts.example"},
        {"repoURL": "git://git/platform.git"},
    ]
    app["status"]["sync"]["revisions"] = ["1.2.3", SHA]
    app["status"]["history"][0] = {"id": 0, "revisions": ["1.2.3", SHA]}
    assert audit.traced(app, lambda sha: sha == SHA) == []
    assert [finding.observed for finding in audit.traced(app, lambda _: False)] == [SHA[:12]]


def test_an_operation_that_nobody_began_is_told() -> None:
    assert audit.traced(operation(username="admin"), lambda _: True) == []
    assert [finding.cause.id for finding in audit.traced(operation(), lambda _: True)] == ["sync-of-nobody"]


def test_a_heal_is_argo_cds_own() -> None:
    app = operation(username="admin")
    app["status"]["operationState"]["operation"]["sync"]["autoHealAttemptsCount"] = 1
    assert [finding.cause.id for finding in audit.traced(app, lambda _: True)] == ["heal-not-automated"]


def config_map(*entries: dict[str, str]) -> Object:
    return made("v1/ConfigMap", "a", "ns", metadata={"managedFields": list(entries)})


def test_writes_of_others_have_their_manager_and_time() -> None:
    argo = {"manager": "argocd-controller", "operation": "Apply", "time": "2026-01-01T00:00:00Z"}
    hand = {"manager": "kubectl-edit", "operation": "Update", "subresource": "scale", "time": "2026-01-02T00:00:00Z"}
    assert audit.writes([config_map(argo, hand)]) == [
        audit.Write("configmap/a -n ns", "kubectl-edit", "Update scale", "2026-01-02T00:00:00Z")
    ]
    assert audit.anonymous([config_map(argo, hand)]) == []
    assert audit.anonymous([config_map({"manager": "platform-e2e", "operation": "Apply"})]) == []


@pytest.mark.parametrize(
    ("entries", "observed"),
    [((), "it has no managedFields"), (({"time": "2026-01-01T00:00:00Z"},), "an entry has no manager")],
)
def test_what_does_not_tell_who_wrote_it_is_told(entries: tuple[dict[str, str], ...], observed: str) -> None:
    (finding,) = audit.anonymous([config_map(*entries)])
    assert (finding.cause.id, finding.observed) == ("writer-unknown", observed)
