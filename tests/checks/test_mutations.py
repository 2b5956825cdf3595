from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from platform_e2e import layer
from platform_e2e.checks.git_differences import value_at
from platform_e2e.checks.mutations import (
    MutationKind,
    application_edits,
    edit_of,
    generated_edits,
    mutations_of,
    other,
    root_edits,
)
from platform_e2e.layer import Layer, Rendered
from tests.fakes import layers
from tests.fakes.recorded_view import made


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def target(kind: str, **fields: Any) -> Rendered:
    return Rendered(made(kind, "one", "chat-dev", **fields), "chat-dev", "file.yaml", 1)


def of(demo: Layer, *objects: Rendered) -> layer.Application:
    return replace(demo.application("chat-dev"), objects=objects)


def test_every_application_of_the_demo_layer_is_drifted_in_both_ways(demo: Layer) -> None:
    for application in demo.applications:
        kinds = [drift.kind for drift in mutations_of(application)]
        assert kinds == [MutationKind.FIELD_EDITED, MutationKind.OBJECT_DELETED], application.name


def test_an_edit_changes_a_field_that_git_mentions(demo: Layer) -> None:
    for application in demo.applications:
        edit = mutations_of(application)[0]
        assert edit.git_value == value_at(edit.target.object, edit.pointer) is not None
        assert edit.value != edit.git_value
        assert type(edit.value) is type(edit.git_value)


def test_a_patch_refuses_a_field_that_is_not_what_git_says(demo: Layer) -> None:
    edit = mutations_of(demo.application("chat-dev"))[0]
    assert edit.patch == [
        {"op": "test", "path": "/spec/revisionHistoryLimit", "value": 3},
        {"op": "replace", "path": "/spec/revisionHistoryLimit", "value": 4},
    ]


def test_ids_name_application_and_kind(demo: Layer) -> None:
    assert [str(drift) for drift in mutations_of(demo.application("chat-dev"))] == [
        "chat-dev-field-edited",
        "chat-dev-object-deleted",
    ]


@pytest.mark.parametrize(
    "kind", ["apps/v1/Deployment", "v1/PersistentVolumeClaim", "metallb.io/v1beta1/IPAddressPool", "v1/Namespace"]
)
def test_what_takes_others_along_is_never_deleted(demo: Layer, kind: str) -> None:
    assert all(drift.kind is not MutationKind.OBJECT_DELETED for drift in mutations_of(of(demo, target(kind))))


def test_an_address_is_not_given_back_for_a_test(demo: Layer) -> None:
    assert mutations_of(of(demo, target("v1/Service", spec={"type": "LoadBalancer"}))) == []
    assert mutations_of(of(demo, target("v1/Service", spec={"type": "ClusterIP"})))


def test_an_application_that_takes_its_objects_along_is_not_deleted(demo: Layer) -> None:
    finalizer = {"finalizers": ["resources-finalizer.argocd.argoproj.io"]}
    assert mutations_of(of(demo, target("argoproj.io/v1alpha1/Application", metadata=finalizer))) == []
    assert mutations_of(of(demo, target("argoproj.io/v1alpha1/Application")))


def test_the_longest_text_of_a_config_map_is_edited() -> None:
    edit = edit_of(target("v1/ConfigMap", data={"log_level": "info", "a/b~c": "a text for people"}))
    assert edit is not None
    assert edit.pointer == "/data/a~1b~0c"


def test_a_kind_that_nobody_knows_is_edited_by_a_label() -> None:
    edit = edit_of(target("example.com/v1/Thing", labels={"app": "chat", "environment": "dev"}, spec={"secret": "x"}))
    assert edit is not None
    assert edit.pointer == "/metadata/labels/environment"


def test_an_object_without_such_a_field_is_left_alone() -> None:
    assert edit_of(target("example.com/v1/Thing", spec={"text": "x"})) is None


def test_who_keeps_each_application(demo: Layer) -> None:
    assert {edit.target.name for edit in application_edits(demo)} == {
        "metallb-config",
        "monitoring-config",
        "secrets-config",
    }
    assert {edit.application for edit in application_edits(demo)} == {"platform"}
    assert {edit.target.name for edit in generated_edits(demo)} == {"chat-dev", "chat-staging", "chat-prod"}
    assert [edit.target.name for edit in root_edits(demo)] == ["platform"]
    assert {edit.pointer for edit in application_edits(demo)} == {"/spec/syncPolicy/retry/limit"}


def test_another_value_is_another_value() -> None:
    assert other(3) == 4
    assert other("info") == "info-drifted"
