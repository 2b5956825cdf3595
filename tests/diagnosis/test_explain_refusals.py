"""A remedy fits what is refused: an API that is gone is no missing CRD, a missing ServiceAccount no quota."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.explain import explain
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import RecordedView, made

SHA, OLD = "b" * 40, "a" * 40


def application(
    message: str, *, revision: str = SHA, phase: str = "Failed", compared: str = SHA, **more: Any
) -> Object:
    result = {"group": "g", "kind": "K", "name": "one", "status": "SyncFailed", "message": message}
    operation = {"phase": phase, "message": message, "syncResult": {"revision": revision, "resources": [result]}}
    status = {"sync": {"status": "OutOfSync", "revision": compared}, "operationState": operation, **more}
    return made(
        "argoproj.io/v1alpha1/Application", "a", "argocd", spec={"syncPolicy": {"automated": {}}}, status=status
    )


def cause_of(obj: Object, view: RecordedView | None = None) -> Cause:
    found = explain(obj, view or RecordedView())
    assert found is not None
    return found


@pytest.mark.point("remedies-fit")
@pytest.mark.parametrize(
    ("message", "kind", "instead"),
    [
        (
            ('The Kubernetes API could not find version "v1beta1" of policy/PodDisruptionBudget for requested resource a/b. Version "v1" '
            "of policy/PodDisruptionBudget is installed on the destination cluster."),
            "policy/v1beta1 PodDisruptionBudget",
            "policy/v1",
        ),
        (
            ('The Kubernetes API could not find version "v1beta1" of extensions/Deployment for requested resource a/b. Version "v1" '
            "of apps/Deployment is installed on the destination cluster."),
            "extensions/v1beta1 Deployment",
            "apps/v1",
        ),
        ('no matches for kind "Ingress" in version "networking.k8s.io/v1beta1"', "networking.k8s.io/v1beta1 Ingress", "networking.k8s.io/v1"),
        ('no matches for kind "CronJob" in version "batch/v1beta1"', "batch/v1beta1 CronJob", "batch/v1"),
        (
            ('The Kubernetes API could not find policy/PodSecurityPolicy for requested resource /b. Make sure the "PodSecurityPolicy" '
            "CRD is installed on the destination cluster."),
            "policy PodSecurityPolicy",
            "",
        ),
        ('no matches for kind "Deployement" in version "apps/v1"', "apps/v1 Deployement", ""),
        (
            ('The Kubernetes API could not find version "v1alpha9" of monitoring.coreos.com/ServiceMonitor for requested resource a/b. '
            'Version "v1" of monitoring.coreos.com/ServiceMonitor is installed on the destination cluster.'),
            "monitoring.coreos.com/v1alpha9 ServiceMonitor",
            "monitoring.coreos.com/v1",
        ),
    ],
)  # fmt: skip
def test_a_version_that_is_not_served_is_no_missing_crd(message: str, kind: str, instead: str) -> None:
    cause = cause_of(application(message))
    assert cause.id == "application-api-not-served"
    assert f"has an object of {kind}, which " in cause.sentence
    assert cause.remedy.startswith(f"write apiVersion {instead}" if instead else "correct apiVersion and kind")
    assert "install" not in cause.remedy


@pytest.mark.point("remedies-fit")
@pytest.mark.parametrize(
    "message",
    [
        'no matches for kind "ServiceMonitor" in version "monitoring.coreos.com/v1"',
        (
            'The Kubernetes API could not find example.org/Widget for requested resource a/w. Make sure the "Widget" CRD is installed on the '
            "destination cluster."
        ),
        'no matches for kind "Gateway" in version "gateway.networking.k8s.io/v1"',
    ],
)
def test_a_kind_of_a_crd_is_one(message: str) -> None:
    assert cause_of(application(message)).id == "application-missing-crd"


REFUSED = (
    (
        'pods "c-" is forbidden: error looking up service account a/chat: serviceaccount "chat" not found',
        "workload-refused",
        "ServiceAccount",
    ),
    ('pods "c-" is forbidden: no PriorityClass with name high was found', "workload-refused", "PriorityClass"),
    ('pods "c-" is forbidden: exceeded quota: small, requested: cpu=1', "workload-quota", "quota"),
    ('pods "c-" is forbidden: failed quota: small: must specify cpu', "workload-quota", "quota"),
    (
        'pods "c-" is forbidden: maximum memory usage per Container is 64Mi, but limit is 128Mi',
        "workload-refused",
        "LimitRange",
    ),
    (
        'pods "c-" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        "workload-refused",
        "pod-security",
    ),
    ('admission webhook "policy.example.org" denied the request: no latest', "workload-refused", "policy"),
    (
        'Internal error occurred: failed calling webhook "a.example.org": connection refused',
        "workload-refused",
        "webhook's Service",
    ),
    ('pods "c-" is forbidden: pod rejected: RuntimeClass "gvisor" not found', "workload-refused", "RuntimeClass"),
    ("something that nobody has seen before", "workload-refused", "correct what the message names"),
)


@pytest.mark.point("remedies-fit")
@pytest.mark.parametrize(("message", "cause_id", "remedy"), REFUSED)
@pytest.mark.parametrize("kind", ["apps/v1/Deployment", "apps/v1/StatefulSet", "batch/v1/Job"])
def test_what_keeps_pods_out_is_what_is_to_be_mended(kind: str, message: str, cause_id: str, remedy: str) -> None:
    selector = {"selector": {"matchLabels": {"app": "c"}}}
    if kind == "apps/v1/Deployment":
        told = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": message}]}
        cause = cause_of(made(kind, "c", "a", spec=selector, status=told))
    else:
        event = {"reason": "FailedCreate", "message": message, "lastTimestamp": "2026-01-02T00:00:00Z"}
        cause = cause_of(made(kind, "c", "a", spec=selector), RecordedView(events={"a/c": [event]}))
    assert cause.id == cause_id
    assert remedy in cause.remedy
    assert ("quota" in cause.remedy) == (cause_id == "workload-quota")


@pytest.mark.point("events-of-now")
def test_a_refusal_of_earlier_content_is_no_cause() -> None:
    event = {"reason": "FailedCreate", "message": "exceeded quota: small", "lastTimestamp": "2026-01-02T00:00:00Z"}
    managed = [{"manager": "argocd-controller", "time": "2026-01-03T00:00:00Z"}]
    spec = {"selector": {"matchLabels": {"app": "c"}}}
    mended = made("apps/v1/StatefulSet", "c", "a", spec=spec, metadata={"managedFields": managed})
    assert explain(mended, RecordedView(events={"a/c": [event]})) is None
    failure = {"conditions": [{"type": "ReplicaFailure", "status": "False", "message": "exceeded quota"}]}
    assert explain(made("apps/v1/Deployment", "c", "a", spec=spec, status=failure), RecordedView()) is None


@pytest.mark.point("events-of-now")
@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ("Failed", "one or more objects failed to apply, reason: denied"),
        ("Failed", 'no matches for kind "Widget" in version "example.org/v1"'),
        ("Error", 'failed calling webhook "a.example.org": refused'),
        ("Failed", "is not permitted in project 'chat'"),
    ],
)
def test_what_an_operation_of_an_earlier_commit_met_is_no_cause(phase: str, message: str) -> None:
    assert explain(application(message, phase=phase, revision=OLD), RecordedView()) is None
    assert cause_of(application(message, phase=phase)).id != "application-stale-revision"


@pytest.mark.point("events-of-now")
@pytest.mark.parametrize("waits", ["completion of hook batch/Job/migrate", "healthy state of apps/Deployment/gone"])
def test_a_hook_or_wave_that_git_no_longer_has_is_the_old_syncs_affair(waits: str) -> None:
    cause = cause_of(application(f"waiting for {waits}", phase="Running", revision=OLD))
    assert cause.id == "application-stale-revision"
    assert "terminate-op" in cause.remedy


@pytest.mark.point("events-of-now")
def test_a_condition_about_an_earlier_commit_is_no_cause() -> None:
    def failed(commit: str) -> Object:
        said = [{"type": "SyncError", "message": f"Failed last sync attempt to [{commit}]: denied (retried 5 times)."}]
        sync = {"status": "OutOfSync", "revision": SHA}
        return made("argoproj.io/v1alpha1/Application", "a", "argocd", spec={"syncPolicy": {"automated": {}}},
                    status={"conditions": said, "sync": sync})  # fmt: skip

    assert explain(failed(OLD), RecordedView()) is None
    assert cause_of(failed(SHA)).id == "application-sync-failed"


@pytest.mark.point("events-of-now")
def test_an_object_that_git_has_dropped_holds_nothing() -> None:
    entry = {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
        "namespace": "a",
        "name": "c",
        "requiresPruning": True,
    }
    app = made("argoproj.io/v1alpha1/Application", "a", "argocd",
               status={"health": {"status": "Progressing"}, "resources": [entry]})  # fmt: skip
    told = {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]}
    gone = made("apps/v1/Deployment", "c", "a", spec={"selector": {"matchLabels": {"a": "b"}}}, status=told)
    assert explain(app, RecordedView(gone)) is None


@pytest.mark.point("remedies-fit")
@pytest.mark.parametrize("refresh", [True, False])
def test_a_remedy_does_not_advise_what_is_there(refresh: bool) -> None:
    policy = {"automated": {}, "retry": {"limit": 5, "refresh": refresh}}
    for message, phase, revision in (
        ("denied. Retrying attempt #2 at 12:00PM.", "Running", SHA),
        ("waiting for healthy state of apps/Deployment/c", "Running", OLD),
    ):
        app = application(message, phase=phase, revision=revision)
        app["spec"]["syncPolicy"] = policy
        assert ("retry.refresh" in cause_of(app).remedy) is not refresh
    missing = application('no matches for kind "Widget" in version "example.org/v1"')
    assert "SkipDryRunOnMissingResource" in cause_of(missing).remedy
    missing["spec"]["syncPolicy"]["syncOptions"] = ["SkipDryRunOnMissingResource=true"]
    assert "SkipDryRunOnMissingResource" not in cause_of(missing).remedy


@pytest.mark.point("events-of-now")
def test_a_hook_that_is_left_from_an_earlier_sync_holds_nothing() -> None:
    entry = {"group": "batch", "version": "v1", "kind": "Job", "namespace": "a", "name": "c", "hook": True}
    status = {"health": {"status": "Progressing"}, "resources": [entry]}
    app = made("argoproj.io/v1alpha1/Application", "a", "argocd", status=status)
    event = {"reason": "FailedCreate", "message": "exceeded quota", "lastTimestamp": "2026-01-02T00:00:00Z"}
    job = made("batch/v1/Job", "c", "a", spec={"selector": {"matchLabels": {"a": "b"}}})
    assert explain(app, RecordedView(job, events={"a/c": [event]})) is None


@pytest.mark.point("events-of-now")
@pytest.mark.parametrize(("made_at", "held"), [("2026-01-01T00:00:00Z", True), ("2026-01-03T00:00:00Z", False)])
def test_a_mount_that_failed_before_its_config_map_was_there_is_no_cause(made_at: str, held: bool) -> None:
    message = 'MountVolume.SetUp failed for volume "c" : configmap "chat" not found'
    event = {"reason": "FailedMount", "message": message, "lastTimestamp": "2026-01-02T00:00:00Z"}
    pod = made("v1/Pod", "c-0", "a", status={"phase": "Pending"})
    there = made("v1/ConfigMap", "chat", "a", metadata={"creationTimestamp": made_at})
    view = RecordedView(there, events={"a/c-0": [event]})
    assert cause_of(pod, view).id == ("pod-configuration" if held else "pod-starting")
    assert cause_of(pod, RecordedView(events={"a/c-0": [event]})).id == "pod-configuration"


@pytest.mark.point("events-of-now")
@pytest.mark.parametrize(("seen", "held"), [(1, False), (2, True), (None, True)])
def test_what_the_controller_said_of_an_earlier_sealed_secret_is_no_cause(seen: int | None, held: bool) -> None:
    told = [{"type": "Synced", "status": "False", "message": "no key could decrypt secret (k)"}]
    status = {"conditions": told} | ({"observedGeneration": seen} if seen else {})
    sealed = made("bitnami.com/v1alpha1/SealedSecret", "k", "a", metadata={"generation": 2}, status=status)
    found = explain(sealed, RecordedView())
    assert found is not None
    assert (found.id == "secret-not-unsealed") is held
