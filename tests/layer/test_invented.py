"""Secrets whose values cannot be had here."""

from __future__ import annotations

import base64
import functools
import os
import struct

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from platform_e2e.layer import invented, private_keys
from platform_e2e.layer.renderer import Reason
from platform_e2e.paths import ROOT
from tests.fakes.rendered import rendered


@functools.cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem() -> bytes:
    return key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def seal(label: str) -> str:
    session = os.urandom(32)
    scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label.encode())
    wrapped = key().public_key().encrypt(session, scheme)
    sealed = struct.pack(">H", len(wrapped)) + wrapped + AESGCM(session).encrypt(bytes(12), b"value", None)
    return base64.b64encode(sealed).decode()


def sealed(name: str, value: str) -> str:
    return f"""\
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {{name: {name}, namespace: shop}}
spec: {{encryptedData: {{password: "{value}"}}, template: {{data: {{user: shop}}}}}}
"""


READER = """\
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec:
  containers:
    - {name: a, env: [{name: A, valueFrom: {secretKeyRef: {name: vault, key: token}}}]}
  volumes: [{name: b, secret: {secretName: vault, items: [{key: file}]}}]
"""


@pytest.mark.parametrize("label", ["shop/db", "shop", ""])
def test_a_sealed_secret_is_opened_by_its_key_in_each_scope(label: str) -> None:
    (each,) = rendered(sealed("db", seal(label)))
    assert invented.opens(each.object, [pem()])
    assert not invented.opens(each.object, [])


def test_without_its_key_the_named_keys_get_invented_values() -> None:
    found = invented.find(rendered(sealed("db", seal("shop/db"))), [], attended=())
    assert [(each.name, each.namespace, each.keys) for each in found] == [("db", "shop", ("password", "user"))]
    assert (found[0].unknown.object, found[0].unknown.reason) == ("sealedsecret/db -n shop", Reason.SECRET)


def test_where_the_key_opens_one_another_that_it_does_not_is_a_fault() -> None:
    objects = rendered(sealed("db", seal("shop/db")) + "---\n" + sealed("other", seal("shop/another")))
    assert invented.find(objects, [pem()], attended=()) == ()
    # The key is the right one: that the name is another is a fault, too.
    assert invented.find(objects[1:], [pem()], attended=()) == ()


@pytest.mark.parametrize("value", ["", "AA", "%", "AAEA"])
def test_what_is_no_ciphertext_is_not_opened(value: str) -> None:
    (each,) = rendered(sealed("db", value))
    assert not invented.opens(each.object, [pem()])


def test_the_stock_key_opens_the_stock_layer() -> None:
    keys = private_keys(ROOT / "fixtures" / "sealed-secrets-key" / "key.yaml")
    text = (ROOT / "platform" / "manifests" / "secrets" / "grafana-admin.yaml").read_text()
    assert keys
    assert invented.find(rendered(text), keys, attended=()) == ()


@pytest.mark.parametrize(
    ("head", "spec", "name", "keys"),
    [
        (
            "external-secrets.io/v1 ExternalSecret",
            "{target: {name: b}, data: [{secretKey: x}, {secretKey: k}]}",
            "b",
            ("x", "k"),
        ),
        ("external-secrets.io/v1beta1 ExternalSecret", "{dataFrom: [{extract: {key: k}}]}", "vault", ("file", "token")),
        (
            "external-secrets.io/v1 ExternalSecret",
            "{target: {template: {data: {z: a}}}, data: [{secretKey: x}]}",
            "vault",
            ("z", "file", "token"),
        ),
        ("onepassword.com/v1 OnePasswordItem", "{itemPath: x}", "vault", ("file", "token")),
        ("secrets.hashicorp.com/v1beta1 VaultStaticSecret", "{destination: {name: b}}", "b", ()),
        ("isindir.github.com/v1alpha3 SopsSecret", "{secretTemplates: [{name: b, stringData: {x: y}}]}", "b", ("x",)),
        ("secrets.infisical.com/v1alpha1 InfisicalSecret", "{managedSecretReference: {secretName: b}}", "b", ()),
        ("k8s.bitwarden.com/v1 BitwardenSecret", "{secretName: b, map: [{secretKeyName: x}]}", "b", ("x",)),
        ("secrets.doppler.com/v1alpha1 DopplerSecret", "{managedSecret: {name: b}}", "b", ()),
        ("cert-manager.io/v1 Certificate", "{secretName: b}", "b", ("tls.crt", "tls.key", "ca.crt")),
    ],
)
def test_kinds_whose_values_are_elsewhere(head: str, spec: str, name: str, keys: tuple[str, ...]) -> None:
    api, kind = head.split()
    text = f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: vault, namespace: shop}}\nspec: {spec}\n{READER}"
    found = invented.find(rendered(text), [], attended=())
    assert [(each.name, each.keys) for each in found] == [(name, keys)]
    assert invented.find(rendered(text), [], attended=[(api.partition("/")[0], kind)]) == ()


@pytest.mark.parametrize("spec", ["[a]", "{target: x, data: y}", "{target: {template: []}, data: [1]}", "null"])
def test_odd_shapes_are_no_error(spec: str) -> None:
    text = (
        f"apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: a, namespace: b}}\nspec: {spec}\n"
    )
    assert [each.keys for each in invented.find(rendered(text), [], attended=())] == [()]
