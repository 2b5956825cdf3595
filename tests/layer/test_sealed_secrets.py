"""What keys are to a SealedSecret is told without a cluster, the name that it is sealed for included."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from platform_e2e.errors import WrongUsage
from platform_e2e.foundations.manifests import parse
from platform_e2e.layer import sealed_secrets, sealing_keys
from platform_e2e.layer.sealed_secrets import Opening, Seal
from platform_e2e.paths import ROOT
from tests.fakes.sealing import backup, key

COMMITTED = ROOT / "fixtures" / "sealed-secrets-key" / "key.yaml"


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return key(0)


def sealed(name: str = "db", namespace: str = "shop", annotations: dict[str, str] | None = None, **values: str) -> Any:
    metadata = {"name": name, "namespace": namespace, "annotations": annotations or {}}
    return {"kind": "SealedSecret", "metadata": metadata, "spec": {"encryptedData": values}}


@pytest.mark.parametrize(
    ("annotations", "label"),
    [
        ({}, "shop/db"),
        ({sealed_secrets.NAMESPACE_WIDE: "true"}, "shop"),
        ({sealed_secrets.CLUSTER_WIDE: "true", sealed_secrets.NAMESPACE_WIDE: "true"}, ""),
        ({sealed_secrets.CLUSTER_WIDE: "yes"}, "shop/db"),
    ],
)
def test_annotations_say_for_what_a_value_must_be_sealed(
    private: rsa.RSAPrivateKey, annotations: dict[str, str], label: str
) -> None:
    value = sealed_secrets.seal(private.public_key(), b"hunter2", label)
    found = sealed(annotations=annotations, password=value)
    assert sealed_secrets.label(found) == label
    assert sealed_secrets.opening(found, [key(1), private]) == Opening(Seal.OPENS)
    assert sealed_secrets.plain(found, [key(1), private]) == {"password": b"hunter2"}


def test_another_name_is_told_from_another_key(private: rsa.RSAPrivateKey) -> None:
    value = sealed_secrets.seal(private.public_key(), b"x", "dev/db")
    found = sealed(password=value)
    assert sealed_secrets.opening(found, [private]) == Opening(Seal.OTHER_SCOPE, ("password",))
    assert sealed_secrets.opening(found, [private], ["dev/db"]) == Opening(Seal.OTHER_SCOPE, ("password",), "dev/db")
    assert sealed_secrets.opening(found, [key(1)], ["dev/db"]) == Opening(Seal.NO_KEY, ("password",))
    assert sealed_secrets.opening(found, []) == Opening(Seal.NO_KEY, ("password",))
    assert sealed_secrets.plain(found, [private]) == {}
    assert sealed_secrets.is_for(found, [private])
    assert not sealed_secrets.is_for(found, [key(1)])


def test_a_scope_that_the_annotation_does_not_say_is_named(private: rsa.RSAPrivateKey) -> None:
    value = sealed_secrets.seal(private.public_key(), b"x", "")
    assert sealed_secrets.opening(sealed(password=value), [private]) == Opening(Seal.OTHER_SCOPE, ("password",), "")


@pytest.mark.parametrize("value", ["", "AA", "!", "AgAYCO6R8uBNJbSj", base64.b64encode(b"\0\0abc").decode()])
def test_what_cannot_have_been_sealed_is_malformed(private: rsa.RSAPrivateKey, value: str) -> None:
    good = sealed_secrets.seal(private.public_key(), b"x", "shop/db")
    found = sealed(a=good, b=value)
    assert sealed_secrets.opening(found, [private]) == Opening(Seal.MALFORMED, ("b",))


def test_damage_is_not_taken_for_another_name(private: rsa.RSAPrivateKey) -> None:
    value = bytearray(base64.b64decode(sealed_secrets.seal(private.public_key(), b"x", "shop/db")))
    for place in (5, -1):
        damaged = bytearray(value)
        damaged[place] ^= 1
        text = base64.b64encode(damaged).decode()
        assert sealed_secrets.opening(sealed(a=text), [private]).seal is Seal.NO_KEY


def test_the_form_of_version_1_has_one_value(private: rsa.RSAPrivateKey) -> None:
    found = sealed()
    found["spec"] = {"data": sealed_secrets.seal(private.public_key(), b"{}", "shop/db")}
    assert sealed_secrets.opening(found, [private]) == Opening(Seal.OPENS)


def test_every_sealed_secret_of_the_layer_is_opened_by_the_committed_key() -> None:
    keys = sealing_keys.private_keys(sealing_keys.read(COMMITTED))
    files = [path for path in (ROOT / "platform").rglob("*.yaml") if "kind: SealedSecret" in path.read_text()]
    found = [each for path in files for each in parse(path.read_text()) if each.get("kind") == "SealedSecret"]
    assert len(found) >= 4
    assert {sealed_secrets.opening(each, keys).seal for each in found} == {Seal.OPENS}
    renamed = {**found[0], "metadata": {**found[0]["metadata"], "name": "live"}}
    assert sealed_secrets.opening(renamed, keys).seal is Seal.OTHER_SCOPE


# Backups


def test_a_backup_has_its_keys_newest_first_as_documents_or_as_a_list(tmp_path: Path) -> None:
    for as_list in (False, True):
        path = tmp_path / f"{as_list}.yaml"
        path.write_text(backup(0, 1, compromised=(0,), as_list=as_list))
        found = sealing_keys.read(path)
        assert [each.name for each in found] == ["sealed-secrets-key1", "sealed-secrets-key0"]
        assert [each.active for each in found] == [True, False]
        assert len({each.fingerprint for each in found}) == 2
        assert len(sealing_keys.private_keys(found)) == 1


@pytest.mark.parametrize(
    "change",
    [
        ("kind: Secret", "kind: ConfigMap"),
        ("sealed-secrets-key: active", "other: active"),
        ("tls.crt: LS0", "tls.crt: AAA"),
        ("tls.key: ", "tls.other: "),
        ("kind: Secret", "kind: [Secret"),
    ],
)
def test_a_file_that_is_no_backup_is_refused_without_its_content(tmp_path: Path, change: tuple[str, str]) -> None:
    path = tmp_path / "key.yaml"
    text = backup(0)
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(WrongUsage, match=r"key.yaml must be a backup of a Sealed Secrets key") as error:
        sealing_keys.read(path)
    assert "sealing-key backup" in error.value.remedy
    assert text.partition("tls.key: ")[2][:30] not in str(error.value)


def test_a_backup_of_another_pair_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.yaml"
    own, other = backup(0), backup(1)
    certificate = own.partition("tls.crt: ")[2].splitlines()[0]
    path.write_text(own.replace(certificate, other.partition("tls.crt: ")[2].splitlines()[0]))
    with pytest.raises(WrongUsage, match="must be a backup"):
        sealing_keys.read(path)


def test_an_empty_or_absent_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing\n")
    for name in ("empty", "absent"):
        with pytest.raises(WrongUsage, match="must be a backup"):
            sealing_keys.read(tmp_path / name)
