"""The two template languages of ApplicationSets, as far as parameters are put in their places; anything more is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

EXPRESSION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
"""A place that takes a parameter, in either language."""

_FIELD = re.compile(r"\.[A-Za-z_][\w]*(?:\.[A-Za-z_][\w]*)*")
"""Go templates: .name or .path.basename."""

_INDEX = re.compile(r"index\s+(\.[\w.]+)\s+(?:(\d+)|\"([^\"]*)\")")
"""Go templates: index .path.segments 1, or index .values "key"."""

_FUNCTIONLESS = "only {{.parameter}}, {{.nested.parameter}} and {{index .list 0}} are understood here"


class TemplateError(ValueError):
    """A template cannot be followed; the text says which."""


def substitute(value: Any, parameters: Mapping[str, Any], *, go: bool) -> Any:
    """Return a value with every expression in it, keys included, replaced by its parameter.

    Args:
        value: JSON.
        parameters: of a Go template nested, of the older language flat, with dots in the names.
        go: whether it is a Go template (`goTemplate: true`).

    Raises:
        TemplateError: an expression is not a plain parameter, or the parameter does not exist.
    """
    if isinstance(value, str):
        return EXPRESSION.sub(lambda match: _text(match, parameters, go=go), value)
    if isinstance(value, Mapping):
        return {
            substitute(key, parameters, go=go): substitute(inner, parameters, go=go) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [substitute(inner, parameters, go=go) for inner in value]
    return value


def _text(match: re.Match[str], parameters: Mapping[str, Any], *, go: bool) -> str:
    expression = match[1]
    if not go:
        if expression not in parameters:
            # The older language leaves what it does not know; a layer that relies on it has a misspelt name.
            raise TemplateError(f"{match[0]} is not a parameter of the generators")
        return _shown(parameters[expression])
    if _FIELD.fullmatch(expression):
        return _shown(_lookup(parameters, expression, match[0]))
    indexed = _INDEX.fullmatch(expression)
    if indexed is None:
        raise TemplateError(f"{match[0]} cannot be followed; {_FUNCTIONLESS}")
    holder = _lookup(parameters, indexed[1], match[0])
    key = int(indexed[2]) if indexed[2] else indexed[3]
    try:
        return _shown(holder[key])
    except (KeyError, IndexError, TypeError) as error:
        raise TemplateError(f"{match[0]} is not a parameter of the generators") from error


def _lookup(parameters: Mapping[str, Any], expression: str, shown: str) -> Any:
    found: Any = parameters
    for key in expression.removeprefix(".").split("."):
        if not isinstance(found, Mapping) or key not in found:
            raise TemplateError(f"{shown} is not a parameter of the generators")
        found = found[key]
    return found


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise TemplateError(f"a parameter in a text must be a string, number or boolean, got {value!r}")
