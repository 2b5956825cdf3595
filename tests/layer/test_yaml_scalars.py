"""YAML means what it means to Kubernetes; the values are those that Argo CD's own program gave for the same files."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.foundations import manifests
from platform_e2e.layer import LayerError, yamlfile
from platform_e2e.layer.yaml_scalars import number


def read(text: str) -> Any:
    (document,) = yamlfile.parse(text, "file.yaml")
    return document.data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0777", 511),
        ("-0777", -511),
        ("0o777", 511),
        ("0O17", 15),
        ("-0o17", -15),
        ("0o7_7", 63),
        ("00", 0),
        ("08", 8),
        ("0o8", "0o8"),
        ("0x1F", 31),
        ("0X1F", 31),
        ("-0x1f", -31),
        ("0b11", 3),
        ("0b2", "0b2"),
        ("1_000", 1000),
        ("_7", "_7"),
        ("+12", 12),
        ("1e3", 1000),
        ("1.", 1),
        (".5", 0.5),
        ("1e", "1e"),
        ("1-2", "1-2"),
        ("1:30", "1:30"),
        ("9223372036854775807", 9223372036854775807),
        ("9223372036854775808", 9.223372036854775808e18),
        ("-9223372036854775809", -9.223372036854775808e18),
        ("1" + 30 * "0", 1e30),
        ("1" + 400 * "0", "1" + 400 * "0"),
        ("1" + 5000 * "0", "1" + 5000 * "0"),
        ("1E400", "1E400"),
        ("yes", True),
        ("Off", False),
        ("oN", "oN"),
        ("'on'", "on"),
        ("NULL", None),
        ("", None),
        ("=", "="),
        ("<<", "<<"),
        ("2001-12-14", "2001-12-14"),
        ("!!str 5", "5"),
        ("!!int '0777'", 511),
        ("!!float 5", 5),
        ("!!bool yes", True),
        ("!!null ''", None),
        ("!!binary aGVsbG8=", "hello"),
        ("!!binary /w==", "\ufffd"),
        ("!!timestamp 2001-12-14", "2001-12-14"),
        ("!!set {x}", {"x": None}),
        ("!!omap [b: 1]", [{"b": 1}]),
        ("!ours 5", "5"),
        ("!ours {b: 1}", {"b": 1}),
    ],
)
def test_a_scalar_is_what_it_is_to_kubernetes(text: str, expected: Any) -> None:
    found = read(f"a: {text}")["a"]
    assert found == expected
    assert isinstance(found, bool) == isinstance(expected, bool)


@pytest.mark.parametrize(
    ("key", "expected"),
    [("yes", "true"), ("1", "1"), ("1.0", "1"), ("1e3", "1000"), ("1.5", "1.5"), ("0777", "511"), ("!!binary aGk=", "hi")],
)  # fmt: skip
def test_a_key_is_a_text(key: str, expected: str) -> None:
    assert read(f"{key}: a") == {expected: "a"}


@pytest.mark.parametrize(
    "text",
    ["a: .inf", "a: -.INF", "a: .nan", "a: !!float .inf", "a: !!null x", "a: !!int x", "a: !!binary x", "~: a", "? [a]\n: b", r'a: "\ud800"'],
)  # fmt: skip
def test_what_kubernetes_refuses_is_refused(text: str) -> None:
    with pytest.raises(LayerError, match=r"^file.yaml:1: "):
        read(text)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", "1" + 5000 * "0", r'"\ud800"'])
def test_a_number_that_json_does_not_have_is_refused_in_json(text: str, tmp_path: Any) -> None:
    (tmp_path / "a.json").write_text(f'{{"a": {text}}}')
    with pytest.raises(LayerError, match=r"^a.json:?1?: "):
        yamlfile.read(tmp_path, tmp_path / "a.json")


def test_a_merge_key_brings_what_is_not_there() -> None:
    text = "b: &b {c: 1, d: 1}\ne: &e {c: 2, f: 2}\na:\n  <<: [*b, *e]\n  d: 3\n"
    assert read(text)["a"] == {"c": 1, "d": 3, "f": 2}


def test_a_large_integer_of_json_has_53_bits(tmp_path: Any) -> None:
    (tmp_path / "a.json").write_text(f'{{"a": {2**64}, "b": {2**63 - 1}}}')
    (document,) = yamlfile.read(tmp_path, tmp_path / "a.json")
    assert document.data == {"a": 2.0**64, "b": 2**63 - 1}
    assert isinstance(document.data["a"], float)


def test_a_number_takes_no_time() -> None:
    assert number("1" * 1_000_000) is None
    assert number("0x" + "f" * 1_000_000) is None


@pytest.mark.parametrize("text", ["😀", "\x7f", "\x85", "\u2028", "\ufeff", "\uffff", "é\\ud83d", "\x1b"])
def test_json_that_is_written_for_yaml_is_read_as_it_was(text: str) -> None:
    written = yamlfile.as_json({"b": text, text: 1}, sort_keys=True)
    assert read(f"# a comment: this is not JSON\n{written}") == {"b": text, text: 1}
    assert manifests.parse(written) == [{"b": text, text: 1}]
