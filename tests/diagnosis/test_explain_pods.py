from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.explain import explain
from platform_e2e.kube.errors import NotFound
from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import RecordedView, made


def pod(state: dict[str, Any], *, last: dict[str, Any] | None = None, restarts: int = 0, **status: Any) -> Object:
    container = {
        "name": "chat",
        "image": "ghcr.io/platform-team/chat:9.9.9",
        "state": state,
        "lastState": last or {},
        "restartCount": restarts,
    }
    return made("v1/Pod", "chat-0", "chat-dev", status={"phase": "Pending", "containerStatuses": [container], **status})


def event(reason: str, message: str) -> dict[str, Any]:
    return {"reason": reason, "message": message}


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"])
def test_an_image_that_cannot_be_had(reason: str) -> None:
    cause = explain(pod({"waiting": {"reason": reason}}), RecordedView())
    assert cause is not None
    assert cause.id == "pod-image"
    assert "ghcr.io/platform-team/chat:9.9.9 of pod/chat-0 -n chat-dev" in cause.sentence
    assert reason in cause.sentence


def test_a_secret_that_does_not_exist() -> None:
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "chat-signing-key" not found'}
    cause = explain(pod({"waiting": waiting}), RecordedView())
    assert cause is not None
    assert cause.id == "pod-configuration"
    assert "chat-signing-key" in cause.sentence


def test_a_volume_that_cannot_be_mounted() -> None:
    said = event(
        "FailedMount", 'MountVolume.SetUp failed for volume "signing-key" : secret "chat-signing-key" not found'
    )
    view = RecordedView(events={"chat-dev/chat-0": [said]})
    cause = explain(pod({"waiting": {"reason": "ContainerCreating"}}), view)
    assert cause is not None
    assert cause.id == "pod-configuration"
    assert "chat-signing-key" in cause.sentence


def test_an_old_mount_problem_of_a_pod_that_runs_is_no_cause() -> None:
    view = RecordedView(events={"chat-dev/chat-0": [event("FailedMount", "not found"), event("Unhealthy", "HTTP 500")]})
    cause = explain(pod({"running": {}}), view)
    assert cause is not None
    assert cause.id == "pod-probe"
    assert "HTTP 500" in cause.sentence


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            (
                'Back-off pulling image "chat:9": ErrImagePull: failed to pull and unpack image "chat:9": failed to resolve '
                'reference "chat:9": chat:9: not found'
            ),
            "chat:9: not found",
        ),
        (
            (
                "rpc error: code = Unknown desc = failed to pull and unpack image "
                '"docker.io/team/chat:9": failed to resolve reference "docker.io/team/chat:9": pull access denied, repository '
                "does not exist or may require authorization: server message: insufficient_scope: authorization failed"
            ),
            (
                "pull access denied, repository does not exist or may require authorization: server message: "
                "insufficient_scope: authorization failed"
            ),
        ),
        (
            (
                'failed to do request: Head "https://ghcr.io/v2/chat": dial tcp: lookup ghcr.io on [::1]:53: read udp [::1]:1:'
                " read: connection refused"
            ),
            "dial tcp: lookup ghcr.io on [::1]:53: read udp [::1]:1: read: connection refused",
        ),
        ("rpc error: code = Canceled desc = context canceled", "context canceled"),
        ('Back-off pulling image "ghcr.io/errors/failed:9"', ""),
        ("", ""),
    ],
)
def test_an_image_that_cannot_be_had_says_what_refused_it(message: str, told: str) -> None:
    cause = explain(pod({"waiting": {"reason": "ImagePullBackOff", "message": message}}), RecordedView())
    assert cause is not None
    assert cause.sentence.endswith(f"cannot be had (ImagePullBackOff{f': {told}' if told else ''})")
    assert cause.about.startswith("image ")


def test_no_node_takes_it() -> None:
    conditions = [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes: too little memory",
        }
    ]
    cause = explain(pod({}, conditions=conditions, containerStatuses=[]), RecordedView())
    assert cause is not None
    assert cause.id == "pod-unschedulable"
    assert "too little memory" in cause.sentence


def test_a_crash_quotes_the_log_of_the_run_before() -> None:
    crashed = pod(
        {"waiting": {"reason": "CrashLoopBackOff"}},
        last={"terminated": {"exitCode": 2, "reason": "Error"}},
        restarts=4,
    )
    cause = explain(crashed, RecordedView(logs={"chat-0/chat/previous": "started\nlog_level says LOUD\n"}))
    assert cause is not None
    assert cause.id == "pod-crash"
    assert "ended 4 times (Error, exit status 2)" in cause.sentence
    assert "log_level says LOUD" in cause.sentence


def test_a_secret_that_a_crash_has_printed_is_hidden_before_its_last_lines_are_quoted() -> None:
    printed = "kind: Secret\nmetadata:\n  name: room\nstringData:\n  room: qkGrWpLZTjCkr\ntype: Opaque\nthat was all\n"
    crashed = pod({"waiting": {}}, last=ENDED, restarts=3)
    cause = explain(crashed, RecordedView(logs={"chat-0/chat/previous": f"apiVersion: v1\n{printed}"}))
    assert cause is not None
    assert cause.sentence.endswith("; its log ends: room: [redacted] | type: Opaque | that was all"), cause.sentence


GONE = "unable to retrieve container logs for containerd://87f4"
ENDED = {"terminated": {"exitCode": 2, "reason": "Error"}}


@pytest.mark.parametrize(
    ("state", "logs"),
    [
        (ENDED, {"chat-0/chat": "no such file", "chat-0/chat/previous": "of the run before"}),
        (ENDED, {"chat-0/chat": GONE, "chat-0/chat/previous": "no such file"}),
        ({"waiting": {}}, {"chat-0/chat/previous": GONE, "chat-0/chat": "no such file"}),
        ({"running": {}}, {"chat-0/chat/previous": "no such file", "chat-0/chat": "started"}),
        ({"waiting": {}}, {"chat-0/chat/previous": GONE, "chat-0/chat": GONE}),
    ],
)
def test_a_crash_quotes_the_run_that_ended_last_or_the_one_that_the_kubelet_still_has(
    state: dict[str, Any], logs: dict[str, str]
) -> None:
    cause = explain(pod(state, last=ENDED, restarts=2), RecordedView(logs=logs))
    assert cause is not None
    quoted = "; its log ends: no such file" if "no such file" in logs.values() else ""
    assert cause.sentence.endswith(f"has ended 2 times (Error, exit status 2){quoted}")


@pytest.mark.parametrize(("ready", "cause"), [(False, "pod-crash"), (True, "pod-starting")])
def test_a_container_that_runs_for_a_moment_between_two_ends_crashes_all_the_same(ready: bool, cause: str) -> None:
    crashing = pod({"running": {}}, last={"terminated": {"exitCode": 1, "reason": "Error"}}, restarts=2)
    crashing["status"]["containerStatuses"][0]["ready"] = ready
    found = explain(crashing, RecordedView())
    assert found is not None
    assert found.id == cause, "one that is ready has got over it"


def test_a_crash_whose_log_is_gone_is_still_named() -> None:
    class WithoutLogs(RecordedView):
        def logs(
            self, pod: str, namespace: str, container: str | None = None, *, previous: bool = False, tail: int = 50
        ) -> str:
            raise NotFound("GET log", 404, "NotFound", "previous terminated container not found")

    cause = explain(pod({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}), WithoutLogs())
    assert cause is not None
    assert "OOMKilled without a memory limit of its own (ended 1 time, exit status 137)" in cause.sentence
    assert "its log" not in cause.sentence


def test_a_pod_that_is_only_starting() -> None:
    cause = explain(pod({"waiting": {"reason": "ContainerCreating"}}), RecordedView())
    assert cause is not None
    assert cause.id == "pod-starting"
    assert "chat: ContainerCreating" in cause.sentence


def test_a_ready_pod_has_no_cause() -> None:
    ready = pod({"running": {}}, conditions=[{"type": "Ready", "status": "True"}])
    assert explain(ready, RecordedView()) is None


def test_a_quota_keeps_pods_from_being_made() -> None:
    said = event("FailedCreate", "pods is forbidden: exceeded quota: small")
    selector = {"matchLabels": {"app": "chat"}}
    workload = made("apps/v1/StatefulSet", "chat", "chat-dev", spec={"selector": selector})
    cause = explain(workload, RecordedView(events={"chat-dev/chat": [said]}))
    assert cause is not None
    assert cause.id == "workload-quota"
    assert "exceeded quota: small" in cause.sentence


def test_the_newest_pod_of_a_workload_is_asked_first() -> None:
    old = pod({"waiting": {"reason": "ImagePullBackOff"}})
    new = pod({"waiting": {"reason": "ContainerCreating"}})
    for one, second in ((old, 1), (new, 2)):
        one["metadata"].update(labels={"app": "chat"}, creationTimestamp=f"2026-01-01T00:00:0{second}Z")
    new["metadata"]["name"] = "chat-1"
    selector = {"matchLabels": {"app": "chat"}}
    workload = made("apps/v1/Deployment", "chat", "chat-dev", spec={"selector": selector})
    cause = explain(workload, RecordedView(old, new))
    assert cause is not None
    assert cause.id == "pod-starting"


def test_the_memory_limit_is_told_also_where_the_runtime_has_missed_one_of_the_ends() -> None:
    """Of three containers at one limit containerd called one's last end an Error."""
    small = pod({"terminated": {"exitCode": 137, "reason": "Error"}})
    small["spec"] = {"containers": [{"name": "chat", "resources": {"limits": {"memory": "20Mi"}}}]}
    cause = explain(small, RecordedView())
    assert cause is not None
    assert cause.remedy.startswith("it was killed and has logged nothing, as at its memory limit of 20Mi")
    small["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    cause = explain(small, RecordedView())
    assert cause is not None
    assert "is OOMKilled at its memory limit of 20Mi" in cause.sentence


@pytest.mark.point("remedies-fit")
@pytest.mark.parametrize(
    "state",
    [
        {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        {"waiting": {"reason": "CreateContainerError", "message": "container init was OOM-killed (memory limit too low?)"}},
        {"terminated": {"exitCode": 128, "reason": "StartError", "message": "container init was OOM-killed (memory limit too low?)"}},
    ],
)  # fmt: skip
def test_a_container_that_the_kernel_ended_is_told_with_its_limit(state: dict[str, Any]) -> None:
    small = pod(state)
    small["spec"] = {"containers": [{"name": "chat", "resources": {"limits": {"memory": "20Mi"}}}]}
    cause = explain(small, RecordedView())
    assert cause is not None
    assert cause.id == "pod-crash"
    assert (
        "container chat of pod/chat-0 -n chat-dev is OOMKilled at its memory limit of 20Mi (ended 1 time"
        in cause.sentence
    )
    assert cause.remedy.startswith("raise resources.limits.memory of container chat")
