"""Documents that are Kubernetes objects, and a directory read as Argo CD's directory source reads it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from platform_e2e.layer import yamlfile
from platform_e2e.layer.errors import LayerError, OddShape
from platform_e2e.layer.yamlfile import Document
from platform_e2e.regex import compiled

_MANIFEST = compiled(r".*\.(yaml|yml|json|jsonnet)")
"""File names that Argo CD takes for manifests (reposerver/repository/repository.go, manifestFile)."""

SKIP = "+argocd:skip-file-rendering"
"""A file that contains it is left out (the same file, skipFileRenderingMarker)."""


def objects(document: Document) -> Iterator[Document]:
    """Yield the objects of a document: itself, or those of its list `items`, of whatever kind it says to be, as Argo CD does.

    A document without apiVersion, kind and metadata is something else and is passed over, as Argo CD does.

    Raises:
        OddShape: it looks like an object and lacks what every object has.
    """
    data = document.data
    if not isinstance(data, dict):
        raise _odd(document, "is not a Kubernetes object: it must be a mapping", "one object for each document")
    if not {"apiVersion", "kind", "metadata"} & data.keys():
        return
    for key in ("apiVersion", "kind"):
        if not isinstance(data.get(key), str) or not data[key]:
            raise _odd(document, f"is not a Kubernetes object: it must have {key}", f"add {key}")
    items = data.get("items")
    if isinstance(items, list) or data["kind"] == "List":
        if not isinstance(items or [], list):
            raise _odd(document, "items of a List must be a list", "write one object for each item")
        for index, item in enumerate(items or []):
            node = document.node.part("items", index) if document.node is not None else None
            yield from objects(Document(item, document.file, document.line_of("items", index), node, whole=False))
        return
    metadata = data.get("metadata")
    if not isinstance(metadata, dict) or not name_of(metadata):
        raise _odd(document, f"{data['kind']} has no metadata.name", "add it: Argo CD applies objects by their name")
    yield document


def _odd(document: Document, problem: str, remedy: str) -> OddShape:
    return OddShape(document.file, document.line, problem, remedy)


def name_of(metadata: Mapping[str, Any]) -> str:
    """Return an object's name; of a hook whose name the API server completes, what it begins with; empty where it has none."""
    name = metadata.get("name") or metadata.get("generateName")
    return name if isinstance(name, str) else ""


def namespace_of(metadata: Mapping[str, Any]) -> str | None:
    """Return an object's namespace; None where it states none that is a text."""
    namespace = metadata.get("namespace")
    return namespace if isinstance(namespace, str) else None


def is_manifest(path: Path) -> bool:
    """Tell whether Argo CD's directory source takes a file for manifests, by its name."""
    return _MANIFEST.fullmatch(path.name) is not None


def directory(
    root: Path,
    path: Path,
    *,
    recurse: bool = False,
    include: str = "",
    exclude: str = "",
    refused: Callable[[LayerError], None] | None = None,
) -> list[Document]:
    """Return all objects of a directory's YAML and JSON as Argo CD's directory source finds them.

    Args:
        root: the layer.
        path: the directory.
        recurse: descend into directories.
        include: pattern that a file's path below the directory must match, empty for all.
        exclude: pattern that it must not match, empty for none.
        refused: is told of each file that cannot be read as manifests, which is passed over then.

    Raises:
        LayerError: a file cannot be read as manifests, and `refused` is not given.
    """
    found: list[Document] = []
    for file in sorted(_walk(path, recurse=recurse)):
        name = file.relative_to(path).as_posix()
        if not is_manifest(file) or file.suffix == ".jsonnet" or not file.is_file():
            continue
        if (exclude and glob(exclude, name)) or (include and not glob(include, name)):
            continue
        try:
            if SKIP not in yamlfile.text(root, file):
                found.extend([item for document in yamlfile.read(root, file) for item in objects(document)])
        except LayerError as error:
            if refused is None:
                raise
            refused(error)
    return found


def _walk(path: Path, *, recurse: bool) -> Iterator[Path]:
    for entry in path.iterdir():
        # Argo CD follows links to files, not to directories.
        if entry.is_dir() and not entry.is_symlink():
            if recurse:
                yield from _walk(entry, recurse=True)
        elif not entry.is_dir():
            yield entry


def glob(pattern: str, text: str) -> bool:
    """Match as Argo CD matches `include` and `exclude`: `*` and `?` cross slashes, {a,b} are alternatives.

    What it takes for an error matches nothing. In one pass over the pattern, so that none of a stranger takes long.

    Args:
        pattern: with *, ?, [abc], [a-c], [!abc] and {a,b}.
        text: the path below the directory.
    """
    ends = {0}
    opened: list[tuple[set[int], set[int]]] = []
    for token in _TOKEN.finditer(pattern):
        word = token[0]
        if word[0] == "*":
            ends = set(range(min(ends), len(text) + 1)) if ends else ends
        elif word == "{":
            opened.append((ends, set()))
        elif word == "," and opened:
            opened[-1][1].update(ends)
            ends = opened[-1][0]
        elif word == "}" and opened:
            ends = ends | opened.pop()[1]
        elif word == "[" or (token["low"] and token["low"] > token["high"]):
            return False
        elif word != "\\":
            ends = {end + 1 for end in ends if end < len(text) and _fits(token, text[end])}
    return len(text) in ends.union(*(before for _, before in opened))


_TOKEN = compiled(
    r"\*\*?|[?{},]|\[(?P<not>!?+)(?:(?P<low>.)-(?P<high>.)|(?!.-)(?P<list>(?:\\.|[^\]\\])+))\]|\\(?P<plain>.)|.",
    re.DOTALL,
)
"""Parts of a pattern (github.com/gobwas/glob, syntax/lexer/lexer.go). Within brackets there is one range, or a list."""


def _fits(token: re.Match[str], char: str) -> bool:
    """Tell whether a part of a pattern that is about one character fits it."""
    if token["low"]:
        return (token["low"] <= char <= token["high"]) != bool(token["not"])
    if token["list"]:
        return (char in re.sub(r"\\(.)", r"\1", token["list"], flags=re.DOTALL)) != bool(token["not"])
    return token[0] == "?" or char == (token["plain"] or token[0])
