"""Forms of plain data, and the values that have another one than they must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from platform_e2e.layer.field_locations import Keys

_SHOWN = 60
"""Characters of a value that an error shows."""

Odd = tuple[Keys, str]
"""The keys that lead to a value of another form, and what is wrong with it, as the end of a sentence."""


class Form(Protocol):
    """What a value must be."""

    def odd(self, value: Any, keys: Keys = ()) -> Iterator[Odd]:
        """Yield each value of another form.

        Args:
            value: plain data.
            keys: that lead to it.
        """


@dataclass(frozen=True)
class Scalar:
    """A value that has no others within it.

    Attributes:
        words: what it must be.
        takes: tells whether a value is one.
    """

    words: str
    takes: Callable[[Any], bool]

    def odd(self, value: Any, keys: Keys = ()) -> Iterator[Odd]:
        """Yield the value where it is another one."""
        if not self.takes(value):
            yield keys, f"must be {self.words}, got {_got(value)}"


@dataclass(frozen=True)
class Items:
    """A list, none of whose items may be null."""

    of: Form

    def odd(self, value: Any, keys: Keys = ()) -> Iterator[Odd]:
        """Yield each item of another form."""
        if not isinstance(value, list):
            yield keys, f"must be a list, got {_got(value)}"
            return
        for index, item in enumerate(value):
            yield from self.of.odd(item, (*keys, index))


@dataclass(frozen=True)
class Named:
    """A mapping with any keys.

    Attributes:
        of: what each value must be; None for anything.
        null: whether a value may be null.
    """

    of: Form | None = None
    null: bool = True

    def odd(self, value: Any, keys: Keys = ()) -> Iterator[Odd]:
        """Yield each value of another form."""
        if not isinstance(value, dict):
            yield keys, f"must be a mapping, got {_got(value)}"
            return
        for name, inner in value.items() if self.of else ():
            if self.of and (inner is not None or not self.null):
                yield from self.of.odd(inner, (*keys, name))


@dataclass(frozen=True)
class Fields:
    """A mapping with some known keys, each of which may be null or absent.

    Attributes:
        of: what each of them must be.
        required: those that must be there.
    """

    of: Mapping[str, Form] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def odd(self, value: Any, keys: Keys = ()) -> Iterator[Odd]:
        """Yield each field of another form."""
        if not isinstance(value, dict):
            yield keys, f"must be a mapping, got {_got(value)}"
            return
        for name in self.required:
            if value.get(name) is None:
                yield (*keys, name), "must be there, got nothing"
        for name, form in self.of.items():
            if value.get(name) is not None:
                yield from form.odd(value[name], (*keys, name))


def path(keys: Keys) -> str:
    """Write the keys that lead to a field as kubectl does."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def _got(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the text {value[:_SHOWN]!r}"
        case int() | float():
            return f"the number {value}" if abs(value) < 2**64 else "a number of more than 64 bits"
        case list():
            return "a list"
        case _:
            return "a mapping"
