"""Take secrets out of whatever is about to reach a disk or a screen.

Bundles are attached to tickets. What is replaced says so, so that a reader can tell a missing value from a hidden one.
"""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "[redacted]"
"""What stands in a secret's place."""

SECRET_NAME = re.compile(
    r"(?:^|[^a-z])(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[-_ ]?key|access[-_ ]?key|private[-_ ]?key|credential)s?"
    r"(?:$|[^a-z])|(?:password|passwd|passphrase|secret|token|apikey|accesskey|privatekey|credentials?)$",
    re.IGNORECASE,
)
"""Names of environment variables, fields and query parameters whose value is a secret."""

REFERENCE_NAME = re.compile(r"(?:name|names|ref|path|file|class|type|namespace|keyref|id|ttl|mount)$", re.IGNORECASE)
"""Endings that turn such a name into a reference to a secret, which a reader needs and which is none: secretName."""

SECRET_MANIFEST = re.compile(r"^[-+ ]\s*['\"]?kind['\"]?:\s*['\"]?Secret['\"]?,?\s*$", re.MULTILINE)
"""The line of a patch, whose context is the whole file, that makes it a Secret's."""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"-----BEGIN (?P<what>[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----.*?(?:-----END (?P=what)-----|\Z)", re.DOTALL
        ),
        HIDDEN + " private key",
    ),
    # The same, in base64 as a kubeconfig or a Secret has it: "-----BEGIN" at any of three offsets is long enough.
    (re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/=]*(?:S0VZ|tFW|LRV)[A-Za-z0-9+/=]*"), HIDDEN + " base64 key"),
    # JSON web tokens: three base64url parts, the first of which is a JSON object.
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"), HIDDEN + " token"),
    (re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{15,}|xox[abprs]-[\w-]{10,})"), HIDDEN),
    (re.compile(r"\bAKIA[0-9A-Z]{16}\b"), HIDDEN),
    (re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"), HIDDEN + " bootstrap token"),
    (re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]*://)[^\s/@:'\"]*:[^\s/@'\"]+@", re.IGNORECASE), rf"\g<head>{HIDDEN}@"),
    (re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]*://)[^\s/@:'\"]{16,}@", re.IGNORECASE), rf"\g<head>{HIDDEN}@"),
    (
        re.compile(
            r"(?P<head>\b(?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer|token)\s+)[^\s'\"]+",
            re.IGNORECASE,
        ),
        rf"\g<head>{HIDDEN}",
    ),
    (re.compile(r"(?P<head>\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\g<head>{HIDDEN}"),
    (
        re.compile(
            r"(?P<head>(?<![A-Za-z0-9])[A-Za-z0-9_.-]{0,40}(?:password|passwd|passphrase|secret|token|api[-_]?key|"
            r"access[-_]?key|private[-_]?key|client[-_]key[-_]data)['\"]?\s*(?:=|:\s)\s*['\"]?)(?![\[{|>\s])[^\s'\",;&}]+",
            re.IGNORECASE,
        ),
        rf"\g<head>{HIDDEN}",
    ),
)


def text(value: str) -> str:
    """Return the text without private keys, tokens, credentials in URLs and values of `password=`-like names."""
    for pattern, replacement in _PATTERNS:
        value = pattern.sub(replacement, value)
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
    if not SECRET_MANIFEST.search(section):
        return text(section)
    head = section.splitlines()[0]
    return f"{head}\n# {HIDDEN}: the file has a Secret\n"


def plain(value: Any, name: str = "") -> Any:
    """Return plain data, such as an object of the API server, without its secrets; what was given is not changed.

    Args:
        value: of JSON or YAML.
        name: of the field that has the value, which may say that it is a secret.
    """
    if isinstance(value, dict):
        return _mapping(value)
    if isinstance(value, list | tuple):
        return [plain(item, name) for item in value]
    if isinstance(value, bytes):
        return HIDDEN if is_secret_name(name) else text(value.decode(errors="replace"))
    if isinstance(value, str):
        return HIDDEN if value and is_secret_name(name) else text(value)
    return value


def is_secret_name(name: str) -> bool:
    """Tell whether a field, variable or parameter of that name has a secret as its value."""
    spread = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return bool(SECRET_NAME.search(spread)) and not REFERENCE_NAME.search(name)


def _mapping(value: dict[Any, Any]) -> dict[Any, Any]:
    """Return a mapping without its secrets: a Secret's data, env entries by their name, and fields by theirs."""
    secret = value.get("kind") == "Secret" and "apiVersion" in value
    entry = value.get("name") if "value" in value and isinstance(value.get("name"), str) else None
    result: dict[Any, Any] = {}
    for key, item in value.items():
        if secret and key in {"data", "stringData"} and isinstance(item, dict):
            result[key] = dict.fromkeys(item, HIDDEN)
        elif key == "value" and entry is not None:
            result[key] = plain(item, entry)
        elif key == "kubectl.kubernetes.io/last-applied-configuration":
            # A whole object as text, Secret data included; the object itself is kept beside it.
            result[key] = HIDDEN
        elif key in {"encryptedData", "caBundle"}:
            result[key] = item
        else:
            result[key] = plain(item, str(key)) if not isinstance(item, dict) else plain(item)
    return result
