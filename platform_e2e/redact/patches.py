"""Redact a layer's files and patches: secrets are removed, everything else that a replay needs stays."""

from __future__ import annotations

import re
import warnings
from pathlib import PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from platform_e2e import redact
from platform_e2e.redact import names, structure

MANIFESTS = frozenset({".yaml", ".yml", ".json"})
"""Endings of files that may have manifests; placeholders there must be strings, and base64 in the data of a Secret."""

KEYSTORES = frozenset({".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".gpg"})
"""Endings of files with private keys that are not text, so that they cannot be redacted in part."""

PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"\0\0\1\0", b"wOFF", b"wOF2", b"\0\1\0\0\0", b"OTTO")
"""First bytes of pictures and fonts, which are not text and have no secrets. A text may begin with them, too: `OTTO_PASSWORD=`."""

_HEAD = 64
"""Bytes within which each of them has a NUL, in a length, a size or a number of tables."""

WIDE = (b"\xff\xfe", b"\xfe\xff")
"""First bytes of text with letters of two bytes or four, which no pattern of a secret matches."""

_SECRET = re.compile(r"\bkind\W{0,20}(?:!\S{0,40}\s{1,20})?(?:[|>][-+]?\s{1,80})?\W{0,4}Secret(?:List)?\b")
_LARGEST_PARSED = 60_000
"""Characters of a file with a Secret that is also parsed: a Secret has at most 1 MiB, those in Git a few kilobytes."""

_DEEPEST_PARSED = 100
"""Levels of brackets of a file that is parsed; a manifest has some ten."""

OF_SECRET = "the values of its Secret"  # noqa: S105 - words about it
LOOKING = "values that look like secrets"


def file(name: str, content: bytes) -> tuple[bytes, str]:
    """Return the redacted content of a file, and what was removed in a few words; an empty string where nothing was.

    Args:
        name: relative to the layer.
        content: of the file.
    """
    if is_keystore(name):
        return b"", "a store of keys"
    if content.startswith(PICTURES) and b"\0" in content[:_HEAD]:
        return content, ""
    if b"\0" in content or content.startswith(WIDE):
        return b"", "what is not text, so that it could not be redacted in part"
    try:
        written = content.decode()
    except UnicodeDecodeError:
        # Every byte is a character of Latin-1, so it is encoded to the same byte again.
        kept, what = _text(name, content.decode("latin-1"))
        return kept.encode("latin-1"), what
    kept, what = _text(name, written)
    return kept.encode(), what


def _text(name: str, written: str) -> tuple[str, str]:
    """Return the redacted text of a file, and what was removed."""
    manifest = PurePosixPath(name).suffix.lower() in MANIFESTS
    kept, of_secret = structure.emptied(written, redact.text, usable=manifest)
    if manifest and _SECRET.search(kept) and len(kept) <= _LARGEST_PARSED and _has_values(kept):
        # A spelling that only a parser understands.
        return f"# {redact.HIDDEN}: the file has a Secret and cannot be read\n", OF_SECRET
    return kept, "" if kept == written else OF_SECRET if of_secret else LOOKING


def is_keystore(name: str) -> bool:
    """Tell by its name whether a file has keys and is not text; Git quotes names with other letters than those of ASCII."""
    return PurePosixPath(name.rstrip('"')).suffix.lower() in KEYSTORES


def section(patch: str) -> str:
    """Return the section of one file of a patch without secrets; only the name where it has values of a Secret."""
    head = patch.partition("\n")[0]
    if "\nGIT binary patch\n" in patch:
        return f"{head}\n# {redact.HIDDEN}: the file is not text\n"
    return redact.patch(patch)


def _has_values(written: str) -> bool:
    """Tell whether a parser finds a Secret with values."""
    if _depth(written) > _DEEPEST_PARSED:
        return True  # the parser's time grows with the square of it
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    try:
        with warnings.catch_warnings(action="ignore"):
            return any(_values(document, set()) for document in yaml.load_all(written))
    except (YAMLError, ValueError, LookupError, TypeError, RecursionError):
        return False  # not YAML: the API server would not find more in it than `structure` does


def _depth(written: str) -> int:
    """Return the levels of brackets."""
    deepest = depth = 0
    for found in re.finditer(r"[\[{}\]]", written):
        depth += 1 if found[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _values(given: Any, seen: set[int], *, listed: bool = False) -> bool:
    """Tell whether a document has a Secret with values; a node of several aliases is read once."""
    if not isinstance(given, list | dict) or (id(given) in seen and not listed):
        return False
    seen.add(id(given))
    if isinstance(given, list):
        return any(_values(item, seen, listed=listed) for item in given)
    kind = str(given["kind"]).strip() if isinstance(given.get("kind"), str) else ""
    if (kind == "Secret" or listed) and not all(_empty(given.get(field), set()) for field in ("data", "stringData")):
        return True
    return any(_values(item, seen, listed=kind == "SecretList" and key == "items") for key, item in given.items())


def _empty(held: Any, seen: set[int]) -> bool:
    """Tell whether the data of a Secret has no values but placeholders."""
    if isinstance(held, dict | list):
        if id(held) in seen:
            return True
        seen.add(id(held))
        return all(_empty(item, seen) for item in (held.values() if isinstance(held, dict) else held))
    return held is None or names.placeholder(str(held).strip()) or not str(held).strip()
