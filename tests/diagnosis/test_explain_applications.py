from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.explain import explain
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import RecordedView, made

WEBHOOK = (
    'Internal error occurred: failed calling webhook "ipaddresspoolvalidationwebhook.metallb.io": failed to call webhook: '
    'Post "https://metallb-webhook-service.metallb-system.svc:443/validate": connect: connection refused'
)


def application(**status: Any) -> Object:
    return called("chat-dev", **status)


def called(application: str, /, **status: Any) -> Object:
    spec = {"project": "chat"}
    return made("argoproj.io/v1alpha1/Application", application, "argocd", spec=spec, status=status)


def condition(kind: str, message: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "message": message}]}


def operation(phase: str, message: str, **more: Any) -> dict[str, Any]:
    return {"operationState": {"phase": phase, "message": message, **more}}


@pytest.mark.parametrize(
    ("status", "cause", "said"),
    [
        (condition("InvalidSpecError", "application destination is not permitted in project 'chat'"), "application-not-permitted", "AppProject chat"),
        (
            condition("SyncError", "one or more objects failed to apply, reason: services \"a\" is forbidden: ValidatingAdmissionPolicy 'owner' "
            "with binding 'all' denied request: it must have an owner"),
            "admission-refuses",
            "validatingadmissionpolicy/owner refuses an object of application/chat-dev -n argocd: it says: it must have an owner",
        ),
        (condition("SyncError", f"Failed last sync attempt: {WEBHOOK}"), "application-webhook", "ipaddresspoolvalidationwebhook.metallb.io"),
        (operation("Running", f"one or more objects failed to apply, reason: {WEBHOOK}"), "application-webhook", "does not answer"),
        (condition("ComparisonError", 'no matches for kind "ServiceMonitor" in version "monitoring.coreos.com/v1"'), "application-missing-crd", "ServiceMonitor"),
        (
            operation("Failed", 'one or more synchronization tasks are not valid, reason: The Kubernetes API could not find example.org/Widget '
            'for requested resource monitoring/w. Make sure the "Widget" CRD is installed on the destination cluster.'),
            "application-missing-crd",
            "Widget",
        ),
        (
            operation("Running", "waiting for completion of hook batch/Job/migrate", syncResult={"revision": "b" * 40})
            | {"sync": {"status": "OutOfSync", "revision": "b" * 40}},
            "application-hook-running",
            "batch/Job/migrate",
        ),
        (
            operation("Running", "Retrying attempt #2 at 12:00PM: quota", syncResult={"revision": "a" * 40})
            | {"sync": {"status": "OutOfSync", "revision": "b" * 40}},
            "application-stale-revision",
            "is still of commit aaaaaaaaaaaa, Git has bbbbbbbbbbbb: Retrying attempt #2",
        ),
        (condition("ComparisonError", "app path does not exist"), "application-render-error", "app path does not exist"),
        (
            operation("Running", "one or more objects failed to apply, reason: failed to create typed patch object (x/chat; apps/v1, Kind=Deployment): "
            '.spec.env: duplicate entries for key [name="A"]. Retrying attempt #3 at 1:35AM.', operation={"retry": {"limit": 5}}),
            "application-render-error",
            'duplicate entries for key [name="A"]',
        ),
        (condition("SharedResourceWarning", "ConfigMap/chat is part of applications a and b"), "application-shared-resource", "a and b"),
        (operation("Running", "waiting for healthy state of apps/Deployment/chat"), "application-wave-held", "apps/Deployment/chat"),
        (operation("Running", "waiting for completion of hook batch/Job/migrate"), "application-hook-running", "batch/Job/migrate"),
        (
            operation("Running", "Retrying attempt #2 at 12:00PM: quota", operation={"retry": {"limit": 5}}),
            "application-retrying",
            "3 attempts are left",
        ),
        (operation("Failed", "one or more synchronization tasks are not valid"), "application-sync-failed", "not valid"),
        (condition("SyncError", "auto-sync will wipe out all resources"), "application-sync-failed", "wipe out"),
        (
            {"resources": [{"kind": "ConfigMap", "name": "chat", "status": "OutOfSync"}]},
            "application-object-missing",
            "ConfigMap/chat OutOfSync",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("application-") else "",
)  # fmt: skip
def test_what_argo_cd_says_becomes_a_cause(status: dict[str, Any], cause: str, said: str) -> None:
    found = explain(application(**status), RecordedView())
    assert found is not None
    assert found.id == cause
    assert said in f"{found.sentence} {found.remedy}"
    assert "chat-dev" in found.sentence


def test_a_sound_application_has_no_cause() -> None:
    status = {
        "operationState": {"phase": "Succeeded", "message": "successfully synced"},
        "resources": [{"kind": "ConfigMap", "status": "Synced"}],
    }
    assert explain(application(**status), RecordedView()) is None


PROGRESSING = {"health": {"status": "Progressing"}}


@pytest.mark.parametrize("told", [PROGRESSING, {}], ids=["health of the object", "health of the Application alone"])
def test_the_object_that_is_not_healthy_says_why(told: dict[str, Any]) -> None:
    resource = {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "chat-dev", "name": "chat"}
    status = {**PROGRESSING, "resources": [{**resource, "status": "Synced", **told}]}
    selector = {"matchLabels": {"app": "chat"}}
    deployment = made("apps/v1/Deployment", "chat", "chat-dev", spec={"selector": selector})
    waiting = {"name": "chat", "image": "chat:9.9.9", "state": {"waiting": {"reason": "ErrImageNeverPull"}}}
    pod = made("v1/Pod", "chat-0", "chat-dev", {"app": "chat"}, status={"containerStatuses": [waiting]})
    found = explain(application(**status), RecordedView(deployment, pod))
    assert found is not None
    assert found.id == "pod-image"
    assert "chat:9.9.9" in found.sentence


def test_a_service_without_an_address_is_asked_too() -> None:
    resource = {"version": "v1", "kind": "Service", "namespace": "chat-dev", "name": "chat"}
    status = {**PROGRESSING, "resources": [{**resource, "status": "Synced"}]}
    service = made("v1/Service", "chat", "chat-dev", spec={"type": "LoadBalancer"})
    found = explain(application(**status), RecordedView(service))
    assert found is not None
    assert found.id == "loadbalancer-no-pool"


def test_an_applicationset_that_cannot_generate() -> None:
    conditions = [{"type": "ErrorOccurred", "status": "True", "message": "map has no entry for key"}]
    broken = made("argoproj.io/v1alpha1/ApplicationSet", "chat", "argocd", status={"conditions": conditions})
    found = explain(broken, RecordedView())
    assert found is not None
    assert found.id == "applicationset-error"
    assert "map has no entry" in found.sentence


def test_a_healthy_application_is_not_asked_further() -> None:
    resource = {"version": "v1", "kind": "Service", "namespace": "chat-dev", "name": "chat"}
    status = {"health": {"status": "Healthy"}, "resources": [resource]}
    service = made("v1/Service", "chat", "chat-dev", spec={"type": "LoadBalancer"})
    assert explain(application(**status), RecordedView(service)) is None


def test_a_secret_that_cannot_be_unsealed_comes_before_the_pods_that_wait_for_it() -> None:
    group = {
        "group": "bitnami.com",
        "version": "v1alpha1",
        "kind": "SealedSecret",
        "namespace": "chat-dev",
        "name": "key",
    }
    deployment = {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "chat-dev", "name": "chat"}
    conditions = [{"type": "Synced", "status": "False", "message": "no key could decrypt secret (signing-key)"}]
    sealed = made("bitnami.com/v1alpha1/SealedSecret", "key", "chat-dev", status={"conditions": conditions})
    selector = {"matchLabels": {"app": "chat"}}
    workload = made("apps/v1/Deployment", "chat", "chat-dev", spec={"selector": selector})
    pod = made("v1/Pod", "chat-0", "chat-dev", {"app": "chat"}, status={"phase": "Pending"})
    found = explain(application(**PROGRESSING, resources=[deployment, group]), RecordedView(sealed, workload, pod))
    assert found is not None
    assert found.id == "secret-not-unsealed"
    assert "no key could decrypt secret" in found.sentence


def controller(replicas: int, ready: int | None) -> Object:
    return made(
        "apps/v1/StatefulSet",
        "argocd-application-controller",
        "argocd",
        labels={"app.kubernetes.io/component": "application-controller"},
        spec={"replicas": replicas},
        status={"replicas": replicas} | ({"readyReplicas": ready} if ready else {}),
    )


@pytest.mark.parametrize(
    ("status", "replicas", "said"),
    [
        (
            {"sync": {"status": "Synced", "revision": "a" * 40}},
            0,
            "has 0 replicas; what it says is of commit aaaaaaaaaaaa",
        ),
        ({}, 1, "has no ready replica; it was never compared"),
    ],
)
def test_an_application_that_nobody_compares_is_told_of(status: dict[str, Any], replicas: int, said: str) -> None:
    app = application(**status)
    app["metadata"]["annotations"] = {"argocd.argoproj.io/refresh": "normal"}
    found = explain(app, RecordedView(controller(replicas, None)))
    assert found is not None
    assert found.id == "application-stale-revision"
    assert found.sentence == (
        "no controller compares application/chat-dev -n argocd with Git: statefulset/argocd-application-controller -n argocd "
        + said
    )


def test_a_controller_that_runs_or_has_answered_is_not_blamed() -> None:
    asked = application(sync={"status": "Synced", "revision": "a" * 40})
    assert explain(asked, RecordedView(controller(0, None))) is None
    asked["metadata"]["annotations"] = {"argocd.argoproj.io/refresh": "normal"}
    assert explain(asked, RecordedView(controller(1, 1))) is None
    assert explain(asked, RecordedView()) is None, "somebody may run it elsewhere"


def test_a_wave_that_waits_for_another_application_has_that_ones_cause() -> None:
    entry = {
        "group": "argoproj.io",
        "version": "v1alpha1",
        "kind": "Application",
        "name": "chat-dev",
        "namespace": "argocd",
    }
    held = operation("Running", "waiting for healthy state of argoproj.io/Application/chat-dev and 1 more resources")
    root = called("platform", **held, resources=[{**entry, "name": "chat"}, entry])
    child = application(**condition("InvalidSpecError", "application destination is not permitted in project 'chat'"))
    other = made(
        "argoproj.io/v1alpha1/Application", "chat", "argocd", status=condition("ComparisonError", "no such path")
    )
    found = explain(root, RecordedView(child, other))
    assert found is not None
    assert found.id == "application-not-permitted"
    assert "application/chat-dev" in found.sentence
    assert explain(root, RecordedView()).id == "application-wave-held"  # type: ignore[union-attr]


def test_a_wave_that_waits_for_a_crd_which_is_established_waits_for_argo_cd() -> None:
    name = "certificates.cert-manager.io"
    held = operation(
        "Running",
        f"waiting for healthy state of apiextensions.k8s.io/CustomResourceDefinition/{name} and 5 more resources",
    )

    def cause(established: str) -> str | None:
        status = {"conditions": [{"type": "Established", "status": established}]}
        crd = made("apiextensions.k8s.io/v1/CustomResourceDefinition", name, status=status)
        found = explain(application(**held), RecordedView(crd))
        return found.id if found else None

    assert cause("True") is None
    assert cause("False") == "application-wave-held"


def test_a_root_whose_only_fault_is_an_application_of_it_has_that_ones_cause() -> None:
    entry = {"group": "argoproj.io", "version": "v1alpha1", "kind": "Application", "namespace": "argocd"}
    # The root is among its own objects, as where a team lets it manage itself.
    entries = [{**entry, "name": name} for name in ("platform", "chat-dev")]
    root = called("platform", health={"status": "Degraded"}, resources=entries)
    child = application(**condition("ComparisonError", "app path does not exist"), health={"status": "Degraded"})
    found = explain(root, RecordedView(root, child))
    assert found is not None
    assert found.id == "application-render-error"
    assert "application/chat-dev" in found.sentence
    assert explain(root, RecordedView(root)) is None
    healthy = called("chat-dev", **condition("SharedResourceWarning", "a and b"), health={"status": "Healthy"})
    assert explain(root, RecordedView(root, healthy)) is None
