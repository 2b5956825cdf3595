"""What an API server may answer with: bounded in bytes, memory, depth and pages, text in UTF-8, objects of the documented shape.

An API server is a stranger. What it sends ends in a value that the rest of the harness can read, or in `BadAnswer`.
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
"""Levels of lists and mappings in one answer: CRDs nest about 60 deep, and Python's stack ends at 1,000 calls."""

ODD = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
"""What Python says when a value has another type or size than code relies on."""

_WIDE = re.compile(rb"\\u(?!00)")
"""An escape of a character above U+00FF."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

_TEXTS = ("name", "namespace", "resourceVersion", "uid", "creationTimestamp", "deletionTimestamp")
_MAPPINGS = ("labels", "annotations")
_LISTS = {"ownerReferences": dict, "managedFields": dict, "finalizers": str}
_NO_TEXTS = frozenset((*_MAPPINGS, *_LISTS, "generation"))
"""Fields of ObjectMeta by their type (meta/v1)."""


class NoJson(BadAnswer):
    """The answer is a text, such as a log or the page of a proxy."""


@dataclass(frozen=True)
class Limits:
    """How much is taken of one API server.

    Attributes:
        seconds: for a whole answer that is no stream; admission webhooks may take 30 s at most.
        answer: bytes of an answer, as it is sent and as it is unpacked.
        memory: bytes that the objects of a list may take in memory, as `cost` estimates them.
        whole: the same of all answers of one client together, for a client that keeps what it reads.
        pages: of one list.
        page: objects that are asked for at once. 1,000 is twice what kubectl asks for (--chunk-size): or five hundred ConfigMaps,
            with the one that Kubernetes adds to each namespace, would be two requests for each list.
        slim: whether objects of lists are kept without who owns which field (fieldsV1).
        line: bytes of one event of a watch; etcd stores 1.5 MiB at most.
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
"""Of the cluster that the harness has made, whose size is nobody's attack."""

ASKED = Limits(answer=8 << 20, memory=56_000_000, pages=500, page=250, line=4 << 20, slim=True)
"""Of a cluster that a command waits on: the process stays below 200 MB, 45 of which are Python's and our own."""

KEPT = Limits(answer=8 << 20, memory=100_000_000, whole=100_000_000, pages=500, page=250, line=4 << 20, slim=True)
"""Of a cluster whose lists a command keeps until its end: about 2,300 pods."""

TAKEN = replace(KEPT, memory=40_000_000, whole=80_000_000)
"""The same where they are copied, too, without their secrets and into a file: about 1,300 Applications."""

SINGLE = 64 << 10
"""Bytes in memory of an object that is read by itself and not counted: most are let go of at once."""

MAPPING, EMPTY = 184, 64
"""Bytes that a mapping takes in memory, and an empty one."""


def cost(data: bytes | bytearray) -> int:
    """Return about how many bytes a JSON text takes as Python objects; measured on CPython 3.11.

    It is at most by half too little, for mappings of many names each of which stands there once.
    """
    wide = not data.isascii() or (b"\\u" in data and _WIDE.search(data) is not None)
    empty = data.count(b"{}")
    containers = (data.count(b"{") - empty) * MAPPING + empty * EMPTY + data.count(b"[") * 88
    return len(data) * (4 if wide else 1) + containers + data.count(b",") * 64


def slimmed(items: list[Object]) -> int:
    """Remove from a list's objects who owns which field, which is half of them and asked of single objects only.

    Args:
        items: whose metadata is sound.

    Returns:
        How many of the bytes that `cost` has counted are gone.
    """
    level: list[Any] = [
        entry.pop("fieldsV1", None) for item in items for entry in item["metadata"].get("managedFields") or ()
    ]
    gone = 0
    while level:
        mappings = [one for one in level if isinstance(one, dict)]
        gone += sum(MAPPING if one else EMPTY for one in mappings)
        level = [part for one in mappings for part in one.values()]
    return gone


def unpacked(data: bytearray, encoding: str, request: str, most: int) -> bytes | bytearray:
    """Return the body of an answer without its content encoding.

    Args:
        data: as it was sent.
        encoding: of the header Content-Encoding, or empty.
        request: for the error.
        most: bytes that it may unpack to.

    Raises:
        TooLarge: it unpacks to more.
        BadAnswer: it cannot be unpacked.
    """
    if encoding.lower() in {"", "identity"}:
        return data
    if encoding.lower() not in {"gzip", "x-gzip"}:
        raise BadAnswer(request, f"its encoding must be gzip or none, got {encoding[:40]!r}")
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise BadAnswer(request, "it must be gzip, as it says, and is not") from error
    if len(plain) > most:
        raise TooLarge(request, f"it must unpack to at most {megabytes(most)}, got more")
    if not unpacker.eof:
        raise BadAnswer(request, "it must be gzip, as it says, and ends in the middle")
    return plain


def parsed(data: bytes | bytearray, request: str) -> Any:
    """Return the JSON value of an answer whose `cost` is bearable.

    Args:
        data: the body.
        request: for the error.

    Raises:
        BadAnswer: it is no JSON in UTF-8, or nests too deeply.
    """
    try:
        text = data.decode()
        found = _value(text)
        if b"\\" in data and _SURROGATE.search(data):
            # Half of a surrogate pair is no character; what prints or writes it would fail.
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError as error:
        raise _deep(request) from error
    except UnicodeError as error:
        raise BadAnswer(request, "it must be text in UTF-8, and is not") from error
    except ValueError as error:
        raise NoJson(request, f"it must be JSON, got {bytes(data[:60])!r}") from error
    if _deepest(data) > DEEPEST and _depth(found) > DEEPEST:
        raise _deep(request)
    return found


_DECODER = json.JSONDecoder()


def _value(text: str) -> Any:
    """Return the value of a JSON text; `json.loads` takes half as long again, to look for blanks that no API server sends."""
    try:
        found, end = _DECODER.raw_decode(text)
    except json.JSONDecodeError:
        return json.loads(text)  # it may begin with one
    return found if end == len(text) else json.loads(text)


_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_NO_SIGNS = bytes(set(range(256)) - set(b'{}[]"'))
_QUOTED = re.compile(rb'"[^"]*"')


def _deepest(data: bytes | bytearray) -> int:
    """Return how deep a JSON text may nest at most: as many levels as it has openings that nothing has closed directly."""
    left = data.translate(None, _NO_BRACKETS)
    if len(left) <= 2 * DEEPEST:
        return len(left) // 2  # whatever opens a level is closed by another one
    most = len(left) // 2 - data.count(b"{}") - data.count(b"[]") + 1
    if most <= DEEPEST:
        return most  # most of a pod's are empty: who owns which field
    # Those in strings open and close nothing.
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    left = data.translate(None, _NO_SIGNS).replace(b'""', b"")
    if b'"' in left:
        left = _QUOTED.sub(b"", left)
    for _ in range(2):
        # Most of what nests is closed within these two, which take four levels away at most.
        left = left.replace(b"{}", b"").replace(b"[]", b"")
    return len(left) // 2 + 4


def _depth(value: Any) -> int:
    """Return how deep a value nests, or a number above `DEEPEST`, without recursion."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        depth += 1
        parts = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
        level = [part for part in parts if isinstance(part, dict | list)]
    return depth


def too_much(request: str, most: float) -> BadAnswer:
    """Return the error for an answer that takes too much memory."""
    return BadAnswer(
        request,
        f"it must fit into {megabytes(most)} of memory, and does not",
        "ask for less: name a namespace by -n, labels by -l, or single objects",
    )


def _deep(request: str) -> BadAnswer:
    return BadAnswer(request, f"it must nest at most {DEEPEST} levels deep, got more")


def megabytes(size: float) -> str:
    """Return a size as a person reads it."""
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size:.0f} bytes"


def mapping(value: Any, request: str) -> dict[str, Any]:
    """Return an answer that has to be a mapping.

    Raises:
        BadAnswer: it is none.
    """
    if not isinstance(value, dict):
        raise BadAnswer(request, f"it must be a mapping, got {_kind(value)}")
    return value


def checked(value: Any, request: str) -> Object:
    """Return an object whose metadata has the documented types; what an object says besides is its kind's own affair.

    Args:
        value: one object, or one item of a list.
        request: for the error.

    Raises:
        BadAnswer: it is no object, or its metadata is odd.
    """
    if not isinstance(value, dict):
        raise BadAnswer(f"{request}, an object", f"it must be a mapping, got {_kind(value)}")
    obj: Object = value
    meta = obj.get("metadata")
    if not isinstance(meta, dict) or not isinstance(name := meta.get("name"), str) or not name:
        got = f"the name {meta.get('name')!r:.60}" if isinstance(meta, dict) else _kind(meta)
        raise BadAnswer(request, f"metadata of an object must be a mapping with a name, got {got}")
    for field, held in meta.items():
        # This is asked of every event of a watch, and nearly all that an object's metadata has are texts.
        if (type(held) is not str or field in _NO_TEXTS) and _is_odd(field, held):
            raise BadAnswer(
                request, f"metadata.{field} of {name!r:.80} must have its documented type, got {_kind(held)}"
            )
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field, ""), str):
            raise BadAnswer(request, f"{field} of {name!r:.80} must be a text, got {_kind(obj[field])}")
    return obj


def _is_odd(field: str, held: Any) -> bool:
    """Tell whether a field of an object's metadata has another type than documented."""
    if field in _TEXTS:
        return not isinstance(held, str | None)
    if field == "generation":
        return not isinstance(held, int | None)
    if not held:
        return False
    if field in _MAPPINGS:
        return not isinstance(held, dict) or any(type(one) is not str for one in held.values())
    kind = _LISTS.get(field)
    return kind is not None and (not isinstance(held, list) or any(type(one) is not kind for one in held))


def _kind(value: Any) -> str:
    """Return what JSON calls a value."""
    names = {dict: "a mapping", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


@contextlib.contextmanager
def understood(what: str) -> Iterator[None]:
    """Turn what code stumbles over in data of an odd shape into a sentence.

    Args:
        what: is looked at, as a person names it.

    Raises:
        BadAnswer: it has another shape than documented.
    """
    try:
        yield
    except ODD as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        said = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
        raise BadAnswer(
            what,
            f"it must have the shape that Kubernetes documents, got another one ({said}: {error!s:.120})",
            "look at it with `kubectl get -o yaml`; where it is sound, report this line",
        ) from error
