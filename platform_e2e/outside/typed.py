"""Plain data of unknown origin as typed objects: all of it, or what of it has the expected types."""

from __future__ import annotations

import contextlib
import dataclasses
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

NOTES_KEPT = 10
"""How many of the values that were left out are named one by one."""

PATH_CHARACTERS = 200
"""How much of the path of a value is shown: its keys are as long as those of the data."""

WORDS = {"Expected": "must be", "Invalid enum value": "cannot be", "Number out": "must be a number, got one out"}
"""How msgspec begins a message, and how a sentence about a value goes on."""

Finite = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
"""A number to calculate with: seconds since the epoch have ten digits, and JSON also has 1e999."""

T = TypeVar("T")


def strict(data: object, kind: type[T]) -> T:
    """Return plain data as an object; fields that the type does not have are ignored.

    Args:
        data: of mappings, lists and what else JSON has.
        kind: a dataclass, a TypedDict, or a type of them.

    Raises:
        ValueError: the data lacks a field, or a value has another type.
    """
    return msgspec.convert(data, kind)


def lenient(data: object, kind: type[T], name: str) -> tuple[T, list[str]]:
    """Return what of plain data has the expected types, and one sentence for each value that has not and is left out.

    What is missing or null has its default, or is empty; so has a value of another type. An element of a list or a mapping
    of another type is left out.

    Args:
        data: of mappings, lists and what else JSON has; it may be anything.
        kind: a dataclass or a TypedDict whose fields all can be empty.
        name: of the data, for the sentences.
    """
    reader = _Reader()
    try:
        found = reader.read(data, kind, "")
    except _UnfitError as error:
        reader.note("", error)
        found = reader.read({}, kind, "")
    more = reader.left_out - len(reader.notes)
    said = [f"{name}: {note}; it is left out." for note in reader.notes]
    return found, [*said, *([f"{name}: {more} more values are left out."] if more else [])]


class _UnfitError(ValueError):
    """A value has another type than it must have, and no part of it can be used."""


class _Reader:
    """Convert values one by one where the whole does not fit."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.left_out = 0

    def note(self, path: str, error: _UnfitError) -> None:
        """Remember that a value is left out."""
        self.left_out += 1
        if len(self.notes) < NOTES_KEPT:
            self.notes.append(f"`{path.lstrip('.')[:PATH_CHARACTERS]}` {error}")

    def read(self, data: Any, kind: Any, path: str) -> Any:
        """Return a value, or what of it fits.

        Raises:
            _UnfitError: nothing of it does.
        """
        try:
            return msgspec.convert(data, kind)
        except msgspec.ValidationError as error:
            reason = str(error)
            for theirs, ours in WORDS.items():
                reason = reason.replace(theirs, ours, 1)
        if get_origin(kind) in {Union, types.UnionType}:
            kind = next((part for part in get_args(kind) if _fields(part)), kind)
        origin, parts = get_origin(kind), get_args(kind)
        if isinstance(data, dict) and _fields(kind):
            return self._object(data, kind, path)
        if isinstance(data, dict) and origin is Mapping:
            return dict(self._fitting(((key, f"{path}.{key}", value) for key, value in data.items()), parts[1]))
        if isinstance(data, list) and (origin is Sequence or (origin is tuple and parts[-1] is Ellipsis)):
            items = ((place, f"{path}[{place}]", value) for place, value in enumerate(data))
            values = [value for _, value in self._fitting(items, parts[0])]
            return tuple(values) if origin is tuple else values
        raise _UnfitError(reason)

    def _fitting(self, items: Iterable[tuple[Any, str, Any]], kind: Any) -> list[tuple[Any, Any]]:
        """Return the elements that fit, each with its key or place."""
        found = []
        for key, path, value in items:
            try:
                found.append((key, self.read(value, kind, path)))
            except _UnfitError as error:
                self.note(path, error)
        return found

    def _object(self, data: Mapping[str, Any], kind: Any, path: str) -> Any:
        """Return an object whose fields are those that fit."""
        made = {}
        for name, (part, required) in _fields(kind).items():
            if data.get(name) is not None:
                try:
                    made[name] = self.read(data[name], part, f"{path}.{name}")
                    continue
                except _UnfitError as error:
                    self.note(f"{path}.{name}", error)
            if required:
                made[name] = self._empty(part)
        return kind(**made)

    def _empty(self, kind: Any) -> Any:
        """Return the empty value of a type.

        Raises:
            _UnfitError: it has none.
        """
        empty: tuple[Any, ...] = ("", 0, False, [], {})
        for value in empty:
            with contextlib.suppress(_UnfitError):
                return self.read(value, kind, "")
        raise _UnfitError("is missing")


@cache
def _fields(kind: Any) -> Mapping[str, tuple[Any, bool]]:
    """Return type and necessity of each field of a dataclass or a TypedDict; nothing of another type."""
    if is_typeddict(kind):
        return {name: (part, False) for name, part in get_type_hints(kind, include_extras=True).items()}
    if not dataclasses.is_dataclass(kind):
        return {}
    hints = get_type_hints(kind, include_extras=True)
    return {
        each.name: (
            hints[each.name],
            each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING,
        )
        for each in dataclasses.fields(kind)
    }
