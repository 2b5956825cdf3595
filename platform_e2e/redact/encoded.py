"""Redact secrets in encoded parts of a text: strings with escapes, base64, and what is encoded as in a URL."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from urllib.parse import quote, unquote

from platform_e2e.redact.names import HIDDEN
from platform_e2e.regex import compiled

_RUN = compiled(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}")
"""A run of characters that may be base64 of a secret with its name."""

SHORTEST_QUOTED = 24
"""Least characters of a string with quotes that is decoded: a name and a secret have as many."""

SHORTEST = 16
"""Least characters of base64 that are decoded, to twelve characters."""

_HEX = compiled(r"[0-9a-fA-F-]+$")
"""A digest, a commit or a UID."""

_WRAPPED = compiled(r"(?:^[ \t]*[A-Za-z0-9+/]{60,76}[ \t]*\r?\n){2,}[ \t]*[A-Za-z0-9+/]*={0,2}", re.MULTILINE)
"""base64 over several lines, as base64(1) and MIME break it (RFC 2045: 76 characters)."""

_SECOND_LINE = compiled(r"\n[ \t]*[A-Za-z0-9+/]{60}")
"""A part of every such text that is quicker to search for, as it begins with a literal."""

_NO_TEXT = compiled(rb"[\x00-\x08\xf5-\xff]")
"""Bytes that a text does not have."""

_COMPRESSED = "H4sI"
"""The beginning of a gzip stream in base64, in which Helm keeps releases with their values (helm, storage/driver/util.go)."""

_PAIR = compiled(r"[^\s:]{1,100}:[^\s]{1,500}$")
"""User and password of HTTP's basic authentication (RFC 7617)."""

_BASIC = compiled(r"(?:basic\s{1,5}|\"?auth\\*\"?\s{0,5}[:=]\s{0,5}\\*\"?)$", re.IGNORECASE)
"""Text before such a pair."""


_STRING = compiled(r'(?<!\\)"[^"\\\n]*+(?:\\.[^"\\\n]*+)++"')
"""A string of JSON, Go or YAML with an escape in it."""


def strings(text: str, clean: Callable[[str], str]) -> str:
    """Return a text without the secrets in strings with line ends or quotes.

    Args:
        text: to redact.
        clean: redacts the value of such a string.
    """

    def replaced(found: re.Match[str]) -> str:
        if "\\n" not in found[0] and ('\\"' not in found[0] or len(found[0]) < SHORTEST_QUOTED):
            return found[0]
        try:
            inner = json.loads(found[0])
        except ValueError:
            return found[0]
        shown = clean(inner)
        return found[0] if shown == inner else json.dumps(shown, ensure_ascii=False)

    return _STRING.sub(replaced, text)


def base64_runs(text: str, clean: Callable[[str], str]) -> str:
    """Return a text without base64 of texts with secrets.

    Args:
        text: to redact.
        clean: redacts a decoded text.
    """
    if _SECOND_LINE.search(text):
        text = _WRAPPED.sub(lambda found: _wrapped(found, clean), text)

    def replaced(found: re.Match[str]) -> str:
        run = found[0]
        if _HEX.match(run):
            return run
        if run.startswith(_COMPRESSED) and len(run) > 40:
            return f"{HIDDEN} compressed"
        decoded = decode(run)
        if decoded is None:
            return run
        if _PAIR.match(decoded) and _BASIC.search(text[max(0, found.start() - 40) : found.start()]):
            return HIDDEN
        return run if clean(decoded) == decoded else f"{HIDDEN} base64"

    return _RUN.sub(replaced, text)


def _wrapped(found: re.Match[str], clean: Callable[[str], str]) -> str:
    decoded = decode("".join(found[0].split()))
    return found[0] if decoded is None or clean(decoded) == decoded else f"{HIDDEN} base64"


def decode(run: str) -> str | None:
    """Return the text of base64, of either alphabet and with or without padding; None where it is not base64 of a text."""
    bare = run.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        bare = bare[:-1]  # cut off
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
        # Most runs that are not base64 of a text have such bytes.
        if _NO_TEXT.search(raw):
            return None
        decoded = raw.decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded if all(c.isprintable() or c in "\r\n\t" for c in decoded) else None


_ENCODED = compiled(r"[A-Za-z0-9_.~+*-]{0,2000}(?:%[0-9A-Fa-f]{2}[A-Za-z0-9_.~+*-]{0,2000}+){3,}+")


def in_url(text: str, clean: Callable[[str], str]) -> str:
    """Return a text without secrets that are encoded as in a URL.

    Args:
        text: to redact.
        clean: redacts a decoded part.
    """

    def replaced(found: re.Match[str]) -> str:
        try:
            inner = unquote(found[0], errors="strict")
        except UnicodeDecodeError:
            return found[0]
        shown = clean(inner)
        return found[0] if shown == inner else quote(shown, safe="")

    return _ENCODED.sub(replaced, text)
