"""Manifests as text, read by Kubernetes' rules and written so that every reader agrees.

Helm and Kubernetes read YAML 1.1, in which an unquoted `no` is false and an unquoted `=` has a type of its own; ruamel.yaml
reads and writes YAML 1.2. So the charts' files are written as JSON, which has one meaning in every version of YAML.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import Node

from platform_e2e.layer import yamlfile

Object = dict[str, Any]

DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
"""The line that begins a document; no text in a document can have it at the start of a line (YAML 1.2, section 9.1.2)."""

DOCUMENTS_KEPT = 512
"""Documents in the parser's cache: the four releases have some 300."""


class _Constructor(SafeConstructor):
    """Builds plain Python values."""


def _equals_sign(_: SafeConstructor, node: Node) -> Any:
    """Read an unquoted `=` as a text; the operator's CRDs have it among the matchers of Alertmanager."""
    return node.value


_Constructor.add_constructor("tag:yaml.org,2002:value", _equals_sign)


def parse(text: str) -> list[Object]:
    """Return the objects of a text; ignores documents with only comments.

    Raises:
        YAMLError: it is not YAML, or a map has a key twice.
    """
    return [copy.deepcopy(loaded) for document in DOCUMENT.split(text) for loaded in _loaded(document) if loaded]


@functools.lru_cache(maxsize=DOCUMENTS_KEPT)
def _loaded(document: str) -> tuple[Any, ...]:
    """Return the content of one document; cached, since megabytes of a release are read from Helm's rendering and from its store."""
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    return tuple(yaml.load_all(document))


def read(path: Path) -> Object:
    """Return the single object of a file; an empty one where it has none, as a file of values may.

    Raises:
        YAMLError: it is not YAML, or a map has a key twice.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    loaded: Object = json.loads(text) if path.suffix == ".json" else next(iter(parse(text)), {})
    return loaded


def write(path: Path, item: Object) -> None:
    """Write an object as JSON, for any file name, making the directory if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yamlfile.as_json(item, indent=2) + "\n", encoding="utf-8")
