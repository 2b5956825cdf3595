from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks.application_differences import as_in_git
from platform_e2e.checks.applicationsets import check
from platform_e2e.finding import Finding
from platform_e2e.layer import Layer
from tests.fakes import layers
from tests.fakes.recorded_view import RecordedView, made

pytestmark = pytest.mark.point("applicationset-ignores")


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def found(
    demo: Layer, annotations: dict[str, str] | None = None, parameters: dict[str, str] | None = None, **spec: Any
) -> list[Finding]:
    (owner,) = demo.applicationsets
    metadata = {**owner.manifest["metadata"], "annotations": annotations or {}}
    changed = replace(
        owner, manifest={**owner.manifest, "metadata": metadata, "spec": {**owner.manifest["spec"], **spec}}
    )
    made_by_it = [one for one in demo.applications if one.generated_by == owner.name]
    settings = [made("v1/ConfigMap", "argocd-cmd-params-cm", "argocd", data=parameters)] if parameters else []
    return check(changed, made_by_it, RecordedView(*settings))


def policy(name: str) -> dict[str, Any]:
    return {"syncPolicy": {"applicationsSync": name}}


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("create-only", "application-changed"),
        ("create-delete", "application-changed"),
        ("create-update", "application-not-pruning"),
    ],
)
def test_a_policy_by_which_it_does_not_keep_what_it_makes(demo: Layer, name: str, cause: str) -> None:
    (one,) = found(demo, **policy(name))
    assert (one.object, one.promise, one.cause.id) == ("applicationset/chat -n argocd", "applications", cause)
    assert f"spec.syncPolicy.applicationsSync is {name}" in one.cause.sentence
    assert "argocd/applicationsets/chat.yaml" in one.cause.remedy


def test_a_policy_that_keeps_all_of_it(demo: Layer) -> None:
    assert (
        found(demo)
        == found(demo, **policy("sync"))
        == found(demo, syncPolicy={"preserveResourcesOnDeletion": True})
        == []
    )


def test_the_policy_of_the_controller_outranks_its_own_unless_it_may_be_overridden(demo: Layer) -> None:
    general = {"applicationsetcontroller.policy": "create-only"}
    (one,) = found(demo, parameters=general)
    assert "applicationsetcontroller.policy in configmap/argocd-cmd-params-cm is create-only" in one.cause.sentence
    assert len(found(demo, parameters=general, **policy("sync"))) == 1
    assert (
        found(demo, parameters={**general, "applicationsetcontroller.enable.policy.override": "true"}, **policy("sync"))
        == []
    )


@pytest.mark.parametrize(
    "entry",
    [
        {"jsonPointers": ["/spec/syncPolicy"]},
        {"jqPathExpressions": [".spec.syncPolicy.retry.limit"]},
        {"name": "chat-prod", "jsonPointers": ["/spec/source/targetRevision"]},
    ],
    ids=str,
)
def test_a_field_of_the_template_that_it_ignores(demo: Layer, entry: dict[str, Any]) -> None:
    (one,) = found(demo, ignoreApplicationDifferences=[entry])
    assert one.cause.id == "application-changed"
    assert "spec.ignoreApplicationDifferences leaves its Applications as they are at /spec/" in one.cause.sentence


@pytest.mark.parametrize(
    "entry",
    [
        {"jsonPointers": ["/spec/source/kustomize/images", "/spec/info"]},
        {"jqPathExpressions": ['.metadata.annotations["example.org/by-hand"]']},
        {"name": "another", "jsonPointers": ["/spec"]},
    ],
    ids=str,
)
def test_a_field_that_the_template_does_not_have_may_be_ignored(demo: Layer, entry: dict[str, Any]) -> None:
    assert found(demo, ignoreApplicationDifferences=[entry]) == []


def test_an_exemption_with_a_reason_is_respected(demo: Layer) -> None:
    assert (
        found(demo, {"platform-e2e/exempt-applications": "teams switch their own sync off"}, **policy("create-only"))
        == []
    )


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"ignoreApplicationDifferences": [{"jsonPointers": ["/spec/syncPolicy"]}]}, "ignores it"),
        (policy("create-only"), "spec.syncPolicy.applicationsSync of applicationset/chat -n argocd is create-only"),
        ({}, ""),
        ({"ignoreApplicationDifferences": [{"jsonPointers": ["/spec/project"]}]}, ""),
    ],
    ids=str,
)
def test_an_application_that_its_applicationset_leaves_behind_says_so(
    demo: Layer, spec: dict[str, Any], why: str
) -> None:
    one = demo.application("chat-dev")
    owners = [{"kind": "ApplicationSet", "name": "chat"}]
    live = copy.deepcopy(one.manifest)
    live["metadata"] |= {"namespace": "argocd", "ownerReferences": owners}
    live["spec"]["syncPolicy"]["retry"]["limit"] = 8
    owner = made("argoproj.io/v1alpha1/ApplicationSet", "chat", "argocd", spec=spec)
    (finding,) = as_in_git(one, live, RecordedView(owner))
    assert finding.cause.id == "application-changed"
    assert (", because " in finding.cause.sentence) is bool(why)
    assert finding.cause.sentence.endswith(why or "expected 5, is 8")
