"""The backup of the keys of Sealed Secrets: Secrets of type kubernetes.io/tls, as kubectl and `platform-e2e sealing-key` write them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from platform_e2e.errors import WrongUsage
from platform_e2e.layer import yamlfile
from platform_e2e.layer.argo_objects import mapping
from platform_e2e.layer.errors import LayerError

LABEL = "sealedsecrets.bitnami.com/sealed-secrets-key"
"""Label of a Secret that is a key of the controller; it reads those with the value `active` (pkg/controller/keys.go)."""

ACTIVE = "active"

REMEDY = (
    "Make one: platform-e2e sealing-key backup --output FILE, or kubectl get secret -n kube-system -l "
    + LABEL
    + " -o yaml"
)


@dataclass(frozen=True)
class SealingKey:
    """One key of a controller.

    Attributes:
        name: of its Secret.
        namespace: of its Secret; that of the controller.
        active: whether the controller reads it; a key that is known to others is labelled `compromised` instead.
        not_before: of its certificate; the newest one seals (cmd/controller/main.go, defaultKeyOrderPriority).
        fingerprint: the beginning of the SHA-256 of its public key, which tells nothing of the private one.
        private: the private key.
        secret: the Secret.
    """

    name: str
    namespace: str
    active: bool
    not_before: datetime
    fingerprint: str
    private: rsa.RSAPrivateKey = field(repr=False, compare=False)
    secret: Mapping[str, Any] = field(repr=False, compare=False)

    def __str__(self) -> str:
        """Return how a sentence names it; without its content."""
        return f"{self.name} ({self.fingerprint}, of {self.not_before:%Y-%m-%d %H:%M:%S} UTC)"


def read(path: Path) -> list[SealingKey]:
    """Return the keys of a backup, the newest first.

    Raises:
        WrongUsage: the file cannot be read, has no key, or has something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(
            f"{path} must be a backup of a Sealed Secrets key, got a file that cannot be read.", REMEDY
        ) from error
    try:
        objects = list(_objects(text, path.name))
        found = newest_first(key_of(each) for each in objects)
    except (LayerError, TypeError, ValueError):
        # Without what is wrong: it may quote a part of a key.
        raise WrongUsage(f"{path} must be a backup of a Sealed Secrets key, got something else.", REMEDY) from None
    if not found:
        raise WrongUsage(f"{path} must be a backup of a Sealed Secrets key, got a file without one.", REMEDY)
    return found


def known(path: Path | None) -> list[rsa.RSAPrivateKey]:
    """Return what a controller that was given a backup opens SealedSecrets with; nothing where there is no backup.

    Raises:
        WrongUsage: it is another file.
    """
    return private_keys(read(path)) if path is not None and path.is_file() else []


def key_of(secret: Mapping[str, Any]) -> SealingKey:
    """Return the key that a Secret has.

    Raises:
        ValueError: it has none, or the certificate belongs to another one; a controller that reads it would end.
    """
    metadata = mapping(secret.get("metadata"))
    said = mapping(metadata.get("labels")).get(LABEL)
    if secret.get("kind") != "Secret" or not said:
        raise ValueError("it has no label of a key")
    data = mapping(secret.get("data"))
    try:
        private = serialization.load_pem_private_key(base64.b64decode(str(data["tls.key"])), password=None)
        certificate = x509.load_pem_x509_certificate(base64.b64decode(str(data["tls.crt"])))
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError("it has no tls.key and tls.crt") from error
    if not isinstance(private, rsa.RSAPrivateKey) or certificate.public_key() != private.public_key():
        raise ValueError("tls.crt must be the certificate of tls.key")
    return SealingKey(
        str(metadata.get("name")),
        str(metadata.get("namespace")),
        said == ACTIVE,
        certificate.not_valid_before_utc.replace(tzinfo=None),
        fingerprint(private.public_key()),
        private,
        secret,
    )


def portable(key: SealingKey) -> dict[str, Any]:
    """Return the Secret of a key without what belongs to the cluster that it comes from."""
    metadata = mapping(key.secret.get("metadata"))
    kept = {name: metadata[name] for name in ("name", "namespace", "labels", "annotations") if metadata.get(name)}
    data = mapping(key.secret.get("data"))
    return {"apiVersion": "v1", "kind": "Secret", "metadata": kept, "type": "kubernetes.io/tls", "data": dict(data)}


def newest_first(keys: Iterable[SealingKey]) -> list[SealingKey]:
    """Return keys in the order in which they seal."""
    return sorted(keys, key=lambda key: (key.not_before, key.fingerprint), reverse=True)


def private_keys(keys: Sequence[SealingKey]) -> list[rsa.RSAPrivateKey]:
    """Return what a controller with these keys opens SealedSecrets with."""
    return [key.private for key in keys if key.active]


def fingerprint(key: rsa.RSAPublicKey) -> str:
    """Return a short name of a public key."""
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()[:16]


def _objects(text: str, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a text; those of a list one by one, as kubectl writes several."""
    for document in yamlfile.parse(text, name):
        if not isinstance(document.data, dict):
            raise TypeError("a key must be a mapping")
        items = document.data.get("items")
        yield from items if isinstance(items, list) else [document.data]
