"""Read the structure of whatever YAML or JSON a text has, and where each value of it stands.

The text need not parse: templates, logs and pieces of files have structure, too. What does not fit is passed over. Nothing is
copied back from here: a value is replaced where it stands, so every other byte of the text stays as it is. Each character is
looked at a bounded number of times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from platform_e2e.report.redaction.names import HIDDEN

DEEPEST = 60
"""Containers in each other; what is deeper counts as of the last one. The API server's own bound for JSON is 10,000 (apimachinery)."""

MOST_REPEATED = 10_000
"""Values that an alias stands for; one of more stands for nothing (YAML bombs)."""

FAILURES = 20
"""Quotes that never end before all others are only looked at within their line."""

MOST_WASTED = 100_000
"""The same of brackets: characters that were looked through in vain for where they end."""


class Leaf(str):
    """A scalar: its value, and where it stands.

    Attributes:
        start: where its text begins; of a quoted one the character after the quote.
        end: after its text.
        style: the quote that it is in, `|` or `>` of a block, empty of a plain one.
        body: where the lines of a block begin.
    """

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
        """Have none."""
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


Node = Leaf | Map | Seq | None

_LINE = re.compile(r"(?P<indent>[ \t]*)(?P<rest>[^\s#][^\n]*)?")
_DASH = re.compile(r"-(?:[ \t]+|(?=\r?(?:\n|\Z)))")
_PROPERTIES = re.compile(r"(?:(?:![^\s,\[\]{}]*|&(?P<anchor>[^\s,\[\]{}]+))(?:[ \t]+|(?=\r?(?:\n|\Z))))+")
_KEY = re.compile(
    r"""(?:"(?P<double>[^"\\\n]*+(?:\\.[^"\\\n]*+)*+)"|'(?P<single>[^'\n]*+(?:''[^'\n]*+)*+)'"""
    r"""|(?P<plain>(?![-?:][ \t\r\n])(?:\{\{[^{}\n]{0,200}\}\}|[^\s#"'\[\]{},&*!|>%@`])[^\n:"{]{0,300}+(?::(?![ \t\r\n]|\Z)[^\n:"{]{0,300}+){0,40}+))"""
    r"""[ \t]*:(?=[ \t\r\n]|\Z)"""
)
_BLOCK = re.compile(r"(?P<style>[|>])[-+0-9]{0,2}[ \t]*(?:#[^\n]*)?\r?(?=\n|\Z)")
_DOUBLE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SINGLE = re.compile(r"'[^']*+(?:''[^']*+)*+'")
_ALIAS = re.compile(r"\*(?P<name>[^\s,\[\]{}]+)")
_FLOW_SPACE = re.compile(r"(?:[\s,]+|#[^\n]*)+")
_FLOW_PLAIN = re.compile(r"[^\s,\[\]{}\"':][^,\[\]{}\n:]*+(?::(?![\s,\[\]{}]|\Z)[^,\[\]{}\n:]*+)*+|:+(?![\s,\[\]{}]|\Z)[^,\[\]{}\n:]*+")
_COLON = re.compile(r"\s*:")
_COMMENT = re.compile(r"[ \t]#[^\n]*")
_EMBEDDED = re.compile(r"[\[{](?=[ \t]{0,8}(?:\"[^\"\n]{0,200}\"[ \t]{0,8}:|\{))")
_END = re.compile(r"(?:---|\.\.\.)(?=\s|\Z)|@@ |(?:---|\+\+\+|diff --git) ")


def read(text: str, start: int = 0, end: int | None = None) -> list[Any]:
    """Return what is in a text, or in a part of it: the documents, and every piece of JSON in a line of something else."""
    return _Reader(text, start, len(text) if end is None else end).read()


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


class _Reader:
    """Read one text, line by line, and what is in brackets as a whole."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text, self.at, self.end = text, start, end
        self.roots: list[Any] = []
        self.open: list[tuple[int, Any]] = []
        self.anchors: dict[str, Any] = {}
        self.sizes: dict[int, tuple[int, int]] = {}
        self.failures = self.wasted = 0
        self.within: list[Any] = []
        self.repeated = 0
        self.explicit = -1

    def read(self) -> list[Any]:
        text = self.text
        while self.at < self.end:
            found = _LINE.match(text, self.at, self.end)
            rest = found["rest"] if found else None
            if found is None or rest is None or rest.startswith(("{{", "%")):
                self._skip_line(self.at)
            elif not found["indent"] and _END.match(rest):
                self.open.clear()
                # `--- {kind: Secret}` has its document in the same line.
                at = found.start("rest") + 3
                self.at = at if rest[:4] == "--- " and rest[4:5] in {"{", "!", "&", "["} else self.at
                self._skip_line(self.at) if self.at != at else self._content(at, 0)
            else:
                self._content(found.start("rest"), len(found["indent"]))
        return self.roots

    def _skip_line(self, at: int) -> None:
        end = self.text.find("\n", at, self.end)
        self.at = self.end if end < 0 else end + 1

    def _content(self, at: int, column: int) -> None:
        """Take in what begins at a column of a line."""
        text = self.text
        line = at - column
        while (dash := _DASH.match(text, at, self.end)) is not None:
            self._enter(column, Seq)
            at = dash.end()
            column = at - line
        if text[at : at + 1] in {"\r", "\n", ""}:
            self._skip_line(at)
            return
        anchor = ""
        before = at
        if text[at] in "!&" and (properties := _PROPERTIES.match(text, at, self.end)) is not None:
            anchor, at = properties["anchor"] or "", properties.end()
        if text[at : at + 2] == "? ":
            self._enter(column, Map)
            key, at = self._scalar(at + 2, column)
            self.open[-1][1].add(str(key).strip())
            self.explicit = column
            self._skip_line(at)
            return
        if text[at : at + 2] == ": " and self.explicit == column:
            self._value(at + 2, column, "")
            return
        if (key := _KEY.match(text, at, self.end)) is not None:
            self._enter(before - line, Map)
            self.open[-1][1].add(_key(key))
            self._value(key.end(), before - line, "")
            return
        self._value(at, column - 1, anchor, item=True)

    def _enter(self, column: int, kind: type[Any]) -> None:
        """Have a container of that sort open at a column, a new one if there is none."""
        while self.open and self.open[-1][0] > column:
            self.open.pop()
        if self.open and self.open[-1][0] == column:
            top = self.open[-1][1]
            if type(top) is kind:
                return
            if not (kind is Seq and isinstance(top, Map)):
                self.open.pop()
                if self.open and self.open[-1][0] == column and type(self.open[-1][1]) is kind:
                    return
        node = kind()
        if len(self.open) >= DEEPEST:
            self.open.pop()
        self._put(node)
        self.open.append((column, node))

    def _put(self, node: Any) -> None:
        """Give the innermost container a value."""
        if not self.open:
            self.roots.append(node)
        elif isinstance(top := self.open[-1][1], Map):
            top.fill(node)
            if top.waiting:
                self._anchored(top.waiting, node)
                top.waiting = ""
        else:
            top.append(node)

    def _value(self, at: int, column: int, anchor: str, *, item: bool = False) -> None:
        """Take in the value that stands after a key, or as an item."""
        text = self.text
        while text[at : at + 1] in {" ", "\t"}:
            at += 1
        if text[at : at + 1] in {"!", "&"} and (properties := _PROPERTIES.match(text, at, self.end)) is not None:
            anchor, at = properties["anchor"] or anchor, properties.end()
        following = text[at : at + 1] if at < self.end else ""
        if following in {"", "\r", "\n", "#"}:
            if anchor and self.open and isinstance(self.open[-1][1], Map):
                self.open[-1][1].waiting = anchor
            self._skip_line(at)
            return
        if item:
            # No key: something of a container that is further out, or of none at all.
            while self.open and self.open[-1][0] > column + 1:
                self.open.pop()
            if self.open and self.open[-1][0] == column + 1 and isinstance(self.open[-1][1], Map):
                self.open.pop()
            if column < 0 and not (self.open and isinstance(self.open[-1][1], Seq)):
                self.open.clear()
        node, end = self._scalar(at, column)
        if node is not None:
            if anchor:
                self._anchored(anchor, node)
            self._put(node)
        self._embedded(end)
        self._skip_line(max(end, at))

    def _scalar(self, at: int, column: int) -> tuple[Any, int]:  # noqa: PLR0911 - one for each way to write it
        """Return the value that begins somewhere, and where it ends."""
        text = self.text
        following = text[at]
        if text.startswith(HIDDEN, at):
            return Leaf.at(HIDDEN, at, at + len(HIDDEN)), at + len(HIDDEN)
        if following in "{[" and not text.startswith("{{", at):
            return self._brackets(at)
        if following in "|>" and (block := _BLOCK.match(text, at, self.end)) is not None:
            return self._lines(block, column)
        if following in "\"'" and (quoted := self._quoted(at, column)) is not None:
            return quoted, quoted.end + 1
        if following == "*" and (alias := _ALIAS.match(text, at, self.end)) is not None:
            return self._alias(alias["name"]), alias.end()
        return self._plain(at, column)

    def _plain(self, at: int, column: int) -> tuple[Any, int]:
        text = self.text
        end = text.find("\n", at, self.end)
        end = self.end if end < 0 else end
        comment = _COMMENT.search(text, at, end)
        last = comment.start() if comment else end
        if (after := self._embedded(at)) > at:
            return None, after
        words = [text[at:last]]
        stop = last
        while not comment and (line := _LINE.match(text, end + 1, self.end)) and end < self.end:
            rest = line["rest"]
            deeper = len(line["indent"]) > max(column, 0)
            if rest is None or not deeper or rest[0] in "{[\"'" or _DASH.match(rest) or _KEY.match(rest):
                break
            stop = end = line.end()
            words.append(rest)
        value = " ".join(word.strip() for word in words)
        while stop > at and text[stop - 1] in " \t\r":
            stop -= 1
        return Leaf.at(value, at, stop), end

    def _brackets(self, at: int) -> tuple[Any, int]:
        """Return what is in brackets; where they never end, what is in them in their line."""
        end = self.text.find("\n", at, self.end)
        if self.wasted < MOST_WASTED:
            node, after, complete = self._flow(at, self.end)
            if complete or end < 0:
                return node, after
            self.wasted += after - at
        node, after, _ = self._flow(at, self.end if end < 0 else end)
        return node, after

    def _embedded(self, at: int) -> int:
        """Take in the JSON in a line of something else; return where the last of it ends, where it began if there is none."""
        text = self.text
        end = text.find("\n", at, self.end)
        end = self.end if end < 0 else end
        while (found := _EMBEDDED.search(text, at, end)) is not None:
            node, at = self._brackets(found.start())
            self.roots.append(node)
        return at

    def _lines(self, block: re.Match[str], column: int) -> tuple[Any, int]:
        """Return a block scalar: the lines that are indented further than what has it."""
        text, end = self.text, block.end()
        last, first = end, 0
        while end < self.end:
            line = _LINE.match(text, end + 1, self.end)
            stop = text.find("\n", end + 1, self.end)
            stop = self.end if stop < 0 else stop
            if line is None or (text[end + 1 : stop].strip() and len(line["indent"]) <= max(column, 0)):
                break
            if text[end + 1 : stop].strip():
                first, last = first or end + 1, stop
            end = stop
        body = text[first:last] if first else ""
        value = "\n".join(line.strip() for line in body.split("\n"))
        while last > block.end() and text[last - 1] in " \t\r":
            last -= 1
        return Leaf.at(value, block.start(), last, block["style"], first or last), last

    def _quoted(self, at: int, column: int) -> Leaf | None:
        """Return a quoted scalar; over several lines only where they are indented further than what has it."""
        text, double = self.text, self.text[at] == '"'
        pattern = _DOUBLE if double else _SINGLE
        line = text.find("\n", at, self.end)
        found = pattern.match(text, at, self.end if self.failures < FAILURES or line < 0 else line)
        if found is None:
            self.failures += 1
            return None
        raw = found[0][1:-1]
        if "\n" in raw:
            indents = [len(one) - len(one.lstrip(" \t")) for one in raw.split("\n")[1:-1] if one.strip()]
            if any(indent <= column for indent in indents):
                return None
        return Leaf.at(_unquoted(raw, double=double), at + 1, found.end() - 1, text[at])

    def _anchored(self, name: str, node: Any) -> None:
        self.anchors[name] = node

    def _alias(self, name: str) -> Any:
        """Return what an alias stands for; nothing where that is too much, or has the alias in it."""
        node = self.anchors.get(name)
        size, depth = self._size(node)
        self.repeated += size
        return node if self.repeated <= MOST_REPEATED and depth <= DEEPEST else None

    def _size(self, node: Any) -> tuple[int, int]:
        """Return how many values a node has, each as often as it is repeated, and how many containers are in each other."""
        if not isinstance(node, Map | Seq):
            return 1, 0
        if any(one is node for one in self.within) or any(one is node for _, one in self.open):
            return MOST_REPEATED + 1, 0
        if id(node) not in self.sizes:
            inner = [value for _, value in node.pairs] if isinstance(node, Map) else list(node)
            of = [self._size(one) for one in inner]
            self.sizes[id(node)] = 1 + sum(size for size, _ in of), 1 + max((depth for _, depth in of), default=0)
        return self.sizes[id(node)]

    def _flow(self, at: int, end: int) -> tuple[Any, int, bool]:
        """Return what is in brackets, where it ends, and whether it does before the end of what is read."""
        text = self.text
        stack: list[Any] = []
        self.within = stack
        root: Any = None
        closing = 0
        key: list[bool] = []
        anchor = ""

        def put(node: Any) -> None:
            nonlocal anchor
            if anchor:
                self._anchored(anchor, node)
                anchor = ""
            top = stack[-1]
            if isinstance(top, Seq):
                top.append(node)
            elif key[-1]:
                top.fill(node)
                key[-1] = False
            elif not isinstance(node, Leaf | None):
                top.add("", node)

        while at < end:
            if stack and (space := _FLOW_SPACE.match(text, at, end)) is not None:
                if "," in space[0] and key[-1]:
                    key[-1] = False
                at = space.end()
                continue
            following = text[at]
            if stack and text.startswith(HIDDEN, at):
                put(Leaf.at(HIDDEN, at, at + len(HIDDEN)))
                at += len(HIDDEN)
            elif following in "{[":
                if text.startswith("{{", at) and stack and (template := text.find("}}", at, min(end, at + 300))) > 0:
                    put(Leaf.at(text[at : template + 2], at, template + 2))
                    at = template + 2
                    continue
                node = Map() if following == "{" else Seq()
                if len(stack) >= DEEPEST:
                    closing += 1
                else:
                    if stack:
                        put(node)
                    else:
                        root = node
                    stack.append(node)
                    key.append(False)
                at += 1
            elif following in "}]":
                at += 1
                if closing:
                    closing -= 1
                    continue
                stack.pop()
                key.pop()
                if not stack:
                    return root, at, True
            elif following in "\"'" and (found := (_DOUBLE if following == '"' else _SINGLE).match(text, at, end)):
                at = found.end()
                value = _unquoted(found[0][1:-1], double=following == '"')
                at = self._key_or_value(stack, key, put, value, Leaf.at(value, found.start() + 1, at - 1, following), at, end, quoted=True)
            elif following in "!&" and (properties := _PROPERTIES.match(text, at, end)) is not None:
                anchor, at = properties["anchor"] or anchor, properties.end()
            elif following == "*" and (alias := _ALIAS.match(text, at, end)) is not None:
                put(self._alias(alias["name"]))
                at = alias.end()
            elif (plain := _FLOW_PLAIN.match(text, at, end)) is not None:
                value = plain[0].rstrip()
                at = plain.end()
                at = self._key_or_value(stack, key, put, value, Leaf.at(value, plain.start(), plain.start() + len(value)), at, end)
            else:
                at += 1
        return root, at, False

    def _key_or_value(
        self, stack: list[Any], key: list[bool], put: Any, value: str, leaf: Leaf, at: int, end: int, *, quoted: bool = False
    ) -> int:
        """Take in a scalar in brackets as what it is: a key, if a colon follows; a value else. Return where to go on."""
        colon = _COLON.match(self.text, at, end)
        after = self.text[colon.end() : colon.end() + 1] if colon else ""
        if isinstance(stack[-1], Map) and not key[-1]:
            if colon is not None and (quoted or after in {" ", "\t", "\r", "\n", "", ",", "}", "]"}):
                stack[-1].add(value)
                key[-1] = True
                return colon.end()
            stack[-1].add(value)
            return at
        put(leaf)
        return at


def _key(found: re.Match[str]) -> str:
    if found["double"] is not None:
        return _unquoted(found["double"], double=True)
    if found["single"] is not None:
        return found["single"].replace("''", "'")
    return found["plain"].rstrip()


def _unquoted(raw: str, *, double: bool) -> str:
    """Return what stands between quotes as it is meant."""
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
