"""Read YAML and JSON that others wrote: every fault becomes an error with file and line, and nothing can use up the machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedOrderedMap, CommentedSet, TaggedScalar
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.tag import Tag

from platform_e2e import paths
from platform_e2e.layer import yaml_places, yaml_scalars
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.yaml_places import Node

LARGEST_FILE = 10 << 20
"""Bytes of one YAML or JSON file, as of any file of a layer (`tree`): one with many objects, such as Argo CD's own install.yaml, has
1.9 MB."""

MOST_VALUES = 200_000
"""Values of one document once its aliases are resolved; the largest CRDs have some 20,000."""


REMEMBERED = ((8_192, 256), (65_536, 16))
"""Characters of a text whose documents are remembered, and of how many that were read last: with their lines they take a hundred
times as much memory, in a usual layer 30 MB."""

DEEPEST = 500
"""Levels of nesting. Objects of Kubernetes have some twenty; the parser's time grows with the square of the depth."""

_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that a text of JSON may have and one of YAML may not, or that YAML 1.1 takes for the end of a line (its sections 5.1
and 5.4)."""


class _Resolver(VersionedResolver):
    """Tell the type of a scalar as Kubernetes does."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Return the tag of a node that states none."""
        if kind is ScalarNode and implicit[0]:
            return Tag(suffix=yaml_scalars.tag(value))
        return super().resolve(kind, value, implicit)


class _Constructor(RoundTripConstructor):
    """Construct as Kubernetes does: a date is a text, and nothing contains itself."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - the library's signature
        """Refuse an alias within its own anchor, for which ruamel.yaml would put nothing."""
        if node in self.recursive_objects:
            raise ConstructorError(None, None, "found an alias within what it stands for", node.start_mark)
        return super().construct_object(node, deep=deep)

    def number(self, node: Any) -> int | float:
        """Construct a number; JSON, which all of Kubernetes speaks, has none that is not finite."""
        value = yaml_scalars.number(node.value)
        if value is None:
            raise ConstructorError(
                None, None, f"found {node.value[:40]}, which is not a number of JSON", node.start_mark
            )
        return value

    def binary(self, node: Any) -> str:
        """Construct what Base64 encodes."""
        value = yaml_scalars.binary(node.value)
        if value is None:
            raise ConstructorError(None, None, "found !!binary, which is not Base64", node.start_mark)
        return value

    def null(self, node: Any) -> None:
        """Construct null; a text with its tag is none."""
        if not yaml_scalars.is_null(node.value):
            raise ConstructorError(None, None, f"found {node.value[:40]}, which is not null", node.start_mark)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", RoundTripConstructor.construct_yaml_str)
_Constructor.add_constructor("tag:yaml.org,2002:int", _Constructor.number)
_Constructor.add_constructor("tag:yaml.org,2002:float", _Constructor.number)
_Constructor.add_constructor("tag:yaml.org,2002:binary", _Constructor.binary)
_Constructor.add_constructor("tag:yaml.org,2002:null", _Constructor.null)


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Attributes:
        data: its content, plain dicts, lists and scalars.
        file: from the top of the repository that has the layer.
        line: of its first key, from 1.
        node: the places of its parts; None for JSON.
        offset: lines of the file above the text that was parsed, of a document within another one.
        written: a `Written`, where the fields of an object that was rendered are written; None where it was read itself.
        whole: whether the file has it as a document; not one of a list's items, nor what a chart renders.
    """

    data: Any
    file: str
    line: int
    node: Node | None = None
    offset: int = 0
    written: object = field(default=None, repr=False, compare=False)
    whole: bool = field(default=True, repr=False, compare=False)

    def line_of(self, *keys: str | int) -> int:
        """Return the line of a field, or of the nearest enclosing one that exists."""
        node, line = self.node, self.line
        for key in keys:
            place = node.places.get(key) if node is not None else None
            if node is None or place is None:
                break
            line, node = place[0] + 1 + self.offset, node.parts.get(key)
        return line

    def error(self, problem: str, remedy: str = "", at: Sequence[str | int] = ()) -> LayerError:
        """Return an error about a field of this document."""
        return LayerError(self.file, self.line_of(*at), problem, remedy)


def read(root: Path, path: Path) -> list[Document]:
    """Read all documents of a file that are not empty.

    Args:
        root: the layer.
        path: the file; `.json` is read as JSON, everything else as YAML.

    Raises:
        LayerError: it is too large, no UTF-8, no YAML, says a key twice, or grows without bound by aliases.
    """
    file = paths.in_repository(path, root)
    content = _content(path, file)
    return [_json(content, file)] if path.suffix == ".json" else parse(content, file)


def text(root: Path, path: Path) -> str:
    """Return the text of a file.

    Args:
        root: the layer.
        path: the file.

    Raises:
        LayerError: it is too large, or no UTF-8.
    """
    return _content(path, paths.in_repository(path, root))


def _content(path: Path, file: str) -> str:
    size = path.stat().st_size
    if size > LARGEST_FILE:
        problem = f"is {size / 2**20:.1f} MiB large, more than {LARGEST_FILE >> 20} MiB"
        raise LayerError(file, 1, problem, "split it into several files")
    return decode(path.read_bytes(), file)


def decode(data: bytes, file: str) -> str:
    """Return the text of a file.

    Raises:
        LayerError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"is not UTF-8: {error.reason} 0x{data[error.start]:02x}"
        raise LayerError(file, line, problem, "store the file as UTF-8") from error


def parse(text: str, file: str) -> list[Document]:
    """Return all documents of a YAML text that are not empty.

    Args:
        text: what the file contains.
        file: its name for errors.

    Raises:
        LayerError: as `read`.
    """
    # A caller may change the content of its document, but never its lines.
    parsed = next((remembered for most, remembered in _REMEMBERED if len(text) <= most), _parsed)
    try:
        return [replace(document, data=_copied(document.data)) for document in parsed(text, file)]
    except RecursionError as error:
        raise LayerError(file, None, "is nested too deeply, or contains itself") from error


def as_json(value: Any, *, indent: int | None = 1, sort_keys: bool = False) -> str:
    """Return a value as JSON that is YAML too.

    YAML has no surrogate pairs, by which JSON would escape what is beyond U+FFFF.

    Args:
        value: of JSON.
        indent: spaces of each level; None for one line.
        sort_keys: whether the same value is always the same text.
    """
    text = json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _copied(value: Any) -> Any:
    """Copy plain values, in a fifth of the time of `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _parsed(text: str, file: str) -> tuple[Document, ...]:
    """Parse, quickly where that can be done."""
    _check_depth(text, file)
    try:
        every = yaml_places.quickly(text, _scalar, MOST_VALUES)
        return tuple(
            Document(data, file, node.line + 1 if node is not None else 1, node)
            for data, node in every
            if data is not None
        )
    except yaml_places.Unsure:
        return _carefully(text, file)


@lru_cache(maxsize=4096)
def _scalar(text: str) -> Any:
    """Return what a plain scalar stands for.

    Raises:
        Unsure: it is refused, which is told with the file and the line.
    """
    try:
        (document,) = _carefully(f"value: {text}", "")
    except LayerError as error:
        raise yaml_places.Unsure from error
    return document.data["value"]


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.Constructor = _Constructor
    yaml.Resolver = _Resolver
    yaml.allow_duplicate_keys = False
    yaml.composer.warn_double_anchors = False  # YAML allows to use an anchor again, and so does Kubernetes
    return yaml


def _carefully(text: str, file: str) -> tuple[Document, ...]:
    """Parse all that YAML has, with an error that says where the text is wrong."""
    found = []
    try:
        for node in _yaml().load_all(text):
            if node is None:
                continue
            data = _Plain(file, line := node.lc.line + 1 if isinstance(node, CommentedBase) else 1).value(node)
            places = yaml_places.of_ruamel(node) if isinstance(data, dict | list) else None
            found.append(Document(data, file, line, places))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise LayerError(
            file, mark.line + 1 if mark else None, f"is not valid YAML: {problem.splitlines()[0]}"
        ) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise LayerError(file, line, f"is not valid YAML: {error.reason}") from error
    except YAMLError as error:
        raise LayerError(file, None, f"is not valid YAML: {error}") from error
    return tuple(found)


_REMEMBERED = [(most, lru_cache(maxsize=several)(_parsed)) for most, several in REMEMBERED]
"""The base of three overlays is read for each of them, and parsing is most of what a layer costs."""


def _check_depth(text: str, file: str) -> None:
    """Refuse deep nesting in brackets before it is parsed; brackets within texts count too, which no sane file minds."""
    depth = 0
    for match in re.finditer(r"[\[\]{}]", text):
        depth = max(0, depth + (1 if match[0] in "[{" else -1))
        if depth > DEEPEST:
            line = text.count("\n", 0, match.start()) + 1
            raise LayerError(file, line, f"is nested more than {DEEPEST} levels deep")


_HALF = re.compile(r"[\ud800-\udfff]")
"""Half of a pair of surrogates, which no text in UTF-8 can have."""


@dataclass
class _Plain:
    """Turn a parsed document into plain values, counting them."""

    file: str
    line: int
    values: int = 0

    def value(self, node: Any) -> Any:
        self.values += 1
        if self.values > MOST_VALUES:
            problem = f"has more than {MOST_VALUES} values once its aliases are resolved"
            raise LayerError(self.file, self.line, problem, "write the document without aliases of aliases")
        if isinstance(node, CommentedOrderedMap):
            return [{self._key(key): self.value(value)} for key, value in node.items()]
        if isinstance(node, CommentedSet):
            return {self._key(key): None for key in node}
        if isinstance(node, Mapping):
            return {self._key(key): self.value(value) for key, value in node.items()}
        if isinstance(node, Sequence) and not isinstance(node, str | bytes):
            return [self.value(value) for value in node]
        return self._scalar(node)

    def _scalar(self, node: Any) -> Any:
        if isinstance(node, bool | ScalarBoolean):
            # One with an anchor is a ScalarBoolean, which is a number.
            return bool(node)
        if node is None or isinstance(node, int | float):
            return node
        if isinstance(node, str | TaggedScalar):
            # With a tag that is not known here, as with that of a text, it is the text.
            return self._text(str(node.value if isinstance(node, TaggedScalar) else node))
        raise LayerError(self.file, self.line, f"has a value of a type that JSON does not know: {type(node).__name__}")

    def _text(self, text: str) -> str:
        if _HALF.search(text):
            raise LayerError(self.file, self.line, r"has half of a character (a surrogate such as \ud800)")
        return text

    def _key(self, key: Any) -> str:
        if isinstance(key, bool | ScalarBoolean):
            return str(bool(key)).lower()
        if isinstance(key, int | float):
            return yaml_scalars.key(key)
        if isinstance(key, str):
            return self._text(str(key))
        raise LayerError(self.file, self.line, f"has a key that is not a text: {key!r}")


def _json(text: str, file: str) -> Document:
    def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise LayerError(file, None, f'is not valid JSON: found duplicate key "{twice}"')
        return found

    def number(text: str) -> int | float:
        value = yaml_scalars.whole(text) if text.lstrip("-").isdecimal() else yaml_scalars.finite(text)
        if value is None:
            raise LayerError(file, None, f"is not valid JSON: {text[:40]} is not a number of JSON")
        return value

    _check_depth(text, file)
    try:
        data = json.loads(
            text, object_pairs_hook=without_duplicates, parse_int=number, parse_float=number, parse_constant=number
        )
        return Document(_Plain(file, 1).value(data), file, 1)
    except json.JSONDecodeError as error:
        raise LayerError(file, error.lineno, f"is not valid JSON: {error.msg}") from error
