"""Read JSON and YAML from strangers within bounds of size, depth and number of values."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent

LARGEST_JSON = 16 << 20
"""Largest JSON text in bytes; run.json of 2,000 tests has about 4 MB."""

LARGEST_YAML = 2 << 20
"""Largest YAML document in bytes: etcd stores objects up to 1.5 MiB."""

DEEPEST = 100
"""Most levels of nesting; objects of Kubernetes have some twenty, their schemas thirty."""

MOST_VALUES = 250_000
"""Most values of one document; each takes up to 240 bytes of memory, and the shortest two bytes of the document."""

# Right on every Python, unlike those of `possessive`; as an atomic group it takes a hundred times the memory.
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


class NoDocument(ValueError):
    """A text is not JSON or YAML, or exceeds a bound."""


def from_json(data: bytes, most: int = MOST_VALUES) -> Any:
    """Return the value of a JSON text.

    Args:
        data: the text.
        most: most values in it.

    Raises:
        NoDocument: it is not JSON, too large, or nested too deeply.
    """
    if len(data) > LARGEST_JSON:
        raise NoDocument(f"it has more than {LARGEST_JSON >> 20} MiB")
    if data.count(b"[") + data.count(b"{") + data.count(b",") > most:
        raise NoDocument(f"it has more than {most} values")
    depth = 0
    for mark in _MARK.finditer(data):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(mark[0], 0)
        if depth > DEEPEST:
            raise NoDocument(f"it is nested more than {DEEPEST} levels deep")
    try:
        return json.loads(data, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise NoDocument(str(error)) from error


def _refused(word: str) -> None:
    raise NoDocument(f"{word} is not a number of JSON")


def from_yaml(data: bytes, most: int) -> tuple[Any, int]:
    """Return the value of a YAML text of one document, and the number of values in it.

    Args:
        data: the text.
        most: most values in it.

    Raises:
        NoDocument: it is not YAML, too large, nested too deeply, or has an alias, which we never write.
    """
    if len(data) > LARGEST_YAML:
        raise NoDocument(f"it has more than {LARGEST_YAML >> 20} MiB")
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Bounded
    composer: _Bounded = yaml.composer
    composer.left = most
    try:
        found = _plain(yaml.load(data.decode("utf-8")))
    except (YAMLError, RecursionError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        # ruamel.yaml raises all of these for odd tags, dates and numbers.
        raise NoDocument(str(error).partition("\n")[0]) from error
    return found, most - composer.left


class _Bounded(Composer):
    """Compose a document without aliases, within the bounds."""

    left = 0
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse a node that exceeds a bound before a value is made from it."""
        self.left -= 1
        self.depth += 1
        if self.parser.check_event(AliasEvent) or self.parser.peek_event().anchor is not None:
            raise NoDocument("it has an alias or an anchor")
        if self.left < 0 or self.depth > DEEPEST:
            raise NoDocument(f"it is nested more than {DEEPEST} levels deep, or has too many values")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _plain(value: Any) -> Any:
    """Return a value that JSON can represent.

    Raises:
        NoDocument: it has a date, a set or a key that is not a text.
    """
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise NoDocument(f"it has a {type(value).__name__}, which JSON has not")
