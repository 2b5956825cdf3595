"""Change a few places in the YAML text of a layer, and keep every other byte: take an entry out of a list, or add a key to a mapping."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

Keys = tuple[str | int, ...]


class CannotBeCut(Exception):
    """The text is no YAML, or its place is written in a way that cannot be changed alone, such as through an anchor."""


def without_entry(text: str, keys: Keys, *, document: int = 0) -> str:
    """Return a text without an entry of a list; an empty list stays.

    Args:
        text: one or several documents.
        keys: that lead to the entry; the last is its index.
        document: index of the document.

    Raises:
        CannotBeCut: there is no such entry, or the rest would no longer be what it was.
    """
    holder = _at(_documents(text)[document], keys[:-1])
    index = int(keys[-1])
    if not isinstance(holder, SequenceNode) or not 0 <= index < len(holder.value):
        raise CannotBeCut(f"{keys} is no entry of a list")
    expected = _loaded(text)
    entries = _value(expected[document], keys[:-1])
    del entries[index]
    changed = _flow(text, holder, index) if holder.flow_style else _block(text, holder, index)
    return _checked(changed, expected)


def with_key(text: str, keys: Keys, name: str, value: str, *, document: int = 0) -> str:
    """Return a text with a key of a mapping set to a plain text.

    Args:
        text: one or several documents.
        keys: that lead to the mapping, which may be missing where the one above it is there.
        name: the key.
        value: it needs no quotes.
        document: index of the document.

    Raises:
        CannotBeCut: there is no place for it, or the rest would no longer be what it was.
    """
    root = _documents(text)[document]
    expected = _loaded(text)
    above = _value(expected[document], keys[:-1])
    if not isinstance(above, dict):
        raise CannotBeCut(f"{keys[:-1]} is no mapping")
    held = above.get(keys[-1]) or {}
    if not isinstance(held, dict) or name in held:
        raise CannotBeCut(f"{keys} is no mapping, or has {name}")
    # The new key stands first, as it is written.
    above[keys[-1]] = {name: value, **held}
    if held:
        return _checked(_first(text, _at(root, keys), f"{name}: {value}"), expected)
    if keys[-1] in (_value(_loaded(text)[document], keys[:-1]) or {}):
        raise CannotBeCut(f"{keys} is there and empty")
    return _checked(_first(text, _at(root, keys[:-1]), f"{keys[-1]}: {{{name}: {value}}}"), expected)


def _first(text: str, node: Node, entry: str) -> str:
    if not isinstance(node, MappingNode) or not node.value:
        raise CannotBeCut("it is no mapping with keys")
    mark = node.value[0][0].start_mark
    after = ", " if node.flow_style else f"\n{' ' * mark.column}"
    return f"{text[: mark.index]}{entry}{after}{text[mark.index :]}"


def _flow(text: str, holder: SequenceNode, index: int) -> str:
    items = holder.value
    start, end = items[index].start_mark.index, items[index].end_mark.index
    if index + 1 < len(items):
        end = items[index + 1].start_mark.index
    elif index:
        start = items[index - 1].end_mark.index
    return text[:start] + text[end:]


def _block(text: str, holder: SequenceNode, index: int) -> str:
    items = holder.value
    column = holder.start_mark.column
    start = _line_start(text, items[index].start_mark.line)
    if index + 1 < len(items):
        end = _line_start(text, items[index + 1].start_mark.line)
    else:
        # It ends where the next token begins, which a file without a line break at its end does not have.
        end = _line_start(text, holder.end_mark.line)
        if text[end : holder.end_mark.index].strip():
            end = _line_start(text, holder.end_mark.line + 1)
    before = text[:start]
    dash = text[start : items[index].start_mark.index].rfind("-")
    if dash != column:
        raise CannotBeCut("the entry does not begin its line")
    left = f"{' ' * (column + 2)}[]\n" if len(items) == 1 else ""
    return before + left + text[end:]


def _line_start(text: str, line: int) -> int:
    at = 0
    for _ in range(line):
        at = text.find("\n", at) + 1
        if not at:
            return len(text)
    return at


def _at(node: Node, keys: Keys) -> Node:
    for key in keys:
        found: Node | None = None
        if isinstance(node, MappingNode):
            found = next((value for name, value in node.value if getattr(name, "value", None) == key), None)
        elif isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = node.value[key]
        if found is None:
            raise CannotBeCut(f"{keys} is not there")
        node = found
    return node


def _value(data: Any, keys: Keys) -> Any:
    try:
        for key in keys:
            data = data[key]
    except (KeyError, IndexError, TypeError) as error:
        raise CannotBeCut(f"{keys} is not there") from error
    return data


def _documents(text: str) -> list[Node]:
    try:
        return list(YAML(typ="safe", pure=True).compose_all(text))
    except YAMLError as error:
        raise CannotBeCut(str(error)) from error


def _loaded(text: str) -> list[Any]:
    try:
        return list(YAML(typ="safe", pure=True).load_all(text))
    except (YAMLError, ValueError) as error:
        raise CannotBeCut(str(error)) from error


def _checked(text: str, expected: list[Any]) -> str:
    if _loaded(text) != expected:
        raise CannotBeCut("the rest would no longer be what it was")
    return text
