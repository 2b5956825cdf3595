"""Take secrets out of whatever is about to reach a disk or a screen.

Bundles are attached to tickets. What is replaced says so, so that a reader can tell a missing value from a hidden one.
How secrets are recognised is in `platform_e2e.report.redaction`: by the names of their fields, by their shapes, by what they
are encoded in, as the data of a Secret, and by what the Secrets of the cluster hold (`learn`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree as ET

from platform_e2e.report.redaction import assigned, documents, encoded, names, shapes
from platform_e2e.report.redaction.known import Known

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

is_secret_name = names.is_secret_name


def learn(secrets: Iterable[Mapping[str, Any]], words: Iterable[str] = ()) -> None:
    """Take the values of Secrets out of everything from now on, in base64, in URLs and in JSON too.

    Args:
        secrets: objects as the API server returns them.
        words: names in the cluster that are no secrets whoever holds them.
    """
    KNOWN.learn(secrets, words)


def text(value: str) -> str:
    """Return the text without private keys, tokens, credentials in URLs and values of `password=`-like names.

    Twice is once; the time is linear in the length, whatever the text has.
    """
    # A plain string: what is remembered of a member of an enumeration would be given to whoever asks of the same letters.
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
    return value


def _once(value: str, depth: int) -> str:
    """Return the text after one look at it.

    Args:
        value: the text.
        depth: how many coats, of escapes or base64, are taken off.
    """
    value = KNOWN.hide(value)
    if depth and "\\n" in value:
        value = encoded.strings(value, lambda inner: _once(inner, depth - 1))
    if "PRIVATE KEY" in value:
        value = documents.private_keys(value)
    if "Private-Lines" in value:
        value = documents.putty(value)
    value = documents.manifests(value)
    value = shapes.tokens(value)
    value = assigned.values(value)
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
    if not documents.SECRET_MANIFEST.search(section):
        return text(section)
    head = section.splitlines()[0]
    return f"{text(head)}\n# {HIDDEN}: the file has a Secret\n"


def xml(content: str) -> str:
    """Return an XML document without the secrets in its texts and attributes; what has none is returned as it is."""
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
    if isinstance(value, dict):
        return _mapping(value, name)
    if isinstance(value, list | tuple):
        return _items(value, "" if name in names.LISTS_OF_NAMES else name)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        if value and is_secret_name(name) and not names.harmless(value, name):
            return HIDDEN
        return _string(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and is_secret_name(name):
        return value if names.harmless(str(value), name) else HIDDEN
    return value


def _string(value: str) -> str:
    """Return a string without its secrets; where it is JSON its fields are judged by their names, as those around it are."""
    if value[:1] in {"{", "["} and value.rstrip()[-1:] in {"}", "]"} and len(value) <= LONGEST_JSON:
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return text(value)
        shown = plain(parsed)
        if shown != parsed:
            return text(json.dumps(shown, separators=(",", ":"), ensure_ascii=False))
    return text(value)


def _items(value: list[Any] | tuple[Any, ...], name: str) -> list[Any]:
    """Return a list without its secrets: where an item is an option such as `--password` the next one is its value."""
    result: list[Any] = []
    hide = False
    for item in value:
        if hide and isinstance(item, str) and not item.startswith("-"):
            result.append(item if names.harmless(item, "password") else HIDDEN)
            hide = False
            continue
        hide = isinstance(item, str) and item.startswith("-") and "=" not in item and is_secret_name(item.lstrip("-"))
        result.append(plain(item, name))
    return result


def _mapping(value: dict[Any, Any], name: str) -> dict[Any, Any]:
    """Return a mapping without its secrets: a Secret's data, env entries by their name, and fields by theirs."""
    secret = value.get("kind") == "Secret" and ("apiVersion" in value or "data" in value or "stringData" in value)
    entry = next((value[k] for k in ("name", "key") if "value" in value and isinstance(value.get(k), str)), None)
    result: dict[Any, Any] = {}
    for key, item in value.items():
        shown = text(key) if isinstance(key, str) else key
        if secret and key in {"data", "stringData"} and isinstance(item, dict):
            result[shown] = dict.fromkeys((text(str(k)) for k in item), HIDDEN)
        elif secret and key in {"data", "stringData"} and item:
            result[shown] = HIDDEN
        elif key == "value" and (entry is not None or name):
            result[shown] = plain(item, entry if entry is not None else name)
        elif key == "kubectl.kubernetes.io/last-applied-configuration":
            # A whole object as text, Secret data included; the object itself is kept beside it.
            result[shown] = HIDDEN
        elif key in {"encryptedData", "caBundle"}:
            result[shown] = item
        else:
            result[shown] = plain(item, str(key))
    return result
