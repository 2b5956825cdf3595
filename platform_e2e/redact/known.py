"""Redact the values of the cluster's Secrets, in every encoding in which they may appear.

The values are kept in memory only. Most secrets are recognised by their names or shapes anyway; this module is for the pod that
prints its password in the middle of a sentence.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from platform_e2e.redact.names import HIDDEN, harmless, is_secret_name

SHORTEST = 6
"""Least characters of a value: shorter values are words such as `true` and `admin`, which stand everywhere."""

LONGEST = 100_000
"""Most characters of a value; a Secret has at most 1 MiB (core/v1 MaxSecretSize)."""

MOST = 20_000
"""Most values in all encodings: of some hundred Secrets with ten values each."""

HELM = "helm.sh/release.v1"
"""Type of the Secrets in which Helm keeps its releases: compressed, so no part of them appears elsewhere in this form."""

_WORDS = re.compile(r"[A-Za-z]+(?:[ ._/-][A-Za-z]+)*$")
"""Words, names of objects and hosts, which a Secret has beside its secret, such as a user or a type."""

_PLAIN = re.compile(
    r"(?:\d{1,4}|\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?|(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?|v?\d+(?:\.\d+)+|https?://[^\s@?]*|"
    r"[\w-]+(?:\.[\w-]+)*\.(?:svc|local|com|org|net|io|example)(?:\.[\w.-]+)?(?::\d+)?/?)$"
)
"""Numbers, times, addresses, versions and URLs without credentials."""

_NO_SECRETS = frozenset(
    {"ca.crt", "tls.crt", "namespace", "username", "user", "service-ca.crt", "ca-bundle.crt", "admin-user"}
)
"""Keys with values that are not secrets: certificates are public, the others are names (core/v1, SecretType...)."""

_LINE = re.compile(
    r"^[\s\"']*(?:export )?(?P<name>[\w.-]{2,80})[\"']?\s*[:=]\s*[\"']?(?P<value>[^\s\"',;]{6,500})[\"']?,?\s*$",
    re.MULTILINE,
)
_KEY_LINE = re.compile(r"^[A-Za-z0-9+/]{40,}={0,2}\r?$", re.MULTILINE)


class KnownSecrets:
    """Values to redact in every text; threads may share it.

    Attributes:
        version: changes whenever a value may have been added.
    """

    def __init__(self) -> None:
        self.version = 0
        self._values: set[str] = set()
        self._forms: dict[str, tuple[str, ...]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._values)

    def values(self) -> list[str]:
        """Return the values for another process of the run; they must not reach a disk."""
        return sorted(self._values)

    def learn(self, secrets: Iterable[Mapping[str, Any]], words: Iterable[str] = ()) -> None:
        """Add the values of Secrets.

        Args:
            secrets: objects as the API server returns them.
            words: names of objects in the cluster, which are never secrets.
        """
        names = set(words)
        found: set[str] = set()
        for secret in secrets:
            if secret.get("type") == HELM:
                continue
            names.update(str(v) for v in (secret.get("metadata") or {}).values() if isinstance(v, str))
            for key, encoded in (secret.get("data") or {}).items():
                value = _decoded(encoded)
                found.update(_of(str(key), value) if value is not None else [])
                if isinstance(encoded, str) and value is None:
                    found.add(encoded)  # not a text, such as a keystore: a manifest has its base64
            for key, value in (secret.get("stringData") or {}).items():
                found.update(_of(str(key), str(value)))
        self.add(found - names)

    def add(self, values: Iterable[str]) -> None:
        """Add values."""
        with self._lock:
            forms = {head: list(several) for head, several in self._forms.items()}
            for value in values:
                usable = SHORTEST <= len(value) <= LONGEST and HIDDEN not in value and value not in HIDDEN
                if not usable or value in self._values or self._count > MOST:
                    continue
                self._values.add(value)
                for form in encodings(value):
                    several = forms.setdefault(form[:SHORTEST], [])
                    if form not in several:
                        several.append(form)
                        self._count += 1
            # The longest first, as one may contain another. Replaced as a whole, so that readers do not need the lock.
            self._forms = {head: tuple(sorted(several, key=len, reverse=True)) for head, several in forms.items()}
            # Last: a text that another thread has redacted and cached under this version lacks at least the values of this version.
            self.version += 1

    def hide(self, text: str) -> str:
        """Return a text without the values; the time is linear in its length for any number of values."""
        forms = self._forms
        if not forms or len(text) < SHORTEST:
            return text
        ends = range(len(text) - SHORTEST + 1)
        if forms.keys().isdisjoint(text[at : at + SHORTEST] for at in ends):
            return text
        heads = {head for at in ends if (head := text[at : at + SHORTEST]) in forms}
        for form in sorted((form for head in heads for form in forms[head]), key=len, reverse=True):
            if form in text:
                text = _replaced(text, form)
        return text


def _replaced(text: str, form: str) -> str:
    """Return a text without a value; a short word is not cut out of a longer word."""
    if len(form) >= 10 or not form.isalnum():
        return text.replace(form, HIDDEN)
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])", HIDDEN, text)


def encodings(value: str) -> set[str]:
    """Return a value in every encoding: plain, in base64 at any offset, in URLs, in JSON, in YAML, in XML."""
    raw = value.encode()
    found = {value, value.strip(), quote(value, safe=""), quote(value), quote_plus(value), html.escape(value)}
    dumped = json.dumps(value)[1:-1]
    found |= {dumped, json.dumps(dumped)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], value.replace("'", "''")}
    found |= {value.replace("\n", "\\n"), value.replace("\r\n", "\n")}
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        whole = alphabet(raw).decode()
        found |= {whole, whole.rstrip("="), quote(whole, safe="")}
        found |= {alphabet(whole.encode()).decode().rstrip("=")}
        # In the middle of a longer encoded text: only the characters that do not depend on the text around the value.
        for before in (1, 2):
            inner = alphabet(b"\0" * before + raw).decode()
            start, end = (2, 3)[before - 1], (before + len(raw)) * 8 // 6
            if end - start >= 10:
                found.add(inner[start:end])
        if len(raw) * 8 // 6 >= 10:
            found.add(whole[: len(raw) * 8 // 6])
    return {form for form in found if len(form) >= SHORTEST and form not in HIDDEN}


def _decoded(encoded: Any) -> str | None:
    """Return the text of a datum of a Secret; None where it is not a text."""
    try:
        return base64.b64decode(str(encoded), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _of(key: str, value: str) -> set[str]:
    """Return the secrets of one datum."""
    if key in _NO_SECRETS or ("-----BEGIN CERTIFICATE-----" in value and "PRIVATE KEY" not in value):
        return set()
    bare = value.strip()
    if "\n" not in bare:
        return {value, bare} if _secret(key, bare) else set()
    # A file: as a whole, the lines of a key, and the values with names of secrets.
    found = {bare} if len(bare) < LONGEST else set()
    found |= {line.strip() for line in _KEY_LINE.findall(bare)} if "PRIVATE KEY" in bare else set()
    found |= {
        pair["value"]
        for pair in _LINE.finditer(bare)
        if is_secret_name(pair["name"]) and _secret(pair["name"], pair["value"])
    }
    return found


def _secret(key: str, value: str) -> bool:
    """Tell whether a value is a secret: it has the key of a secret, or is not a word, name, number or address."""
    if len(value) < SHORTEST or harmless(value, key):
        return False
    if is_secret_name(key):
        return True
    return len(value) >= 8 and not _WORDS.match(value) and not _PLAIN.match(value)
