"""No credential stands in Git in plain text where the layer has sealed ones.

Neither in a Secret, whose Base64 is an encoding that everybody can read, nor in a ConfigMap, as a value or within a file.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping

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


EXAMPLE = re.compile(
    r"change[-_ ]?me|replace[-_ ]|your[-_ ]?\w*(?:pass|secret|token|key)|placeholder|\bexample[-_]", re.IGNORECASE
)
"""What stands in a file of configuration until somebody, or the program itself at its start, puts the credential there."""


def check(layer: Layer) -> list[Finding]:
    """Return a finding for each Secret and ConfigMap of the layer that has a credential in plain text; none where nothing is sealed.

    Args:
        layer: the layer.
    """
    if not layer.of_kind(SEALED) and not any(release.chart == "sealed-secrets" for release in layer.releases):
        return []
    found = []
    # Those that are hooks, too: Git keeps them.
    for each in layer.rendered:
        look = KINDS.get(each.api)
        keys = sorted(look(each)) if look and not each.exempt(Promise.APPLICATIONS) else []
        if keys:
            found.append(_finding(each, keys))
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


def configured(config: Rendered) -> Iterator[str]:
    """Yield the keys of a ConfigMap with credentials: as the value itself, or somewhere in a file that the value is."""
    for name, value in (config.object.get("data") or {}).items():
        text = str(value or "")
        if PLACEHOLDER.fullmatch(text) or PUBLIC.search(str(name)):
            continue
        one_line = "\n" not in text.strip()
        named = one_line and names.is_secret_name(str(name)) and not names.harmless(text, str(name))
        if (named and not EXAMPLE.search(text)) or _has_credential(text):
            yield str(name)


KINDS: Mapping[str, Callable[[Rendered], Iterator[str]]] = {"v1/Secret": credentials, "v1/ConfigMap": configured}
"""What finds the credentials of an object, by its kind."""


def _has_credential(text: str) -> bool:
    """Tell whether a line of a text has a credential, by its name or by its looks; one that stands for another has none."""
    hidden = shapes.tokens(assigned.values(multiline.private_keys(text)))
    if hidden == text:
        return False
    kept = set(hidden.splitlines())
    return any(line not in kept and not EXAMPLE.search(line) for line in text.splitlines())


def _decoded(value: str) -> str:
    """Return what Base64 decodes to; bytes that are not text stay encoded."""
    try:
        return base64.b64decode(value, validate=False).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return value


def _field(rendered: Rendered, key: str) -> tuple[str, ...]:
    """Return the keys of the field that has a value."""
    return ("stringData" if key in (rendered.object.get("stringData") or {}) else "data"), key


def _finding(rendered: Rendered, keys: list[str]) -> Finding:
    place = rendered.place(*_field(rendered, keys[0]))
    exempt = f"or give the reason as {EXEMPT}{Promise.APPLICATIONS} on it"
    if rendered.kind == "ConfigMap":
        cause = Cause(
            "credential-in-configmap",
            f"{rendered} has a credential in plain text in Git: {listed(keys)} in {place}, beside Secrets that are sealed",
            "move it into a Secret, seal that (kubeseal), and replace the credential, which everybody with the repository has had; "
            + exempt,
        )
        return Finding(str(rendered), Promise.APPLICATIONS, "it has no credential", "Git has one", cause)
    cause = Cause(
        "secret-in-git",
        f"{rendered} stands in Git in plain text: {listed(keys)} in {place}, beside Secrets that are sealed",
        f"seal it (kubeseal) and replace what it holds, which everybody with the repository has had; {exempt}",
    )
    return Finding(str(rendered), Promise.APPLICATIONS, "it is sealed", "Git has its values", cause)
