"""Scalars of YAML as Kubernetes reads them: YAML 1.1 in part, by the rules of sigs.k8s.io/yaml (goyaml.v2, resolve.go).

`hostPID: yes` is the node's processes, a mode of 0777 is 511, and a number that JSON does not have is refused.
"""

from __future__ import annotations

import base64
import binascii
import math
import re

_PREFIX = "tag:yaml.org,2002:"

_BOOLEANS = frozenset(
    form(word) for word in ("y", "n", "yes", "no", "on", "off", "true", "false") for form in (str, str.title, str.upper)
)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MERGE = "<<"
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_INT64 = range(-(2**63), 2**63)
"""What stays an integer; what is larger becomes a number with 53 bits (k8s.io/apimachinery, util/json)."""


def tag(text: str) -> str:
    """Return the tag of a scalar without quotes that states none."""
    if text in _NULLS:
        return f"{_PREFIX}null"
    if text in _BOOLEANS:
        return f"{_PREFIX}bool"
    if text == _MERGE:
        return f"{_PREFIX}merge"
    if _NOT_FINITE.fullmatch(text):
        return f"{_PREFIX}float"
    value = number(text)
    return f"{_PREFIX}{'str' if value is None else 'int' if isinstance(value, int) else 'float'}"


def number(text: str) -> int | float | None:
    """Return the number that a scalar is; None for any other text, also for a number that is too large.

    `08` is no octal number, and is 8.
    """
    if not text or text[0] not in "0123456789+-.":
        return None
    plain = text if text[0] == "." else text.replace("_", "")
    found = _INTEGER.fullmatch(plain)
    if found is None or len(plain) > _LONGEST:
        return finite(plain) if _FLOAT.fullmatch(plain) else None
    kind = next(name for name in _BASES if found[name] is not None)
    value = int(found["sign"] + found[kind], _BASES[kind])
    if value in _INT64:
        return value
    return finite(plain) if kind == "dec" else None


_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_LONGEST = 100
"""Characters of an integer that may be within 64 bits: Python refuses to read one of some thousand digits."""


def finite(text: str) -> float | None:
    """Return a decimal number; None where it is larger than any that JSON's readers have."""
    value = float(text)
    return value if math.isfinite(value) else None


def whole(text: str) -> int | float | None:
    """Return an integer of JSON, as a number with 53 bits where it has more than 64; None where it is larger than any."""
    value = number(text) if len(text) <= _LONGEST else None
    return finite(text) if value is None else value


def is_null(text: str) -> bool:
    """Tell whether a scalar is null."""
    return text in _NULLS


def binary(text: str) -> str | None:
    """Return what Base64 encodes, as the text that JSON has of it; None where it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode(errors="replace")
    except binascii.Error:
        return None


def key(value: float) -> str:
    """Return the text that a number becomes as a key."""
    return str(int(value)) if isinstance(value, int) or (value.is_integer() and abs(value) < 1e21) else repr(value)
