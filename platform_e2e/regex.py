"""Regular expressions with possessive quantifiers, right on every Python 3.11.

Up to 3.11.4 `re` misses what a possessive quantifier over a group should match where the group has quantifiers of its own
(python/cpython#106052, mended in 3.11.5); Debian 12 has 3.11.2. Atomic groups, which mean the same, are right there.
"""

from __future__ import annotations

import re
import sys
from typing import AnyStr

RIGHT = tuple(sys.version_info[:3]) >= (3, 11, 5)
"""Whether this Python has them right."""

_OPENS = re.compile(r"\((?:\?(?:P<\w+>|<[=!]|[:=!>]|[aiLmsux]*-?[imsx]+:))?")
_WHOLE = re.compile(r"\(\?(?:P=\w+|[aiLmsux]+|#[^)]*)\)")
_CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d*,?\d*\})(?P<kind>[+?]?)")


def compiled(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return the compiled pattern; `flags` are those of `re.compile`, without `re.VERBOSE`."""
    if RIGHT:
        return re.compile(pattern, flags)
    if isinstance(pattern, str):
        return re.compile(atomic(pattern), flags)
    # Each byte is one character of Latin-1.
    return re.compile(atomic(pattern.decode("latin-1")).encode("latin-1"), flags)


def atomic(pattern: str) -> str:
    """Return the pattern with an atomic group in place of each possessive quantifier: `(?>X*)` for `X*+`."""
    opened: list[list[str]] = [[]]
    at = 0
    while at < len(pattern):
        parts = opened[-1]
        quantifier = _QUANTIFIER.match(pattern, at) if parts and parts[-1] not in {"|", "^"} else None
        whole = _WHOLE.match(pattern, at) or _CLASS.match(pattern, at)
        group = _OPENS.match(pattern, at)
        if quantifier and quantifier["kind"] == "+":
            parts[-1] = f"(?>{parts[-1]}{quantifier[0][:-1]})"
            at = quantifier.end()
        elif quantifier:
            parts[-1] += quantifier[0]
            at = quantifier.end()
        elif whole:
            parts.append(whole[0])
            at = whole.end()
        elif group:
            opened.append([group[0], ""])
            at = group.end()
        elif pattern[at] == ")":
            ended = "".join(opened.pop()) + ")"
            opened[-1].append(ended)
            at += 1
        else:
            length = 2 if pattern[at] == "\\" else 1
            parts.append(pattern[at : at + length])
            at += length
    return "".join(opened[0])
