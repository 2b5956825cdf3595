"""The values that the cluster's Secrets hold, in every coat in which they may appear elsewhere: they are taken out of everything.

They are kept in memory only. Most are found by their names or shapes anyway; these are for the pod that prints its password in
the middle of a sentence.
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
"""Characters that a value must have: shorter ones are words such as `true` and `admin`, which stand everywhere."""

LONGEST = 100_000
"""Characters of a value that are looked for; a Secret holds at most 1 MiB (core/v1 MaxSecretSize)."""

MOST = 20_000
"""Values that are kept, all coats counted: some hundred Secrets with ten values each."""

HELM = "helm.sh/release.v1"
"""Type of the Secrets in which Helm keeps its releases: compressed, so that nothing of them is found anywhere in this form."""

_WORDS = re.compile(r"[A-Za-z]+(?:[ ._/-][A-Za-z]+)*$")
"""Words, names of objects, hosts: what a Secret holds beside its secret, such as a user or a type."""

_PLAIN = re.compile(
    r"(?:\d{1,4}|\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?|(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?|v?\d+(?:\.\d+)+|https?://[^\s@?]*|"
    r"[\w-]+(?:\.[\w-]+)*\.(?:svc|local|com|org|net|io|example)(?:\.[\w.-]+)?(?::\d+)?/?)$"
)
"""Numbers, times, addresses, versions and URLs without credentials."""

_NO_SECRETS = frozenset(
    {"ca.crt", "tls.crt", "namespace", "username", "user", "service-ca.crt", "ca-bundle.crt", "admin-user"}
)
"""Keys whose values are none: certificates are public, the others name something (core/v1, SecretType...)."""

_LINE = re.compile(
    r"^[\s\"']*(?:export )?(?P<name>[\w.-]{2,80})[\"']?\s*[:=]\s*[\"']?(?P<value>[^\s\"',;]{6,500})[\"']?,?\s*$",
    re.MULTILINE,
)
_KEY_LINE = re.compile(r"^[A-Za-z0-9+/]{40,}={0,2}\r?$", re.MULTILINE)


class Known:
    """Values to take out of every text.

    Any thread may learn and hide.

    Attributes:
        version: another number whenever another value may be known.
    """

    def __init__(self) -> None:
        self.version = 0
        self._values: set[str] = set()
        self._forms: dict[str, tuple[str, ...]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many values are known."""
        return len(self._values)

    def values(self) -> list[str]:
        """Return them, for another process of the run; they must not be written down."""
        return sorted(self._values)

    def learn(self, secrets: Iterable[Mapping[str, Any]], words: Iterable[str] = ()) -> None:
        """Take over the values of Secrets.

        Args:
            secrets: objects as the API server returns them.
            words: names of things in the cluster, which are never secrets.
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
                    found.add(encoded)  # no text, such as a keystore: its base64 is what a manifest has
            for key, value in (secret.get("stringData") or {}).items():
                found.update(_of(str(key), str(value)))
        self.add(found - names)

    def add(self, values: Iterable[str]) -> None:
        """Take over values as they are."""
        with self._lock:
            forms = {head: list(several) for head, several in self._forms.items()}
            for value in values:
                usable = SHORTEST <= len(value) <= LONGEST and HIDDEN not in value and value not in HIDDEN
                if not usable or value in self._values or self._count > MOST:
                    continue
                self._values.add(value)
                for form in coats(value):
                    several = forms.setdefault(form[:SHORTEST], [])
                    if form not in several:
                        several.append(form)
                        self._count += 1
            # The longest first: one may hold another. Replaced as a whole, so that who reads needs no lock.
            self._forms = {head: tuple(sorted(several, key=len, reverse=True)) for head, several in forms.items()}
            # Last: what another thread hid meanwhile and remembers of this version has at least the values of it hidden.
            self.version += 1

    def hide(self, text: str) -> str:
        """Return a text without any of them; the time is linear in its length, however many there are."""
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
    """Return a text without a value; a short word of it is not cut out of a longer one."""
    if len(form) >= 10 or not form.isalnum():
        return text.replace(form, HIDDEN)
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])", HIDDEN, text)


def coats(value: str) -> set[str]:
    """Return a value as it may be written: plain, in base64 at any offset, in URLs, in JSON, in YAML, in XML."""
    raw = value.encode()
    found = {value, value.strip(), quote(value, safe=""), quote(value), quote_plus(value), html.escape(value)}
    dumped = json.dumps(value)[1:-1]
    found |= {dumped, json.dumps(dumped)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], value.replace("'", "''")}
    found |= {value.replace("\n", "\\n"), value.replace("\r\n", "\n")}
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        whole = alphabet(raw).decode()
        found |= {whole, whole.rstrip("="), quote(whole, safe="")}
        found |= {alphabet(whole.encode()).decode().rstrip("=")}
        # In the middle of what was encoded as a whole: the characters that do not depend on what is around it.
        for before in (1, 2):
            inner = alphabet(b"\0" * before + raw).decode()
            start, end = (2, 3)[before - 1], (before + len(raw)) * 8 // 6
            if end - start >= 10:
                found.add(inner[start:end])
        if len(raw) * 8 // 6 >= 10:
            found.add(whole[: len(raw) * 8 // 6])
    return {form for form in found if len(form) >= SHORTEST and form not in HIDDEN}


def _decoded(encoded: Any) -> str | None:
    """Return the text that a Secret's datum is; None where it is not text."""
    try:
        return base64.b64decode(str(encoded), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def _of(key: str, value: str) -> set[str]:
    """Return what of one datum is looked for elsewhere."""
    if key in _NO_SECRETS or ("-----BEGIN CERTIFICATE-----" in value and "PRIVATE KEY" not in value):
        return set()
    bare = value.strip()
    if "\n" not in bare:
        return {value, bare} if _secret(key, bare) else set()
    # A file: as a whole, the lines of a key, and the values in it whose names say it.
    found = {bare} if len(bare) < LONGEST else set()
    found |= {line.strip() for line in _KEY_LINE.findall(bare)} if "PRIVATE KEY" in bare else set()
    found |= {
        one["value"]
        for one in _LINE.finditer(bare)
        if is_secret_name(one["name"]) and _secret(one["name"], one["value"])
    }
    return found


def _secret(key: str, value: str) -> bool:
    """Tell whether a value is one that stands for itself: no word, name, number or address, unless its key says so."""
    if len(value) < SHORTEST or harmless(value, key):
        return False
    if is_secret_name(key):
        return True
    return len(value) >= 8 and not _WORDS.match(value) and not _PLAIN.match(value)
