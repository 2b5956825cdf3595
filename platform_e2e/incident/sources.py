"""A layer's files without the secrets that somebody has committed: what travels in an archive must still be a layer.

Manifests are taken apart, so that a SealedSecret stays what it is; in other files only what surely is a secret is replaced.
"""

from __future__ import annotations

import base64
import codecs
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from platform_e2e.report import redact
from platform_e2e.report.withheld import KEYSTORES

MANIFEST = frozenset({".yaml", ".yml"})
CODE = frozenset({".c", ".go", ".java", ".js", ".json", ".kt", ".md", ".py", ".rb", ".rs", ".ts"})
"""Endings of files in which `token = value` may be a program's own words, so that only quoted values are taken for secrets."""

KEY_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [^\n]*-----|\Z)", re.DOTALL)
ASSIGNED = re.compile(r"[\w.'\"-]+\s*[:=]\s*(?:\"[^\"\n]*\"|'[^'\n]*')")
"""A name with a quoted value."""

REFERENCE = re.compile(
    r"existing\w*secret(?:name|key|ref)?|(?:admin)?(?:password|token|user(?:name)?)key", re.IGNORECASE
)
"""Names of values that say where a secret is kept, as charts have them; without these no release could be installed."""

WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
"""How text begins whose letters take two bytes or four: no pattern of a secret fits it."""

WORD = re.compile(r"[^\s'\"=]+")
NO_VALUE = base64.b64encode(redact.HIDDEN.encode()).decode()
"""What stands in a Secret's data, which must be base64."""


def redacted(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], list[str]]:
    """Return the files without secrets, and the names of those that had some.

    Args:
        files: of a layer, by name.
    """
    safe: dict[str, bytes] = {}
    changed = []
    for name, content in files.items():
        safe[name] = _file(Path(name).suffix.lower(), content)
        if safe[name] != content:
            changed.append(name)
    return safe, changed


def _file(suffix: str, content: bytes) -> bytes:
    if suffix in KEYSTORES or content.startswith(WIDE) or (suffix in MANIFEST and b"\0" in content):
        # Nothing can be taken out of what cannot be read.
        return b""
    if b"\0" in content:
        return content
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _file(suffix, content.decode("latin-1").encode("utf-8"))
    if suffix in MANIFEST:
        return _manifest(text).encode("utf-8")
    return (_code(text) if suffix in CODE else redact.text(text)).encode("utf-8")


def _manifest(text: str) -> str:
    """Return a file of YAML without secrets; one without any keeps every byte, its comments included."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    try:
        documents = list(yaml.load_all(text))
    except YAMLError:
        # A template of something else: better a file that cannot be used than one with a password in it.
        return redact.text(text)
    safe = [_usable(document, _referring(document, redact.plain(document))) for document in documents]
    if safe != documents:
        written = io.StringIO()
        yaml.dump_all(safe, written)
        return written.getvalue()
    lines = text.split("\n")
    return "\n".join(redact.text(line) if line.lstrip().startswith("#") else line for line in lines)


def _referring(before: Any, after: Any) -> Any:
    """Return redacted data with the references to secrets that it had."""
    if isinstance(before, dict) and isinstance(after, dict) and before.get("kind") != "Secret":
        return {
            name: before[name]
            if REFERENCE.fullmatch(str(name)) and isinstance(before[name], str)
            else _referring(before[name], value)
            for name, value in after.items()
        }
    if isinstance(before, list) and isinstance(after, list):
        return [_referring(*pair) for pair in zip(before, after, strict=True)]
    return after


def _usable(before: Any, after: Any) -> Any:
    """Return a redacted document that the API server still takes."""
    if isinstance(after, dict) and after.get("kind") == "Secret":
        after = {**after, **({"data": dict.fromkeys(after["data"], NO_VALUE)} if after.get("data") else {})}
    if isinstance(after, dict) and isinstance(after.get("items"), list):
        after = {**after, "items": [_usable(None, item) for item in after["items"]]}
    return after if before is None or after != before else before


def _code(text: str) -> str:
    """Return a program's text without keys, tokens and quoted passwords."""
    for pattern in (KEY_BLOCK, ASSIGNED, WORD):
        text = pattern.sub(lambda found: redact.text(found[0]), text)
    return text
