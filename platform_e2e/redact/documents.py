"""Take out of a text what belongs together over several lines: private keys, and the data of Secrets in YAML and JSON."""

from __future__ import annotations

import re
from bisect import bisect_left

from platform_e2e.possessive import compiled
from platform_e2e.redact.names import HIDDEN

_KEY_BEGIN = compiled(r"-----BEGIN (?P<what>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----")
_KEY_END = compiled(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINES = compiled(
    r"(?:(?:\\r)?\\n|[\s\"'+>|])*(?:Proc-Type:[^\n\\]*|DEK-Info:[^\n\\]*|Version:[^\n\\]*|[A-Za-z0-9+/=.-]+)?"
    r"(?:(?:(?:\\r)?\\n|[ \t\"'+>|\r\n])+(?:Proc-Type:[^\n\\]*|DEK-Info:[^\n\\]*|[A-Za-z0-9+/=]{16,}))*+"
)
"""What follows the beginning of a key that is cut off: lines of base64."""
_KEY_CHARACTERS = 24_000
"""How far the end of a private key is looked for: one of RSA with 16384 bits has 13,000 characters, more where escaped."""

_PUTTY = compiled(
    r"Private-Lines: \d+[^\n]*(?:\n[-+ \t]*[A-Za-z0-9+/=]+[ \t\r]*(?=\n|\Z))*+(?:\n[-+ \t]*Private-MAC: [0-9a-fA-F]+)?"
)
"""The private part of PuTTY's key files."""

_FLAT = compiled(r"(?P<head>\bkind: Secret [^\n]{0,2000}?\b(?:stringData|data): )(?P<rest>[^\n]+)")
_FLAT_VALUE = compiled(r"(?P<head>[\w.-]{1,250}: )[^\s]+")
"""A manifest in one line, as messages have it."""

_JSON_KIND = compiled(r"\\+\"kind\\+\"\s{0,20}:\s{0,20}\\+\"Secret(?:List)?\\+\"")
_JSON_DATA = compiled(r"\\+\"(?:data|stringData)\\+\"\s{0,20}:\s{0,20}\{[^{}]*+\}?")
_JSON_VALUE = compiled(r"(?P<head>:\s{0,20}(?P<quote>\\+\"))(?P<value>(?:(?!(?P=quote)).)*+)", re.DOTALL)


def private_keys(text: str) -> str:
    """Return a text without private keys, whole or cut off at either end, whatever ends their lines."""
    parts, done = [], 0
    ends = [found.end() for found in _KEY_END.finditer(text)]
    for found in _KEY_BEGIN.finditer(text):
        if found.start() < done:
            continue
        following = bisect_left(ends, found.end())
        if following < len(ends) and ends[following] - found.end() <= _KEY_CHARACTERS:
            end = ends[following]
        else:
            rest = _KEY_LINES.match(text, found.end())
            end = rest.end() if rest else found.end()
        parts += [text[done : found.start()], f"{HIDDEN} private key"]
        done = end
    text = "".join([*parts, text[done:]]) if parts else text
    return _endings(text)


def _endings(text: str) -> str:
    """Return a text without the lines before the end of a private key whose beginning it does not have."""
    parts, done = [], 0
    for found in _KEY_END.finditer(text):
        low = max(done, found.start() - _KEY_CHARACTERS)
        start = found.start()
        # Line by line backwards, so that each is looked at once.
        while start > low:
            line = text.rfind("\n", low, start - 1) + 1 or low
            if not re.fullmatch(r"[ \t+>|\"']*[A-Za-z0-9+/=]{2,100}[ \t\"',\r]*\n?", text[line:start]):
                break
            start = line
        parts += [text[done:start], f"{HIDDEN} private key"]
        done = found.end()
    return "".join([*parts, text[done:]]) if parts else text


def putty(text: str) -> str:
    """Return a text without the private parts of PuTTY's key files."""
    return _PUTTY.sub(f"{HIDDEN} private key", text)


def manifests(text: str) -> str:
    """Return a text in which the Secrets that stand in one line, as messages have them, or as JSON in a string, keep their keys only."""
    if '\\"Secret' in text and _JSON_KIND.search(text):
        text = _JSON_DATA.sub(_json_data, text)
    if "kind: Secret " in text:
        text = _FLAT.sub(lambda one: one["head"] + _FLAT_VALUE.sub(rf"\g<head>{HIDDEN}", one["rest"]), text)
    return text


def _json_data(found: re.Match[str]) -> str:
    return _JSON_VALUE.sub(lambda one: one[0] if one["value"] == HIDDEN else f"{one['head']}{HIDDEN}", found[0])
