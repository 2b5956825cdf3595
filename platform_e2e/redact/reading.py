"""Read the structure and the positions of all values of YAML and JSON in any text.

The text need not parse: templates, logs and pieces of files have structure, too, and the parts without structure are skipped. Values
are later replaced at their positions, so every other byte of the text stays unchanged. Each character is read a bounded number of
times.
"""

from __future__ import annotations

import re
from typing import Any

from platform_e2e.redact.names import HIDDEN
from platform_e2e.redact.yaml_flow import ALIAS, DOUBLE, PROPERTIES, SINGLE, Flow
from platform_e2e.redact.yaml_nodes import DEEPEST, Anchors, Leaf, Map, Seq, unquoted
from platform_e2e.regex import compiled

FAILURES = 20
"""Quotes without an end after which all other quotes must end within their line."""

LONGEST_BRACKETS = 300_000
"""Characters of one value in brackets over several lines; a longer value is read line by line, by its indentation."""

MOST_WASTED = 100_000
"""Characters that were read in search of the end of brackets without finding it; then brackets must end within their line."""


_LINE = compiled(r"(?P<indent>[ \t]*)(?P<rest>[^\s#][^\n]*)?")
_DASH = compiled(r"-(?:[ \t]+|(?=\r?(?:\n|\Z)))")
_KEY = compiled(
    r"""(?:"(?P<double>[^"\\\n]*+(?:\\.[^"\\\n]*+)*+)"|'(?P<single>[^'\n]*+(?:''[^'\n]*+)*+)'"""
    r"""|(?P<plain>(?![-?:][ \t\r\n])(?:\{\{[^{}\n]{0,200}\}\}|[^\s#"'\[\]{},&*!|>%@`])[^\n:"{]{0,300}+(?::(?![ \t\r\n]|\Z)[^\n:"{]{0,300}+){0,40}+))"""
    r"""[ \t]*:(?=[ \t\r\n]|\Z)"""
)
_BLOCK = compiled(r"(?P<style>[|>])[-+0-9]{0,2}[ \t]*(?:#[^\n]*)?\r?(?=\n|\Z)")
_COMMENT = compiled(r"[ \t]#[^\n]*")
_EMBEDDED = compiled(r"[\[{](?=[ \t]{0,8}(?:\"[^\"\n]{0,200}\"[ \t]{0,8}:|\{))")
_END = compiled(r"(?:---|\.\.\.)(?=\s|\Z)|@@ |(?:---|\+\+\+|diff --git) ")


def read(text: str, start: int = 0, end: int | None = None) -> list[Any]:
    """Return the documents in a text or in a part of it, and every piece of JSON within a line."""
    return _Reader(text, start, len(text) if end is None else end).read()


class _Reader:
    """Read one text line by line, and values in brackets as a whole."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text, self.at, self.end = text, start, end
        self.roots: list[Any] = []
        self.open: list[tuple[int, Any]] = []
        self.anchors = Anchors()
        self.failures = self.wasted = 0
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
        """Read the content that begins at a column of a line."""
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
        if text[at] in "!&" and (properties := PROPERTIES.match(text, at, self.end)) is not None:
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
        """Open a container of a type at a column, unless one is open there."""
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
        """Add a value to the innermost container."""
        if not self.open:
            self.roots.append(node)
        elif isinstance(top := self.open[-1][1], Map):
            top.fill(node)
            if top.waiting:
                self.anchors.named[top.waiting] = node
                top.waiting = ""
        else:
            top.append(node)

    def _value(self, at: int, column: int, anchor: str, *, item: bool = False) -> None:
        """Read the value after a key, or of an item."""
        text = self.text
        while text[at : at + 1] in {" ", "\t"}:
            at += 1
        if text[at : at + 1] in {"!", "&"} and (properties := PROPERTIES.match(text, at, self.end)) is not None:
            anchor, at = properties["anchor"] or anchor, properties.end()
        following = text[at : at + 1] if at < self.end else ""
        if following in {"", "\r", "\n", "#"}:
            if anchor and self.open and isinstance(self.open[-1][1], Map):
                self.open[-1][1].waiting = anchor
            self._skip_line(at)
            return
        if item:
            self._outward(column)
        node, end = self._scalar(at, column)
        if node is not None:
            if anchor:
                self.anchors.named[anchor] = node
            self._put(node)
        self._embedded(end)
        self._skip_line(max(end, at))

    def _outward(self, column: int) -> None:
        """Close the containers to which a line without a key does not belong."""
        while self.open and self.open[-1][0] > column + 1:
            self.open.pop()
        if self.open and self.open[-1][0] == column + 1 and isinstance(self.open[-1][1], Map):
            self.open.pop()
        if column < 0 and not (self.open and isinstance(self.open[-1][1], Seq)):
            self.open.clear()

    def _scalar(self, at: int, column: int) -> tuple[Any, int]:
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
        if following == "*" and (alias := ALIAS.match(text, at, self.end)) is not None:
            return self.anchors.alias(alias["name"], [node for _, node in self.open]), alias.end()
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
        """Return the value in brackets; where they do not end, its part within the line."""
        line = self.text.find("\n", at, self.end)
        line = self.end if line < 0 else line
        unfinished = [node for _, node in self.open]
        if self.wasted < MOST_WASTED:
            end = max(line, min(self.end, at + LONGEST_BRACKETS))
            flow = Flow(self.text, at, end, self.anchors, unfinished)
            if flow.complete or end == line:
                return flow.root, flow.at
            self.wasted += flow.at - at
        flow = Flow(self.text, at, line, self.anchors, unfinished)
        return flow.root, flow.at

    def _embedded(self, at: int) -> int:
        """Read the pieces of JSON within a line; return where the last one ends, or the start where the line has none."""
        text = self.text
        end = text.find("\n", at, self.end)
        end = self.end if end < 0 else end
        while (found := _EMBEDDED.search(text, at, end)) is not None:
            node, at = self._brackets(found.start())
            self.roots.append(node)
        return at

    def _lines(self, block: re.Match[str], column: int) -> tuple[Any, int]:
        """Return a block scalar: the lines that are indented further than its container."""
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
        """Return a quoted scalar; its further lines must be indented further than its container."""
        text, double = self.text, self.text[at] == '"'
        pattern = DOUBLE if double else SINGLE
        line = text.find("\n", at, self.end)
        found = pattern.match(text, at, self.end if self.failures < FAILURES or line < 0 else line)
        if found is None:
            self.failures += 1
            return None
        raw = found[0][1:-1]
        if "\n" in raw:
            indents = [len(line) - len(line.lstrip(" \t")) for line in raw.split("\n")[1:-1] if line.strip()]
            if any(indent <= column for indent in indents):
                return None
        return Leaf.at(unquoted(raw, double=double), at + 1, found.end() - 1, text[at])


def _key(found: re.Match[str]) -> str:
    if found["double"] is not None:
        return unquoted(found["double"], double=True)
    if found["single"] is not None:
        return found["single"].replace("''", "'")
    return found["plain"].rstrip()
