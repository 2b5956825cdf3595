"""What a person wrote and Git does not state is told with its field; what controllers wrote, and what Git states, is not."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.checks import unmanaged_changes
from platform_e2e.layer import Rendered
from tests.fakes.recorded_view import RecordedView, made

GIT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "chat", "namespace": "dev", "labels": {"app": "chat"}},
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "chat",
                        "image": "chat:1",
                        "env": [{"name": "LEVEL", "value": "info"}],
                        "ports": [{"containerPort": 80}],
                    }
                ]
            }
        },
    },
}


def fields(*path: str) -> dict[str, Any]:
    """Return managed fields that lead to one field."""
    found: dict[str, Any] = {}
    for key in reversed(path):
        found = {key: found}
    return found


def in_container(*path: str) -> dict[str, Any]:
    return fields("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"chat"}', *path)


def live(manager: str, owned: dict[str, Any], *, subresource: str = "") -> dict[str, Any]:
    """Return the object as the cluster has it, with additions of every kind, some of them this manager's."""
    obj = made("apps/v1/Deployment", "chat", "dev", labels={"app": "chat", "team": "x"})
    entry = {"manager": manager, "operation": "Update", "time": "2026-11-30T12:00:00Z", "fieldsV1": owned}
    obj["metadata"]["managedFields"] = [entry | ({"subresource": subresource} if subresource else {})]
    obj["metadata"]["annotations"] = {"note": "y", "deployment.kubernetes.io/revision": "3"}
    container = {
        **GIT["spec"]["template"]["spec"]["containers"][0],
        "env": [{"name": "DEBUG", "value": "1"}, {"name": "LEVEL", "value": "info"}],
        "ports": [{"containerPort": 80, "protocol": "TCP"}],
    }
    pod = {"containers": [container, {"name": "extra", "image": "x"}], "nodeSelector": {"disk": "ssd"}}
    obj["spec"] = {"replicas": 5, "paused": True, "template": {"spec": pod, "metadata": {"annotations": {"a": "b"}}}}
    obj["status"] = {"replicas": 5}
    return obj


def told(manager: str, owned: dict[str, Any], **more: str) -> list[str]:
    """Return the fields that are told."""
    rendered = Rendered(GIT, "chat", "chat.yaml", 1)
    known = unmanaged_changes.controllers([])
    return [each.field for each in unmanaged_changes.changes(rendered, live(manager, owned, **more), known)]


@pytest.mark.parametrize(
    ("owned", "field"),
    [
        (fields("f:metadata", "f:labels", "f:team"), "metadata.labels.team"),
        (fields("f:metadata", "f:annotations", "f:note"), "metadata.annotations.note"),
        (fields("f:spec", "f:paused"), "spec.paused"),
        (in_container("f:env", 'k:{"name":"DEBUG"}', "f:value"), "spec.template.spec.containers[chat].env[DEBUG]"),
        (
            fields("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"extra"}', "f:image"),
            "spec.template.spec.containers[extra]",
        ),
        (fields("f:spec", "f:template", "f:spec", "f:nodeSelector", "f:disk"), "spec.template.spec.nodeSelector"),
        (fields("f:spec", "f:template", "f:metadata", "f:annotations", "f:a"), "spec.template.metadata"),
    ],
)
def test_what_git_does_not_state_is_told_with_the_topmost_field(owned: dict[str, Any], field: str) -> None:
    assert told("kubectl-edit", owned) == [field]
    assert told("some-script", owned) == [field]


@pytest.mark.parametrize(
    "owned",
    [
        fields("f:spec", "f:replicas"),
        in_container("f:image"),
        in_container("f:env", 'k:{"name":"LEVEL"}', "f:value"),
        in_container("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'),
        fields("f:metadata", "f:annotations", "f:deployment.kubernetes.io/revision"),
        fields("f:status", "f:replicas"),
        fields("f:metadata", "f:labels", "f:gone"),
    ],
)
def test_what_git_states_or_the_server_writes_or_is_gone_is_not(owned: dict[str, Any]) -> None:
    assert told("kubectl-edit", owned) == []


def test_what_a_controller_writes_is_not() -> None:
    added = fields("f:spec", "f:paused")
    assert told("kube-controller-manager", added) == []
    assert told("kubectl", added, subresource="status") == []
    pod = made(
        "v1/Pod",
        "p",
        "x",
        spec={"containers": [{"name": "main", "image": "r/ca-injector:1", "command": ["/bin/inject"]}]},
    )
    known = unmanaged_changes.controllers([pod])
    assert {"main", "ca-injector", "inject"} <= known


def test_only_objects_with_another_manager_are_read_by_themselves() -> None:
    changed, left = live("kubectl-patch", fields("f:spec", "f:paused")), live("argocd-controller", {})
    left["metadata"]["name"] = "other"
    other = Rendered({**GIT, "metadata": {**GIT["metadata"], "name": "other"}}, "chat", "chat.yaml", 9)
    asked: list[str] = []

    def whole(kind: str, name: str, namespace: str | None) -> dict[str, Any] | None:
        asked.append(name)
        return changed

    objects = [Rendered(GIT, "chat", "chat.yaml", 1), other]
    (found,) = unmanaged_changes.of_layer(objects, RecordedView(changed, left), whole)
    assert asked == ["chat"]
    assert str(found) == (
        "deployment/chat -n dev: spec.paused was written by kubectl-patch (2026-11-30T12:00:00Z), and Git does not state it"
    )
