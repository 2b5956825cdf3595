"""Which values of a layer a chart honours: those that its schema takes. What it does not take has no effect, and is named.

The schemas are those of the charts that the harness assembles, and of those in their product's modules: they use few words of JSON
Schema, and a word that is not known here takes everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "null": lambda value: value is None,
}

IMAGES = frozenset({"image", "images", "imagePullSecrets", "imageRegistry"})
"""Values that say which images run; a cluster whose images are built on this machine has those alone."""


OFF = frozenset({("speaker", "frr", "enabled"), ("frrk8s", "enabled")})
"""Values that start programs of which such a cluster has no image (`foundations.embedded`, off)."""


def honoured(values: Mapping[str, Any], schema: Mapping[str, Any], *, built: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the values that a chart takes, and the paths of the others.

    Args:
        values: of the layer.
        schema: the chart's values.schema.json; empty for one that has none.
        built: whether the images are built on this machine.
    """
    refused: list[str] = []
    kept = _kept(values, schema, schema, (), refused, built=built)
    return (kept if isinstance(kept, dict) else {}), refused


_NOTHING = object()


def _kept(
    value: Any, schema: Any, top: Mapping[str, Any], path: tuple[str, ...], refused: list[str], *, built: bool
) -> Any:
    schema = _resolved(schema, top)
    if built and path and (path[-1] in IMAGES or (path in OFF and value is True)):
        refused.append(".".join(path))
        return _NOTHING
    if not isinstance(value, Mapping) or not _may_be_object(schema):
        if _takes(value, schema, top):
            return value
        refused += [".".join((*path, *below)) for below in _leaves(value)]
        return _NOTHING
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties", True)
    found = {}
    for key, below in value.items():
        inner = properties.get(key, more)
        if inner is False:
            refused += [".".join((*path, str(key), *leaf)) for leaf in _leaves(below)]
            continue
        left = _kept(below, {} if inner is True else inner, top, (*path, str(key)), refused, built=built)
        if left is not _NOTHING:
            found[key] = left
    return found


def _resolved(schema: Any, top: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(schema, Mapping):
        return {}
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = top
    for part in reference[2:].split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _may_be_object(schema: Mapping[str, Any]) -> bool:
    types = schema.get("type")
    return types is None or types == "object" or (isinstance(types, list) and "object" in types)


def _takes(value: Any, schema: Mapping[str, Any], top: Mapping[str, Any]) -> bool:
    """Tell whether a schema takes a value other than a mapping, or a mapping whose keys it does not describe."""
    schema = _resolved(schema, top)
    types = schema.get("type")
    names = [types] if isinstance(types, str) else types if isinstance(types, list) else []
    checks = (
        not names or any(_TYPES.get(name, lambda _: True)(value) for name in names),
        "const" not in schema
        or (value == schema["const"] and isinstance(value, bool) == isinstance(schema["const"], bool)),
        "enum" not in schema or value in schema["enum"],
        not isinstance(value, int) or value >= schema.get("minimum", value),
        not isinstance(value, int) or value <= schema.get("maximum", value),
        not isinstance(value, str) or len(value) >= schema.get("minLength", 0),
        not isinstance(value, list) or all(_takes(each, schema.get("items") or {}, top) for each in value),
        "anyOf" not in schema or any(_takes(value, each, top) for each in schema["anyOf"]),
    )
    return all(checks)


def _leaves(value: Any) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the single values below a value; an empty mapping, and a list, is one."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from ((str(key), *leaf) for leaf in _leaves(below))
    else:
        yield ()
