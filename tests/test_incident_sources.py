"""A layer that travels is still a layer, and has no secret in it."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from platform_e2e.incident.sources import NO_VALUE, redacted
from tests import layers

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
    ("name", "text", "safe"),
    [
        ("a.yaml", f"# password: {SECRET}\na: 1\n", "# password: [redacted]\na: 1\n"),
        ("values.yml", f"adminPassword: {SECRET}\n", "adminPassword: '[redacted]'\n"),
        ("chart.yaml", f"{{{{ x }}}}: [\npassword: {SECRET}\n", "{{ x }}: [\npassword: [redacted]\n"),
        ("a.py", f'PASSWORD = "{SECRET}"\n', 'PASSWORD = "[redacted]"\n'),
        ("a.py", "password = os.environ[name]\ntoken = read()\n", "password = os.environ[name]\ntoken = read()\n"),
        ("a.md", "see https://u:hunter2hunter2@h/p\n", "see https://[redacted]@h/p\n"),
        ("a.json", '{"token": "eyJhbGciOiJSUzI1.eyJzdWIiOiJz.c2lnbm"}', '{"token": "[redacted] token"}'),
        ("values.yaml", "admin: {existingSecret: a, passwordKey: b}\n", "admin: {existingSecret: a, passwordKey: b}\n"),
        ("a.env", f"DB_PASSWORD={SECRET}\n", "DB_PASSWORD=[redacted]\n"),
        ("Containerfile", f"ENV API_TOKEN={SECRET}\n", "ENV API_TOKEN=[redacted]\n"),
        ("a.pem", "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n", "[redacted] private key\n"),
        (
            "a.py",
            "K = '''-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----'''\n",
            "K = '''[redacted] private key'''\n",
        ),
    ],
)
def test_secrets_in_other_files(name: str, text: str, safe: str) -> None:
    assert redacted({name: text.encode()})[0][name].decode() == safe


def test_what_is_no_text_stays() -> None:
    assert redacted({"a.png": b"\x89PNG\0\xff"}) == ({"a.png": b"\x89PNG\0\xff"}, [])
