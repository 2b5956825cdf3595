"""Which objects of the layer the marker `each` makes cases of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.layer import Layer, Rendered
from platform_e2e.pytest_plugin.each import chosen
from tests.support.box import Box


def config(name: str, namespace: str, application: str, **labels: str) -> Rendered:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return Rendered(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, application, f"manifests/{name}.yaml", 1
    )


CONFIGS = (
    config("lobby", "lobby", "lobby", app="lobby", tier="web"),
    config("chat", "chat-dev", "chat-dev", app="chat", tier="web"),
    config("chat", "chat-prod", "chat-prod", app="chat"),
)


def layer(*objects: Rendered) -> Layer:
    def of_kind(kind: str) -> tuple[Rendered, ...]:
        return tuple(one for one in objects if kind in (one.kind, one.api))

    return cast("Layer", SimpleNamespace(of_kind=of_kind))


def names(patterns: dict[str, Any], *kinds: str) -> list[str]:
    return [str(one.namespace) for one in chosen(kinds or ("v1/ConfigMap",), patterns, layer(*CONFIGS))]


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ({}, ["lobby", "chat-dev", "chat-prod"]),
        ({"application": "lobby"}, ["lobby"]),
        ({"application": "chat-*"}, ["chat-dev", "chat-prod"]),
        ({"namespace": "*-prod"}, ["chat-prod"]),
        ({"name": "chat"}, ["chat-dev", "chat-prod"]),
        ({"name": "Chat*", "namespace": "*"}, None),
        ({"labels": {"app": "chat"}}, ["chat-dev", "chat-prod"]),
        ({"labels": {"app": "*", "tier": "w?b"}}, ["lobby", "chat-dev"]),
        ({"labels": {"app": "chat"}, "application": "*-dev"}, ["chat-dev"]),
    ],
)
def test_a_marker_is_restricted_by_patterns(patterns: dict[str, Any], left: list[str] | None) -> None:
    if left is None:
        with pytest.raises(WrongUsage):
            names(patterns)
    else:
        assert names(patterns) == left


def test_where_nothing_is_left_the_error_says_what_there_is() -> None:
    with pytest.raises(WrongUsage) as caught:
        names({"application": "loby"})
    assert caught.value.problem == (
        "@pytest.mark.each must leave at least one v1/ConfigMap of the layer, got none with application='loby'"
    )
    assert "configmap/lobby -n lobby of application lobby" in caught.value.remedy


def test_a_kind_that_the_layer_lacks_is_an_error_only_where_something_of_it_is_named() -> None:
    assert names({}, "v1/Secret") == []
    with pytest.raises(WrongUsage, match="correct the kind, which the layer does not render"):
        names({"name": "lobby"}, "v1/Secret")


@pytest.mark.parametrize(
    ("patterns", "problem"),
    [
        (
            {"aplication": "x"},
            "must be one of application, namespace, name, labels, got aplication\n  remedy: write application=",
        ),
        ({"name": 3}, "name= of @pytest.mark.each must be a text, got 3"),
        ({"labels": "app=chat"}, "labels= of @pytest.mark.each must be a mapping of texts, got 'app=chat'"),
        ({"labels": {"app": None}}, "labels= of @pytest.mark.each must be a mapping of texts"),
    ],
)
def test_what_the_marker_does_not_have_is_refused(patterns: dict[str, Any], problem: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        names(patterns)
    assert problem in str(caught.value)


def test_a_marker_without_a_kind_is_refused() -> None:
    with pytest.raises(WrongUsage, match="must name a kind"):
        chosen((), {}, layer())


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_a_marker_that_leaves_nothing_ends_the_call_as_wrong_usage(box: Box, workers: str) -> None:
    box.tests("""
@pytest.mark.promise("greetings")
@pytest.mark.each("v1/ConfigMap", application="lobby")
def test_it(each, cluster): ...
""")
    status, out = box.run("e2e", workers)
    assert status == 4, out
    assert "Traceback" not in out
    assert "test_it.py::test_it: @pytest.mark.each must leave at least one v1/ConfigMap" in out
    assert "remedy: " in out


def test_a_file_that_cannot_be_read_is_still_a_fault_of_the_harness(box: Box) -> None:
    box.tests("""
@pytest.mark.each("v1/ConfigMap", application="lobby")
def test_it(each, cluster): ...
""")
    (box.directory / "e2e" / "test_other.py").write_text("import nothing_of_that_name\n")
    assert box.run("e2e")[0] == 3
