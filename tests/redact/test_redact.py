from __future__ import annotations

import base64
import copy
import time
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from platform_e2e import redact
from platform_e2e.finding import Promise
from platform_e2e.redact.names import harmless

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
        "uid: 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "commit 4fc39cf24fe1a0b1c2d3e4f5061728394a5b6c7d",
        'resourceVersion: "123456"',
        "automountServiceAccountToken: false",
        "--use-service-account-credentials=true",
        "tokenReview: {}",
        "existingSecret: grafana-admin",
        "imagePullSecrets: []",
        "serviceaccount/token-cleaner -n kube-system",
        "release sealed-secrets: sealed-secrets 0.32.0 in place of 0.36.6",
        "sealed-secrets:\n  version: 0.32.0",
        'level=info msg="synced" secret=chat-dev/chat-signing-key',
        "the server rejected the token: it has expired",
        "error: invalid token: signature mismatch",
        "password: ${DB_PASSWORD}",
        "password: {{ .Values.password }}",
        "password=********",
        "TOKEN_FILE=/var/run/secrets/token",
        "token: /var/run/secrets/kubernetes.io/serviceaccount/token",
        "valueFrom:\n  secretKeyRef:\n    name: db\n    key: password",
        "basic authentication is off",
        '{"yaml": "scrape_configs:\\n- authorization:\\n    type: Bearer\\n    credentials_file: /var/run/token"}',
        "a bearer of good news",
        "http://10.0.0.1:8080/path/of@sign",
        "argocd-server.18a1b2c3d4e5f6a7 Normal Pulled",
        "https://github.com/argoproj/argo-cd?ref=v3.2.11&path=manifests",
        "    admin-password: AgB" + "y3i4OJSWK" * 60 + "==",
        base64.b64encode(b"nothing that anybody would hide, but long enough").decode(),
        "secret: kept as it is",
        "kind: Secret was not found",
        "passwords are kept in Secrets",
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
    assume(not harmless(value, "password"))
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


def test_a_manifest_that_is_a_text_keeps_the_keys_of_its_secret_only() -> None:
    manifest = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: room\ndata:\n  room: c3dvcmRmaXNo\n  more: |\n    c3dv\n    cmRm\ntype: Opaque\n"
    other = "---\nkind: ConfigMap\ndata:\n  room: kitchen\n"
    shown = redact.text(manifest + other)
    assert (
        shown == manifest.replace("c3dvcmRmaXNo", redact.HIDDEN).replace("|\n    c3dv\n    cmRm", redact.HIDDEN) + other
    )
    patch = "".join(f"+{line}\n" for line in manifest.splitlines())
    assert "c3dv" not in redact.text(patch)
    assert "+type: Opaque" in redact.text(patch)


def test_literals_of_a_generator_keep_their_keys_only() -> None:
    text = "secretGenerator:\n  - name: room\n    literals:\n      - room=swordfish\n    type: Opaque\nresources:\n  - a=b.yaml\n"
    assert redact.text(text) == text.replace("swordfish", redact.HIDDEN)


def test_the_value_after_an_option_is_hidden_in_a_list() -> None:
    args = ["--admin-password", "hunter2", "--listen", ":8080", "--token", "--verbose"]
    assert redact.plain({"args": args})["args"] == [
        "--admin-password",
        redact.HIDDEN,
        "--listen",
        ":8080",
        "--token",
        "--verbose",
    ]


@pytest.mark.parametrize(
    ("data", "stays"),
    [
        ({"secrets": ["etcd-certs"]}, True),
        ({"imagePullSecrets": ["regcred"]}, True),
        ({"token": {"value": "abc123def"}}, False),
        ({"parameters": [{"name": "db.password", "value": "hunter2"}]}, False),
        ({"httpHeaders": [{"name": "Authorization", "value": "Custom abc123"}]}, False),
        ({"password": 12345678}, False),
        ({"maxTokens": 5}, True),
        ({"automountServiceAccountToken": True}, True),
        ({"password=hunter2": 1}, False),
        ({"manifest": '{"kind":"Secret","apiVersion":"v1","data":{"x":"c3dvcmRmaXNo"}}'}, False),
        ({"sealed-secrets": "0.36.6"}, True),
    ],
)
def test_plain_data_is_judged_by_names_and_by_what_it_is(data: dict[str, Any], stays: bool) -> None:
    assert (redact.plain(data) == data) is stays


FRAGMENTS = [
    "password", "token: ", "secret", "=", ": ", '"', "'", "\\", "\n", "  ", "- ", "|\n", "[redacted]", "https://", "user:pw@host",
    "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "kind: Secret\n", "data:\n", "  x: y\n", "eyJhbGciOiJ9.e30.x", "value",
    "name", "Bearer ", "authorization", "cookie", "--", ",", "{", "}", "[", "]", "cGFzc3dvcmQ9aHVudGVyMg==", "\\n", "a", "1", "é", "\r",
    "secretGenerator:\n", "literals:\n", "Private-Lines: 1\n", "%3D", "$2a$10$abcdefghijklm",
]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), max_size=14).map("".join))
def test_of_whatever_is_put_together_twice_is_once_and_it_does_not_grow_without_end(text: str) -> None:
    once = redact.text(text)
    assert redact.text(once) == once
    assert len(once) <= 8 * len(text) + 40


HOSTILE = {
    "dashes": "-", "spaces": " ", "line ends": "\n", "quotes": '"', "escapes": "\\", "brackets": "{", "digits": "0123456789abcdef",
    "words": "a.", "keys": "-----BEGIN RSA PRIVATE KEY-----", "ends of keys": "-----END PRIVATE KEY-----\n", "keys in base64": "LS0tLS1CRUdJTi",
    "tokens": "-eyJaaaaa", "addresses": "://", "addresses with users": "://aaaaaaaaaaa:", "names": "pwd=", "names and quotes": 'pwd="',
    "names and escaped quotes": 'pwd=\\"', "names alone": "secret ", "entries": "name: password\n", "blocks": "password: |\n  x\n",
    "manifests": "kind: Secret\ndata:\n", "manifests in JSON": '{"kind":"Secret","data":{', "headers": "authorization: ",
    "cookies": "cookie: a=", "options": "curl -u ", "hashes": "$2a$10$", "base64": "cGFzc3dvcmQ9aHVudGVyMg", "wrapped": "A" * 76 + "\n",
    "generators": "secretGenerator:\n literals:\n - a=b\n", "strings": '"\\n', "azure": "8Q~", "telegram": "1234567890:AA", "age": "AGE-PLUGIN-",
}  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_more_than_linear_time(part: str) -> None:
    text = (part * 40_000)[:40_000]
    start = time.thread_time()
    redact.text(text)
    # About 0.05 s; what looks at each character once for each character would take minutes.
    assert time.thread_time() - start < 2


def test_what_is_given_back_is_a_plain_string_whatever_was_asked_of_before() -> None:
    # Another test may have asked for the same letters.
    redact._remembered.cache_clear()
    assert type(redact.text(Promise.SELFHEAL)) is str
    assert type(redact.text("selfheal")) is str
    assert type(redact.plain({"promise": Promise.MONITORING})["promise"]) is str
