"""Keys of Sealed Secrets, and backups of them: small ones, made once a process."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from platform_e2e.layer.sealed_secrets import seal
from platform_e2e.layer.sealing_keys import LABEL

BEGAN = datetime(2026, 1, 1)  # noqa: DTZ001 - certificates have no zone


@functools.cache
def key(number: int) -> rsa.RSAPrivateKey:
    """Return a key; each number has its own."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048 + 8 * number)


def secret(number: int, label: str = "active", namespace: str = "kube-system") -> dict[str, Any]:
    """Return the Secret of a key; of a higher number it is newer."""
    private = key(number)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    since = BEGAN + timedelta(days=30 * number)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    built = built.serial_number(number + 1).not_valid_before(since).not_valid_after(since + timedelta(days=3650))
    certificate = built.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": f"sealed-secrets-key{number}", "namespace": namespace, "labels": {LABEL: label}},
        "data": {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(pem).decode()},
    }


def backup(*numbers: int, compromised: Sequence[int] = (), as_list: bool = False) -> str:
    """Return a backup of keys, as several documents or as kubectl's list."""
    secrets = [secret(number, "compromised" if number in compromised else "active") for number in numbers]
    if as_list:
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": secrets})
    return "---\n".join(_yaml(each) for each in secrets)


def sealed(name: str, namespace: str, number: int = 0, label: str | None = None, **values: str) -> dict[str, Any]:
    """Return a SealedSecret whose values are sealed with a key, for its own name by default."""
    scope = f"{namespace}/{name}" if label is None else label
    data = {each: seal(key(number).public_key(), value.encode(), scope) for each, value in values.items()}
    return {
        "apiVersion": "bitnami.com/v1alpha1",
        "kind": "SealedSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"encryptedData": data, "template": {"metadata": {"name": name, "namespace": namespace}}},
    }


def _yaml(item: dict[str, Any]) -> str:
    """Return a Secret of a key in YAML."""
    metadata = item["metadata"]
    return (
        f"apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata:\n  name: {metadata['name']}\n"
        f"  namespace: {metadata['namespace']}\n  labels:\n    {LABEL}: {metadata['labels'][LABEL]}\n"
        f"data:\n  tls.crt: {item['data']['tls.crt']}\n  tls.key: {item['data']['tls.key']}\n"
    )
