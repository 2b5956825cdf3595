"""Where the parts of a YAML document are written, and a quick reader of the YAML that most files are.

ruamel.yaml, which says what is wrong with a file and knows all of YAML, is written in Python and takes a second for 3,000 lines. The
parser of libyaml, whose port Kubernetes reads with, takes a twentieth. It is asked first; what it would have to judge (an error, an
anchor, a tag, a key twice) is left to ruamel.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.scalarbool import ScalarBoolean

_Key: TypeAlias = str | int

_DEEPEST = 100
"""Levels of mappings and lists that are read quickly; objects of Kubernetes have some twenty."""

_DIRECTIVE = re.compile(r"^%", re.MULTILINE)

_NOT_SURELY_TEXT = re.compile(r"[-+.~=<]?[\d.]|[-+.~=<!]|$|(?:null|true|false|y|n|yes|no|on|off)$", re.IGNORECASE)
"""How a plain scalar begins that may be something else than a text."""


@dataclass(slots=True)
class Node:
    """A mapping or list of a document.

    Attributes:
        line: of its first entry, from 0.
        places: of each entry the line and column of its key, and of its value, from 0; of an item of a list only the latter.
        parts: entries that are mappings or lists themselves.
    """

    line: int
    places: dict[_Key, tuple[int, ...]] = field(default_factory=dict)
    parts: dict[_Key, Node] = field(default_factory=dict)

    def part(self, *keys: _Key) -> Node | None:
        """Return the mapping or list that keys lead to; None where there is none."""
        found: Node | None = self
        for key in keys:
            found = found.parts.get(key) if found is not None else None
        return found


def of_ruamel(commented: CommentedBase, known: dict[int, Node] | None = None) -> Node:
    """Return the places of a document that ruamel.yaml has read.

    Args:
        commented: a mapping or list.
        known: those made before by the ids of what they are of: an alias is what its anchor is.
    """
    known = {} if known is None else known
    if (found := known.get(id(commented))) is not None:
        return found
    node = known[id(commented)] = Node(commented.lc.line)
    for key, place in (commented.lc.data or {}).items():
        name = key if isinstance(commented, list) else _name(key)
        node.places[name] = tuple(place)
        entry = commented[key]  # type: ignore[index]
        if isinstance(entry, CommentedBase) and hasattr(entry, "items" if isinstance(entry, dict) else "append"):
            node.parts[name] = of_ruamel(entry, known)
    return node


def _name(key: Any) -> str:
    """Return a key of a mapping as JSON has it."""
    return str(bool(key)).lower() if isinstance(key, bool | ScalarBoolean) else str(key)


class Unsure(Exception):
    """The text has something that is left to ruamel.yaml."""


def quickly(text: str, scalar: Callable[[str], Any], most: int) -> Iterator[tuple[Any, Node | None]]:
    """Yield the plain value of each document with its places; None for one that is a scalar.

    Args:
        text: of all documents.
        scalar: returns what a plain scalar stands for that is not surely a text.
        most: values of a document.

    Raises:
        Unsure: ruamel.yaml must read the text.
    """
    if not yaml.__with_libyaml__ or _DIRECTIVE.search(text):
        raise Unsure
    reader = _Reader(yaml.parse(text, Loader=yaml.CSafeLoader), scalar, most)
    try:
        yield from reader.documents()
    except yaml.YAMLError as error:
        raise Unsure from error


class _Reader:
    def __init__(self, events: Iterator[Any], scalar: Callable[[str], Any], most: int) -> None:
        self._events, self._scalar, self._most, self._left = events, scalar, most, most

    def documents(self) -> Iterator[tuple[Any, Node | None]]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._left = self._most
                yield self._value(next(self._events), 0)

    def _value(self, event: Any, depth: int) -> tuple[Any, Node | None]:
        self._left -= 1
        if isinstance(event, yaml.AliasEvent) or event.anchor or event.tag or depth > _DEEPEST or self._left < 0:
            raise Unsure
        if isinstance(event, yaml.ScalarEvent):
            return self._of_scalar(event), None
        node = Node(event.start_mark.line)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(node, depth), node
        return self._mapping(node, depth), node

    def _of_scalar(self, event: Any) -> Any:
        text: str = event.value
        plain = not event.style and _NOT_SURELY_TEXT.match(text) and " " not in text and "\n" not in text
        return self._scalar(text) if plain else text

    def _list(self, node: Node, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            at, index = event.start_mark, len(found)
            node.places[index] = at.line, at.column
            value, part = self._value(event, depth + 1)
            found.append(value)
            if part is not None:
                node.parts[index] = part
        return found

    def _mapping(self, node: Node, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(named := next(self._events), yaml.MappingEndEvent):
            if not isinstance(named, yaml.ScalarEvent) or named.anchor or named.tag:
                raise Unsure
            key = self._of_scalar(named)
            # `<<` merges; a number and a key twice are judged elsewhere.
            if not isinstance(key, str) or key in found or named.value == "<<":
                raise Unsure
            event = next(self._events)
            at, begins = named.start_mark, event.start_mark
            node.places[key] = at.line, at.column, begins.line, begins.column
            found[key], part = self._value(event, depth + 1)
            if part is not None:
                node.parts[key] = part
        return found
