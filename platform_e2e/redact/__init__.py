"""Take secrets out of whatever is about to reach a disk or a screen.

Bundles are attached to tickets. What is replaced says so, so that a reader can tell a missing value from a hidden one.
How secrets are recognised is in the modules of this package: by the names of their fields, by their shapes, by what they
are encoded in, as the data of a Secret, and by what the Secrets of the cluster hold (`learn`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

from platform_e2e.redact import assigned, data, documents, encoded, names, shapes, structure, tables
from platform_e2e.redact.known import Known

HIDDEN = names.HIDDEN
"""What stands in a secret's place."""

ROUNDS = 4
"""How often a text is looked through at most: what one round uncovers, such as base64 inside of JSON, the next one sees."""

LONGEST_JSON = 2_000_000
"""Characters of a text that is parsed as JSON to judge its fields by name; a longer one is judged as a text."""

REMEMBERED = 200
"""Characters of a text that is looked through once, as long as no other value is known."""

KNOWN = Known()
"""What the Secrets of this process's cluster hold; in memory only."""

_HUNK = re.compile(r"^@@ -\d", re.MULTILINE)

is_secret_name = names.is_secret_name


def learn(secrets: Iterable[Mapping[str, Any]], words: Iterable[str] = ()) -> None:
    """Take the values of Secrets out of everything from now on, in base64, in URLs and in JSON too.

    Args:
        secrets: objects as the API server returns them.
        words: names in the cluster that are never secrets.
    """
    KNOWN.learn(secrets, words)


def text(value: str) -> str:
    """Return the text without private keys, tokens, credentials in URLs and values of `password=`-like names.

    Twice is once; the time is linear in the length, whatever the text has.
    """
    # A plain string: what is remembered of a member of an enumeration would be returned for any string of the same letters.
    plainly = str.__str__(value)
    return _remembered(plainly, KNOWN, KNOWN.version) if len(value) <= REMEMBERED else _looked_through(plainly)


@lru_cache(maxsize=8192)
def _remembered(value: str, _known: Known, _version: int) -> str:
    """Look through a text once: most are keys and names, which stand in every object of their kind."""
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
    """Return the text after one look at it.

    Args:
        value: the text.
        depth: how many coats, of escapes or base64, are taken off.
    """
    value = KNOWN.hide(value)
    if depth and "%" in value:
        value = encoded.in_url(value, lambda inner: _once(inner, depth - 1))
    if depth and ("\\n" in value or '\\"' in value):
        value = encoded.strings(value, lambda inner: _once(inner, depth - 1))
    if "PRIVATE KEY" in value:
        value = documents.private_keys(value)
    if "Private-Lines" in value:
        value = documents.putty(value)
    # Before the alias itself is taken for the value.
    value = structure.hidden(documents.manifests(tables.anchors(value)))
    value = shapes.tokens(value)
    value = tables.columns(assigned.values(value))
    if depth and len(value) >= encoded.SHORTEST:
        value = encoded.base64_runs(value, lambda inner: _once(inner, depth - 1))
    return value


def patch(value: str) -> str:
    """Return a patch without its secrets; of a file that has a Secret only the name is left.

    Args:
        value: as `git diff` writes it with whole files as context.
    """
    sections = re.split(r"(?m)^(?=diff --git )", value)
    return "".join(_section(section) for section in sections)


def _section(section: str) -> str:
    """Return what a patch says of one file."""
    if not structure.has_secret(section):
        return text(section)
    head = section.splitlines()[0]
    return f"{text(head)}\n# {HIDDEN}: the file has a Secret\n"


def xml(content: str) -> str:
    """Return an XML document without the secrets in its texts and attributes; what has none is returned unchanged."""
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
    """Return plain data, such as an object of the API server, without its secrets; what was given is not changed.

    Args:
        value: of JSON or YAML.
        name: of the field that has the value, which may say that it is a secret.
    """
    return data.taken(value, name, _Plain())


class _Plain:
    """Put `HIDDEN` in the place of secrets."""

    def secret(self, value: Any, *, data: bool = False, whose: str = "", name: str = "") -> str:  # noqa: ARG002 - all the same here
        """Hide it."""
        return HIDDEN

    def pair(self, value: str) -> str:
        """Keep the key."""
        key, equals, inner = value.partition("=")
        return f"{key}={HIDDEN}" if equals and inner else text(value)

    def text(self, value: str, *, of_secret: bool = False) -> str:
        """Look through a string; where it is JSON its fields are judged by their names, as those around it are."""
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
        """Look through it."""
        return text(value) if isinstance(value, str) else value

    def applied(self, value: Any) -> str:  # noqa: ARG002 - all the same here
        """Hide it; the object itself is kept beside it."""
        return HIDDEN

    def public(self, value: Any) -> Any:
        """Leave it."""
        return value
