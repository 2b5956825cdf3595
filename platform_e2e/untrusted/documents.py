"""Read untrusted JSON and YAML within bounds of size, depth and number of values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent

LARGEST_JSON = 16 << 20
"""Bytes; run.json of 2,000 tests has about 4 MB."""

LARGEST_YAML = 2 << 20
"""Bytes of one document; etcd stores objects of at most 1.5 MiB."""

DEEPEST = 100
"""Levels of nesting; objects of Kubernetes have some twenty, their schemas thirty."""

MOST_VALUES = 250_000
"""Values of one document; each takes up to 240 bytes of memory and at least two bytes of the document."""

# Unlike the patterns of `regex`, this one is correct on every Python; as an atomic group it takes a hundred times the memory.
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

_LONE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which is no character: nothing that has one can be printed, written or converted."""

_HALF = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")
"""Where a JSON text may have one; json.loads makes pairs one character."""


class NoDocument(ValueError):
    """A text is not JSON or YAML, has other types than it must have, or goes beyond a bound."""


def from_json(data: bytes, most: int = MOST_VALUES) -> Any:
    """Return a JSON text as plain data.

    Args:
        data: the text.
        most: number of values that it may have.

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
        return loads(data.decode(json.detect_encoding(data), "surrogatepass"), _refused)
    except (ValueError, RecursionError) as error:
        raise NoDocument(str(error)) from error


def loads(text: str, constant: Callable[[str], Any] | None = None) -> Any:
    """Return a JSON text as plain data that can be encoded: half of a surrogate pair is replaced by U+FFFD.

    Args:
        text: of which the caller bounds the size.
        constant: is given NaN and Infinity, which JSON does not have; none takes them for numbers.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    found = json.loads(text, parse_constant=constant)
    return _encodable(found) if _HALF.search(text) else found


def _encodable(value: Any) -> Any:
    """Return a value of JSON whose texts, the keys among them, are of whole characters."""
    if isinstance(value, dict):
        return {_LONE.sub("\ufffd", key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return _LONE.sub("\ufffd", value) if isinstance(value, str) else value


def _refused(word: str) -> None:
    raise NoDocument(f"a number must be finite, got {word}")


def from_yaml(data: bytes, most: int) -> tuple[Any, int]:
    """Return a YAML text of one document as plain data, and the number of its values.

    Args:
        data: the text.
        most: number of values that it may have.

    Raises:
        NoDocument: it is not YAML, too large, nested too deeply, or has an alias, which this package never writes.
    """
    if len(data) > LARGEST_YAML:
        raise NoDocument(f"it has more than {LARGEST_YAML >> 20} MiB")
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Bounded
    composer: _Bounded = yaml.composer
    composer.left = most
    try:
        found = _encodable(_plain(yaml.load(data.decode("utf-8"))))
    except (YAMLError, RecursionError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        # ruamel.yaml raises all of these for odd tags, dates and numbers.
        raise NoDocument(str(error).partition("\n")[0]) from error
    return found, most - composer.left


class _Bounded(Composer):
    """Compose a document within bounds, and without aliases."""

    left = 0
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose one node; refuse one that goes beyond a bound before it is composed."""
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
    """Return a value with the types of JSON.

    Raises:
        NoDocument: it has a date, a set or a key that is not a text.
    """
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise NoDocument(f"a value must have a type of JSON, got {type(value).__name__}")
