"""SealedSecrets without a cluster: for which name each value is sealed, and whether a key opens it.

A value is Base64 of: two bytes with the length of the session key, the session key encrypted by RSA-OAEP with the scope as its
label, and the value encrypted by AES-GCM (sealed-secrets 0.32.0, pkg/crypto/crypto.go). The label is `NAMESPACE/NAME`, `NAMESPACE`
or empty, as annotations of the SealedSecret say (pkg/apis/sealedsecrets/v1alpha1/sealedsecret_expansion.go).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from platform_e2e.layer.argo_objects import mapping

API = "bitnami.com/v1alpha1/SealedSecret"

NAMESPACE_WIDE = "sealedsecrets.bitnami.com/namespace-wide"
CLUSTER_WIDE = "sealedsecrets.bitnami.com/cluster-wide"
"""Annotations that widen the scope; the second one wins where both are `true`."""

SESSION_KEY_BYTES = 32
"""Bytes of the session key (pkg/crypto/crypto.go, sessionKeyBytes)."""

_HASH_BYTES = 32
_NONCE = bytes(12)


class Seal(Enum):
    """What the keys at hand are to one value."""

    OPENS = auto()
    OTHER_SCOPE = auto()
    """One of the keys is the right one, and the value is sealed for another name, namespace or scope."""
    NO_KEY = auto()
    """It is sealed with another key, or damaged: these two cannot be told apart."""
    MALFORMED = auto()
    """It cannot have been sealed: it is not Base64, or shorter than it says."""


@dataclass(frozen=True)
class Opening:
    """What the keys at hand are to one SealedSecret.

    Attributes:
        seal: the worst of all its values.
        keys: of the values that are not opened, by name.
        sealed_for: label that the first of these is sealed with, where it is another one that is known; None otherwise.
    """

    seal: Seal
    keys: tuple[str, ...] = ()
    sealed_for: str | None = None


def label(obj: Mapping[str, Any]) -> str:
    """Return the label that the values of a SealedSecret must be sealed with."""
    metadata = mapping(obj.get("metadata"))
    annotations = mapping(metadata.get("annotations"))
    if annotations.get(CLUSTER_WIDE) == "true":
        return ""
    if annotations.get(NAMESPACE_WIDE) == "true":
        return str(metadata.get("namespace"))
    return f"{metadata.get('namespace')}/{metadata.get('name')}"


def seal(key: rsa.RSAPublicKey, value: bytes, label: str) -> str:
    """Return a value as a SealedSecret has it.

    Args:
        key: of the controller's certificate.
        value: to seal.
        label: as `label` returns it for the SealedSecret that gets the value.
    """
    session = secrets.token_bytes(SESSION_KEY_BYTES)
    encrypted = key.encrypt(session, _oaep(label))
    whole = struct.pack(">H", len(encrypted)) + encrypted + AESGCM(session).encrypt(_NONCE, value, None)
    return base64.b64encode(whole).decode()


def opening(obj: Mapping[str, Any], keys: Sequence[rsa.RSAPrivateKey], others: Iterable[str] = ()) -> Opening:
    """Return what keys are to a SealedSecret.

    Args:
        obj: the SealedSecret.
        keys: that its controller has.
        others: labels that a value may be sealed with instead, to be named.
    """
    metadata = mapping(obj.get("metadata"))
    namespace = str(metadata.get("namespace"))
    candidates = tuple(dict.fromkeys([f"{namespace}/{metadata.get('name')}", namespace, "", *others]))
    wanted = label(obj)
    judged = {name: _judge(text, keys, wanted, candidates) for name, text in _values(obj)}
    worst = max((verdict for verdict, _ in judged.values()), key=lambda verdict: verdict.value, default=Seal.OPENS)
    closed = tuple(name for name, (verdict, _) in judged.items() if verdict is not Seal.OPENS)
    return Opening(worst, closed, next((judged[name][1] for name in closed if judged[name][1] is not None), None))


def is_for(obj: Mapping[str, Any], keys: Sequence[rsa.RSAPrivateKey]) -> bool:
    """Tell whether a value of a SealedSecret is sealed with one of the keys, for whatever name."""
    verdicts = (_judge(text, keys, label(obj), ())[0] for _, text in _values(obj))
    return any(verdict in {Seal.OPENS, Seal.OTHER_SCOPE} for verdict in verdicts)


def plain(obj: Mapping[str, Any], keys: Sequence[rsa.RSAPrivateKey]) -> dict[str, bytes]:
    """Return the values of a SealedSecret that the keys open, by name; never to be printed."""
    found = {}
    for name, text in _values(obj):
        parts = _parts(text)
        opened = (_decrypt(parts, key, label(obj)) for key in keys) if parts else iter(())
        value = next((each for each in opened if each is not None), None)
        if value is not None:
            found[name] = value
    return found


def _values(obj: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the sealed values by name; the form of version 1 has one for the whole Secret."""
    spec = mapping(obj.get("spec"))
    if spec.get("data") is not None and not isinstance(spec.get("data"), Mapping):
        yield "data", str(spec["data"])
    for name, text in mapping(spec.get("encryptedData")).items():
        yield str(name), str(text)


def _judge(
    text: str, keys: Sequence[rsa.RSAPrivateKey], wanted: str, candidates: Sequence[str]
) -> tuple[Seal, str | None]:
    """Return what keys are to one value, and the label that it is sealed with where that is another, known one."""
    parts = _parts(text)
    if parts is None:
        return Seal.MALFORMED, None
    if any(_decrypt(parts, key, wanted) is not None for key in keys):
        return Seal.OPENS, None
    for key in keys:
        digest = _label_digest(parts[0], key)
        # With the right label it is the rest of the value that is damaged.
        if digest is not None and digest != _digest(wanted):
            return Seal.OTHER_SCOPE, next((each for each in candidates if _digest(each) == digest), None)
    return Seal.NO_KEY, None


def _parts(text: str) -> tuple[bytes, bytes] | None:
    """Return the encrypted session key and the encrypted value; None where it cannot have been sealed."""
    try:
        data = base64.b64decode(text, validate=True)
        (length,) = struct.unpack(">H", data[:2])
    except (ValueError, struct.error):
        return None
    session, value = data[2 : 2 + length], data[2 + length :]
    return (session, value) if len(session) == length and length else None


def _decrypt(parts: tuple[bytes, bytes], key: rsa.RSAPrivateKey, label: str) -> bytes | None:
    session, value = parts
    try:
        return AESGCM(key.decrypt(session, _oaep(label))).decrypt(_NONCE, value, None)
    except (ValueError, InvalidTag):
        return None


def _label_digest(session: bytes, key: rsa.RSAPrivateKey) -> bytes | None:
    """Return the digest of the label that a session key was encrypted with; None where the key is not the right one.

    What RSA-OAEP encrypts has the digest in it, masked by what is in it, too (RFC 8017, section 7.1.2): with the right key it can
    be read whatever the label was.
    """
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    size = (modulus.bit_length() + 7) // 8
    if len(session) != size or int.from_bytes(session) >= modulus:
        return None
    message = _power(int.from_bytes(session), numbers).to_bytes(size)
    masked_seed, masked = message[1 : 1 + _HASH_BYTES], message[1 + _HASH_BYTES :]
    block = _xor(masked, _mask(_xor(masked_seed, _mask(masked, _HASH_BYTES)), len(masked)))
    zeros, one, inner = block[_HASH_BYTES:].partition(b"\x01")
    sound = message[0] == 0 and one and not any(zeros) and len(inner) == SESSION_KEY_BYTES
    return block[:_HASH_BYTES] if sound else None


def _power(message: int, numbers: rsa.RSAPrivateNumbers) -> int:
    """Decrypt without padding, by the two primes: four times as fast as with the whole exponent."""
    first = pow(message % numbers.p, numbers.dmp1, numbers.p)
    second = pow(message % numbers.q, numbers.dmq1, numbers.q)
    return second + numbers.q * ((first - second) * numbers.iqmp % numbers.p)


def _mask(seed: bytes, length: int) -> bytes:
    """Return the mask of MGF1 with SHA-256 (RFC 8017, appendix B.2.1)."""
    blocks = -(-length // _HASH_BYTES)
    return b"".join(hashlib.sha256(seed + struct.pack(">I", count)).digest() for count in range(blocks))[:length]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=True))


def _digest(label: str) -> bytes:
    return hashlib.sha256(label.encode()).digest()


def _oaep(label: str) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label.encode())
