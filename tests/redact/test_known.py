from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from platform_e2e import redact
from platform_e2e.redact.known import KnownSecrets
from platform_e2e.redact.names import HIDDEN, harmless


def secret(**data: str) -> dict[str, Any]:
    encoded = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}, "data": encoded}


def known(**data: str) -> KnownSecrets:
    found = KnownSecrets()
    found.learn([secret(**data)], ["argocd", "prometheus"])
    return found


@pytest.mark.parametrize(
    "text",
    [
        "the pod says {} in a sentence",
        "{}",
        "x{}x",
        "twice: {} {}",
    ],
)
def test_a_value_of_a_secret_is_hidden_wherever_it_stands(text: str) -> None:
    value = "correct horse 7 battery"
    assert known(password=value).hide(text.replace("{}", value)) == text.replace("{}", HIDDEN)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="ascii", min_codepoint=33), min_size=10, max_size=40), st.integers(0, 5))
def test_it_is_hidden_in_every_coat(value: str, before: int) -> None:
    assume(not harmless(value, "password") and "redacted" not in value)
    found = known(password=value)
    raw = b"." * before + value.encode() + b"!"
    inner = base64.b64encode(value.encode()).decode().rstrip("=")[:-2]
    for coat in (
        value, quote(value, safe=""), json.dumps(value), json.dumps(json.dumps(value)), base64.b64encode(value.encode()).decode(),
        base64.urlsafe_b64encode(value.encode()).decode(),
    ):  # fmt: skip
        shown = found.hide(f"a {coat} b")
        assert value not in shown
        assert inner not in shown
        assert HIDDEN in shown
    assert HIDDEN in found.hide(base64.b64encode(raw).decode()), "in the middle of base64, at any offset"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enabled", "true"), ("user", "administrator1"), ("username", "deploy-2"), ("type", "repository"), ("short", "ab12"),
        ("namespace", "argocd-2"), ("password", "argocd"), ("url", "https://github.com/team/platform.git"), ("host", "db.shop.svc"),
        ("port", "5432"), ("name", "prometheus"), ("mtime", "2026-11-24T10:00:00Z"), ("version", "v3.2.11"), ("mode", "read-only"),
        ("ca.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"), ("password", "[redacted]"),
    ],
)  # fmt: skip
def test_words_names_and_addresses_are_not_taken_out_of_everything(key: str, value: str) -> None:
    found = KnownSecrets()
    found.learn([{"data": {key: base64.b64encode(value.encode()).decode()}}], ["argocd", "prometheus"])
    assert len(found) == 0
    assert found.hide(f"it says {value}") == f"it says {value}"


def test_a_short_value_is_not_cut_out_of_a_longer_word() -> None:
    assert known(password="tiger1").hide("tiger1 xtiger12 (tiger1)") == f"{HIDDEN} xtiger12 ({HIDDEN})"


def test_of_a_file_the_lines_of_a_key_and_the_values_with_names_are_known() -> None:
    line = "MIIEowIBAAKCAQEA" * 4
    found = known(
        id_rsa=f"-----BEGIN RSA PRIVATE KEY-----\n{line}\n-----END RSA PRIVATE KEY-----\n",
        env="LEVEL=informational\nDB_PASS=abc123xyz\n",
    )
    assert found.hide(f"a {line} b, abc123xyz, informational") == f"a {HIDDEN} b, {HIDDEN}, informational"


def test_what_is_no_text_is_known_as_base64() -> None:
    raw = base64.b64encode(bytes(range(200, 256))).decode()
    found = KnownSecrets()
    found.learn([{"data": {"keystore.jks": raw}}])
    assert found.hide(f"data: {raw}") == f"data: {HIDDEN}"


def test_what_one_process_knows_another_can_take_over() -> None:
    one, other = known(password="hunter2-and-more"), KnownSecrets()
    other.add(one.values())
    assert other.hide("hunter2-and-more") == HIDDEN


def test_many_values_cost_no_more_than_one() -> None:
    found = KnownSecrets()
    found.add(f"value-number-{number:06}-of-many" for number in range(1500))
    text = "a line of a log that has none of them\n" * 5000
    start = time.thread_time()
    assert found.hide(text) == text
    assert time.thread_time() - start < 1


def test_what_was_looked_through_before_a_value_was_known_is_looked_through_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = KnownSecrets()
    monkeypatch.setattr(redact, "KNOWN", found)
    said = "the room is called tulip-garden-9"
    assert redact.text(said) == said
    found.learn([secret(room="tulip-garden-9")])
    assert redact.text(said) == f"the room is called {HIDDEN}"
