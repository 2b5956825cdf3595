"""The harness's own annotations: one that it does not know is refused, for it would be ignored and a promise weakened."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from platform_e2e.finding import Promise, promise_name
from platform_e2e.layer.errors import WrongAnnotation
from platform_e2e.layer.field_locations import Keys, Written
from platform_e2e.layer.yamlfile import Document

PREFIX = "platform-e2e/"
"""Of all annotations that the harness reads."""

PROBE = f"{PREFIX}probe"
"""Annotation of a Service: a JSON object with the fields of `Probe`, all optional."""

WEBSOCKET = f"{PREFIX}websocket"
"""Annotation of a Service with a probe: the path at which it takes a text message over a WebSocket and sends one back."""

SERIES = f"{PREFIX}series"
"""Annotation of a ServiceMonitor or PodMonitor: series, separated by commas, of which every target must deliver samples."""

EXEMPT = f"{PREFIX}exempt-"
"""Prefix of the annotation that takes an object out of a promise; its value is the reason."""

KNOWN = (PROBE, WEBSOCKET, SERIES, *(EXEMPT + promise for promise in Promise))
"""All that are known, besides exemptions from promises of a team's own."""

_ALIKE = 0.85
"""How alike a prefix must be to be the harness's own misspelt, of 1: one or two letters of twelve, or `platform-e2e.io`."""

_TEMPLATE = "{{"
"""Begins an expression of an ApplicationSet's template, which is judged in what it generates."""


def check(document: Document, subject: str) -> None:
    """Refuse an annotation of the harness that it does not know, wherever in a document annotations are.

    Args:
        document: an object of the layer, a kustomization, or the values of a release.
        subject: its name for the error; empty where the file says it.

    Raises:
        WrongAnnotation: there is one; with the file and line where it is written.
    """
    for path in _annotations(document.data, ()):
        problem, remedy = _unknown(str(path[-1]))
        if problem:
            place = Written.of(document).place(document.data, path)
            # A patched object's place has the patches' names first.
            file, _, line = place.rpartition(":")
            told = f"{subject}: {problem}" if subject else problem
            raise WrongAnnotation(file or place, int(line) if line.isdigit() else None, told, remedy)


def _unknown(name: str) -> tuple[str, str]:
    """Return what is wrong with an annotation's name, and the remedy; empty where nothing is."""
    prefix, slash, rest = name.partition("/")
    if not slash or _TEMPLATE in name:
        return "", ""
    if f"{prefix}/" != PREFIX:
        ours = PREFIX + rest
        alike = get_close_matches(prefix, [PREFIX[:-1]], 1, _ALIKE)
        return _told(name, ours) if alike and ours in KNOWN else ("", "")
    if name.startswith(EXEMPT):
        try:
            promise_name(name.removeprefix(EXEMPT))
        except ValueError as error:
            return f"{name}: {error}", f"known are {', '.join(EXEMPT + promise for promise in Promise)}"
        return "", ""
    if name in KNOWN:
        return "", ""
    # Without the prefix, which makes every name like every other.
    names = {known.removeprefix(PREFIX): known for known in KNOWN}
    return _told(name, *(names[meant] for meant in get_close_matches(rest.casefold(), names, 1)))


def _told(name: str, *meant: str) -> tuple[str, str]:
    instead = f"; did you mean {meant[0]}" if meant else ""
    return f"unknown annotation {name}{instead}", f"known are {PROBE}, {WEBSOCKET}, {SERIES} and {EXEMPT}PROMISE"


def _annotations(data: Any, path: Keys) -> Iterator[Keys]:
    """Yield the keys that lead to each annotation: of the object itself, of templates within it, of a chart's values."""
    if isinstance(data, dict):
        for key, value in data.items():
            if str(key).lower().endswith("annotations") and isinstance(value, dict):
                yield from ((*path, key, name) for name in value)
            else:
                yield from _annotations(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _annotations(value, (*path, index))
