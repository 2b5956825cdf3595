from __future__ import annotations

import base64
import json
import stat
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtensionOID, NameOID

from platform_e2e.cluster.kubernetes import credentials
from platform_e2e.cluster.kubernetes.pki import Authority
from platform_e2e.cluster.network import addressing

PLAN = addressing.plan([], 2, [])
MADE = credentials.make(PLAN, ["n1", "n2"])


def certificate(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def names(made: x509.Certificate) -> set[str]:
    alternative = made.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert isinstance(alternative, x509.SubjectAlternativeName)
    return {str(name.value) for name in alternative}


def subject(made: x509.Certificate) -> tuple[str, list[str]]:
    return (
        str(made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value),
        [str(each.value) for each in made.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)],
    )


def test_a_certificate_comes_from_its_authority_and_from_no_other() -> None:
    authority, other = Authority("one"), Authority("one")
    made = certificate(authority.client("somebody").certificate)
    made.verify_directly_issued_by(certificate(authority.pair.certificate))
    with pytest.raises(InvalidSignature):
        made.verify_directly_issued_by(certificate(other.pair.certificate))


def test_the_api_server_is_known_by_every_name_that_is_used_for_it() -> None:
    made = certificate(MADE.nodes["n1"]["/etc/kubernetes/pki/apiserver.crt"])
    assert names(made) >= {
        "kubernetes.default.svc.cluster.local",
        "kubernetes",
        "n1",
        "127.0.0.1",
        str(PLAN.api),
        str(PLAN.nodes[0]),
    }


def test_a_kubelet_may_act_for_its_own_node_only() -> None:
    for name in ("n1", "n2"):
        config = json.loads(MADE.nodes[name]["/etc/kubernetes/kubelet.conf"])
        made = certificate(base64.b64decode(config["users"][0]["user"]["client-certificate-data"]))
        assert subject(made) == (f"system:node:{name}", ["system:nodes"])


def test_a_kubelet_serves_under_its_name_and_address() -> None:
    made = certificate(MADE.nodes["n2"]["/etc/kubernetes/kubelet-serving.crt"])
    assert names(made) == {"n2", str(PLAN.nodes[1])}


def test_only_the_server_has_the_authorities_keys() -> None:
    assert "/etc/kubernetes/pki/ca.key" in MADE.nodes["n1"]
    assert sorted(MADE.nodes["n2"]) == [
        "/etc/kubernetes/kube-proxy.conf",
        "/etc/kubernetes/kube-router.conf",
        "/etc/kubernetes/kubelet-serving.crt",
        "/etc/kubernetes/kubelet-serving.key",
        "/etc/kubernetes/kubelet.conf",
        "/etc/kubernetes/pki/ca.crt",
    ]


def test_the_aggregation_layer_has_an_authority_of_its_own() -> None:
    made = certificate(MADE.nodes["n1"]["/etc/kubernetes/pki/front-proxy-client.crt"])
    made.verify_directly_issued_by(certificate(MADE.nodes["n1"]["/etc/kubernetes/pki/front-proxy-ca.crt"]))
    with pytest.raises(ValueError, match="Issuer"):
        made.verify_directly_issued_by(certificate(MADE.nodes["n1"]["/etc/kubernetes/pki/ca.crt"]))


def test_the_administrator_may_do_everything_and_needs_no_other_file() -> None:
    config = json.loads(MADE.admin)
    user = config["users"][0]["user"]
    made = certificate(base64.b64decode(user["client-certificate-data"]))
    assert subject(made) == ("kubernetes-admin", ["system:masters"])
    key = load_pem_private_key(base64.b64decode(user["client-key-data"]), None)
    assert key.public_key() == made.public_key()
    assert config["clusters"][0]["cluster"]["server"] == f"https://{PLAN.nodes[0]}:6443"


def test_two_clusters_share_no_key() -> None:
    other = credentials.make(PLAN, ["n1", "n2"])
    assert other.authority != MADE.authority
    assert other.nodes["n1"]["/etc/kubernetes/pki/sa.key"] != MADE.nodes["n1"]["/etc/kubernetes/pki/sa.key"]


def test_written_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    credentials.write(tmp_path, {"/etc/kubernetes/pki/ca.key": b"key"})
    file = tmp_path / "etc/kubernetes/pki/ca.key"
    assert file.read_bytes() == b"key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_address_is_named_as_an_address() -> None:
    made = certificate(Authority("one").server("s", [IPv4Address("10.0.0.1"), "s"]).certificate)
    alternative = made.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    assert isinstance(alternative, x509.SubjectAlternativeName)
    assert alternative.get_values_for_type(x509.IPAddress) == [IPv4Address("10.0.0.1")]
