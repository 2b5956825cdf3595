"""Secrets and volumes that nothing of the layer can bring here."""

from __future__ import annotations

import base64
import ssl
from typing import Any

import pytest

from platform_e2e.gitops import invented_volumes
from platform_e2e.gitops.invented_secrets import DOCKER, LABEL, InventedSecrets, manifest
from platform_e2e.kube.errors import Conflict, NotFound
from platform_e2e.layer.invented import TLS, Invented
from tests.fakes.rendered import rendered

(SOURCE,) = rendered("apiVersion: v1\nkind: Vault\nmetadata: {name: db, namespace: shop}\n")
DB = Invented(SOURCE, "db", "shop", ("password", "user"))


class Cluster:
    """Takes objects of namespaces that it has."""

    def __init__(self, *claims: dict[str, Any]) -> None:
        self.namespaces: set[str] = set()
        self.made: list[dict[str, Any]] = []
        self.claims = claims
        self.asked = 0

    def create(self, obj: dict[str, Any]) -> None:
        namespace = obj["metadata"].get("namespace")
        self.asked += 1
        if namespace and namespace not in self.namespaces:
            raise NotFound("POST secrets", 404, "NotFound", f'namespaces "{namespace}" not found')
        if obj["metadata"]["name"] in {each["metadata"]["name"] for each in self.made}:
            raise Conflict("POST", 409, "AlreadyExists", "it exists")
        self.made.append(obj)

    def list(self, _kind: str) -> list[dict[str, Any]]:
        return list(self.claims)


def test_a_secret_is_made_once_its_namespace_is_there_and_no_namespace_for_it() -> None:
    kube: Any = Cluster()
    secrets = InventedSecrets([DB])
    secrets.provide(kube)
    assert kube.made == []
    kube.namespaces.add("shop")
    secrets.provide(kube)
    secrets.provide(kube)
    (made,) = kube.made
    assert set(made["data"]) == {"password", "user"}
    assert made["metadata"]["labels"] == {LABEL: "true"}


def test_one_that_is_there_stays() -> None:
    kube: Any = Cluster()
    kube.namespaces.add("shop")
    InventedSecrets([DB]).provide(kube)
    (before,) = kube.made
    secrets = InventedSecrets([DB])
    secrets.provide(kube)
    secrets.provide(kube)
    assert kube.made == [before]
    assert kube.asked == 2, "what is there is not tried again"


def test_a_pair_for_tls_can_be_loaded(tmp_path: Any) -> None:
    data = manifest(Invented(SOURCE, "db", "shop", ("tls.crt", "tls.key", "ca.crt"), TLS))["data"]
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_bytes(base64.b64decode(data[name]))
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    assert data["ca.crt"] == data["tls.crt"]


def test_a_login_of_a_registry_has_its_form() -> None:
    data = manifest(Invented(SOURCE, "db", "shop", (), DOCKER))["data"]
    assert base64.b64decode(data[".dockerconfigjson"]) == b'{"auths": {}}'


def claim(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop", "uid": "u"},
            "spec": {"resources": {"requests": {"storage": "5Gi"}}, **spec}, "status": {"phase": "Pending"}}  # fmt: skip


def test_a_claim_that_waits_gets_a_volume_of_its_own_class_and_size() -> None:
    kube: Any = Cluster(claim(storageClassName="longhorn", accessModes=["ReadWriteMany"]))
    invented_volumes.provide(kube)
    (made,) = kube.made
    spec = made["spec"]
    assert (spec["storageClassName"], spec["capacity"], spec["accessModes"]) == (
        "longhorn",
        {"storage": "5Gi"},
        ["ReadWriteMany"],
    )
    assert spec["claimRef"] == {"namespace": "shop", "name": "data", "uid": "u"}


@pytest.mark.parametrize(
    "spec", [{"volumeName": "a"}, {"selector": {"matchLabels": {"a": "b"}}}, {"volumeMode": "Block"}]
)
def test_one_that_says_which_gets_none(spec: dict[str, Any]) -> None:
    kube: Any = Cluster(claim(**spec))
    invented_volumes.provide(kube)
    assert kube.made == []


def test_one_that_has_not_taken_its_volume_yet_keeps_no_other_from_its_own() -> None:
    first, second = claim(), claim()
    second["metadata"] = {"name": "more", "namespace": "shop", "uid": "v"}
    kube: Any = Cluster(first)
    invented_volumes.provide(kube)
    kube.claims = (first, second)
    invented_volumes.provide(kube)
    assert [each["metadata"]["name"] for each in kube.made] == ["invented-u", "invented-v"]
