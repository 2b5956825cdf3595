"""Provide the Secrets whose values cannot be had here, with invented ones, as soon as their namespace is there.

They are the harness's own objects: none of the layer's in Git, and marked by a label. A namespace that does not come is a fault of
the layer, which these must not hide.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError, Conflict
from platform_e2e.kube.objects import Object
from platform_e2e.layer.invented import TLS, Invented

LABEL = "platform-e2e/invented"

DOCKER = "kubernetes.io/dockerconfigjson"

_DAYS = 30


class InventedSecrets:
    """The Secrets that are still to be made.

    Args:
        wanted: all of them.
    """

    def __init__(self, wanted: Sequence[Invented]) -> None:
        self._left = list(wanted)

    def provide(self, kube: Kube) -> None:
        """Make those whose namespace is there; the others are tried again by the next call."""
        self._left = [each for each in self._left if not _made(kube, each)]


def _made(kube: Kube, wanted: Invented) -> bool:
    try:
        kube.create(manifest(wanted))
    except Conflict:
        return True
    except ApiError:
        # Such as while its namespace is not there.
        return False
    return True


def manifest(wanted: Invented) -> Object:
    """Return a Secret with invented values; those whose form the API server or most programs check have that form."""
    values = {key: secrets.token_hex(16).encode() for key in wanted.keys}
    if wanted.type == TLS:
        certificate, key = _pair()
        values |= {"tls.crt": certificate, "tls.key": key, **({"ca.crt": certificate} if "ca.crt" in values else {})}
    if wanted.type == DOCKER:
        values[".dockerconfigjson"] = b'{"auths": {}}'
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": wanted.name,
            "namespace": wanted.namespace,
            "labels": {LABEL: "true"},
            "annotations": {f"{LABEL}-for": str(wanted.source)},
        },
        "type": wanted.type,
        "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
    }


def _pair() -> tuple[bytes, bytes]:
    """Return a certificate that no authority has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "platform-e2e")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), private
