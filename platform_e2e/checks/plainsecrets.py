"""No credential stands in Git in plain text where the layer has sealed ones: Base64 is an encoding, which everybody can read."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from platform_e2e.diagnosis.objects import listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.layer import EXEMPT, Layer, Rendered
from platform_e2e.redact import assigned, multiline, names, shapes

SEALED = "bitnami.com/v1alpha1/SealedSecret"

PLACEHOLDER = re.compile(r"\s*(?:<[^<>]*>|\$\{?\w+\}?|\$\([\w.]+\)|\{\{.*\}\}|ref\+\w+://\S+|vault:\S+)?\s*")
"""What a tool fills in where it is applied, or nothing: no secret."""

PUBLIC = re.compile(
    r"(?:public|\.pub$|certificate|^tls\.crt$|^ca\.crt$|known_hosts|username|user$|url$)", re.IGNORECASE
)
"""Keys whose values are public, whatever else their names say."""


def check(layer: Layer) -> list[Finding]:
    """Return a finding for each Secret of the layer that has a credential in plain text; none where nothing is sealed.

    Args:
        layer: the layer.
    """
    if not layer.of_kind(SEALED) and not any(release.chart == "sealed-secrets" for release in layer.releases):
        return []
    found = []
    # Those that are hooks, too: Git keeps them.
    for secret in (each for each in layer.rendered if each.api == "v1/Secret"):
        keys = [] if secret.exempt(Promise.APPLICATIONS) else sorted(credentials(secret))
        if keys:
            found.append(_finding(secret, keys))
    return found


def credentials(secret: Rendered) -> Iterator[str]:
    """Yield the keys of a Secret whose values are credentials, by their names or by their looks."""
    texts = {str(name): str(value or "") for name, value in (secret.object.get("stringData") or {}).items()}
    for name, value in (secret.object.get("data") or {}).items():
        texts.setdefault(str(name), _decoded(str(value or "")))
    for name, text in texts.items():
        if PLACEHOLDER.fullmatch(text) or PUBLIC.search(name):
            continue
        named = names.is_secret_name(name) and not names.harmless(text, name)
        if named or shapes.tokens(assigned.values(multiline.private_keys(text))) != text:
            yield name


def _decoded(value: str) -> str:
    """Return what Base64 decodes to; bytes that are not text stay encoded."""
    try:
        return base64.b64decode(value, validate=False).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return value


def _field(secret: Rendered, key: str) -> tuple[str, ...]:
    """Return the keys of the field that has a value of a Secret."""
    return ("stringData" if key in (secret.object.get("stringData") or {}) else "data"), key


def _finding(rendered: Rendered, keys: list[str]) -> Finding:
    cause = Cause(
        "secret-in-git",
        f"{rendered} stands in Git in plain text: {listed(keys)} in {rendered.place(*_field(rendered, keys[0]))}, beside Secrets that are sealed",
        f"seal it (kubeseal) and replace what it holds, which everybody with the repository has had; or give the reason as "
        f"{EXEMPT}{Promise.APPLICATIONS} on it",
    )
    return Finding(str(rendered), Promise.APPLICATIONS, "it is sealed", "Git has its values", cause)
