"""Read a file of a layer as pieces of YAML: its documents, and the inline patches of a kustomization."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ruamel.yaml.nodes import Node, ScalarNode

from platform_e2e.errors import WrongUsage
from platform_e2e.gitops import yamledit

_KUSTOMIZATION = re.compile(r"(?:.*/)?(?:kustomization\.ya?ml|Kustomization)")
"""The three file names of a kustomization."""


@dataclass(frozen=True)
class PatchOperation:
    """One operation of a JSON patch with a value."""

    path: str
    value: Node


@dataclass(frozen=True)
class Fragment:
    """A piece of YAML.

    Attributes:
        file: the path relative to the layer.
        text: the text of the whole file.
        roots: the documents of this piece.
        host: the scalar of the file that contains this piece; None if the piece is the file itself.
    """

    file: str
    text: str
    roots: tuple[Node, ...]
    host: ScalarNode | None = None

    def operations(self) -> Iterator[PatchOperation]:
        """Return the operations of documents that are JSON patches: sequences of mappings with `op` and `path`."""
        for root in self.roots:
            for item in yamledit.items(root):
                path, value = yamledit.scalar(yamledit.get(item, "path")), yamledit.get(item, "value")
                if yamledit.get(item, "op") is not None and path is not None and value is not None:
                    yield PatchOperation(path, value)

    @property
    def offset(self) -> int:
        """Return the number of lines of the file before this piece."""
        if self.host is None:
            return 0
        # A block scalar's text begins on the line after its indicator.
        return yamledit.line(self.host) - (0 if self.host.style in ("|", ">") else 1)

    def line(self, node: Node) -> int:
        """Return the line of the file on which a node begins."""
        return yamledit.line(node) + self.offset

    def edits(self, values: Iterable[tuple[ScalarNode, str]]) -> list[yamledit.Edit]:
        """Return the edits of the file that change scalars of this piece.

        Raises:
            WrongUsage: the quoting of an inline patch hides the value.
        """
        if self.host is None:
            return [yamledit.replace(self.text, node, value) for node, value in values]
        words = {str(node.value): value for node, value in values}
        written = yamledit.raw(self.text, self.host)
        for word in words:
            if word not in written:
                raise WrongUsage(
                    f"{self.file}:{yamledit.line(self.host)}: {word!r} cannot be replaced in this inline patch",
                    "write the patch as a block (patch: |-) or in a file of its own",
                )
        return [yamledit.replace_within(self.text, self.host, words)] if words else []


def read(file: str, text: str) -> list[Fragment]:
    """Parse a file.

    Args:
        file: the path relative to the layer.
        text: its content.

    Returns:
        The file itself, then the inline patches of a kustomization.

    Raises:
        yamledit.UnreadableYaml: it is not YAML.
    """
    roots = tuple(yamledit.documents(file, text))
    found = [Fragment(file, text, roots)]
    if _KUSTOMIZATION.fullmatch(file):
        for host in (host for root in roots for host in _inline_patches(root)):
            inner = yamledit.documents(f"{file}:{yamledit.line(host)} (inline patch)", str(host.value))
            found.append(Fragment(file, text, tuple(inner), host))
    return found


def _inline_patches(root: Node) -> Iterator[ScalarNode]:
    for field in ("patches", "patchesJson6902"):
        for item in yamledit.items(yamledit.get(root, field)):
            patch = yamledit.get(item, "patch")
            if isinstance(patch, ScalarNode) and yamledit.scalar(patch):
                yield patch
    for item in yamledit.items(yamledit.get(root, "patchesStrategicMerge")):
        # An item is the name of a file or, over several lines, the patch itself.
        if isinstance(item, ScalarNode) and "\n" in str(item.value):
            yield item
