"""Odd shapes, made from the forms that a layer's objects must have: every field with values of other types."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from platform_e2e.layer import shapes
from platform_e2e.layer.field_locations import Keys
from platform_e2e.layer.forms import Fields, Form, Items, Named
from tests.fakes import layers

TYPES: tuple[Any, ...] = ("text", 5, ["a"], [[]], {"a": "b"}, True, None)
"""A value of each type that JSON has, and nested ones."""

TEXTS = ("", "\0", 5000 * "a", "../..", "**", "[", "{{.x}}")
"""Texts that are no name, no path, no pattern and no number."""

_SAMPLES: Mapping[str, Any] = {
    "addresses": ["10.0.0.0/24"],
    "containerPort": 80,
    "operator": "In",
    "path": "manifests/one",
    "port": 80,
    "priority": 1,
    "repoURL": layers.URL,
    "server": "https://kubernetes.default.svc",
    "targetRevision": "main",
    "type": "LoadBalancer",
    "loadBalancerIP": "10.0.0.1",
    "generateName": None,
    "chart": None,
    "ref": None,
    "include": None,
    "exclude": None,
}
"""Sound values of fields where not any one of their type is one; None for those that are left out."""

_WORDS: Mapping[str, Any] = {"a text": "one", "true or false": True, "an integer": 1}


@dataclass(frozen=True)
class Shape:
    """An object of which one field has an odd value.

    Attributes:
        keys: that lead to the field.
        value: that it has.
        data: the object.
    """

    keys: Keys
    value: Any
    data: dict[str, Any]


def sound(form: Form, key: str = "") -> Any:
    """Return a value that has a form, with every field of it."""
    if key in _SAMPLES and not (key == "port" and getattr(form, "words", "") == "a text"):
        return copy.deepcopy(_SAMPLES[key])
    match form:
        case Fields():
            made = {name: sound(inner, name) for name, inner in form.of.items()}
            return {name: value for name, value in made.items() if value is not None}
        case Items():
            return [sound(form.of)]
        case Named():
            return {"one": "one"}
    return _WORDS.get(getattr(form, "words", ""), 80)


def rendered() -> Iterator[tuple[str, Fields, dict[str, Any]]]:
    """Yield the name, the form and a sound object of each kind that an Application may render."""
    for group, kind in (*shapes.KINDS, ("example.com", "Anything")):
        version = "v1" if group == "" else f"{group or 'monitoring.coreos.com'}/v1"
        whole = shapes.rendered({"apiVersion": version, "kind": kind})
        yield kind, whole, {"apiVersion": version, "kind": kind, **sound(whole)}


def argo() -> Iterator[tuple[str, Fields, dict[str, Any]]]:
    """Yield the same of each kind of Argo CD."""
    for kind, form in shapes.ARGO.items():
        made = {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, **sound(form)}
        made["spec"].pop("sources", None)
        made["metadata"]["namespace"] = "argocd"
        if kind == "ApplicationSet":
            made["spec"]["generators"] = [{"list": {"elements": [{"x": "one"}]}}]
            made["spec"]["template"]["spec"].pop("sources")
            made["spec"]["template"]["metadata"] = {"name": "made-{{.x}}"}
        yield kind, form, made


def of(form: Fields, data: Mapping[str, Any], values: tuple[Any, ...] = TYPES) -> Iterator[Shape]:
    """Yield an object once for each of its fields and each value that the field does not have.

    Args:
        form: of the object.
        data: a sound one.
        values: for the fields.
    """
    of_all = data["kind"] not in {"Anything", "AppProject"}
    for keys in dict.fromkeys(_fields(form, data, ())):
        if of_all and keys[0] == "metadata":
            # What every object has is made odd in one of them.
            continue
        if keys[:3] == ("spec", "template", "spec") and data["kind"] == "ApplicationSet" and len(keys) > 4:
            # So is what an Application has.
            continue
        for value in values:
            made = copy.deepcopy(dict(data))
            holder: Any = made
            for key in keys[:-1]:
                if isinstance(holder, dict):
                    holder.setdefault(key, {})
                holder = holder[key]
            holder[keys[-1]] = copy.deepcopy(value)
            yield Shape(keys, value, made)


def _fields(form: Form | None, value: Any, keys: Keys) -> Iterator[Keys]:
    """Yield the keys that lead to each field of a form, also to those that a value does not have."""
    if keys:
        yield keys
    match form:
        case Fields():
            for name, inner in form.of.items():
                there = value.get(name) if isinstance(value, dict) else None
                yield from _fields(inner, there, (*keys, name)) if there is not None else iter([(*keys, name)])
        case Items() if isinstance(value, list) and value:
            yield from _fields(form.of, value[0], (*keys, 0))
        case Named() if isinstance(value, dict):
            yield from ((*keys, name) for name in value)
