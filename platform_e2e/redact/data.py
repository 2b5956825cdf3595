"""Find secrets in data of YAML, JSON or the API server, by their place and by their names.

The same rules hold for parsed data and for data within a text (`reading`): a `Taker` decides what replaces a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

from platform_e2e.redact.names import CONTAINERS, LISTS_OF_NAMES, harmless, is_secret_name, random_looking, refers
from platform_e2e.redact.yaml_nodes import Map

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""An annotation with a whole object as text, with the data of a Secret; it repeats the object that has it."""

_PUBLIC = frozenset({"encryptedData", "caBundle"})
"""Fields with public values: the ciphertext of a SealedSecret, certificates of a webhook."""

_INNER = frozenset({"value", "values", "plaintext", "plain", "raw", "inline", "content"})
"""Fields with the value of the field that they are in: `password: {value: x}`."""

_SCHEMA = frozenset({"type", "description", "$ref", "format"})
"""Fields of a schema: no value of a schema is a secret, not even its `default`."""

_SAID = frozenset({"default", "example", "description", "title", "pattern", "enum"})

_ENTRY_NAMES = ("name", "key", "Name", "Key", "header")
_ENTRY_VALUES = frozenset({"value", "Value", "default"})

_BASE64 = re.compile(r"(?=[A-Za-z0-9+/]*[A-Z=])(?=[A-Za-z0-9+/]*[a-z])[A-Za-z0-9+/]{6,}={0,2}\Z")
_MASK = re.compile(r"[*+•]{4,}")
_CIPHER = re.compile(r"Ag[A-Za-z0-9+/]{100,}={0,2}\Z")
"""A value of a SealedSecret: two bytes of length, a session key, the ciphertext."""

_RESULTS = frozenset({"result", "bcrypt_hash", "private_key_pem", "private_key_openssh"})
"""Fields in which Terraform's providers `random` and `tls` keep secrets in its state."""


class Taker(Protocol):
    """Decide what replaces each value."""

    def secret(self, value: Any, *, data: bool = False, owner: str = "", name: str = "") -> Any:
        """Return the placeholder of a secret.

        Args:
            value: the secret, or a container of secrets.
            data: whether the placeholder must be base64.
            owner: `Secret` where the value is data of a Secret; else empty.
            name: by which the secret was recognised.
        """

    def pair(self, value: str) -> Any:
        """Return `KEY=VALUE` without the value."""

    def text(self, value: str, *, of_secret: bool = False) -> Any:
        """Return a text without secrets; `of_secret` says that it is a patch of a Secret."""

    def key(self, value: Any) -> Any:
        """Return a key without secrets."""

    def applied(self, value: Any) -> Any:
        """Return the placeholder of an object that is the text of an annotation."""

    def public(self, value: Any) -> Any:
        """Return a public value."""


def taken(value: Any, name: str, to: Taker, *, of_secret: bool = False) -> Any:
    """Return data without its secrets.

    Args:
        value: of JSON or YAML.
        name: of the field with the value, which may be the name of a secret.
        to: decides what replaces each value.
        of_secret: whether the data is a patch of a Secret.
    """
    if isinstance(value, dict):
        return _mapping(value, name, to, of_secret=of_secret)
    if isinstance(value, list | tuple):
        return _items(value, "" if name in LISTS_OF_NAMES else name, to, of_secret=of_secret)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        if value and is_secret_name(name) and not harmless(value, name) and not _is_file(name, value):
            return to.secret(value, name=name)
        return to.text(value, of_secret=of_secret)
    if isinstance(value, int | float) and not isinstance(value, bool) and is_secret_name(name):
        return value if harmless(str(value), name) else to.secret(value, name=name)
    return value


def _is_file(name: str, value: str) -> bool:
    """Tell whether a field is a file, as in a ConfigMap, which is redacted line by line."""
    return "\n" in value.strip() and re.search(r"\.[a-z]{2,10}\Z", name) is not None and "PRIVATE KEY" not in value


def _pairs(value: dict[Any, Any]) -> Iterable[tuple[Any, Any]]:
    return ((key, item) for key, item in value.pairs) if isinstance(value, Map) else value.items()


def _items(value: list[Any] | tuple[Any, ...], name: str, to: Taker, *, of_secret: bool) -> list[Any]:
    """Return a list without its secrets; the item after an option such as `--password` is the option's value."""
    result: list[Any] = []
    hide = False
    redis = bool(value) and isinstance(value[0], str) and value[0].endswith("redis-cli")
    for item in value:
        if hide and isinstance(item, str) and not item.startswith("-"):
            result.append(item if harmless(item, "password") else to.secret(item))
            hide = False
            continue
        hide = isinstance(item, str) and item.startswith("-") and "=" not in item and is_secret_name(item.lstrip("-"))
        hide = hide or (redis and item == "-a")
        result.append(taken(item, name, to, of_secret=of_secret))
    return result


def _mapping(value: dict[Any, Any], name: str, to: Taker, *, of_secret: bool) -> dict[Any, Any]:  # noqa: C901, PLR0912 - one for each place that a secret has
    """Return a mapping without its secrets: the data of a Secret, and entries of an environment and fields by their names."""
    kinds = {str(item).strip() for key, item in _pairs(value) if key == "kind" and isinstance(item, str)}
    secret = "Secret" in kinds or of_secret
    listed = "SecretList" in kinds
    sealed = kinds & {"SealedSecret"}
    schema = bool(value.keys() & _SCHEMA) and name != ""
    patched = _patched(value)
    entry = next(
        (value[k] for k in _ENTRY_NAMES if value.keys() & _ENTRY_VALUES and isinstance(value.get(k), str)), None
    )
    generated = _random(value)
    container = name in CONTAINERS
    result: dict[Any, Any] = {}
    for key, item in _pairs(value):
        shown = to.key(key)
        if (secret and key in {"data", "stringData"} and item) or (
            key == "stringData" and isinstance(item, dict) and not kinds and name != "properties"
        ):
            result[shown] = _emptied(item, to, data=key == "data")
        elif listed and key == "items" and isinstance(item, list):
            result[shown] = [taken(patch, "", to, of_secret=True) for patch in item]
        elif key == "secretGenerator" or (key == "literals" and "SecretGenerator" in kinds):
            result[shown] = _generated(item, to)
        elif key == "value" and patched is not None:
            result[shown] = _patch_value(patched, item, to, of_secret=of_secret)
        elif schema and key in _SAID:
            result[shown] = to.text(item) if isinstance(item, str) else item
        elif key in _ENTRY_VALUES and entry is not None:
            result[shown] = taken(item, entry, to)
        elif key in _INNER and name and not schema:
            result[shown] = taken(item, name, to)
        elif key == LAST_APPLIED:
            result[shown] = to.applied(item)
        elif key in _PUBLIC or (sealed and isinstance(item, str) and _CIPHER.match(item)):
            result[shown] = to.public(item)
        elif key == "patch" and isinstance(item, str) and _of_a_secret(value):
            result[shown] = to.text(item, of_secret=True)
        elif generated and key == "instances":
            result[shown] = _results(item, to)
        elif key == "auth" and isinstance(item, str) and value.keys() <= {"auth", "email", "username", "password"}:
            result[shown] = to.secret(item) if random_looking(item, shortest=12) else to.text(item)
        elif (container and isinstance(item, str) and _in_container(str(key), item, name)) or (
            name == "chpasswd" and key in {"list", "users"} and item and not isinstance(item, dict)
        ):
            result[shown] = to.secret(item)
        else:
            result[shown] = taken(item, str(key), to)
    return result


def _emptied(item: Any, to: Taker, *, data: bool) -> Any:
    """Return the data of a Secret without its values."""
    if isinstance(item, dict) and not isinstance(item, Map):
        return {to.key(str(key)): _emptied(value, to, data=data) for key, value in item.items()}
    if isinstance(item, str) and _MASK.fullmatch(item.strip()):
        return item
    return to.secret(item, data=data, owner="Secret")


def _generated(item: Any, to: Taker) -> Any:
    """Return generators of Secrets without their literals."""
    if isinstance(item, str):
        return to.pair(item)
    if isinstance(item, list):
        return [_generated(value, to) for value in item]
    if isinstance(item, dict):
        return {
            key: _generated(value, to) if key in {"literals", "secretGenerator"} else taken(value, str(key), to)
            for key, value in _pairs(item)
        }
    return item


def _patched(value: dict[Any, Any]) -> str | None:
    """Return the path of an operation of a JSON patch (RFC 6902); None where the value is not an operation."""
    path = value.get("path")
    if "value" not in value or not isinstance(path, str) or not (path.startswith("/") or "op" in value):
        return None
    return path.strip()


def _patch_value(path: str, item: Any, to: Taker, *, of_secret: bool) -> Any:
    """Return the value of a JSON patch without its secrets."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    named = next((part for part in reversed(parts) if part != "-" and not part.isdigit()), "")
    if parts and (parts[0] == "stringData" or (of_secret and parts[0] == "data")):
        return _emptied(item, to, data=parts[0] == "data")
    if len(parts) == 2 and parts[0] == "data" and isinstance(item, str) and len(item) % 4 == 0 and _BASE64.match(item):
        # Most likely of a Secret: a ConfigMap has plain texts.
        return to.secret(item, data=True)
    if not parts:
        return taken(item, "", to, of_secret=of_secret)
    return taken(item, named, to)


def _of_a_secret(value: dict[Any, Any]) -> bool:
    target = value.get("target")
    return isinstance(target, dict) and str(target.get("kind")).strip() == "Secret"


def _random(value: dict[Any, Any]) -> bool:
    return str(value.get("type")) in {"random_password", "random_string", "tls_private_key"}


def _results(item: Any, to: Taker) -> Any:
    """Return results of Terraform without the secrets that its providers have made."""
    if isinstance(item, list):
        return [_results(value, to) for value in item]
    if isinstance(item, dict):
        return {
            key: to.secret(value) if key in _RESULTS and value else _results(value, to) for key, value in _pairs(item)
        }
    return item


def _in_container(key: str, value: str, name: str) -> bool:
    """Tell whether a value in a container of secrets is a secret: `credentials: {shop: VALUE}`."""
    if refers(key) or harmless(value, name) or len(value.split()) > 4:
        return False
    return random_looking(value, shortest=6)
