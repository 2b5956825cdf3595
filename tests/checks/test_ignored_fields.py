"""What Git says and a rule of ignoreDifferences hides is told, whether it differs or not; what a controller owns is not."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks import ignored_fields
from platform_e2e.checks.mutations import application_edits, edit
from platform_e2e.diagnosis.explain.owners import Scaled, scaled, scaler_of
from platform_e2e.finding import Finding
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Application, Layer, Rendered
from tests.fakes import layers
from tests.fakes.recorded_view import RecordedView, made

IMAGE = "/spec/template/spec/containers/0/image"
DEPLOYMENT = {"group": "apps", "kind": "Deployment"}
REPLICAS = {**DEPLOYMENT, "jsonPointers": ["/spec/replicas"]}


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def ignoring(demo: Layer, *rules: dict[str, Any], name: str = "chat-dev") -> Application:
    one = demo.application(name)
    return replace(one, manifest={**one.manifest, "spec": {**one.manifest["spec"], "ignoreDifferences": list(rules)}})


def found(
    demo: Layer, *rules: dict[str, Any], view: RecordedView | None = None, name: str = "chat-dev"
) -> list[Finding]:
    return ignored_fields.check(ignoring(demo, *rules, name=name), demo, view or RecordedView())


def with_autoscaler(demo: Layer, autoscaler: Object, application: str = "chat-staging") -> Layer:
    return replace(demo, rendered=(*demo.rendered, Rendered(autoscaler, application, "f.yaml", 1)))


def autoscaler(
    made_as: str = "autoscaling/v2/HorizontalPodAutoscaler", namespace: str = "chat-staging", **target: str
) -> Object:
    wanted = target or {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
    return made(made_as, "chat", namespace, spec={"scaleTargetRef": wanted})


@pytest.mark.point("fields-ignored")
def test_a_sound_layer_ignores_nothing(demo: Layer) -> None:
    assert [one for each in demo.applications for one in ignored_fields.check(each, demo, RecordedView())] == []


@pytest.mark.point("fields-ignored")
def test_the_rule_the_field_and_the_file_are_named(demo: Layer) -> None:
    (one,) = found(demo, {**DEPLOYMENT, "jqPathExpressions": [".spec.template.spec.containers[].image"]})
    assert (one.object, one.promise, one.cause.id) == ("deployment/chat -n chat-dev", "selfheal", "drift-ignored")
    assert one.cause.sentence == (
        f"deployment/chat -n chat-dev may differ from Git at {IMAGE}: spec.ignoreDifferences of application/chat-dev (group apps, "
        "kind Deployment, jqPathExpressions .spec.template.spec.containers[].image) lets it, so nothing heals a change there"
    )
    assert "argocd/applicationsets/chat.yaml" in one.cause.remedy


@pytest.mark.point("fields-ignored")
@pytest.mark.parametrize(
    "rule",
    [
        {**DEPLOYMENT, "jsonPointers": ["/spec/template"]},
        {"group": "*", "kind": "*", "jsonPointers": ["/spec"]},
        {
            **DEPLOYMENT,
            "jqPathExpressions": ['.spec.template.spec.containers[]? | select(.name == "chat") | .resources'],
        },
        {**DEPLOYMENT, "managedFieldsManagers": ["kubectl-edit"]},
        {"kind": "ConfigMap", "jsonPointers": ["/data"]},
        {"kind": "Service", "jqPathExpressions": [".spec.ports[0]"]},
    ],
    ids=str,
)
def test_whatever_way_a_field_is_ignored(demo: Layer, rule: dict[str, Any]) -> None:
    assert [one.cause.id for one in found(demo, rule)] == ["drift-ignored"]


@pytest.mark.point("fields-ignored")
@pytest.mark.parametrize(
    "rule",
    [
        {**DEPLOYMENT, "jsonPointers": ["/spec/template/spec/nodeSelector", "/metadata/annotations/example.org~1at"]},
        {**DEPLOYMENT, "jqPathExpressions": ['.spec.template.spec.containers[] | select(.name == "istio-proxy")']},
        {**DEPLOYMENT, "jqPathExpressions": [".spec.template.spec.containers | map(del(.image))"]},
        {**DEPLOYMENT, "jsonPointers": ["/status"]},
        {**DEPLOYMENT, "managedFieldsManagers": ["kube-controller-manager"]},
        {"group": "admissionregistration.k8s.io", "kind": "ValidatingWebhookConfiguration", "jqPathExpressions": [".webhooks[]?.clientConfig.caBundle"]},
        {**DEPLOYMENT, "name": "another", "jsonPointers": ["/spec"]},
    ],
    ids=str,
)  # fmt: skip
def test_what_git_does_not_say_may_be_ignored(demo: Layer, rule: dict[str, Any]) -> None:
    assert found(demo, rule) == []


@pytest.mark.point("fields-ignored")
def test_the_ca_of_a_webhook_is_who_serves_its_own(demo: Layer) -> None:
    hooks = [{"name": "a.example.org", "clientConfig": {"caBundle": "Cg=="}, "failurePolicy": "Fail"}]
    config = made("admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration", "gate", webhooks=hooks)

    def hides(expression: str) -> int:
        rule = {"group": "admissionregistration.k8s.io", "kind": "*", "jqPathExpressions": [expression]}
        one = replace(ignoring(demo, rule), objects=(Rendered(config, "chat-dev", "f.yaml", 1),))
        return len(ignored_fields.check(one, demo, RecordedView()))

    assert hides(".webhooks[]?.clientConfig.caBundle") == 0
    assert hides(".webhooks[0].failurePolicy") == 1


@pytest.mark.point("fields-ignored")
def test_a_rule_for_every_application_counts(demo: Layer) -> None:
    data = {"resource.customizations.ignoreDifferences.apps_Deployment": f"jsonPointers: ['{IMAGE}']\n"}
    (one,) = found(demo, view=RecordedView(made("v1/ConfigMap", "argocd-cm", "argocd", data=data)))
    assert "in configmap/argocd-cm" in one.cause.sentence
    assert "remove the rule in tests/data/platform/foundations/values/argo-cd.yaml:2, " in one.cause.remedy


@pytest.mark.point("fields-ignored")
def test_an_exemption_with_a_reason_is_respected(demo: Layer) -> None:
    one = ignoring(demo, {**DEPLOYMENT, "jsonPointers": [IMAGE]})
    exempt = {"platform-e2e/exempt-selfheal": "an updater sets the image"}
    metadata = {**one.manifest["metadata"], "annotations": exempt}
    assert (
        ignored_fields.check(replace(one, manifest={**one.manifest, "metadata": metadata}), demo, RecordedView()) == []
    )


@pytest.mark.point("fields-ignored")
def test_what_a_controller_writes_is_its_own(demo: Layer) -> None:
    rule = {**DEPLOYMENT, "jsonPointers": [IMAGE]}
    containers: dict[str, Any] = {"f:containers": {'k:{"name":"chat"}': {"f:image": {}}}}
    fields = {"f:spec": {"f:template": {"f:spec": containers}}}

    def written(manager: str) -> RecordedView:
        managed = {"managedFields": [{"manager": manager, "fieldsV1": fields}]}
        return RecordedView(made("apps/v1/Deployment", "chat", "chat-dev", metadata=managed))

    assert found(demo, rule, view=written("image-updater-controller")) == []
    for hand in ("kubectl-edit", "argocd-controller", "before-first-apply"):
        assert len(found(demo, rule, view=written(hand))) == 1, hand


@pytest.mark.point("autoscaler-owns-replicas")
@pytest.mark.parametrize("where", ["chat-dev", "chat-staging"])
def test_replicas_that_an_autoscaler_of_git_owns_may_be_ignored_in_every_environment(demo: Layer, where: str) -> None:
    changed = with_autoscaler(demo, autoscaler())
    assert ignored_fields.check(ignoring(demo, REPLICAS, name=where), changed, RecordedView()) == []
    more = {**DEPLOYMENT, "jsonPointers": ["/spec"]}
    (one,) = ignored_fields.check(ignoring(demo, more, name=where), changed, RecordedView())
    assert "/spec/replicas" not in one.details["hidden"][f"deployment/chat -n {where}"]


@pytest.mark.point("autoscaler-owns-replicas")
def test_replicas_that_nothing_scales_must_not_be_ignored(demo: Layer) -> None:
    assert len(found(demo, REPLICAS)) == 1
    other = with_autoscaler(demo, autoscaler(apiVersion="apps/v1", kind="Deployment", name="another"))
    assert len(ignored_fields.check(ignoring(demo, REPLICAS), other, RecordedView())) == 1


@pytest.mark.point("autoscaler-owns-replicas")
def test_what_scales_is_known_by_its_target() -> None:
    deployment = Scaled("apps", "Deployment", "a", "chat")
    assert scaled([autoscaler(namespace="a")]) == {deployment}
    assert scaled([autoscaler("keda.sh/v1alpha1/ScaledObject", "a", name="chat")]) == {deployment}
    stateful = autoscaler(namespace="a", apiVersion="apps/v1", kind="StatefulSet", name="db")
    assert scaled([stateful, made("v1/Service", "s", "a")]) == {Scaled("apps", "StatefulSet", "a", "db")}
    view = RecordedView(stateful)
    assert scaler_of(made("apps/v1/StatefulSet", "db", "a"), view) is stateful
    assert scaler_of(made("apps/v1/Deployment", "db", "a"), view) is None


@pytest.mark.point("fields-ignored")
def test_a_field_that_is_ignored_is_not_edited_to_see_it_healed(demo: Layer) -> None:
    drift = edit(ignoring(demo, {**DEPLOYMENT, "jsonPointers": ["/spec/revisionHistoryLimit"]}))
    assert drift is not None
    assert drift.pointer != "/spec/revisionHistoryLimit"
    root = ignoring(demo, {"group": "argoproj.io", "kind": "Application", "jsonPointers": ["/spec"]}, name="platform")
    others = tuple(root if one.name == "platform" else one for one in demo.applications)
    assert all(one.pointer.startswith("/metadata") for one in application_edits(replace(demo, applications=others)))


def test_what_git_says_is_told_by_its_values() -> None:
    obj = made(
        "v1/ConfigMap", "a", "b", data={"x/y": "1", "empty": "", "none": None}, list=[{"n": False}], status={"s": 1}
    )
    assert set(ignored_fields.stated(copy.deepcopy(obj))) == {"/data/x~1y", "/list/0/n"}
