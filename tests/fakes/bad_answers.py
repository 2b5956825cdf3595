"""Answers that no sound API server gives: slow, endless, huge, malformed or nested; for `ScriptedApi.hack`."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

from platform_e2e.kube.answers import Limits

Write = Callable[[bytes], object]
Raw = Callable[[Write], object]
SMALL = Limits(seconds=0.4, answer=200_000, memory=3_000_000, whole=6_000_000, pages=20, line=50_000)


def http(*heads: str, body: bytes = b"", status: str = "200 OK") -> Raw:
    """Return what writes an answer as it stands."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", "Connection: close", *heads)).encode()
    return lambda write: (write(head + b"\r\n"), write(body))


def plain(body: bytes, *heads: str, status: str = "200 OK") -> Raw:
    """Return what writes a sound answer of this body."""
    return http(f"Content-Length: {len(body)}", *heads, body=body, status=status)


def zipped(body: bytes) -> Raw:
    """Return what writes the same as gzip."""
    return plain(gzip.compress(body, 1), "Content-Encoding: gzip")


def drip(head: bytes, piece: bytes = b" ") -> Raw:
    """Return what writes a piece every now and then, for ever."""

    def send(write: Write) -> None:
        write(head)
        while True:
            write(piece)
            time.sleep(0.1)

    return send


def flood(head: bytes, piece: bytes) -> Raw:
    """Return what writes a piece again and again, as fast as it can."""

    def send(write: Write) -> None:
        write(head)
        whole = piece * (1 + 60_000 // len(piece))
        while True:
            write(whole)

    return send


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ITEM: dict[str, Any] = {"metadata": {"name": "a", "namespace": "default", "resourceVersion": "5"}, "spec": {}}


def items(*several: Any, **meta: Any) -> bytes:
    return json.dumps({"metadata": {"resourceVersion": "9", **meta}, "items": list(several)}).encode()


def with_meta(**fields: Any) -> bytes:
    return items({**ITEM, "metadata": {**ITEM["metadata"], **fields}})


WIRE: dict[str, Raw] = {
    "drips-a-body": drip(OK + b"Content-Length: 99999\r\n\r\n{"),
    "drips-chunks": drip(CHUNKED, b"1\r\n \r\n"),
    "drips-headers": drip(OK, b"X-A: b\r\n"),
    "drips-one-header": drip(OK + b"X-A: ", b"b"),
    "drips-a-status": drip(b"", b"H"),
    "never-answers": drip(b"", b""),
    "floods-a-body": flood(OK + b"Content-Length: 999999999999\r\n\r\n", b" "),
    "floods-without-length": flood(OK + b"\r\n", b" "),
    "floods-chunks": flood(CHUNKED, b"400\r\n" + b" " * 1024 + b"\r\n"),
    "floods-tiny-chunks": flood(CHUNKED, b"1\r\n \r\n"),
    "floods-a-chunk-length": flood(CHUNKED, b"0"),
    "floods-chunk-extensions": flood(CHUNKED + b"1;", b"a"),
    "floods-trailers": flood(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "floods-headers": flood(OK, b"X-A: b\r\n"),
    "floods-one-header": flood(OK + b"X-A: ", b"b"),
    "floods-a-status": flood(b"HTTP/1.1 200 ", b"O"),
    "continues-for-ever": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "garbage": http(status="\x00\x01"),
    "no-http": lambda write: write(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "closes-at-once": lambda write: None,
    "status-999": http("Content-Length: 0", status="999 What"),
    "status-text": http("Content-Length: 0", status="abc"),
    "redirects": http("Location: http://127.0.0.1:1/", "Content-Length: 0", status="302 Found"),
    "redirects-to-itself": http("Location: /api", "Content-Length: 0", status="307 Again"),
    "length-is-negative": http("Content-Length: -5", body=b"nothing"),
    "length-is-a-word": http("Content-Length: many", body=b"nothing"),
    "length-is-two": http("Content-Length: 2", "Content-Length: 7", body=b"{}"),
    "length-is-larger": http("Content-Length: 500", body=b'{"items": []}'),
    "chunk-length-is-a-word": lambda write: write(CHUNKED + b"zz\r\n{}\r\n"),
    "chunk-length-is-negative": lambda write: write(CHUNKED + b"-5\r\n{}\r\n"),
    "chunk-length-is-vast": lambda write: write(CHUNKED + b"ffffffffffffffffff\r\n{}\r\n"),
    "gzip-bomb": zipped(b" " * 5_000_000),
    "gzip-broken": http("Content-Encoding: gzip", "Content-Length: 7", body=b"\x1f\x8b\x08bad!"),
    "another-encoding": http("Content-Encoding: br", "Content-Length: 2", body=b"{}"),
    "refuses-at-length": http(
        "Content-Length: 150000",
        status="418 No",
        body=b'{"kind": "Status", "message": "' + b"x" * (150_000 - 33) + b'"}',
    ),
    "refuses-oddly": plain(
        b'{"kind": "Status", "reason": [1], "message": {"a": 1}, "details": [], "code": "x"}', status="400 Bad"
    ),
}
"""Answers that are no sound HTTP, or have no end."""


BODIES: dict[str, bytes] = {
    "empty": b"",
    "text": b"<html>please log in</html>",
    "latin-1": b'{"items": ["\xe9"]}',
    "utf-16": '{"items": []}'.encode("utf-16"),
    "half": b'{"items": [',
    "null": b"null",
    "number": b"7",
    "list": b"[]",
    "string": b'"items"',
    "nested-lists": b"[" * 100_000,
    "nested-mappings": b'{"a":' * 39_000 + b"1" + b"}" * 39_000,
    "nested-just-so": b'{"items":' + b"[" * 500 + b"]" * 500 + b"}",
    "nested-with-brackets-in-names": items(ITEM).replace(
        b"}]", b',"x":' + b'{"}":' * 300 + b"1" + b',"a":"{"}' * 300 + b"}]"
    ),
    "many-digits": b'{"items": [' + b"9" * 6000 + b"]}",
    "half-a-pair": b'{"metadata": {}, "items": [{"metadata": {"name": "\\ud800"}}]}',
    "items-are-missing": b'{"metadata": {}}',
    "a-status": b'{"kind": "Status", "status": "Success"}',
    "metadata-is-a-list": b'{"metadata": [1], "items": []}',
    "items-is-a-mapping": b'{"items": {"a": 1}}',
    "items-is-a-text": b'{"items": "abc"}',
    "item-is-null": items(None),
    "item-is-a-list": items([1]),
    "item-is-empty": items({}),
    "item-metadata-is-a-list": items({"metadata": [1]}),
    "item-metadata-is-null": items({"metadata": None}),
    "name-is-missing": items({"metadata": {"namespace": "default"}}),
    "name-is-a-number": with_meta(name=7),
    "name-is-empty": with_meta(name=""),
    "namespace-is-a-list": with_meta(namespace=[1]),
    "labels-are-a-list": with_meta(labels=["a"]),
    "labels-have-numbers": with_meta(labels={"a": 1}),
    "annotations-are-a-text": with_meta(annotations="a"),
    "owners-are-a-mapping": with_meta(ownerReferences={"a": 1}),
    "owners-are-texts": with_meta(ownerReferences=["a"]),
    "fields-are-texts": with_meta(managedFields=["a"]),
    "kind-is-a-list": items({**ITEM, "kind": [1]}),
    "version-is-a-mapping": with_meta(resourceVersion=[1]),
    "list-version-is-a-word": b'{"metadata": {"resourceVersion": "x"}}',
    "list-version-is-long": b'{"metadata": {"resourceVersion": "' + b"9" * 6000 + b'"}}',
    "continue-is-a-list": items(ITEM, **{"continue": [1]}),
    "continue-is-the-same": items(ITEM, **{"continue": "x"}),
    "dense": b'{"items": [' + b",".join([b'{"a":{}}'] * 20_000) + b"]}",
}
"""Bodies that no API server answers a list with."""
