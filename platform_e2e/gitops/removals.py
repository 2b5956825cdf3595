"""Take documents out of a layer's files: the objects that are not served. Lines stay where they are, so that places stay true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from ruamel.yaml.nodes import Node, ScalarNode

from platform_e2e.errors import BrokenHarness
from platform_e2e.gitops import yamledit
from platform_e2e.layer.left_out import LeftOut

Document: TypeAlias = tuple[str, str, int]
"""Kind and name of an object, and the line on which its document begins."""


def by_file(left_out: Iterable[LeftOut], relative: Mapping[str, str]) -> dict[str, frozenset[Document]]:
    """Return the documents to take out of each file.

    Args:
        left_out: objects that are not served; those that no file has as they are applied cannot be taken out.
        relative: for each file of an object its path relative to the layer.
    """
    found: dict[str, set[Document]] = {}
    for each in left_out:
        if each.plain:
            known = found.setdefault(relative[each.rendered.file], set())
            known.add((each.rendered.kind, each.rendered.name, each.rendered.line or 0))
    return {file: frozenset(documents) for file, documents in found.items()}


def remove(file: str, content: bytes, documents: AbstractSet[Document]) -> tuple[bytes, list[tuple[int, str]]]:
    """Return a file's content without documents, and line and name of each.

    Args:
        file: its path, for errors.
        content: of the file.
        documents: to take out.

    Raises:
        UnreadableYaml: it is not YAML.
        BrokenHarness: the file does not have one of them.
    """
    text = content.decode("utf-8", errors="surrogateescape")
    gone = [node for node in yamledit.documents(file, text) if _document(node) in documents]
    if len(gone) != len(documents):
        raise BrokenHarness(f"{file} must have {len(documents)} objects that are not served, got {len(gone)} of them")
    edits = [_blank(text, node) for node in gone]
    told = [(line, f"{kind.lower()}/{name}") for kind, name, line in map(_document, gone)]
    return yamledit.apply(text, edits).encode("utf-8", errors="surrogateescape"), told


def _blank(text: str, node: Node) -> yamledit.Edit:
    start, end = node.start_mark.index, node.end_mark.index
    return yamledit.Edit(start, end, "\n" * text.count("\n", start, end))


def _document(node: Node) -> Document:
    kind, name = yamledit.get(node, "kind"), yamledit.get(node, "metadata", "name")
    words = [str(each.value) if isinstance(each, ScalarNode) else "" for each in (kind, name)]
    return words[0], words[1], yamledit.line(node)
