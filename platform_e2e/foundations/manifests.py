"""Manifests as text: read with the rules that Kubernetes reads them by, and written so that they read the same everywhere.

Helm and Kubernetes read YAML 1.1, in which an unquoted `no` is false and an unquoted `=` is a value of its own; ruamel.yaml
reads and writes YAML 1.2. So what goes into a chart is written as JSON, which every version of YAML reads alike.
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

Object = dict[str, Any]

DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
"""What begins a document; no text within one may have it at the start of a line (YAML 1.2, section 9.1.2)."""

DOCUMENTS_KEPT = 512
"""How many documents are remembered: the four releases have some 300."""


class _Constructor(SafeConstructor):
    """Builds plain Python values."""


def _equals_sign(_: SafeConstructor, node: Node) -> Any:
    """Take an unquoted `=` for the text that it is; the operator's CRDs have it among the matchers of Alertmanager."""
    return node.value


_Constructor.add_constructor("tag:yaml.org,2002:value", _equals_sign)


def parse(text: str) -> list[Object]:
    """Return the objects of a text; documents that only hold comments are none.

    Raises:
        YAMLError: it is not YAML, or a key stands twice in one map.
    """
    return [copy.deepcopy(loaded) for document in DOCUMENT.split(text) for loaded in _loaded(document) if loaded]


@functools.lru_cache(maxsize=DOCUMENTS_KEPT)
def _loaded(document: str) -> tuple[Any, ...]:
    """Return what one document says; a release's megabytes are read as Helm renders them, and again as it stored them."""
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    return tuple(yaml.load_all(document))


def read(path: Path) -> Object:
    """Return the one object of a file.

    Raises:
        YAMLError: it is not YAML, or a key stands twice in one map.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    loaded: Object = json.loads(text) if path.suffix == ".json" else parse(text)[0]
    return loaded


def write(path: Path, item: Object) -> None:
    """Write an object as JSON, whatever the file is called, making its directory if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(item, indent=2) + "\n", encoding="utf-8")
