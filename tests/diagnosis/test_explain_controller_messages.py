"""Where no explanation applies, what a controller says itself is quoted; an Application that nobody looks at has its own cause."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.diagnosis.explain import explain, unexplained_of
from tests.fakes.recorded_view import RecordedView, made

APPLICATION = "argoproj.io/v1alpha1/Application"
REFUSED = {
    "type": "Warning",
    "reason": "AllocationFailed",
    "message": 'Failed to allocate IP for "chat-dev/guests": service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP',
    "source": {"component": "metallb-controller"},
    "lastTimestamp": "2026-01-01T00:00:05Z",
    "metadata": {"creationTimestamp": "2026-01-01T00:00:05Z"},
}


def claim(**status: Any) -> dict[str, Any]:
    return made("v1/PersistentVolumeClaim", "scratch", "n", status=status)


def application(**status: Any) -> dict[str, Any]:
    entry = {"version": "v1", "kind": "PersistentVolumeClaim", "namespace": "n", "name": "scratch", "status": "Synced"}
    return made(APPLICATION, "one", "argocd", spec={}, status={"resources": [entry], **status})


@pytest.mark.point("own-events-quoted")
@pytest.mark.point("unknown-hides-nothing")
def test_what_is_said_of_an_object_of_an_application_is_quoted_with_its_name() -> None:
    event = REFUSED | {"reason": "ProvisioningFailed", "message": 'storageclass "none" not found'}
    event["source"] = {"component": "persistentvolume-controller"}
    view = RecordedView(claim(), events={"n/scratch": [event]})
    cause = unexplained_of(application(), view, "its health is Progressing")
    assert cause.id == "unexplained"
    assert cause.sentence == (
        "none of the known causes applies; its health is Progressing; of persistentvolumeclaim/scratch -n n, "
        'persistentvolume-controller says ProvisioningFailed: storageclass "none" not found'
    )
    assert cause.through == "persistentvolumeclaim/scratch -n n"


@pytest.mark.point("own-events-quoted")
@pytest.mark.parametrize(
    "event", [REFUSED | {"lastTimestamp": "2025-12-31T00:00:00Z", "metadata": {}}, REFUSED | {"type": "Normal"}]
)
def test_an_event_of_earlier_content_and_one_that_warns_of_nothing_are_not_quoted(event: dict[str, Any]) -> None:
    view = RecordedView(claim(), events={"n/scratch": [event]})
    assert "says" not in unexplained_of(application(), view, "its health is Progressing").sentence


FAILED_MOUNT = {
    "type": "Warning",
    "reason": "FailedMount",
    "message": 'configmap "lobby" not found',
    "source": {"component": "kubelet"},
    "lastTimestamp": "2026-01-01T00:00:05Z",
}


@pytest.mark.point("own-events-quoted")
@pytest.mark.parametrize(
    ("ready", "since", "quoted"),
    [
        ("True", "2026-01-01T00:00:05Z", False),
        ("True", "2026-01-01T00:01:00Z", False),
        ("True", "2026-01-01T00:00:01Z", True),
        ("True", None, False),
        ("False", "2026-01-01T00:01:00Z", True),
    ],
)
@pytest.mark.parametrize("kind", ["v1/Pod", "example.org/v1/Lobby"])
def test_a_warning_from_before_an_object_got_ready_is_not_quoted(
    kind: str, ready: str, since: str | None, quoted: bool
) -> None:
    condition = {"type": "Ready", "status": ready, **({"lastTransitionTime": since} if since else {})}
    obj = made(kind, "lobby", "lobby", status={"phase": "Running", "conditions": [condition]})
    cause = unexplained_of(obj, RecordedView(obj, events={"lobby/lobby": [FAILED_MOUNT]}), "it lacks the label tier")
    assert ("FailedMount" in cause.sentence) is quoted


@pytest.mark.point("own-events-quoted")
def test_a_warning_of_another_object_of_the_name_is_not_quoted() -> None:
    event = FAILED_MOUNT | {"involvedObject": {"kind": "Pod", "name": "lobby", "uid": "earlier"}}
    obj = made("v1/Pod", "lobby", "lobby", metadata={"uid": "now"})
    cause = unexplained_of(obj, RecordedView(obj, events={"lobby/lobby": [event]}), "it lacks the label tier")
    assert "FailedMount" not in cause.sentence


@pytest.mark.point("own-events-quoted")
def test_a_condition_that_does_not_hold_is_quoted_where_no_event_is() -> None:
    conditions = [
        {"type": "Ready", "status": "True", "message": "fine"},
        {"type": "Resizing", "status": "False", "message": "no\n room"},
    ]
    cause = unexplained_of(application(), RecordedView(claim(conditions=conditions)), "its health is Progressing")
    assert cause.sentence.endswith("of persistentvolumeclaim/scratch -n n, its condition Resizing is False: no room")


@pytest.mark.point("unknown-hides-nothing")
def test_where_nobody_says_anything_what_is_lacking_remains() -> None:
    cause = unexplained_of(application(), RecordedView(claim()), "its health is Progressing")
    assert cause.sentence == "none of the known causes applies; its health is Progressing"


def controller(*args: str, **env: str) -> dict[str, Any]:
    variables = [{"name": name, "value": value} for name, value in env.items()]
    labels = {"app.kubernetes.io/component": "application-controller"}
    spec = {"template": {"spec": {"containers": [{"args": list(args), "env": variables}]}}}
    return made("apps/v1/StatefulSet", "argocd-application-controller", "argocd", labels, spec=spec)


def parameters(namespaces: str) -> dict[str, Any]:
    return made("v1/ConfigMap", "argocd-cmd-params-cm", "argocd", data={"application.namespaces": namespaces})


def notes(**status: Any) -> dict[str, Any]:
    return made(APPLICATION, "notes", "team-a", spec={"project": "platform"}, status=status)


@pytest.mark.point("unknown-hides-nothing")
def test_an_application_in_a_namespace_that_is_not_watched_has_a_cause_of_its_own() -> None:
    cause = explain(notes(), RecordedView(controller(), parameters("shop, web-*")))
    assert cause is not None
    assert cause.id == "application-namespace-unwatched"
    assert cause.sentence == (
        "Argo CD does not look at application/notes -n team-a: its controller in namespace argocd reads Applications of "
        "argocd, shop, web-* only"
    )
    assert "move the Application to namespace argocd" in cause.remedy
    assert "application.namespaces" in cause.remedy


@pytest.mark.point("unknown-hides-nothing")
@pytest.mark.parametrize(
    "objects",
    [
        (controller(), parameters("shop,team-*")),
        (controller(), parameters("/^team-[ab]$/")),
        (controller("--application-namespaces", "team-a"),),
        (controller("--application-namespaces=team-a"),),
        (controller(ARGOCD_APPLICATION_NAMESPACES="team-a"),),
        (),
    ],
)
def test_one_that_is_watched_or_whose_controller_is_not_known_has_not(objects: tuple[dict[str, Any], ...]) -> None:
    assert explain(notes(), RecordedView(*objects)) is None


def test_one_that_was_compared_is_looked_at() -> None:
    assert explain(notes(sync={"status": "Synced"}), RecordedView(controller())) is None
