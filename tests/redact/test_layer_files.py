"""A layer that travels is still a layer, and has no secret in it."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from platform_e2e.redact.layer_files import NO_VALUE, redacted
from tests.fakes import layers

SECRET = "hunter2hunter2"


def test_the_demo_layer_travels_as_it_is() -> None:
    root = layers.DEMO
    files = {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert len(files) > 40
    safe, changed = redacted(files)
    assert changed == []
    assert safe == files


def test_a_sealed_secret_stays_and_a_secret_beside_it_does_not() -> None:
    text = f"""\
# sealed
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {{name: a}}
spec: {{encryptedData: {{password: AgBy3i4OJSWK}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: b}}
data: {{user: {SECRET}}}
stringData: {{key: {SECRET}}}
"""
    safe, changed = redacted({"a.yaml": text.encode()})
    assert changed == ["a.yaml"]
    sealed, secret = YAML(typ="safe", pure=True).load_all(safe["a.yaml"].decode())
    assert sealed["spec"]["encryptedData"] == {"password": "AgBy3i4OJSWK"}
    assert secret["data"] == {"user": NO_VALUE}
    assert secret["stringData"] == {"key": "[redacted]"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", f"# password: {SECRET}\na: 1\n"),
        ("values.yml", f"adminPassword: {SECRET}\n"),
        ("template.yaml", f"{{{{ x }}}}: [\npassword: {SECRET}\n"),
        ("a.py", f'PASSWORD = "{SECRET}"\n'),
        ("a.md", f"see https://u:{SECRET}@h/p\n"),
        ("a.json", f'{{"token": "{SECRET}"}}'),
        ("a.env", f"DB_PASSWORD={SECRET}\n"),
        ("Containerfile", f"ENV API_TOKEN={SECRET}\n"),
        ("a.pem", f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"),
        ("a.py", f"K = '''-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----'''\n"),
    ],
)
def test_secrets_in_other_files_go(name: str, text: str) -> None:
    safe, changed = redacted({name: text.encode()})
    assert SECRET not in safe[name].decode()
    assert "[redacted]" in safe[name].decode()
    assert changed == [name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "password = os.environ[name]\ntoken = read()\n"),
        ("values.yaml", "admin: {existingSecret: a, passwordKey: b} # as the chart has it\n"),
        ("a.yaml", "envFrom: [{secretRef: {name: signing-key}}]\n"),
    ],
)
def test_what_only_tells_of_secrets_stays(name: str, text: str) -> None:
    assert redacted({name: text.encode()}) == ({name: text.encode()}, [])


def test_a_picture_stays_and_nothing_else_that_is_no_text() -> None:
    picture = b"\x89PNG\r\n\x1a\n\0\xff"
    assert redacted({"a.png": picture, "a.db": b"SQLite format 3\0"}) == ({"a.png": picture, "a.db": b""}, ["a.db"])
