"""Who else wrote an unsealed Secret is told, with the keys; what its controller wrote is not."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from platform_e2e.checks import unsealed_secrets
from platform_e2e.kube.objects import Object
from platform_e2e.layer import sealed_secrets
from platform_e2e.layer.invented import opens
from tests.fakes.recorded_view import RecordedView, made

SEALED = made(
    unsealed_secrets.SEALED,
    "login",
    "ns",
    spec={"encryptedData": {"password": "AgA"}, "template": {"data": {"user": "me"}}},
    status={"conditions": [{"type": "Synced", "status": "True"}]},
)


def entry(manager: str, *keys: str, owner: bool = False) -> dict[str, Any]:
    fields: dict[str, Any] = {"f:data": {".": {}, **{f"f:{key}": {} for key in keys}}}
    if owner:
        fields["f:metadata"] = {"f:ownerReferences": {".": {}, 'k:{"uid":"uid-login"}': {}}}
    return {"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields}


CONTROLLER = entry("controller", "password", "user", owner=True)


def secret(*entries: dict[str, Any], **data: str) -> Object:
    metadata = {"managedFields": list(entries)}
    return made("v1/Secret", "login", "ns", metadata=metadata, data={"password": "eA==", "user": "eA==", **data})


def test_what_the_controller_wrote_is_sound() -> None:
    assert unsealed_secrets.check(SEALED, secret(CONTROLLER)) == []


def test_what_somebody_else_wrote_is_told_with_keys_and_time() -> None:
    (finding,) = unsealed_secrets.check(SEALED, secret(CONTROLLER, entry("kubectl-edit", "password")))
    assert (finding.object, finding.promise, finding.cause.id) == ("secret/login -n ns", "selfheal", "secret-tampered")
    assert "password by kubectl-edit at 2026-01-01T00:00:00Z" in finding.cause.sentence
    assert "eA==" not in finding.render()


def test_keys_that_are_missing_or_added_are_told() -> None:
    added = secret(CONTROLLER, other="eA==")
    assert "has other, which nothing seals" in unsealed_secrets.check(SEALED, added)[0].cause.sentence
    lacking = secret(CONTROLLER)
    del lacking["data"]["password"]
    assert "lacks password" in unsealed_secrets.check(SEALED, lacking)[0].cause.sentence


@pytest.mark.parametrize("found", [None, made("v1/Secret", "login", "ns", data={})])
def test_what_is_not_unsealed_is_another_promises(found: Object | None) -> None:
    sealed = {**SEALED, "status": {}}
    assert unsealed_secrets.check(sealed, found) == []
    assert unsealed_secrets.check(SEALED, None) == []


def key_pair(days: int) -> tuple[Object, bytes]:
    """Return the Secret of a key, made some days after the first one, and its private key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sealed")]), datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    pem = base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode()
    made_at = (now + timedelta(days=days)).isoformat()
    label, _, value = unsealed_secrets.KEYS.partition("=")
    obj = made(
        "v1/Secret",
        f"key{days}",
        "kube-system",
        {label: value},
        metadata={"creationTimestamp": made_at},
        data={"tls.crt": pem},
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return obj, private


def test_a_text_is_sealed_for_the_newest_key_alone() -> None:
    (old, old_key), (new, new_key) = key_pair(0), key_pair(1)
    sealed = unsealed_secrets.seal({"password": "x"}, "login", "ns", RecordedView(new, old))
    assert opens(sealed, [new_key])
    assert not opens(sealed, [old_key])
    elsewhere = {**sealed, "metadata": {"name": "login", "namespace": "other"}}
    assert sealed_secrets.plain(elsewhere, [_loaded(new_key)]) == {}


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(LookupError, match="no Secret has the label"):
        unsealed_secrets.seal({}, "login", "ns", RecordedView())


def _loaded(pem: bytes) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def test_a_secret_of_another_maker_that_is_added_to_may_have_more() -> None:
    added = secret(CONTROLLER, more="eA==")
    assert len(unsealed_secrets.check(SEALED, added)) == 1
    added["metadata"]["annotations"] = {unsealed_secrets.PATCHED: "true"}
    assert unsealed_secrets.check(SEALED, added) == []
