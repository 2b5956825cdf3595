"""Nodes of a text of YAML or JSON: scalars with their positions, mappings, sequences, and the nodes of aliases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

DEEPEST = 60
"""Levels of containers; deeper values count as values of the last level. The API server's bound for JSON is 10,000 (apimachinery)."""

MOST_REPEATED = 10_000
"""Values that aliases may repeat; an alias beyond that has no node (YAML bombs)."""


class Leaf(str):
    """A scalar: its value and its position.

    Attributes:
        start: of its text; for a quoted scalar after the quote.
        end: of its text.
        style: its quote, `|` or `>` for a block, empty for a plain scalar.
        body: where the lines of a block begin.
    """

    __slots__ = ("body", "end", "start", "style")

    start: int
    end: int
    style: str
    body: int

    @classmethod
    def at(cls, value: str, start: int, end: int, style: str = "", body: int = 0) -> Leaf:
        """Return a scalar."""
        leaf = cls(value)
        leaf.start, leaf.end, leaf.style, leaf.body = start, end, style, body
        return leaf


class Map(dict[str, Any]):
    """A mapping.

    Attributes:
        pairs: every key with its value, also a key that occurs twice.
        waiting: the anchor of the next value, for the last key.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[list[Any]] = []
        self.waiting = ""

    def add(self, key: str, value: Any = None) -> None:
        """Add a key."""
        self.pairs.append([key, value])
        # `kind` twice: parsers of YAML disagree which one counts; here `Secret` does.
        if self.get(key) != "Secret":
            self[key] = value

    def fill(self, value: Any) -> None:
        """Set the value of the last key."""
        key, has = self.pairs[-1]
        if has is None:
            self.pairs.pop()
        self.add(key, value)


class Seq(list[Any]):
    """A sequence."""


def leaves(node: Any) -> Iterator[Leaf]:
    """Yield every scalar in a node."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Map):
        for _, value in node.pairs:
            yield from leaves(value)
    elif isinstance(node, Seq):
        for value in node:
            yield from leaves(value)


class Anchors:
    """The anchors of one text and their nodes."""

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._repeated = 0

    def alias(self, name: str, unfinished: Sequence[Any]) -> Any:
        """Return the node of an alias; None where the node is too large, or contains the alias.

        Args:
            name: of the alias.
            unfinished: containers that are being read.
        """
        node = self.named.get(name)
        size, depth = self._size(node, unfinished)
        self._repeated += size
        return node if self._repeated <= MOST_REPEATED and depth <= DEEPEST else None

    def _size(self, node: Any, unfinished: Sequence[Any]) -> tuple[int, int]:
        """Return the number of a node's values, repeated ones counted each time, and its levels of containers."""
        if not isinstance(node, Map | Seq):
            return 1, 0
        if any(container is node for container in unfinished):
            return MOST_REPEATED + 1, 0
        if id(node) not in self._sizes:
            inner = [value for _, value in node.pairs] if isinstance(node, Map) else list(node)
            of = [self._size(value, unfinished) for value in inner]
            self._sizes[id(node)] = 1 + sum(size for size, _ in of), 1 + max((depth for _, depth in of), default=0)
        return self._sizes[id(node)]


def unquoted(raw: str, *, double: bool) -> str:
    """Return the value of a quoted text."""
    if not double:
        return raw.replace("''", "'")
    if "\\" not in raw:
        return raw
    try:
        value = json.loads(f'"{_HEX.sub(_unicode, raw)}"', strict=False)
    except ValueError:
        return raw
    return str(value)


_HEX = re.compile(r"\\(?:\\|x([0-9a-fA-F]{2})|U0000([0-9a-fA-F]{4})|(\n[ \t]*)|([ 0aev_NLP]))")
"""YAML's escapes that JSON does not have."""


def _unicode(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if found[0] == "\\\\":
        return found[0]
    return f"\\u{code:0>4}" if code else "" if found[3] else " "
