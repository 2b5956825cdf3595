"""Redact a layer's files and patches: Secrets and what looks like one are taken out, what is needed to run it again stays."""

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
"""Endings of files that may have manifests; what stands in a secret's place there must be a string, and base64 in a Secret's data."""

KEYSTORES = frozenset({".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".gpg"})
"""Endings of files that hold private keys and are not text, so that nothing can be taken out of them."""

PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"\0\0\1\0", b"wOFF", b"wOF2", b"\0\1\0\0\0", b"OTTO")
"""How pictures and fonts begin, which are not text and have no secrets. A text may begin so, too: `OTTO_PASSWORD=`."""

_HEAD = 64
"""Bytes within which each of them has a NUL: of a length, a size or a number of tables."""

WIDE = (b"\xff\xfe", b"\xfe\xff")
"""How text begins whose letters take two bytes or four: no pattern of a secret fits it."""

_SECRET = re.compile(r"\bkind\W{0,20}(?:!\S{0,40}\s{1,20})?(?:[|>][-+]?\s{1,80})?\W{0,4}Secret(?:List)?\b")
_LARGEST_PARSED = 60_000
"""Characters of a file with a Secret that is parsed once more: a Secret has at most 1 MiB, those in Git a few kilobytes."""

_DEEPEST_PARSED = 100
"""Brackets in each other of a file that is parsed; a manifest has some ten."""

OF_SECRET = "the values of its Secret"  # noqa: S105 - words about it
LOOKING = "values that look like secrets"


def file(name: str, content: bytes) -> tuple[bytes, str]:
    """Return what may be kept of a file, and what was taken out: a few words, or nothing.

    Args:
        name: relative to the layer.
        content: of the file.
    """
    if is_keystore(name):
        return b"", "a store of keys"
    if content.startswith(PICTURES) and b"\0" in content[:_HEAD]:
        return content, ""
    if b"\0" in content or content.startswith(WIDE):
        return b"", "what is no text, so that nothing could be taken out of it"
    try:
        written = content.decode()
    except UnicodeDecodeError:
        # Every byte is a character of Latin-1, and comes back as it was.
        kept, what = _text(name, content.decode("latin-1"))
        return kept.encode("latin-1"), what
    kept, what = _text(name, written)
    return kept.encode(), what


def _text(name: str, written: str) -> tuple[str, str]:
    """Return what may be kept of a file's text, and what was taken out."""
    manifest = PurePosixPath(name).suffix.lower() in MANIFESTS
    kept, of_secret = structure.emptied(written, redact.text, usable=manifest)
    if manifest and _SECRET.search(kept) and len(kept) <= _LARGEST_PARSED and _has_values(kept):
        # A spelling that only a parser understands.
        return f"# {redact.HIDDEN}: the file has a Secret and cannot be read\n", OF_SECRET
    return kept, "" if kept == written else OF_SECRET if of_secret else LOOKING


def is_keystore(name: str) -> bool:
    """Tell whether a file of that name holds keys and no text; Git puts names with other letters than ASCII between quotes."""
    return PurePosixPath(name.rstrip('"')).suffix.lower() in KEYSTORES


def section(patch: str) -> str:
    """Return what a patch says of one file without its secrets; only the name where it has values of a Secret."""
    head = patch.partition("\n")[0]
    if "\nGIT binary patch\n" in patch:
        return f"{head}\n# {redact.HIDDEN}: the file is no text\n"
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
        return False  # no YAML: the API server would not find more in it than `structure` does


def _depth(written: str) -> int:
    """Return how many brackets are open at most."""
    deepest = depth = 0
    for found in re.finditer(r"[\[{}\]]", written):
        depth += 1 if found[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _values(given: Any, seen: set[int], *, listed: bool = False) -> bool:
    """Tell whether there is a Secret with values in a document; what aliases repeat is looked at once."""
    if not isinstance(given, list | dict) or (id(given) in seen and not listed):
        return False
    seen.add(id(given))
    if isinstance(given, list):
        return any(_values(one, seen, listed=listed) for one in given)
    kind = str(given["kind"]).strip() if isinstance(given.get("kind"), str) else ""
    if (kind == "Secret" or listed) and not all(_empty(given.get(field), set()) for field in ("data", "stringData")):
        return True
    return any(_values(one, seen, listed=kind == "SecretList" and key == "items") for key, one in given.items())


def _empty(held: Any, seen: set[int]) -> bool:
    """Tell whether the data of a Secret has no values, or only what stands in their place."""
    if isinstance(held, dict | list):
        if id(held) in seen:
            return True
        seen.add(id(held))
        return all(_empty(one, seen) for one in (held.values() if isinstance(held, dict) else held))
    return held is None or names.placeholder(str(held).strip()) or not str(held).strip()
