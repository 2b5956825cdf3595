"""CRDs lose their descriptions and nothing else, and are served when their kinds can be listed."""

from __future__ import annotations

from platform_e2e.foundations import crds
from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.expect import Met, Pending
from tests.fakes.memory_kube import MemoryKube


def definition(*versions: str) -> Object:
    schema = {
        "description": "what it is",
        "type": "object",
        "properties": {
            "description": {"type": "string", "description": "a property that happens to be called so"},
            "matchers": {
                "type": "array",
                "items": {"description": "one", "type": "string", "enum": ["=", "description"]},
            },
            "free": {
                "type": "object",
                "default": {"description": "kept"},
                "additionalProperties": {"description": "x"},
            },
        },
        "anyOf": [{"description": "y", "required": ["matchers"]}],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org"},
        "spec": {
            "group": "example.org",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": name, "served": True, "schema": {"openAPIV3Schema": schema}} for name in versions],
        },
    }


def test_descriptions_go_and_a_property_of_that_name_stays() -> None:
    whole = definition("v1")
    slim = crds.slim(whole)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert slim == {
        "type": "object",
        "properties": {
            "description": {"type": "string"},
            "matchers": {"type": "array", "items": {"type": "string", "enum": ["=", "description"]}},
            "free": {"type": "object", "default": {"description": "kept"}, "additionalProperties": {}},
        },
        "anyOf": [{"required": ["matchers"]}],
    }
    assert whole == definition("v1")


def test_a_crd_is_served_when_each_version_can_be_listed() -> None:
    memory = MemoryKube()
    wanted = definition("v1", "v2")
    wanted["spec"]["versions"].append({"name": "v0", "served": False})
    assert isinstance(crds.served(memory.kube, wanted), Pending)
    memory.listable = {"/apis/example.org/v1/widgets"}
    verdict = crds.served(memory.kube, wanted)
    assert isinstance(verdict, Pending)
    assert "/apis/example.org/v2/widgets cannot be listed yet" in verdict.why
    memory.listable.add("/apis/example.org/v2/widgets")
    assert isinstance(crds.all_served(memory.kube, [wanted]), Met)


def test_apply_applies_all_and_waits_for_them() -> None:
    memory = MemoryKube()
    memory.listable = {"/apis/example.org/v1/widgets"}
    crds.apply(memory.kube, [definition("v1")])
    assert [item["metadata"]["name"] for item in memory.applied] == ["widgets.example.org"]
