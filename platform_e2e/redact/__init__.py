"""Redact secrets in text and data before they reach a disk or a screen.

Bundles are attached to tickets. A placeholder stands for each secret, so that a reader can tell a hidden value from a missing one.
The modules of this package recognise secrets by the names of their fields, by their shapes, in encoded texts, as the data of a
Secret, and by the values that the Secrets of the cluster have (`learn`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

from platform_e2e.redact import assigned, data, encoded, multiline, names, shapes, structure, tables
from platform_e2e.redact.known import KnownSecrets

HIDDEN = names.HIDDEN
"""The placeholder of a secret."""

ROUNDS = 4
"""Rounds over a text at most: one round decodes what the next round redacts, such as base64 inside of JSON."""

LONGEST_JSON = 2_000_000
"""Characters of a text that is parsed as JSON to redact its fields by name; a longer one is redacted as a text."""

REMEMBERED = 200
"""Characters of a text whose redacted form is cached until another value is learnt."""

KNOWN = KnownSecrets()
"""Values of the Secrets of this process's cluster; in memory only."""

_HUNK = re.compile(r"^@@ -\d", re.MULTILINE)

is_secret_name = names.is_secret_name


def learn(secrets: Iterable[Mapping[str, Any]], words: Iterable[str] = ()) -> None:
    """Redact the values of these Secrets from now on, also in base64, in URLs and in JSON.

    Args:
        secrets: objects as the API server returns them.
        words: names in the cluster that are never secrets.
    """
    KNOWN.learn(secrets, words)


def text(value: str) -> str:
    """Return a text without private keys, tokens, credentials in URLs and values of names such as `password=`.

    A redacted text is returned unchanged. The time is linear in the length of any text.

    Args:
        value: the text.
    """
    # A plain string: else the cache would return a member of an enumeration for every equal string.
    plainly = str.__str__(value)
    return _remembered(plainly, KNOWN, KNOWN.version) if len(value) <= REMEMBERED else _looked_through(plainly)


@lru_cache(maxsize=8192)
def _remembered(value: str, _known: KnownSecrets, _version: int) -> str:
    """Redact a text once and cache the result: most texts are keys and names that every object of a kind has."""
    return _looked_through(value)


def _looked_through(value: str) -> str:
    """Return the text without its secrets."""
    for _ in range(ROUNDS):
        shown = _once(value, depth=3)
        if shown == value:
            break
        value = shown
    return structure.each_side(value, _looked_through) if "@@ -" in value and _HUNK.search(value) else value


def _once(value: str, depth: int) -> str:
    """Return the text after one round.

    Args:
        value: the text.
        depth: levels of escapes, base64 or URL encoding that are decoded.
    """
    value = KNOWN.hide(value)
    if depth and "%" in value:
        value = encoded.in_url(value, lambda inner: _once(inner, depth - 1))
    if depth and ("\\n" in value or '\\"' in value):
        value = encoded.strings(value, lambda inner: _once(inner, depth - 1))
    if "PRIVATE KEY" in value:
        value = multiline.private_keys(value)
    if "Private-Lines" in value:
        value = multiline.putty(value)
    # Before the alias itself is taken for the value.
    value = structure.hidden(multiline.manifests(tables.anchors(value)))
    value = shapes.tokens(value)
    value = tables.columns(assigned.values(value))
    if depth and len(value) >= encoded.SHORTEST:
        value = encoded.base64_runs(value, lambda inner: _once(inner, depth - 1))
    return value


def patch(value: str) -> str:
    """Return a patch without its secrets; of a file with a Secret only the name stays.

    Args:
        value: as `git diff` writes it with whole files as context.
    """
    sections = re.split(r"(?m)^(?=diff --git )", value)
    return "".join(_section(section) for section in sections)


def _section(section: str) -> str:
    """Return the redacted section of one file."""
    if not structure.has_secret(section):
        return text(section)
    head = section.splitlines()[0]
    return f"{text(head)}\n# {HIDDEN}: the file has a Secret\n"


def xml(content: str) -> str:
    """Return an XML document without the secrets in its texts and attributes; unchanged if it does not have any."""
    root = ET.fromstring(content)  # noqa: S314 - pytest has written it
    changed = False
    for element in root.iter():
        for name, value in element.attrib.items():
            shown = text(value)
            if shown != value:
                element.set(name, shown)
                changed = True
        if element.text and (shown := text(element.text)) != element.text:
            element.text, changed = shown, True
    return '<?xml version="1.0" encoding="utf-8"?>' + ET.tostring(root, encoding="unicode") if changed else content


def plain(value: Any, name: str = "") -> Any:
    """Return a copy of plain data, such as an object of the API server, without its secrets.

    Args:
        value: of JSON or YAML.
        name: of the field with the value, which may be the name of a secret.
    """
    return data.taken(value, name, _Plain())


class _Plain:
    """Replace secrets by `HIDDEN`."""

    def secret(self, value: Any, *, data: bool = False, owner: str = "", name: str = "") -> str:  # noqa: ARG002 - the placeholder is the same for all
        """Return the placeholder."""
        return HIDDEN

    def pair(self, value: str) -> str:
        """Keep the key."""
        key, equals, inner = value.partition("=")
        return f"{key}={HIDDEN}" if equals and inner else text(value)

    def text(self, value: str, *, of_secret: bool = False) -> str:
        """Redact a text; where it is JSON its fields are redacted by their names."""
        if of_secret:
            value = structure.hidden(value, of_secret=True)
        if value[:1] in {"{", "["} and value.rstrip()[-1:] in {"}", "]"} and len(value) <= LONGEST_JSON:
            try:
                parsed = json.loads(value)
            except (ValueError, RecursionError):
                return text(value)
            shown = plain(parsed)
            if shown != parsed:
                return text(json.dumps(shown, separators=(",", ":"), ensure_ascii=False))
        return text(value)

    def key(self, value: Any) -> Any:
        """Redact a key."""
        return text(value) if isinstance(value, str) else value

    def applied(self, value: Any) -> str:  # noqa: ARG002 - the placeholder is the same for all
        """Return the placeholder: the annotation repeats the object that has it."""
        return HIDDEN

    def public(self, value: Any) -> Any:
        """Return the value unchanged."""
        return value
