from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, cast

import pytest

from platform_e2e import layer
from platform_e2e.checks import applications
from platform_e2e.checks.application_differences import as_in_git
from platform_e2e.checks.applications import convergence, environment, policy, registered
from platform_e2e.diagnosis.attribution import APPLIED
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.objects import CRD
from platform_e2e.finding import Cause, Finding
from platform_e2e.gitops import argocd
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Automation, Environment, Layer
from platform_e2e.layer.applications import parse
from platform_e2e.layer.yamlfile import Document
from tests.fakes import layers
from tests.fakes.argocd import ChangingKube
from tests.fakes.argocd import converged as converged_application
from tests.fakes.recorded_view import RecordedView, made

SHA = "0123456789abcdef0123456789abcdef01234567"
DEV = Environment(
    "dev", "manifests/chat/overlays/dev", "chat", "chat-dev", None, "chat.yaml", "argocd/applicationsets/chat.yaml:11"
)


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def live(one: layer.Application, **status: Any) -> Object:
    served = copy.deepcopy(one.manifest)
    served["metadata"]["namespace"] = one.namespace
    served["spec"]["source"]["repoURL"] = "git://git.platform-e2e-git.svc.cluster.local/platform.git"
    served["status"] = status
    return served


def test_the_demo_layer_makes_all_three_promises(demo: Layer) -> None:
    assert [finding for one in demo.applications for finding in policy(one)] == []


@pytest.mark.parametrize(
    ("automation", "promise", "cause"),
    [
        (Automation(), "applications", "application-not-automated"),
        (Automation(enabled=False, prune=True, self_heal=True), "applications", "application-not-automated"),
        (Automation(enabled=True, self_heal=True), "applications", "application-not-pruning"),
        (Automation(enabled=True, prune=True), "selfheal", "application-not-selfhealing"),
    ],
)
def test_a_line_that_is_missing_breaks_one_promise(
    demo: Layer, automation: Automation, promise: str, cause: str
) -> None:
    (finding,) = policy(replace(demo.application("monitoring-config"), automation=automation))
    assert (finding.promise, finding.cause.id) == (promise, cause)
    assert "application/monitoring-config -n argocd" in finding.cause.sentence
    assert "argocd/applications/monitoring-config.yaml" in finding.cause.remedy


def test_each_missing_line_breaks_its_own_promise(demo: Layer) -> None:
    findings = policy(replace(demo.application("monitoring-config"), automation=Automation(enabled=True)))
    assert [(one.promise, one.cause.id) for one in findings] == [
        ("applications", "application-not-pruning"),
        ("selfheal", "application-not-selfhealing"),
    ]


def test_a_generated_application_is_mended_in_its_applicationset(demo: Layer) -> None:
    (finding,) = policy(replace(demo.application("chat-dev"), automation=Automation(enabled=True, prune=True)))
    assert "spec.template.spec.syncPolicy.automated.selfHeal: true" in finding.cause.sentence
    assert "argocd/applicationsets/chat.yaml" in finding.cause.remedy


def test_an_exemption_with_a_reason_is_respected(demo: Layer) -> None:
    one = replace(demo.application("monitoring-config"), automation=Automation(enabled=True, prune=True))
    one = replace(one, manifest=copy.deepcopy(one.manifest))
    one.manifest["metadata"].setdefault("annotations", {})["platform-e2e/exempt-selfheal"] = (
        "on call edits rules by hand"
    )
    assert policy(one) == []


def test_the_applications_are_those_of_git(demo: Layer) -> None:
    everything = [live(one) for one in demo.applications]
    assert registered(demo.applications, everything) == []
    (missing,) = registered(demo.applications, everything[1:])
    assert (missing.object, missing.cause.id) == ("application/chat-dev -n argocd", "application-missing")
    assert "the ApplicationSet chat has made it" in missing.cause.sentence


def test_an_application_of_nobody_is_found_and_one_of_a_test_is_not(demo: Layer) -> None:
    everything = [live(one) for one in demo.applications]
    stray = made("argoproj.io/v1alpha1/Application", "by-hand", "argocd")
    own = made("argoproj.io/v1alpha1/Application", "e2e-1", "argocd", {applications.TESTS: "x"})
    (finding,) = registered(demo.applications, [*everything, stray, own])
    assert (finding.object, finding.cause.id) == ("application/by-hand -n argocd", "application-unknown")


def test_serving_the_layer_from_inside_is_no_change(demo: Layer) -> None:
    for one in demo.applications:
        assert as_in_git(one, live(one)) == []


def test_an_application_that_was_changed_by_hand(demo: Layer) -> None:
    one = demo.application("chat-dev")
    changed = live(one)
    changed["spec"]["syncPolicy"]["automated"]["selfHeal"] = False
    (finding,) = as_in_git(one, changed)
    assert finding.cause.id == "application-changed"
    assert "/spec/syncPolicy/automated/selfHeal: expected True, is False" in finding.cause.sentence
    (difference,) = finding.details["differences"]
    assert (difference["path"], difference["observed"]) == ("/spec/syncPolicy/automated/selfHeal", False)


@pytest.mark.parametrize(
    ("known", "cause"),
    [
        ({"project": {}}, "application-field-unknown"),
        ({"project": {}, "dependsOn": {}}, "application-changed"),
        ({}, "application-changed"),
    ],
    ids=["unknown-field", "known-field", "no-schema"],
)
def test_a_field_that_argo_cd_does_not_have_is_dropped(demo: Layer, known: dict[str, Any], cause: str) -> None:
    one = demo.application("chat-dev")
    spec = {**one.manifest["spec"], "dependsOn": ["other"]}
    written = replace(one, manifest={**one.manifest, "spec": spec})
    schema = {"properties": {"spec": {"properties": known}}}
    versions = [{"name": "v1alpha1", "schema": {"openAPIV3Schema": schema}}]
    crd = made(CRD, "applications.argoproj.io", "", spec={"versions": versions})
    (finding,) = as_in_git(written, live(one), RecordedView(crd))
    assert finding.cause.id == cause
    assert "/spec/dependsOn" in finding.cause.sentence


def converged(one: layer.Application) -> Object:
    moment = "2026-01-01T12:00:00Z"
    return live(
        one,
        sync={"status": "Synced", "revision": SHA},
        health={"status": "Healthy", "lastTransitionTime": moment},
        reconciledAt="2026-01-01T12:00:10Z",
        resources=[{"kind": "ConfigMap", "name": "chat", "status": "Synced", "version": "v1"}],
        operationState={
            "phase": "Succeeded",
            "startedAt": moment,
            "finishedAt": moment,
            "operation": {"sync": {"revision": SHA}},
            "syncResult": {"revision": SHA},
        },
    )


def test_a_converged_application_has_no_finding(demo: Layer) -> None:
    one = demo.application("chat-dev")
    assert convergence(one, converged(one), SHA, RecordedView()) == []


def test_synced_to_the_commit_before_is_not_converged(demo: Layer) -> None:
    one = demo.application("chat-dev")
    app = converged(one)
    app["status"]["sync"]["revision"] = "f" * 40
    (finding,) = convergence(one, app, SHA, RecordedView())
    assert finding.cause.id == "unexplained"
    assert finding.observed.startswith("sync status Synced, health Healthy: ")


def test_an_application_that_cannot_be_rendered_says_why(demo: Layer) -> None:
    one = demo.application("chat-dev")
    app = converged(one)
    app["status"]["sync"]["status"] = "Unknown"
    app["status"]["conditions"] = [{"type": "ComparisonError", "message": "app path does not exist"}]
    (finding,) = convergence(one, app, SHA, RecordedView())
    assert finding.cause.id == "application-render-error"


@pytest.mark.point("right-comparison")
def test_what_says_synced_is_compared_once_more(demo: Layer) -> None:
    kube = ChangingKube()
    kube.put(argocd.APPLICATION, converged_application("chat-dev", SHA))
    application = demo.application("chat-dev")

    def refresh(_kind: str, name: str, _patch: Any) -> None:
        app = kube.objects[argocd.APPLICATION, name]
        app["status"]["sync"]["status"] = "Unknown"
        app["status"]["conditions"] = [{"type": "ComparisonError", "message": "duplicate entries for key"}]

    kube.on_patch = refresh
    (finding,) = applications.converged(application, SHA, cast("Kube", kube))
    assert finding.cause.id == "application-render-error"
    kube.objects.clear()
    (finding,) = applications.converged(application, SHA, cast("Kube", kube))
    assert finding.cause.id == "application-missing"
    assert len(kube.patches) == 1


@pytest.mark.parametrize(("known", "waits"), [("application-missing", False), ("unexplained", True)])
def test_only_what_held_an_application_when_the_platform_came_up_is_not_waited_for_again(
    demo: Layer, monkeypatch: pytest.MonkeyPatch, known: str, *, waits: bool
) -> None:
    """What else is wrong with it may be what another test has changed a moment ago, and be healed in the next one."""
    application, kube = demo.application("chat-dev"), ChangingKube()
    looks: list[int] = []

    def look(*_: object) -> list[Finding]:
        looks.append(1)
        cause = Cause("application-missing", "", "")
        return [] if len(looks) > 2 else [Finding(str(application), "applications", "", "", cause)]

    monkeypatch.setattr(applications, "converged", look)
    held = Cause(known, "", "")
    found = applications.wait_converged(application, SHA, cast("Kube", kube), timeout=5, known=held)
    assert (not found) == waits


def test_what_keeps_a_pod_from_running_is_mended_where_its_workload_is_written(demo: Layer) -> None:
    one = demo.application("chat-dev")
    app = converged(one)
    app["status"]["health"]["status"] = "Progressing"
    app["status"]["resources"].append(
        {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "chat-dev", "name": "chat",
         "status": "Synced"}
    )  # fmt: skip
    deployment = next(each.object for each in one.objects if each.kind == "Deployment")
    labels = deployment["spec"]["selector"]["matchLabels"]
    waiting = {"name": "chat", "image": "chat:9", "state": {"waiting": {"reason": "ErrImagePull"}}}
    pod = made("v1/Pod", "chat-1", "chat-dev", labels, status={"containerStatuses": [waiting]})
    (finding,) = convergence(one, app, SHA, RecordedView({**deployment, "status": {}}, pod))
    assert finding.cause.id == "pod-image"
    assert finding.cause.remedy.endswith("(tests/data/platform/manifests/chat/base/deployment.yaml:35)"), (
        finding.cause.remedy
    )
    assert APPLIED in finding.details
    app["status"]["operationState"]["phase"] = "Running"
    (finding,) = convergence(one, app, SHA, RecordedView({**deployment, "status": {}}, pod))
    assert APPLIED not in finding.details, "a later wave is not applied yet"


def test_an_application_that_does_not_exist(demo: Layer) -> None:
    (finding,) = convergence(demo.application("chat-dev"), None, SHA, RecordedView())
    assert finding.cause.id == "application-missing"


def test_every_directory_of_an_environment_has_its_application() -> None:
    assert environment(DEV) == []
    (finding,) = environment(replace(DEV, name="staging", path="manifests/chat/overlays/staging", application=None))
    assert (finding.promise, finding.cause.id) == ("environments", "environment-missing")
    assert "manifests/chat/overlays/staging" in finding.cause.sentence
    assert "add staging to the generator in argocd/applicationsets/chat.yaml:11, " in finding.cause.remedy
    assert environment(replace(DEV, application=None, exempt="not open yet")) == []


def saying(demo: Layer, name: str = "monitoring-config", **changes: Any) -> list[Any]:
    one = demo.application(name)
    written = {**one.manifest["spec"]["syncPolicy"], **changes}
    manifest = {**one.manifest, "spec": {**one.manifest["spec"], "syncPolicy": written}}
    read = parse(Document(manifest, one.file, one.line), one.generated_by)
    return policy(read)


@pytest.mark.point("automation-disabled")
@pytest.mark.parametrize(("name", "field"), [("monitoring-config", "spec"), ("chat-dev", "spec.template.spec")])
def test_automation_that_is_switched_off_is_none(demo: Layer, name: str, field: str) -> None:
    (one,) = saying(demo, name, automated={"enabled": False, "prune": True, "selfHeal": True})
    assert (one.promise, one.cause.id) == ("applications", "application-not-automated")
    assert one.cause.sentence.endswith(f"is not synced automatically: {field}.syncPolicy.automated.enabled is false")
    assert one.cause.remedy.startswith(f"remove {field}.syncPolicy.automated.enabled from tests/data/platform/argocd/")
    assert saying(demo, name, automated={"enabled": True, "prune": True, "selfHeal": True}) == []


@pytest.mark.point("automation-disabled")
def test_automation_that_is_not_there_is_to_be_added(demo: Layer) -> None:
    (one,) = saying(demo, automated=None)
    assert one.cause.remedy.startswith(
        "add spec.syncPolicy.automated: {} in tests/data/platform/argocd/applications/monitoring-config.yaml"
    )


@pytest.mark.point("automation-disabled")
@pytest.mark.parametrize(
    ("automated", "told"), [({"enabled": False, "selfHeal": True}, "enabled is false"), (None, "does not say")]
)
def test_an_application_that_nothing_syncs_is_out_of_sync_for_that_reason(automated: Any, told: str) -> None:
    spec = {"syncPolicy": {"automated": automated}}
    entry = {"kind": "ConfigMap", "name": "chat", "status": "OutOfSync"}
    status = {"sync": {"status": "OutOfSync"}, "resources": [entry]}
    cause = explain(made("argoproj.io/v1alpha1/Application", "a", "argocd", spec=spec, status=status), RecordedView())
    assert cause is not None
    assert cause.id == "application-not-automated"
    assert told in cause.sentence


@pytest.mark.point("retries-off")
@pytest.mark.parametrize("retry", [{"limit": 0}, {}, {"backoff": {"duration": "5s"}}, {"limit": None}])
def test_a_retry_block_without_attempts_is_none(demo: Layer, retry: dict[str, Any]) -> None:
    (one,) = saying(demo, retry=retry)
    assert (one.promise, one.cause.id) == ("applications", "application-not-retrying")
    assert one.cause.sentence.endswith(
        "gives a failed sync up at once: Git does not say spec.syncPolicy.retry.limit: 5"
    )


@pytest.mark.point("retries-off")
@pytest.mark.parametrize("retry", [None, {"limit": 1}, {"limit": -1}])
def test_argo_cds_own_attempts_are_attempts(demo: Layer, retry: Any) -> None:
    assert saying(demo, retry=retry) == []


@pytest.mark.parametrize(
    ("message", "field", "also"),
    [
        (
            (
                "application destination server 'https://kubernetes.default.svc' and namespace 'lobby' do not match any of the "
                "allowed destinations in project 'chat'"
            ),
            "destinations",
            "correct spec.destination of the Application, or ",
        ),
        (
            "application repo https://git.example.com/other.git is not permitted in project 'chat'",
            "sourceRepos",
            "correct spec.source of the Application, or ",
        ),
        (
            "resource rbac.authorization.k8s.io:ClusterRole is not permitted in project chat.",
            "clusterResourceWhitelist",
            "",
        ),
        ("resource :Namespace is not permitted in project chat.", "clusterResourceWhitelist", ""),
    ],
)
def test_what_a_project_refuses_names_the_line_of_the_project_that_allows_it(
    demo: Layer, message: str, field: str, also: str
) -> None:
    one = demo.application("chat-dev")
    app = converged(one)
    app["status"]["sync"]["status"] = app["status"]["health"]["status"] = "Unknown"
    app["status"]["conditions"] = [{"type": "InvalidSpecError", "message": message}]
    (finding,) = convergence(one, app, SHA, RecordedView())
    (project,) = (each for each in demo.projects if each.name == "chat")
    place = project.place("spec", field)
    assert finding.cause.remedy == f"{also}let spec.{field} of AppProject chat allow it ({place})"
    assert place.startswith("tests/data/platform/argocd/projects/chat.yaml:")
    assert place != project.place("spec")
    assert finding.observed.startswith("sync status Unknown, health Unknown: ")


def test_a_project_that_the_layer_does_not_have_is_named_without_a_place(demo: Layer) -> None:
    one = replace(demo.application("chat-dev"), allowed_by=None)
    app = converged(one)
    app["status"]["sync"]["status"] = "Unknown"
    message = "application repo https://x is not permitted in project 'chat'"
    app["status"]["conditions"] = [{"type": "InvalidSpecError", "message": message}]
    (finding,) = convergence(one, app, SHA, RecordedView())
    assert finding.cause.remedy.endswith("let spec.sourceRepos of AppProject chat allow it")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "clusterResourceWhitelist"),
        ({"namespaceResourceWhitelist": [{"group": "apps", "kind": "Deployment"}]}, "namespaceResourceWhitelist"),
        ({"namespaceResourceBlacklist": [{"group": "", "kind": "ConfigMap"}]}, "namespaceResourceBlacklist"),
    ],
)
def test_which_list_of_a_project_refuses_a_resource(spec: dict[str, Any], field: str) -> None:
    message = "resource :ConfigMap is not permitted in project chat."
    app = made("argoproj.io/v1alpha1/Application", "chat-dev", "argocd", spec={"project": "chat"})
    app["status"] = {"conditions": [{"type": "SyncError", "message": message}]}
    cause = explain(app, RecordedView(made("argoproj.io/v1alpha1/AppProject", "chat", "argocd", spec=spec)))
    assert cause is not None
    assert (cause.field, cause.about) == (("spec", field), "appproject/chat -n argocd")
