"""A hook is run and not kept; where it fails, or cannot begin, that is told with its own words."""

from __future__ import annotations

from typing import Any, cast

import pytest

from platform_e2e.checks import hookruns
from platform_e2e.checks.drifted_objects import wanted
from platform_e2e.checks.mutations import mutations_of
from platform_e2e.diagnosis.causes import CAUSES
from platform_e2e.diagnosis.explain import explain
from platform_e2e.gitops import argocd
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Polled
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Application, Rendered
from platform_e2e.layer.applications import parse
from platform_e2e.layer.yamlfile import Document
from tests.fakes import layers
from tests.fakes.recorded_view import RecordedView, made

SHA = "b" * 40
PHASES = ("PreSync", "Sync", "PostSync", "SyncFail", "PostDelete", "PreSync,PostSync")


def annotated(kind: str = "v1/ConfigMap", **annotations: str) -> Rendered:
    names = {"argo": "argocd.argoproj.io/hook", "helm": "helm.sh/hook"}
    metadata = {"annotations": {names[name]: value for name, value in annotations.items()}, "namespace": "one"}
    return Rendered(made(kind, "a", "one", metadata=metadata, data={"k": "v"}), "one", "f.yaml", 1)


@pytest.mark.point("hooks-are-no-state")
@pytest.mark.parametrize(
    "annotations", [*({"argo": one} for one in (*PHASES, "Skip")), {"helm": "pre-install"}, {"helm": "test"}], ids=str
)
def test_a_hook_is_neither_healed_nor_compared_nor_missing(
    annotations: dict[str, str], tmp_path: Any
) -> None:  # fmt: skip
    lines = "".join(
        f"    {'argocd.argoproj.io/hook' if name == 'argo' else 'helm.sh/hook'}: {value}\n"
        for name, value in annotations.items()
    )
    hook = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n{lines}data:\n  long: a very long text\n"
    found = layers.load(layers.write(tmp_path, {"manifests/one/a-hook.yaml": hook}))
    application = found.application("one")
    assert [one.name for one in application.objects] == ["a", "one"], "Argo CD is given it all the same"
    assert {drift.target.name for drift in mutations_of(application)} == {"one"}
    assert [str(one) for one in wanted(found, ["one"])] == ["configmap/one -n one", "application/one -n argocd"]
    assert [one.name for one in found.of_kind("v1/ConfigMap")] == ["one"]


@pytest.mark.point("hooks-are-no-state")
def test_what_helm_calls_a_hook_and_argo_cd_keeps_is_kept() -> None:
    assert annotated(helm="crd-install").kept
    assert not annotated(helm="pre-install", argo="Sync").kept
    assert annotated(argo="Sync", helm="pre-install").hooks == ("Sync",)
    assert annotated(helm="pre-install,pre-upgrade").hooks == ("PreSync",)
    assert annotated(helm="test").hooks == annotated(argo="SyncFail").hooks == annotated(argo="Skip").hooks == ()
    assert annotated().hooks == ()
    assert annotated().phases == annotated(helm="crd-install").phases == ("Sync",)
    assert annotated(helm="pre-delete").phases == annotated(argo="Skip").phases == ()


@pytest.mark.parametrize(
    ("wave", "weight", "number"),
    [("3", None, 3), (None, "-5", -5), ("2", "7", 2), ("soon", "7", 7), ("soon", None, 0), (None, None, 0)],
)
def test_the_wave_is_argo_cds_number_or_helms(wave: str | None, weight: str | None, number: int) -> None:
    written = {"argocd.argoproj.io/sync-wave": wave, "helm.sh/hook-weight": weight}
    metadata = {"annotations": {name: value for name, value in written.items() if value is not None}}
    assert Rendered(made("v1/ConfigMap", "a", "one", metadata=metadata), "one", "f.yaml", 1).wave == number


def application(phase: str, message: str, *results: dict[str, Any], revision: str = SHA) -> Object:
    status = {
        "sync": {"status": "OutOfSync", "revision": SHA},
        "operationState": {
            "phase": phase,
            "message": message,
            "startedAt": "2026-01-01T00:00:00Z",
            "syncResult": {"revision": revision, "resources": list(results)},
        },
    }
    return made(argocd.APPLICATION, "chat-dev", "argocd", spec={"syncPolicy": {"automated": {}}}, status=status)


def hook(
    phase: str, state: str = "Failed", said: str = "Job has reached the specified backoff limit"
) -> dict[str, Any]:
    of_job = {"group": "batch", "version": "v1", "kind": "Job", "namespace": "chat-dev", "name": "migrate"}
    return {**of_job, "hookType": phase, "hookPhase": state, "message": said}


def job() -> Object:
    return made("batch/v1/Job", "migrate", "chat-dev", spec={"selector": {"matchLabels": {"job": "migrate"}}})


def pod(state: dict[str, Any], name: str = "migrate-1") -> Object:
    status = {
        "phase": "Pending",
        "containerStatuses": [{"name": "migrate", "image": "m:1", "restartCount": 0, "state": state}],
    }
    return made("v1/Pod", name, "chat-dev", {"job": "migrate"}, status=status)


ENDED = {"terminated": {"exitCode": 3, "reason": "Error"}}


@pytest.mark.point("hook-failure-told")
@pytest.mark.parametrize("phase", ["PreSync", "Sync", "PostSync", "SyncFail"])
def test_a_hook_that_failed_is_told_with_its_exit_status_and_the_end_of_its_log(phase: str) -> None:
    view = RecordedView(job(), pod(ENDED), logs={"migrate-1/migrate": "begins\nno such table\n"})
    cause = explain(
        application("Failed", "one or more synchronization tasks completed unsuccessfully", hook(phase)), view
    )
    assert cause is not None
    assert cause.id == "application-hook-failed"
    assert cause.sentence == (
        f"the {phase} hook job/migrate -n chat-dev of application/chat-dev -n argocd has failed: Job has reached the specified "
        "backoff limit; container migrate of pod/migrate-1 -n chat-dev has ended 1 time (Error, exit status 3); its log ends: "
        "begins | no such table"
    )
    assert cause.through == "job/migrate -n chat-dev"
    assert CAUSES[cause.id].promise == "applications"


@pytest.mark.point("hook-failure-told")
def test_a_hook_that_deleted_itself_is_told_by_argo_cds_words() -> None:
    cause = explain(application("Failed", "unsuccessful", hook("PreSync")), RecordedView())
    assert cause is not None
    assert cause.sentence.endswith("has failed: Job has reached the specified backoff limit")
    assert "HookFailed" in cause.remedy


@pytest.mark.point("hook-failure-told")
def test_what_a_hook_for_failures_stands_for_comes_before_it() -> None:
    refused = {"kind": "ConfigMap", "name": "a", "status": "SyncFailed", "message": "denied by a policy"}
    cause = explain(application("Failed", "unsuccessful", refused, hook("SyncFail")), RecordedView())
    assert cause is not None
    assert (cause.id, "denied by a policy" in cause.sentence) == ("application-sync-failed", True)
    both = application(
        "Failed", "unsuccessful", hook("SyncFail", said="of the clean-up"), hook("PostSync", said="of the hook")
    )
    assert "of the hook" in str(explain(both, RecordedView()))


@pytest.mark.point("hook-failure-told")
def test_a_hook_that_fails_again_and_again_is_told_before_its_job_gives_up() -> None:
    waits = application("Running", "waiting for completion of hook batch/Job/migrate", hook("PreSync", "Running", ""))
    view = RecordedView(job(), pod(ENDED), logs={"migrate-1/migrate": "no such table\n"})
    cause = explain(waits, view)
    assert cause is not None
    assert cause.id == "application-hook-failed"
    assert "exit status 3); its log ends: no such table" in cause.sentence


@pytest.mark.point("hook-failure-told")
def test_a_hook_whose_image_cannot_be_had_is_told() -> None:
    waits = application(
        "Running", "waiting for completion of hook batch/Job/migrate and 1 more hooks", hook("PreSync", "Running")
    )
    cause = explain(waits, RecordedView(job(), pod({"waiting": {"reason": "ErrImagePull"}})))
    assert cause is not None
    assert cause.id == "application-hook-running"
    assert "waits for the hook batch/Job/migrate and 1 more hooks: the image m:1 of pod/migrate-1" in cause.sentence
    assert "registry" in cause.remedy


@pytest.mark.point("hook-failure-told")
def test_a_hook_that_needs_what_the_same_commit_brings_later_is_to_be_helped_by_a_wave() -> None:
    app = application("Running", "waiting for completion of hook batch/Job/migrate", hook("PreSync", "Running", ""))
    app["status"]["resources"] = [
        {"version": "v1", "kind": "ConfigMap", "namespace": "chat-dev", "name": "settings", "status": "OutOfSync"}
    ]
    mount = {
        "reason": "FailedMount",
        "message": 'MountVolume.SetUp failed for volume "s" : configmap "settings" not found',
    }
    creating = pod({"waiting": {"reason": "ContainerCreating"}})
    cause = explain(app, RecordedView(job(), creating, events={"chat-dev/migrate-1": [mount]}))
    assert cause is not None
    assert cause.id == "application-hook-running"
    assert 'configmap "settings" not found' in cause.sentence
    assert "configmap/settings -n chat-dev is of the same commit" in cause.remedy
    assert "argocd.argoproj.io/hook: PreSync" in cause.remedy


class Cluster(RecordedView):
    """A cluster whose Argo CD ends a sync at once."""

    def __init__(self, before: Object, after: Object, *objects: Object, logs: dict[str, str]) -> None:
        super().__init__(before, *objects, logs=logs)
        self.after = after
        self.asked: list[Any] = []

    def patch(self, _kind: str, _name: str, patch: Any, _namespace: str | None = None) -> Object:
        self.asked.append(patch)
        self.objects[0] = self.after
        return self.after

    def one(self, kind: str, name: str, namespace: str | None = None) -> Polled[Object | None]:
        return Polled(lambda: self.get(kind, name, namespace), name, first=0.001, most=0.01)


def hooked() -> Application:
    spec = {"source": {"repoURL": "x", "path": "p"}, "syncPolicy": {"automated": {"prune": True}}}
    data = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "chat-dev"}, "spec": spec}
    return parse(Document(data, "argocd/a.yaml", 1))


@pytest.mark.point("hook-failure-told")
def test_a_sync_is_asked_for_where_this_commit_had_none_and_its_failure_is_the_promises_own() -> None:
    before = application("Succeeded", "successfully synced", revision="a" * 40)
    after = application("Failed", "unsuccessful", hook("PreSync"))
    after["status"]["operationState"]["startedAt"] = "2026-01-01T00:01:00Z"
    cluster = Cluster(before, after, job(), pod(ENDED), logs={"migrate-1/migrate": "no such table\n"})
    (finding,) = hookruns.check(hooked(), SHA, cast("Kube", cluster), timeout=2)
    assert (finding.promise, finding.cause.id) == ("applications", "application-hook-failed")
    (asked,) = cluster.asked
    assert asked["operation"]["initiatedBy"] == {"username": "platform-e2e"}
    assert "resources" not in asked["operation"]["sync"], "a partial sync runs no hooks"


@pytest.mark.point("hook-failure-told")
def test_a_commit_that_was_synced_with_its_hooks_is_not_synced_again() -> None:
    done = application("Succeeded", "successfully synced (heal)", revision="a" * 40)
    done["status"]["history"] = [{"id": 1, "revision": "a" * 40}, {"id": 2, "revision": SHA}]
    cluster = Cluster(done, done, logs={})
    assert hookruns.check(hooked(), SHA, cast("Kube", cluster), timeout=2) == []
    assert cluster.asked == []
