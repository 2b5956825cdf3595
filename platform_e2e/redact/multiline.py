"""Redact in a text the secrets of several lines: private keys, and the data of Secrets that are embedded in messages."""

from __future__ import annotations

import re
from bisect import bisect_left

from platform_e2e.redact.names import HIDDEN
from platform_e2e.regex import compiled

_KEY_BEGIN = compiled(r"-----BEGIN (?P<what>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----")
_KEY_END = compiled(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINES = compiled(
    r"(?:(?:\\r)?\\n|[\s\"'+>|])*(?:Proc-Type:[^\n\\]*|DEK-Info:[^\n\\]*|Version:[^\n\\]*|[A-Za-z0-9+/=.-]+)?"
    r"(?:(?:(?:\\r)?\\n|[ \t\"'+>|\r\n])+(?:Proc-Type:[^\n\\]*|DEK-Info:[^\n\\]*|[A-Za-z0-9+/=]{16,}))*+"
)
"""Lines of base64 after the beginning of a key that is cut off."""
_KEY_CHARACTERS = 24_000
"""Characters within which a private key must end: RSA with 16384 bits has 13,000, and more where they are escaped."""

_PUTTY = compiled(
    r"Private-Lines: \d+[^\n]*(?:\n[-+ \t]*[A-Za-z0-9+/=]+[ \t\r]*(?=\n|\Z))*+(?:\n[-+ \t]*Private-MAC: [0-9a-fA-F]+)?"
)
"""The private part of PuTTY's key files."""

_FLAT = compiled(r"(?P<head>\bkind: Secret [^\n]{0,2000}?\b(?:stringData|data): )(?P<rest>[^\n]+)")
_FLAT_VALUE = compiled(r"(?P<head>[\w.-]{1,250}: )[^\s]+")
"""A manifest in one line, as in messages."""

_JSON_KIND = compiled(r"\\+\"kind\\+\"\s{0,20}:\s{0,20}\\+\"Secret(?:List)?\\+\"")
_JSON_DATA = compiled(r"\\+\"(?:data|stringData)\\+\"\s{0,20}:\s{0,20}\{[^{}]*+\}?")
_JSON_VALUE = compiled(r"(?P<head>:\s{0,20}(?P<quote>\\+\"))(?P<value>(?:(?!(?P=quote)).)*+)", re.DOTALL)


def private_keys(text: str) -> str:
    """Return a text without private keys, complete or cut off at either end, with any line ends."""
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
    """Return a text without the lines of private keys that are cut off at their beginning."""
    parts, done = [], 0
    for found in _KEY_END.finditer(text):
        low = max(done, found.start() - _KEY_CHARACTERS)
        start = found.start()
        # Line by line backwards, so that each line is read once.
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
    """Return a text in which Secrets in one line, as in messages, or in JSON within a string, have keys without values."""
    if '\\"Secret' in text and _JSON_KIND.search(text):
        text = _JSON_DATA.sub(_json_data, text)
    if "kind: Secret " in text:
        text = _FLAT.sub(lambda found: found["head"] + _FLAT_VALUE.sub(rf"\g<head>{HIDDEN}", found["rest"]), text)
    return text


def _json_data(found: re.Match[str]) -> str:
    return _JSON_VALUE.sub(lambda pair: pair[0] if pair["value"] == HIDDEN else f"{pair['head']}{HIDDEN}", found[0])
