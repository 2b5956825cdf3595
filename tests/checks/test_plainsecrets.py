from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.checks.plainsecrets import check
from platform_e2e.layer import Layer, Rendered
from tests.fakes import layers
from tests.fakes.recorded_view import made

pytestmark = pytest.mark.point("plain-secret")


@pytest.fixture(scope="module")
def demo() -> Layer:
    return layers.demo()


def found(demo: Layer, annotations: dict[str, str] | None = None, **fields: Any) -> list[str]:
    secret = made("v1/Secret", "relay", "monitoring", metadata={"annotations": annotations or {}}, **fields)
    one = Rendered(secret, "secrets-config", "manifests/secrets/relay.yaml", 4)
    return [each.cause.sentence for each in check(replace(demo, rendered=(*demo.rendered, one)))]


def configured(demo: Layer, data: dict[str, str], annotations: dict[str, str] | None = None) -> list[str]:
    config = made("v1/ConfigMap", "relay", "monitoring", metadata={"annotations": annotations or {}}, data=data)
    one = Rendered(config, "secrets-config", "manifests/secrets/relay.yaml", 4)
    return [each.cause.sentence for each in check(replace(demo, rendered=(*demo.rendered, one)))]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_layer_that_seals_all_of_them(demo: Layer) -> None:
    assert check(demo) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"stringData": {"password": "correct-horse"}},
        {"data": {"password": encoded("correct-horse")}},
        {"data": {"signing-key": encoded("0123456789abcdef")}},
        {"data": {"API_TOKEN": encoded("0123456789abcdef")}},
        {"data": {"tls.key": encoded("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n")}},
        {
            "stringData": {
                "url": "postgres://chat:correct-horse@db/chat",
                "dsn": "postgres://chat:correct-horse@db/chat",
            }
        },
        {"stringData": {"config.yaml": "user: a\npassword: correct-horse\n"}},
    ],
    ids=str,
)
def test_a_credential_in_plain_text_is_told_with_its_key_and_file(demo: Layer, fields: dict[str, Any]) -> None:
    (sentence,) = found(demo, **fields)
    assert "secret/relay -n monitoring stands in Git in plain text: " in sentence
    assert "manifests/secrets/relay.yaml:4" in sentence
    assert "correct-horse" not in sentence


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stringData": {"type": "git", "url": "https://git.example.com/a.git"}},
        {"stringData": {"greeting": "hello", "level": "debug"}},
        {"stringData": {"username": "alertmanager"}},
        {"stringData": {"password": "<path:kv/data/relay#password>"}},
        {"stringData": {"password": "${RELAY_PASSWORD}"}},
        {"stringData": {"password": ""}},
        {"data": {"tls.crt": encoded("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n")}},
    ],
    ids=str,
)
def test_a_secret_without_a_credential_may_stand_in_git(demo: Layer, fields: dict[str, Any]) -> None:
    assert found(demo, **fields) == []


def test_an_exemption_with_a_reason_is_respected(demo: Layer) -> None:
    reason = {"platform-e2e/exempt-applications": "the password of a public demo"}
    assert found(demo, reason, stringData={"password": "correct-horse"}) == []


def test_a_layer_that_seals_nothing_says_nothing_of_it(demo: Layer) -> None:
    plain = Rendered(made("v1/Secret", "relay", "monitoring", stringData={"password": "x"}), "a", "f.yaml", 1)
    assert check(replace(demo, rendered=(plain,), releases=())) == []


KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvwIBADANBgkqhkiG9w0BAQEFAASCBKkwggSlAgEAAoIBAQDmlHbvS23mVHy2\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "data",
    [
        {"DB_PASSWORD": "correct-horse"},
        {"api-token": "8f14e45fceea167a5a36dedd4bea2543"},
        {"server.key": KEY},
        {"settings.ini": "[smtp]\nhost = mail\npassword = correct-horse\n"},
        {"application.yaml": "datasource:\n  url: jdbc:postgresql://db/chat\n  password: correct-horse\n"},
        {".env": "LEVEL=debug\nDATABASE_URL=postgres://chat:correct-horse@db/chat\n"},
        {"named.conf": 'key "update" {\n  secret "96Ah/a2g0/nLeFGK+d/0tzQcccf9hCEIy34PoXX2Qg8=";\n};\n'},
    ],
    ids=lambda data: next(iter(data)),
)
def test_a_credential_in_a_configmap_is_told_with_its_key_and_file(demo: Layer, data: dict[str, str]) -> None:
    (sentence,) = configured(demo, data)
    assert sentence.startswith("configmap/relay -n monitoring has a credential in plain text in Git: ")
    assert f"{next(iter(data))} in manifests/secrets/relay.yaml:4" in sentence
    assert "correct-horse" not in sentence


@pytest.mark.parametrize(
    "data",
    [
        {"DB_PASSWORD_FILE": "/run/secrets/db/password"},
        {"secretName": "db-login"},
        {"token_ttl": "3600"},
        {"password": "${DB_PASSWORD}"},
        {"ADMIN_PASSWORD": "changeme"},
        {"redis.conf": "port 6379\nrequirepass replace-default-auth\n"},
        {"config.yaml": "login:\n  signing_key: CHANGEME00000000\n"},
        {"greeting": "hello", "log-level": "debug"},
        {"rules.yaml": "- alert: TokenExpired\n  expr: token_expiry_seconds < 60\n"},
        {"ca.crt": "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n"},
        {"oauth.yaml": "clientID: chat\nclientSecret: $oidc.clientSecret\n"},
    ],
    ids=lambda data: next(iter(data)),
)
def test_a_configmap_without_a_credential_may_stand_in_git(demo: Layer, data: dict[str, str]) -> None:
    assert configured(demo, data) == []


def test_an_exempt_configmap_is_respected(demo: Layer) -> None:
    reason = {"platform-e2e/exempt-applications": "the password of a public demo"}
    assert configured(demo, {"DB_PASSWORD": "correct-horse"}, reason) == []
