from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_e2e.report import redact

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAsecretsecret\nmore\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJlLWhlcmU"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key:\n{PEM}\nend", "MIIEowIBAAKCAQEA"),
        ("-----BEGIN PRIVATE KEY-----\nMIIcut-off-by-a-tail", "MIIcut-off"),
        ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----", "MHcCAQ"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1\n-----END OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----", "lQOYBF"),
        ("client-key-data: " + base64.b64encode(PEM.encode()).decode(), base64.b64encode(PEM.encode()).decode()[40:60]),
        ("-----BEGIN RSA PRIVATE KEY-----\\nMIIEescaped\\n-----END RSA PRIVATE KEY-----", "MIIEescaped"),
        (f"token {JWT} end", "eyJzdWIiOiJhZG1pbiJ9"),
        (f'"token":"{JWT}"', "c2lnbmF0dXJl"),
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ('{"Authorization": "Bearer abc.def"}', "abc.def"),
        ("'Proxy-Authorization': 'Basic dXNlcjpwYXNz'", "dXNlcjpwYXNz"),
        ("clone https://user:hunter2@git.example/x.git", "hunter2"),
        ("https://ghp_0123456789abcdefghijABCDEFGHIJ012345@github.com/x", "ghp_0123456789"),
        ("https://0123456789abcdef0123456789abcdef@git.example/x", "0123456789abcdef"),
        ("redis://:p4ssw0rd@redis:6379/0", "p4ssw0rd"),
        ("amqp://svc:a%20b@mq/", "a%20b"),
        ("password=hunter2", "hunter2"),
        ("ADMIN_PASSWORD=hunter2 next", "hunter2"),
        ("password: hunter2", "hunter2"),
        ('"password": "hunter2"', "hunter2"),
        ("--redis-password=hunter2", "hunter2"),
        ("api_key=abc123", "abc123"),
        ("apiKey: abc123", "abc123"),
        ("clientSecret=abc123", "abc123"),
        ("?access_token=abc123&x=1", "abc123"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "wJalrXUtnFEMI"),
        ("id AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("glpat-0123456789abcdefghij", "glpat-0123456789"),
        ("xoxb-0123456789-abcdef", "xoxb-0123456789"),
        ("kubeadm join --token abcdef.0123456789abcdef", "0123456789abcdef"),
    ],
)
def test_a_secret_in_a_text_is_hidden_and_the_reader_told(text: str, secret: str) -> None:
    assert secret in text
    shown = redact.text(text)
    assert secret not in shown
    assert redact.HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        "Service/chat -n chat-dev breaks the promise 'loadbalancer'",
        "http://10.89.0.200:8080/healthz answered 200",
        "git://git.platform-e2e-git.svc.cluster.local/platform.git",
        "ssh://git@git.example/x.git",
        "https://user@git.example/x.git",
        "secretName: alertmanager-tls",
        "the Secret argocd-initial-admin-secret does not exist",
        "no token was mounted at /var/run/secrets/kubernetes.io/serviceaccount",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "quay.io/argoproj/argocd:v3.2.11",
        "tokenreviews.authentication.k8s.io",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact.text(text) == text


SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "db",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"password":"aHVudGVyMg=="}}'},
    },
    "data": {"password": "aHVudGVyMg==", "user": "YWRtaW4="},
    "stringData": {"host": "db.internal"},
}


def test_a_secret_keeps_its_keys_only() -> None:
    before = copy.deepcopy(SECRET)
    shown = redact.plain(SECRET)
    assert shown["data"] == {"password": redact.HIDDEN, "user": redact.HIDDEN}
    assert shown["stringData"] == {"host": redact.HIDDEN}
    assert shown["metadata"]["name"] == "db"
    assert "aHVudGVyMg" not in str(shown)
    assert before == SECRET, "what was given is not changed"


def test_a_secret_inside_a_list_is_found() -> None:
    shown = redact.plain({"kind": "List", "apiVersion": "v1", "items": [SECRET]})
    assert "aHVudGVyMg" not in str(shown)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("DB_PASSWORD", True),
        ("PGPASSWORD", True),
        ("GITHUB_TOKEN", True),
        ("API_KEY", True),
        ("apiKey", True),
        ("clientSecret", True),
        ("AWS_SECRET_ACCESS_KEY", True),
        ("SSH_PRIVATE_KEY", True),
        ("REGISTRY_CREDENTIALS", True),
        ("LOG_LEVEL", False),
        ("SECRET_NAME", False),
        ("TOKEN_PATH", False),
        ("PASSWORD_FILE", False),
        ("KEYBOARD", False),
        ("COMPASS", False),
    ],
)
def test_an_environment_value_is_judged_by_its_name(name: str, hidden: bool) -> None:
    pod = {"spec": {"containers": [{"name": "c", "env": [{"name": name, "value": "plain-value"}]}]}}
    assert ("plain-value" not in str(redact.plain(pod))) is hidden


@pytest.mark.parametrize(
    ("data", "secret"),
    [
        ({"config": {"adminPassword": "hunter2"}}, "hunter2"),
        ({"args": ["--token=abc123def"]}, "abc123def"),
        ({"data": {"app.yaml": "db:\n  password: hunter2\n"}}, "hunter2"),
        ({"url": "https://u:hunter2@h/"}, "hunter2"),
        ({"users": [{"user": {"client-key-data": base64.b64encode(PEM.encode()).decode()}}]}, "LS0tLS1CRUdJTi"),
        ({"passwords": ["hunter2"]}, "hunter2"),
        ({"token": b"hunter2"}, "hunter2"),
    ],
)
def test_a_secret_in_plain_data_is_hidden(data: dict[str, Any], secret: str) -> None:
    assert secret not in str(redact.plain(data))


def test_references_and_sealed_data_stay() -> None:
    data = {
        "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}},
        "encryptedData": {"password": "AgBsealed"},
        "tls": [{"secretName": "chat-tls"}],
    }
    assert redact.plain(data) == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_it_never_fails_and_twice_is_once(data: Any) -> None:
    once = redact.plain(data)
    assert redact.plain(once) == once


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40))
def test_whatever_a_secret_holds_it_is_gone(value: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"x": value}, "stringData": {"y": value}}
    assert set(redact.plain(secret)["data"].values()) == {redact.HIDDEN}
    assert redact.text(f"password={value}") == f"password={redact.HIDDEN}"


def test_a_patch_keeps_what_is_no_secret() -> None:
    harmless = """diff --git a/config.yaml b/config.yaml
--- a/config.yaml
+++ b/config.yaml
@@ -1,4 +1,4 @@
 kind: ConfigMap
 data:
-  environment: prod
+  environment: production
"""
    secret = """diff --git a/secret.yaml b/secret.yaml
--- a/secret.yaml
+++ b/secret.yaml
@@ -1,3 +1,4 @@
 kind: Secret
 data:
+  room: c3dvcmRmaXNo
"""
    sealed = secret.replace("kind: Secret", "kind: SealedSecret")
    assert redact.patch(harmless + sealed) == harmless + sealed
    shown = redact.patch(secret + harmless)
    assert "c3dvcmRmaXNo" not in shown
    assert shown.startswith("diff --git a/secret.yaml b/secret.yaml\n# [redacted]")
    assert shown.endswith(harmless)
    assert redact.patch(harmless.replace("environment: production", "password: hunter2")).count("hunter2") == 0
