"""Convert untrusted plain data to types: all of it, or what of it has them; one sentence says which field has another."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from platform_e2e.untrusted.documents import NoDocument

NOTES_KEPT = 10
"""How many of the values that were left out are named one by one."""

PATH_CHARACTERS = 200
"""How much of the path of a value is shown: its keys are as long as those of the data."""

REASON_CHARACTERS = 200
"""How much is shown of why a value is left out, which may quote it."""

HALF = "must be a text of whole characters, got half of a surrogate pair"

MESSAGE = re.compile(r"(?P<words>.+?)(?: - at `\$\.?(?P<field>[^`]+)`)?", re.DOTALL)
"""What msgspec says of a value, and the path of the value (msgspec 0.20, src/msgspec/_core.c)."""

WORDS = {
    "Expected": "must be",
    "Object missing required field": "must have the field",
    "Invalid enum value": "cannot be",
    "Number out": "must be a number, got one out",
}
"""How msgspec begins a message, and how a sentence about a value goes on."""

TYPES = {
    "object": "a mapping",
    "array": "a list",
    "str": "a text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
}
"""Types as errors name them; other names of msgspec stay."""

NAMED = re.compile(rf"`((?:(?:{'|'.join(TYPES)}|null)(?: \| )?)+)`")
"""How msgspec names types; the name of a field follows `must have the field`."""

Finite = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
"""A number to calculate with: seconds since the epoch have ten digits, and JSON also has 1e999."""

T = TypeVar("T")


def strict(data: object, kind: type[T]) -> T:
    """Return plain data as an object; fields that the type does not have are ignored.

    Args:
        data: from JSON or YAML.
        kind: a dataclass, a TypedDict, a struct, or a type of them.

    Raises:
        NoDocument: a field is absent or has another type; the text names it.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise NoDocument(_sentence(str(error))) from error
    except UnicodeEncodeError as error:
        raise NoDocument(HALF) from error


def strict_json(data: bytes, kind: type[T]) -> T:
    """Return a JSON text as an object; fields that the type does not have take no memory.

    Args:
        data: the text, of which the caller bounds the size.
        kind: a dataclass, a TypedDict, a struct, or a type of them.

    Raises:
        NoDocument: it is not JSON, is nested too deeply, or a field is absent or has another type; the text names it.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise NoDocument(_sentence(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoDocument(f"cannot be read as JSON: {type(error).__name__}") from error


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
    found = reader.read(data, kind, ())
    if isinstance(found, _Unfit):
        reader.note((), found)
        found = reader.read({}, kind, ())
    more = reader.left_out - len(reader.notes)
    said = [f"{name}: {note}; it is left out." for note in reader.notes]
    return found, [*said, *([f"{name}: {more} more values are left out."] if more else [])]


_Path = tuple[Any, ...]
"""The path of the holder and the key or place in it; a sentence is made of few of them."""


@dataclasses.dataclass(slots=True)
class _Unfit:
    """What is read of a value that has another type than it must have, and of which no part can be used.

    Attributes:
        why: the error of msgspec, or a reason; None where a part of it was noted already.
    """

    why: Exception | str | None

    def __str__(self) -> str:
        reason = HALF if isinstance(self.why, UnicodeEncodeError) else _words(str(self.why)[: 2 * REASON_CHARACTERS])[1]
        return reason if len(reason) <= REASON_CHARACTERS else f"{reason[:REASON_CHARACTERS]}..."


class _Reader:
    """Convert values one by one where the whole does not fit."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.left_out = 0

    def note(self, path: _Path, found: _Unfit) -> None:
        """Remember that a value is left out."""
        if found.why is None:
            return
        self.left_out += 1
        if len(self.notes) < NOTES_KEPT:
            self.notes.append(f"{_named(path)} {found}")

    def read(self, data: Any, kind: Any, path: _Path) -> Any:
        """Return a value, or what of it fits; `_Unfit` where nothing does."""
        try:
            return msgspec.convert(data, kind)
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            # Its frames would refer to it in turn, and be freed only by the collector.
            unfit = _Unfit(error.with_traceback(None))
        if not isinstance(data, dict | list):
            return unfit
        if get_origin(kind) in {Union, types.UnionType}:
            kind = next((part for part in get_args(kind) if _fields(part)), kind)
        if isinstance(data, dict) and _fields(kind):
            return self._object(data, kind, path)
        origin, parts = get_origin(kind), get_args(kind)
        if isinstance(data, dict) and origin is Mapping:
            return dict(self._fitting(data.items(), parts[1], path))
        if isinstance(data, list) and (origin is Sequence or (origin is tuple and parts[-1] is Ellipsis)):
            values = [value for _, value in self._fitting(enumerate(data), parts[0], path)]
            return tuple(values) if origin is tuple else values
        return unfit

    def _fitting(self, items: Iterable[tuple[Any, Any]], kind: Any, path: _Path) -> list[tuple[Any, Any]]:
        """Return the elements that fit, each with its key or place."""
        found = []
        for key, value in items:
            fitting = self.read(value, kind, (path, key))
            if isinstance(fitting, _Unfit):
                self.note((path, key), fitting)
            else:
                found.append((key, fitting))
        return found

    def _object(self, data: Mapping[str, Any], kind: Any, path: _Path) -> Any:
        """Return an object whose fields are those that fit."""
        made = {}
        for name, (part, required) in _fields(kind).items():
            noted = False
            if data.get(name) is not None:
                fitting = self.read(data[name], part, (path, name))
                if not isinstance(fitting, _Unfit):
                    made[name] = fitting
                    continue
                noted = True
                self.note((path, name), fitting)
            if required:
                empty = _empty(part)
                if empty is None:
                    return _Unfit(None if noted else "is missing")
                made[name] = self.read(copy(empty), part, ())
        return kind(**made)


def _named(path: _Path) -> str:
    """Return a path as a sentence names it."""
    parts = []
    while path:
        path, key = path
        parts.append(f"[{key}]" if isinstance(key, int) else f".{key[:PATH_CHARACTERS]}")
    return f"`{''.join(reversed(parts)).lstrip('.')[:PATH_CHARACTERS]}`" if parts else "it"


@cache
def _empty(kind: Any) -> Any:
    """Return plain data that is the empty value of a type; None where it has none."""
    values: tuple[Any, ...] = ("", 0, False, [], {})
    for value in values:
        if not isinstance(_Reader().read(value, kind, ()), _Unfit):
            return value
    return None


def _sentence(message: str) -> str:
    """Return what msgspec says of a value as the end of a sentence: `FIELD` must be ..., got ...."""
    field, words = _words(message)
    return f"`{field}` {words}" if field else words


def _words(message: str) -> tuple[str, str]:
    """Return the field that msgspec has a message about, empty for the whole, and what is wrong with it."""
    match = MESSAGE.fullmatch(message)
    field, words = (match["field"] or "", match["words"]) if match else ("", message)
    for theirs, ours in WORDS.items():
        if words.startswith(theirs):
            words = ours + words.removeprefix(theirs)
    return field, words if words.startswith("must have") else NAMED.sub(_types, words)


def _types(named: re.Match[str]) -> str:
    """Return types that msgspec names in the words of this package: `object | null` as a mapping or null."""
    return " or ".join(TYPES.get(word, word) for word in named[1].split(" | "))


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
