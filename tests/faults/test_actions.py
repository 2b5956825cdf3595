"""What a fault does is undone by what was there before, the last change first."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.faults import actions
from platform_e2e.faults.actions import FAULT, Deeds, filled, former
from platform_e2e.faults.declaration import Fault, Step
from platform_e2e.kube.objects import Object
from tests.fakes.memory_kube import MemoryKube


class Patched(MemoryKube):
    """A cluster in memory that can be patched, too."""

    def patch(
        self,
        kind: str,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        type: str,  # noqa: A002  as the client has it
        manager: str,
    ) -> Object:
        """Change an object by a merge patch, or by replacements."""
        obj = self.objects[kind, namespace, name]
        self.managers.add(manager)
        if type == "merge":
            self.objects[kind, namespace, name] = merged(obj, patch)
        else:
            for each in patch:
                *path, last = [int(key) if key.isdigit() else key for key in each["path"].split("/")[1:]]
                below: Any = obj
                for key in path:
                    below = below[key]
                below[last] = each["value"]
        return obj


def merged(obj: Any, patch: Any) -> Any:
    """Return an object after a merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    found = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


DEPLOYMENT: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "api", "namespace": "shop", "labels": {"a": "b"}},
    "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "api", "image": "api:1"}]}}},
}

TARGET = "apps/v1/Deployment/api -n shop"


def prometheus(*values: float) -> Any:
    """Return a Prometheus whose answer has values."""
    return SimpleNamespace(query=lambda _: [SimpleNamespace(value=value) for value in values])


def deeds(kube: MemoryKube, *steps: Step, room: tuple[float, ...] = (2,)) -> Deeds:
    """Return the steps of a fault on a cluster."""
    return Deeds(Fault("down", "Down", steps), kube.kube, prometheus(*room))


def test_patches_are_undone() -> None:
    kube = Patched(DEPLOYMENT)
    image = {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "api:9"}
    change = {"spec": {"replicas": 0, "paused": True}, "metadata": {"labels": {"a": None, "c": "d"}}}
    made = deeds(kube, Step("patch", TARGET, change), Step("patch", TARGET, [image]))
    made.make()
    live = kube.get("apps/v1/Deployment", "api", "shop")
    assert live is not None
    assert (live["spec"]["replicas"], live["spec"]["paused"], live["metadata"]["labels"]) == (0, True, {"c": "d"})
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "api:9"
    made.undo()
    assert kube.get("apps/v1/Deployment", "api", "shop") == DEPLOYMENT


def test_what_is_created_has_a_label_and_goes() -> None:
    kube = Patched()
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "taken-$(n)", "namespace": "$(namespace)"}}
    made = deeds(kube, Step("create", change=service, times="room"))
    made.make()
    names = [key[2] for key in kube.objects]
    assert names == ["e2e-fault-down", "taken-1", "taken-2"]
    assert all(each["metadata"]["labels"][FAULT] == "down" for each in kube.objects.values())
    made.undo()
    assert kube.objects == {}


def test_program_that_must_see_the_end_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "api-1", "namespace": "shop"}}
    kube = Patched(DEPLOYMENT, pod)
    ended: list[str] = []
    monkeypatch.setattr(kube, "list", lambda *_, **__: [pod])
    monkeypatch.setattr(kube, "delete", lambda *place, **_: ended.append(place[1]))
    then = [Step("delete-pods", "app=api -n shop")]
    fault = Fault("down", "Down", [Step("patch", TARGET, {"spec": {"replicas": 0}})], then=then)
    Deeds(fault, kube.kube, prometheus()).undo()
    assert ended == []
    made = Deeds(fault, kube.kube, prometheus())
    made.make()
    made.undo()
    assert ended == ["api-1"]


@pytest.mark.parametrize("room", [(), (0,), (1, 2), (1e9,)])
def test_number_of_objects_must_be_known_and_bounded(room: tuple[float, ...]) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}
    with pytest.raises(WrongUsage, match="fault down: times must be 1 to 500"):
        deeds(Patched(), Step("create", change=config, times="room"), room=room).make()


def test_what_was_done_before_a_step_that_fails_is_undone() -> None:
    kube = Patched(DEPLOYMENT)
    made = deeds(
        kube, Step("patch", TARGET, {"spec": {"replicas": 0}}), Step("patch", "apps/v1/Deployment/none -n shop", {})
    )
    with pytest.raises(WrongUsage, match="is not in the cluster"):
        made.make()
    made.undo()
    assert kube.get("apps/v1/Deployment", "api", "shop") == DEPLOYMENT


def test_json_patch_that_cannot_be_taken_back_is_told() -> None:
    kube = Patched(copy.deepcopy(DEPLOYMENT))
    with pytest.raises(WrongUsage, match="a JSON patch of a fault must replace"):
        deeds(kube, Step("patch", TARGET, [{"op": "remove", "path": "/spec/replicas"}])).make()


@pytest.mark.parametrize(
    ("change", "before", "back"),
    [
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({"a": {"b": 1}}, {}, {"a": None}),
        ({"a": {"b": 1}}, {"a": {"b": 2, "c": 3}}, {"a": {"b": 2}}),
        ({"a": [1]}, {"a": [2, 3]}, {"a": [2, 3]}),
    ],
)
def test_patch_is_taken_back_by_what_was_there(change: Any, before: Any, back: Any) -> None:
    assert former(change, before) == back


def test_words_are_filled_in_anywhere() -> None:
    assert filled({"a": ["$(n)-$(n)", 1], "b": {"c": "$(x)"}}, {"n": "7"}) == {"a": ["7-7", 1], "b": {"c": "$(x)"}}


def test_what_a_killed_process_has_left_is_found_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = {FAULT: "down"}
    kube = Patched(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "e2e-fault-down", "labels": labels}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
    )
    listed = kube.list
    monkeypatch.setattr(kube, "list", lambda kind, labels: [each for each in listed(kind) if labels in str(each)])
    found = list(actions.left([], kube.kube))
    assert [name for name, _ in found] == ["Namespace e2e-fault-down"]
    found[0][1]()
    assert [key[2] for key in kube.objects] == ["shop"]
