"""Drift that Argo CD was told to look away from is found, with the rule; what it does see is no finding of this check."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.checks.git_differences import Difference
from platform_e2e.checks.ignore_differences import Rule, check, rules
from platform_e2e.diagnosis.causes import promise_of
from platform_e2e.finding import Promise
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Rendered
from tests.fakes.recorded_view import made

GIT = made("apps/v1/Deployment", "chat", "chat-dev", spec={"replicas": 1})
ONE = Rendered(GIT, "chat-dev", "manifests/chat/base/deployment.yaml", 3)
REPLICAS = Difference("/spec/replicas", 1, 2)
IMAGE = Difference("/spec/template/spec/containers/0/image", "a", "b")


def app(*entries: dict[str, Any]) -> Object:
    return made("argoproj.io/v1alpha1/Application", "chat-dev", "argocd", spec={"ignoreDifferences": list(entries)})


def live(**managed: Any) -> Object:
    containers = [{"name": "chat", "image": "b"}]
    spec = {"replicas": 2, "template": {"spec": {"containers": containers}}}
    return made("apps/v1/Deployment", "chat", "chat-dev", spec=spec, metadata={"managedFields": [managed]})


def found(
    entry: dict[str, Any], *different: Difference, status: str = "Synced", obj: Object | None = None
) -> list[str]:
    known = rules(app({"group": "apps", "kind": "Deployment", **entry}), None)
    findings = check(ONE, obj or live(), different or (REPLICAS,), status, known)
    return [d["path"] for one in findings for d in one.details["differences"]]


def test_the_finding_names_field_values_rule_and_file() -> None:
    entry = {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}
    (one,) = check(ONE, live(), [REPLICAS], "Synced", rules(app(entry), None))
    assert one.object == "deployment/chat -n chat-dev"
    assert (one.expected, one.observed) == ("/spec/replicas is 1 as in Git", "it is 2")
    assert one.cause.id == "drift-ignored"
    assert one.cause.sentence == (
        "deployment/chat -n chat-dev is not as in Git at /spec/replicas, and application/chat-dev says Synced: "
        "spec.ignoreDifferences of application/chat-dev lets it differ"
    )
    assert "manifests/chat/base/deployment.yaml" in one.cause.remedy
    assert promise_of(one.cause, Promise.APPLICATIONS) == Promise.SELFHEAL


@pytest.mark.parametrize(
    "entry",
    [
        {"jsonPointers": ["/spec/replicas"]},
        {"jsonPointers": ["/spec"]},
        {"jqPathExpressions": [".spec.replicas"]},
        {"jqPathExpressions": ['.["spec"].replicas']},
        {"name": "chat", "namespace": "chat-dev", "jsonPointers": ["/spec/replicas"]},
        {"group": "*", "kind": "*", "jsonPointers": ["/spec/replicas"]},
    ],
)
def test_a_rule_that_covers_the_field_hides_it(entry: dict[str, Any]) -> None:
    assert found(entry) == ["/spec/replicas"]


@pytest.mark.parametrize(
    "entry",
    [
        {"jsonPointers": ["/spec/replica"]},
        {"jsonPointers": ["/spec/replicasMore"]},
        {"jqPathExpressions": [".spec.template"]},
        {"kind": "StatefulSet", "jsonPointers": ["/spec/replicas"]},
        {"group": "", "jsonPointers": ["/spec/replicas"]},
        {"name": "other", "jsonPointers": ["/spec/replicas"]},
        {"namespace": "chat-prod", "jsonPointers": ["/spec/replicas"]},
        {"managedFieldsManagers": ["kube-controller-manager"]},
    ],
)
def test_a_rule_about_something_else_hides_nothing(entry: dict[str, Any]) -> None:
    assert found(entry) == []


def test_items_of_lists_are_covered_by_jq_paths() -> None:
    assert found({"jqPathExpressions": [".spec.template.spec.containers[].image"]}, IMAGE) == [IMAGE.path]
    assert found({"jqPathExpressions": [".spec.template.spec.containers[1].image"]}, IMAGE) == []
    # What only jq understands counts from where it begins.
    selected = '.spec.template.spec.containers[] | select(.name == "chat")'
    assert found({"jqPathExpressions": [selected]}, IMAGE, REPLICAS) == [IMAGE.path]


def test_the_fields_of_a_manager_are_hidden() -> None:
    entry = {"managedFieldsManagers": ["autoscaler"]}
    owner = live(manager="autoscaler", fieldsV1={"f:spec": {"f:replicas": {}}})
    assert found(entry, obj=owner) == ["/spec/replicas"]
    assert found(entry, IMAGE, obj=owner) == []
    assert found(entry, obj=live(manager="kubectl", fieldsV1={"f:spec": {"f:replicas": {}}})) == []


def test_what_argo_cd_sees_is_none_of_this_check() -> None:
    assert found({"jsonPointers": ["/spec/replicas"]}, status="OutOfSync") == []
    assert found({"jsonPointers": ["/spec/replicas"]}, status="") == []


@pytest.mark.parametrize(
    ("name", "hides"),
    [("apps_Deployment", True), ("all", True), ("apps_StatefulSet", False), ("Deployment", False)],
)
def test_the_rules_of_the_whole_argo_cd_count(name: str, hides: bool) -> None:
    key = f"resource.customizations.ignoreDifferences.{name}"
    settings = made(
        "v1/ConfigMap", "argocd-cm", "argocd", data={key: "jsonPointers: [/spec/replicas]\n", "other": "[x"}
    )
    findings = check(ONE, live(), [REPLICAS], "Synced", rules(app(), settings))
    assert bool(findings) is hides
    assert all(f"{key} in configmap/argocd-cm" in one.cause.sentence for one in findings)


def test_a_rule_that_is_no_yaml_is_left_out() -> None:
    settings = made(
        "v1/ConfigMap", "argocd-cm", "argocd", data={"resource.customizations.ignoreDifferences.all": "a: [1"}
    )
    assert rules(app(), settings) == []
    assert Rule("", {}).about(ONE) is False
