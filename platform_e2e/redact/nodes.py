"""Nodes of a text of YAML or JSON: scalars with their positions, mappings, sequences, and what aliases stand for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

DEEPEST = 60
"""Containers in each other; what is deeper counts as of the last one. The API server's own bound for JSON is 10,000 (apimachinery)."""

MOST_REPEATED = 10_000
"""Values that an alias stands for; one of more stands for nothing (YAML bombs)."""


class Leaf(str):
    """A scalar: its value, and where it stands.

    Attributes:
        start: where its text begins; of a quoted one the character after the quote.
        end: after its text.
        style: the quote that it is in, `|` or `>` of a block, empty of a plain one.
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
        pairs: every key with its value, also one that is there twice.
        waiting: the anchor of the value that the last key will get.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[list[Any]] = []
        self.waiting = ""

    def add(self, key: str, value: Any = None) -> None:
        """Take in a key."""
        self.pairs.append([key, value])
        # `kind` twice: YAML's readers do not agree which one counts, so the one that says more does.
        if self.get(key) != "Secret":
            self[key] = value

    def fill(self, value: Any) -> None:
        """Give the last key its value."""
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
    """What the anchors of one text name."""

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._repeated = 0

    def alias(self, name: str, unfinished: Sequence[Any]) -> Any:
        """Return what an alias stands for; nothing where that is too much, or has the alias in it.

        Args:
            name: of the alias.
            unfinished: containers that are being read.
        """
        node = self.named.get(name)
        size, depth = self._size(node, unfinished)
        self._repeated += size
        return node if self._repeated <= MOST_REPEATED and depth <= DEEPEST else None

    def _size(self, node: Any, unfinished: Sequence[Any]) -> tuple[int, int]:
        """Return how many values a node has, each as often as it is repeated, and how many containers are in each other."""
        if not isinstance(node, Map | Seq):
            return 1, 0
        if any(one is node for one in unfinished):
            return MOST_REPEATED + 1, 0
        if id(node) not in self._sizes:
            inner = [value for _, value in node.pairs] if isinstance(node, Map) else list(node)
            of = [self._size(one, unfinished) for one in inner]
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
