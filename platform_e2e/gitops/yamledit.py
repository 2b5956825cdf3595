"""Change single values in YAML text and keep every other byte.

A parser finds the position of a value; the edit replaces just those characters. Loading and dumping would keep comments, but not
indentation, quotes and line breaks, and the commit with the changes must show nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from platform_e2e.errors import WrongUsage

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
"""Anchor and tag before a scalar; the parser counts them as part of the scalar's text."""

_SAFE_UNQUOTED = re.compile(r"[a-z][a-z+]*://[A-Za-z0-9._/@:+~-]*[A-Za-z0-9/]|\d+(?:\.\d+){3}(?:-\d+(?:\.\d+){3})?")
"""Text that needs no quotes anywhere, also inside brackets, and can only be a text: a URL, an address, a range of them."""


class UnreadableYaml(WrongUsage):
    """A file that must be read cannot be parsed."""


@dataclass(frozen=True)
class Edit:
    """Replace `text[start:end]` by `new`; offsets count characters."""

    start: int
    end: int
    new: str


def documents(file: str, text: str) -> list[Node]:
    """Parse all documents of a file into nodes with their positions.

    Args:
        file: the name for errors.
        text: its content.

    Returns:
        The root node of each document; empty documents are left out.

    Raises:
        UnreadableYaml: it is not YAML.
    """
    try:
        roots = list(YAML(typ="safe", pure=True).compose_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{file}:{mark.line + 1}" if mark else file
        raise UnreadableYaml(f"{place}: not YAML: {error.problem or error}", "correct the file") from error
    except YAMLError as error:
        raise UnreadableYaml(f"{file}: not YAML: {error}", "correct the file") from error
    return [root for root in roots if root is not None]


def line(node: Node) -> int:
    """Return the line on which a node begins, counted from 1."""
    return int(node.start_mark.line) + 1


def entries(node: Node | None) -> Iterator[tuple[str, Node]]:
    """Return the keys and values of a mapping, those that `<<` merges last; empty for another node."""
    if not isinstance(node, MappingNode):
        return
    merged: list[Node] = []
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            continue
        if key.value == "<<" and key.style is None:
            merged.extend(value.value if isinstance(value, SequenceNode) else [value])
        else:
            yield str(key.value), value
    for other in merged:
        yield from entries(other)


def get(node: Node | None, *path: str) -> Node | None:
    """Follow keys down from a mapping; None if one of them is missing."""
    for name in path:
        node = next((value for key, value in entries(node) if key == name), None)
    return node


def key(node: Node | None, name: str) -> ScalarNode | None:
    """Return the scalar that is a key of a mapping, None if it has no such key of its own."""
    if not isinstance(node, MappingNode):
        return None
    keys = (each for each, _ in node.value if isinstance(each, ScalarNode))
    return next((each for each in keys if each.value == name), None)


def after(text: str, node: ScalarNode, value: str) -> Edit | None:
    """Return the edit that adds an item to a sequence, after one that is a scalar; None where that cannot be written.

    Args:
        text: the text of the file.
        node: the item.
        value: of the new item: a URL.
    """
    end = int(node.end_mark.index)
    before = text[text.rfind("\n", 0, node.start_mark.index) + 1 : node.start_mark.index]
    if re.fullmatch(r"[ \t]*-[ \t]+", before):
        return Edit(end, end, f"\n{before}{value}")
    return Edit(end, end, f", {value}") if re.search(r"[\[,]\s*$", text[: node.start_mark.index]) else None


def items(node: Node | None) -> list[Node]:
    """Return the items of a sequence; empty for another node."""
    return list(node.value) if isinstance(node, SequenceNode) else []


def scalar(node: Node | None) -> str | None:
    """Return a scalar's text; None for null and for another node."""
    if not isinstance(node, ScalarNode) or node.tag == "tag:yaml.org,2002:null":
        return None
    return str(node.value)


def nodes(root: Node) -> Iterator[Node]:
    """Return every node from the root down, each once, however often it is referenced."""
    seen: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, MappingNode):
            for key, value in reversed(node.value):
                pending += [value, key]
        elif isinstance(node, SequenceNode):
            pending += reversed(node.value)


def raw(text: str, node: ScalarNode) -> str:
    """Return a scalar's source text, quotes included, without its anchor and tag."""
    return text[_begin(text, node) : node.end_mark.index]


def replace(text: str, node: ScalarNode, value: str) -> Edit:
    """Return the edit that gives a scalar another value and keeps its quotes.

    Args:
        text: the text of the file.
        node: the scalar.
        value: the new value; a block scalar becomes a quoted one.
    """
    written = raw(text, node)
    if node.style == "'" and value.isprintable():
        new = "'" + value.replace("'", "''") + "'"
    elif node.style is None and _SAFE_UNQUOTED.fullmatch(value):
        new = value
    else:
        new = '"' + "".join(map(_escaped, value)) + '"'
    if node.style in ("|", ">"):
        new += written[len(written.rstrip("\n")) :]
    return Edit(_begin(text, node), node.end_mark.index, new)


def replace_within(text: str, node: ScalarNode, words: Mapping[str, str]) -> Edit:
    """Return the edit that replaces words inside a scalar, for instance in an inline patch."""
    longest_first = sorted(map(re.escape, words), key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w.])(?:{'|'.join(longest_first)})(?!\w|\.\w)")
    new = pattern.sub(lambda match: words[match.group()], raw(text, node))
    return Edit(_begin(text, node), int(node.end_mark.index), new)


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Make all edits at once; an edit that was found twice, for instance through an alias, counts once.

    Raises:
        ValueError: two different edits overlap.
    """
    done: list[str] = []
    at = 0
    for edit in sorted(set(edits), key=lambda edit: (edit.start, edit.end)):
        if edit.start < at:
            raise ValueError(f"edits overlap at character {edit.start}")
        done += [text[at : edit.start], edit.new]
        at = edit.end
    return "".join([*done, text[at:]])


def _escaped(character: str) -> str:
    """Return a character as written between double quotes."""
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _begin(text: str, node: ScalarNode) -> int:
    """Return the position of a scalar's own text, after its anchor and tag."""
    # A scalar's own text never begins with & or !, so a match is an anchor or a tag.
    match = _PROPERTIES.match(text, node.start_mark.index, node.end_mark.index)
    return match.end() if match else int(node.start_mark.index)
