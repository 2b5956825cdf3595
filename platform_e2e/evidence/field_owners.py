"""Who owns which field of an object, and since when: managedFields in a form that a person can read."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from platform_e2e import redact

WIDTH = 140
"""Columns of the list of fields: what a wide terminal shows in one line."""


def owners(objects: Iterable[Mapping[str, Any]]) -> str:
    """Return each object's field managers, the latest first, each with the fields that it owns; empty where none has any."""
    parts = []
    for obj in objects:
        meta = obj.get("metadata") or {}
        entries = sorted(meta.get("managedFields") or (), key=lambda entry: str(entry.get("time", "")), reverse=True)
        if not entries:
            continue
        where = f" -n {meta['namespace']}" if meta.get("namespace") else ""
        parts.append(f"{str(obj.get('kind', '')).lower()}/{meta.get('name', '')}{where}")
        for entry in entries:
            how = " ".join(filter(None, (str(entry.get("operation", "")), str(entry.get("subresource", "")))))
            parts.append(f"  {entry.get('time', '-'):20}  {entry.get('manager', '?')} ({how})")
            text = compact(entry.get("fieldsV1") or {})
            parts += textwrap.wrap(
                text, WIDTH, initial_indent="      ", subsequent_indent="      ", break_on_hyphens=False
            )
        parts.append("")
    return "\n".join(parts)


def compact(fields: Mapping[str, Any]) -> str:
    """Return a set of fields in one line: `spec{replicas, template.spec.containers[chat].image}`.

    Args:
        fields: FieldsV1 of an entry of managedFields (meta/v1): keys are `f:NAME`, `k:KEYS`, `v:VALUE`, `i:INDEX`, or `.`
            for the item itself.
    """
    inner = [_one(key, value) for key, value in fields.items() if key != "."]
    return ", ".join(inner)


def _one(key: str, value: Any) -> str:
    """Return one field with what is below it."""
    name = _name(key)
    below = {k: v for k, v in value.items() if k != "."} if isinstance(value, Mapping) else {}
    if not below:
        return name
    if len(below) == 1:
        (child, rest), *_ = below.items()
        said = _one(child, rest)
        return name + said if said.startswith("[") else f"{name}.{said}"
    return f"{name}{{{compact(below)}}}"


def _name(key: str) -> str:
    """Return the name of a field, or the key of an item of a list in brackets."""
    kind, _, rest = key.partition(":")
    if kind == "f":
        return redact.text(rest)
    # Before lines are broken: a broken line cannot be recognised.
    if kind == "k":
        try:
            keys = redact.plain(json.loads(rest))
        except ValueError:
            return f"[{redact.text(rest)}]"
        return "[" + ",".join(" ".join(str(value).split()) for value in keys.values()) + "]"
    return f"[{' '.join(redact.text(rest).split())}]"
