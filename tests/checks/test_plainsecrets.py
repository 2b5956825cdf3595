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
