"""Read values in brackets: JSON, and the flow style of YAML."""

from __future__ import annotations

import re
from typing import Any

from platform_e2e.redact.names import HIDDEN
from platform_e2e.redact.yaml_nodes import DEEPEST, Anchors, Leaf, Map, Seq, unquoted
from platform_e2e.regex import compiled

DOUBLE = compiled(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
SINGLE = compiled(r"'[^']*+(?:''[^']*+)*+'")
ALIAS = compiled(r"\*(?P<name>[^\s,\[\]{}]+)")
PROPERTIES = compiled(r"(?:(?:!<[^>\n]*>|![^\s,\[\]{}]*|&(?P<anchor>[^\s,\[\]{}]+))(?:[ \t]+|(?=\r?(?:\n|\Z))))+")
_SPACE = compiled(r"(?:[\s,]+|#[^\n]*)+")
_PLAIN = compiled(
    r"[^\s,\[\]{}\"':][^,\[\]{}\n:]*+(?::(?![\s,\[\]{}]|\Z)[^,\[\]{}\n:]*+)*+|:+(?![\s,\[\]{}]|\Z)[^,\[\]{}\n:]*+"
)
_COLON = compiled(r"\s*:")
_AFTER_COLON = frozenset(" \t\r\n,}]")


class Flow:
    """Read one value in brackets.

    Args:
        text: that has the value.
        at: where the value begins.
        end: where to stop, if the value does not end before.
        anchors: of the text.
        unfinished: containers around the value.

    Attributes:
        root: the value; its beginning where it does not end.
        at: where reading has stopped.
        complete: whether the value has ended.
    """

    def __init__(self, text: str, at: int, end: int, anchors: Anchors, unfinished: list[Any]) -> None:
        self.text, self.at, self.end = text, at, end
        self.root: Any = None
        self.complete = False
        self._anchors, self._unfinished = anchors, unfinished
        self._stack: list[Any] = []
        self._keyed: list[bool] = []
        self._beyond = 0
        self._anchor = ""
        while self.at < end and not self.complete:
            self._step()

    def _step(self) -> None:
        """Read one sign or value."""
        text, at, end = self.text, self.at, self.end
        if self._stack and (space := _SPACE.match(text, at, end)) is not None:
            if "," in space[0]:
                self._keyed[-1] = False
            self.at = space.end()
            return
        following = text[at]
        if following in "{[" and not self._instead(at):
            self._open(Map() if following == "{" else Seq())
        elif following in "}]":
            self._close()
        elif following in "{[":
            return
        elif following in "\"'" and (found := (DOUBLE if following == '"' else SINGLE).match(text, at, end)):
            self.at = found.end()
            value = unquoted(found[0][1:-1], double=following == '"')
            self._scalar(Leaf.at(value, found.start() + 1, self.at - 1, following))
        elif following in "!&" and (properties := PROPERTIES.match(text, at, end)) is not None:
            self._anchor, self.at = properties["anchor"] or self._anchor, properties.end()
        elif following == "*" and (alias := ALIAS.match(text, at, end)) is not None:
            self._put(self._anchors.alias(alias["name"], [*self._unfinished, *self._stack]))
            self.at = alias.end()
        elif (plain := _PLAIN.match(text, at, end)) is not None:
            value = plain[0].rstrip()
            self.at = plain.end()
            self._scalar(Leaf.at(value, plain.start(), plain.start() + len(value)))
        else:
            self.at += 1

    def _instead(self, at: int) -> bool:
        """Read a value that begins with a bracket without being a container: a template, or a placeholder of a secret."""
        if not self._stack:
            return False
        if self.text.startswith(HIDDEN, at):
            end = at + len(HIDDEN)
        elif self.text.startswith("{{", at) and (found := self.text.find("}}", at, min(self.end, at + 300))) > 0:
            end = found + 2
        else:
            return False
        self._put(Leaf.at(self.text[at:end], at, end))
        self.at = end
        return True

    def _open(self, node: Map | Seq) -> None:
        self.at += 1
        if len(self._stack) >= DEEPEST:
            self._beyond += 1
            return
        if self._stack:
            self._put(node)
        else:
            self.root = node
        self._stack.append(node)
        self._keyed.append(False)

    def _close(self) -> None:
        self.at += 1
        if self._beyond:
            self._beyond -= 1
            return
        self._stack.pop()
        self._keyed.pop()
        self.complete = not self._stack

    def _scalar(self, leaf: Leaf) -> None:
        """Add a scalar: as a key if a colon follows, else as a value."""
        top = self._stack[-1]
        if not isinstance(top, Map) or self._keyed[-1]:
            self._put(leaf)
            return
        top.add(str(leaf))
        colon = _COLON.match(self.text, self.at, self.end)
        if colon is not None and (leaf.style or self.text[colon.end() : colon.end() + 1] in {"", *_AFTER_COLON}):
            self._keyed[-1] = True
            self.at = colon.end()

    def _put(self, node: Any) -> None:
        """Add a value to the innermost container."""
        if self._anchor:
            self._anchors.named[self._anchor] = node
            self._anchor = ""
        top = self._stack[-1]
        if isinstance(top, Seq):
            top.append(node)
        elif self._keyed[-1]:
            top.fill(node)
            self._keyed[-1] = False
        elif isinstance(node, Map | Seq):
            top.add("", node)
