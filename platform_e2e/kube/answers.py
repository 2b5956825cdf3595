"""Validate an API server's answers: limits on bytes, memory, depth and pages; JSON in UTF-8; objects with the documented metadata.

An API server is not trusted. Its answer becomes a value that the rest of the harness can read, or a `BadAnswer`.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import traceback
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from platform_e2e.kube.errors import BadAnswer, TooLarge
from platform_e2e.kube.objects import Object

DEEPEST = 128
"""Most levels of lists and mappings in one answer: CRDs nest about 60 deep, and Python's stack has 1,000 calls."""

ODD = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
"""Exceptions of code that meets a value of an unexpected type or size."""

_WIDE = re.compile(rb"\\u(?!00)")
"""An escape of a character above U+00FF."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

_TEXTS = ("name", "namespace", "resourceVersion", "uid", "creationTimestamp", "deletionTimestamp")
_MAPPINGS = ("labels", "annotations")
_LISTS = {"ownerReferences": dict, "managedFields": dict, "finalizers": str}
_NOT_TEXTS = frozenset((*_MAPPINGS, *_LISTS, "generation"))
"""Fields of ObjectMeta by their type (meta/v1)."""


class NoJson(BadAnswer):
    """The answer is text, such as a log or a proxy's page."""


@dataclass(frozen=True)
class Limits:
    """Limits on the answers of one API server.

    Attributes:
        seconds: for a complete answer that is not a stream; admission webhooks may take up to 30 s.
        answer: bytes of an answer, both compressed and decompressed.
        memory: bytes that the objects of a list may take in memory, as estimated by `cost`.
        whole: the same for all answers of one client together, for a client that keeps what it reads.
        pages: of one list.
        page: objects per request. 1,000 is twice kubectl's --chunk-size, so that a list of five hundred ConfigMaps, with the one that
            Kubernetes adds to each namespace, needs one request.
        slim: whether the field ownership (fieldsV1) of listed objects is dropped.
        line: bytes of one event of a watch; etcd stores at most 1.5 MiB.
    """

    seconds: float = 30.0
    answer: int = 128 << 20
    memory: int = 1 << 30
    whole: float = math.inf
    pages: int = 5000
    page: int = 1000
    line: int = 16 << 20
    slim: bool = False


OURS = Limits()
"""For a cluster that the harness has created, which is not an attacker."""

ASKED = Limits(answer=8 << 20, memory=56_000_000, pages=500, page=250, line=4 << 20, slim=True)
"""For a cluster that a command waits on: the process stays below 200 MB, of which Python and the harness take 45."""

KEPT = Limits(answer=8 << 20, memory=100_000_000, whole=100_000_000, pages=500, page=250, line=4 << 20, slim=True)
"""For a cluster whose lists a command keeps until it ends: about 2,300 pods."""

TAKEN = replace(KEPT, memory=40_000_000, whole=80_000_000)
"""The same for a command that also writes a redacted copy to a file: about 1,300 Applications."""

SINGLE = 64 << 10
"""Bytes in memory of a single object that are not counted: most such objects are dropped at once."""

MAPPING, EMPTY = 184, 64
"""Bytes in memory of a mapping, and of an empty one."""


def cost(data: bytes | bytearray) -> int:
    """Estimate how many bytes a JSON text takes as Python objects; measured on CPython 3.11.

    The true size is at most twice the estimate, for mappings with many distinct names.
    """
    wide = not data.isascii() or (b"\\u" in data and _WIDE.search(data) is not None)
    empty = data.count(b"{}")
    containers = (data.count(b"{") - empty) * MAPPING + empty * EMPTY + data.count(b"[") * 88
    return len(data) * (4 if wide else 1) + containers + data.count(b",") * 64


def slimmed(items: list[Object]) -> int:
    """Remove the field ownership from listed objects: it is half of their size, and is only needed of single objects.

    Args:
        items: objects that passed `checked`.

    Returns:
        The number of removed bytes, as counted by `cost`.
    """
    level: list[Any] = [
        entry.pop("fieldsV1", None) for item in items for entry in item["metadata"].get("managedFields") or ()
    ]
    freed = 0
    while level:
        mappings = [value for value in level if isinstance(value, dict)]
        freed += sum(MAPPING if fields else EMPTY for fields in mappings)
        level = [value for fields in mappings for value in fields.values()]
    return freed


def unpacked(data: bytearray, encoding: str, request: str, most: int) -> bytes | bytearray:
    """Return the decompressed body of an answer.

    Args:
        data: the body as received.
        encoding: value of the header Content-Encoding, or empty.
        request: for the error.
        most: limit of decompressed bytes.

    Raises:
        TooLarge: the body decompresses to more.
        BadAnswer: the body cannot be decompressed.
    """
    if encoding.lower() in {"", "identity"}:
        return data
    if encoding.lower() not in {"gzip", "x-gzip"}:
        raise BadAnswer(request, f"its encoding must be gzip or none, got {encoding[:40]!r}")
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise BadAnswer(request, "it must be gzip, as its header says, got something else") from error
    if len(plain) > most:
        raise TooLarge(request, f"it must unpack to at most {megabytes(most)}, got more")
    if not unpacker.eof:
        raise BadAnswer(request, "it must be complete gzip, got a part of it")
    return plain


def parsed(data: bytes | bytearray, request: str) -> Any:
    """Return the JSON value of an answer; the caller has checked its `cost`.

    Args:
        data: the body.
        request: for the error.

    Raises:
        BadAnswer: it is not JSON in UTF-8, or nests too deeply.
    """
    try:
        text = data.decode()
        found = _value(text)
        if b"\\" in data and _SURROGATE.search(data):
            # Half of a surrogate pair is not a character; printing or writing it would fail.
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError as error:
        raise _deep(request) from error
    except UnicodeError as error:
        raise BadAnswer(request, "it must be text in UTF-8, got other bytes") from error
    except ValueError as error:
        raise NoJson(request, f"it must be JSON, got {bytes(data[:60])!r}") from error
    if _deepest(data) > DEEPEST and _depth(found) > DEEPEST:
        raise _deep(request)
    return found


_DECODER = json.JSONDecoder()


def _value(text: str) -> Any:
    """Return the value of a JSON text; `json.loads` takes 50 % longer, to skip whitespace that an API server does not send."""
    try:
        found, end = _DECODER.raw_decode(text)
    except json.JSONDecodeError:
        return json.loads(text)  # it may start with whitespace
    return found if end == len(text) else json.loads(text)


_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_NO_SIGNS = bytes(set(range(256)) - set(b'{}[]"'))
_QUOTED = re.compile(rb'"[^"]*"')


def _deepest(data: bytes | bytearray) -> int:
    """Return an upper bound of the depth of a JSON text: the number of brackets that are not closed directly."""
    left = data.translate(None, _NO_BRACKETS)
    if len(left) <= 2 * DEEPEST:
        return len(left) // 2  # each level has an opening and a closing bracket
    most = len(left) // 2 - data.count(b"{}") - data.count(b"[]") + 1
    if most <= DEEPEST:
        return most  # most mappings of a pod are empty: field ownership
    # Brackets in strings do not count.
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    left = data.translate(None, _NO_SIGNS).replace(b'""', b"")
    if b'"' in left:
        left = _QUOTED.sub(b"", left)
    for _ in range(2):
        # Each pass removes the innermost brackets: both together at most four levels.
        left = left.replace(b"{}", b"").replace(b"[]", b"")
    return len(left) // 2 + 4


def _depth(value: Any) -> int:
    """Return the depth of a value, or a number above `DEEPEST`, without recursion."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        depth += 1
        inner = [item for outer in level for item in (outer.values() if isinstance(outer, dict) else outer)]
        level = [item for item in inner if isinstance(item, dict | list)]
    return depth


def too_much(request: str, most: float) -> BadAnswer:
    """Return the error for an answer that takes too much memory."""
    return BadAnswer(
        request,
        f"it must fit into {megabytes(most)} of memory, got more",
        "ask for less: name a namespace by -n, labels by -l, or single objects",
    )


def _deep(request: str) -> BadAnswer:
    return BadAnswer(request, f"it must nest at most {DEEPEST} levels deep, got more")


def megabytes(size: float) -> str:
    """Return a size for a person."""
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size:.0f} bytes"


def mapping(value: Any, request: str) -> dict[str, Any]:
    """Return an answer that must be a mapping.

    Raises:
        BadAnswer: it is something else.
    """
    if not isinstance(value, dict):
        raise BadAnswer(request, f"it must be a mapping, got {_kind(value)}")
    return value


def checked(value: Any, request: str) -> Object:
    """Return an object after checking the types of its metadata; the other fields depend on its kind and are not checked.

    Args:
        value: an object, or an item of a list.
        request: for the error.

    Raises:
        BadAnswer: it is not an object, or its metadata is malformed.
    """
    if not isinstance(value, dict):
        raise BadAnswer(f"{request}, an object", f"it must be a mapping, got {_kind(value)}")
    obj: Object = value
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or not isinstance(name := meta.get("name"), str) or not name:
        got = f"the name {meta.get('name')!r:.60}" if isinstance(meta, dict) else _kind(meta)
        raise BadAnswer(request, f"metadata of an object must be a mapping with a name, got {got}")
    for field, content in meta.items():
        # Fast path, since every event of a watch comes here: nearly all metadata is text.
        if (type(content) is not str or field in _NOT_TEXTS) and _is_malformed(field, content):
            raise BadAnswer(
                request, f"metadata.{field} of {name!r:.80} must have its documented type, got {_kind(content)}"
            )
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field, ""), str):
            raise BadAnswer(request, f"{field} of {name!r:.80} must be a text, got {_kind(obj[field])}")
    return obj


def _is_malformed(field: str, content: Any) -> bool:
    """Tell whether a field of an object's metadata has another type than documented."""
    if field in _TEXTS:
        return not isinstance(content, str | None)
    if field == "generation":
        return not isinstance(content, int | None)
    if not content:
        return False
    if field in _MAPPINGS:
        return not isinstance(content, dict) or any(type(value) is not str for value in content.values())
    kind = _LISTS.get(field)
    return kind is not None and (not isinstance(content, list) or any(type(item) is not kind for item in content))


def _kind(value: Any) -> str:
    """Return the JSON type of a value for a person."""
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


@contextlib.contextmanager
def understood(what: str) -> Iterator[None]:
    """Turn an exception of code that reads malformed data into a `BadAnswer`.

    Args:
        what: name of the data for a person.

    Raises:
        BadAnswer: the data has another shape than documented.
    """
    try:
        yield
    except ODD as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
        raise BadAnswer(
            what,
            f"it must have the shape that Kubernetes documents, got another one ({where}: {error!s:.120})",
            "look at it with `kubectl get -o yaml`; if it is well-formed, report this line",
        ) from error
