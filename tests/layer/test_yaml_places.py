"""The quick reading of YAML says what the careful one says, and leaves to it all that it would have to judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from platform_e2e.layer import yaml_places, yamlfile
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.yaml_places import Node

SAME = [
    "kind: Service\nmetadata: {name: web, labels: {a: b}}\nspec:\n  ports:\n  - port: 80\n    name: http\n  - {port: 443}\n",
    "# a comment\n---\na: 1\n---\n# nothing\n---\nb:\n- x\n-   c: z\n...\n",
    "a: |\n  text\n    more\nb: >-\n  one\n  two\nc: 'it''s'\nd: \"\\u00e9\\n\"\ne: plain\n  goes on\n",
    "a: ''\nb:\nc: ~\nd: null\ne: Null\nf: nullable\n",
    "a: yes\nb: No\nc: on\nd: off\ne: y\nf: n\ng: nO\nh: 'yes'\ni: TRUE\nj: true\nk: yesterday\n",
    "a: 010\nb: 0o10\nc: 0x1F\nd: 1_000\ne: 1e3\nf: 1.50\ng: .5\nh: -3\ni: +4\nj: 1.2.3\nk: 12:30:45\nl: 2026-01-01\nm: 10Gi\n",
    "c: =\nd: '='\nf: ---x\ng: .x\nh: 0b1\ni: 1_0_\nj: <\n",
    "- a\n- - b\n  - c\n- {}\n- []\n- ? x\n  : y\n",
    "just a text\n",
    "a: http://host:80/path#part\nb: a#b\nc: 'x: y'\n",
]


def places(node: Node | None) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Yield the line of everything."""
    for key, place in (node.places if node else {}).items():
        yield (key,), place[0]
        yield from (((key, *keys), line) for keys, line in places(node.part(key) if node else None))


@pytest.mark.parametrize("text", SAME)
def test_a_text_is_read_quickly_as_it_is_read_carefully(text: str) -> None:
    quick = [(data, node) for data, node in yaml_places.quickly(text, yamlfile._scalar, 1000) if data is not None]
    careful = yamlfile._carefully(text, "file.yaml")
    # 1, 1.0 and True are equal, and no two of them are the same in JSON.
    assert repr([data for data, _ in quick]) == repr([each.data for each in careful])
    assert [dict(places(node)) for _, node in quick] == [dict(places(each.node)) for each in careful]
    assert [node.line + 1 if node else 1 for _, node in quick] == [each.line for each in careful]


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x\n",
        "a: !!str 1\n",
        "a: !!binary aGk=\n",
        "%YAML 1.1\n---\na: 1\n",
        "a: 1\na: 2\n",
        "1: a\n",
        "true: a\n",
        "? [a]\n: b\n",
        "a: [\n",
        "a: b: c\n",
        "a:\n\tb\n",
        "<<: {a: 1}\n",
        "[" * 150 + "]" * 150,
    ],
)
def test_what_would_have_to_be_judged_is_left_to_the_careful_reader(text: str) -> None:
    with pytest.raises(yaml_places.Unsure):
        list(yaml_places.quickly(text, yamlfile._scalar, 1000))


def test_a_document_with_too_many_values_is_left_to_the_careful_reader() -> None:
    with pytest.raises(yaml_places.Unsure):
        list(yaml_places.quickly("[1, 2, 3]", yamlfile._scalar, 3))


def test_a_fault_has_the_line_that_the_careful_reader_says() -> None:
    with pytest.raises(LayerError, match=r"^file.yaml:3: is not valid YAML: .*found duplicate key"):
        yamlfile.parse("a: 1\nb: 1\na: 2\n", "file.yaml")


def test_an_alias_has_the_lines_of_its_anchor() -> None:
    (document,) = yamlfile.parse("a: &x\n  b:\n    c: 1\nd: *x\n", "file.yaml")
    assert document.data == {"a": {"b": {"c": 1}}, "d": {"b": {"c": 1}}}
    assert [document.line_of("a", "b", "c"), document.line_of("d", "b", "c")] == [3, 3]


def test_without_libyaml_all_is_read_carefully(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "kind: x\nwithout: libyaml\n"
    read: list[str] = []
    careful = yamlfile._carefully
    monkeypatch.setattr("yaml.__with_libyaml__", False)

    def watched(text: str, file: str) -> tuple[yamlfile.Document, ...]:
        read.append(text)
        return careful(text, file)

    monkeypatch.setattr(yamlfile, "_carefully", watched)
    assert yamlfile.parse(text, "file.yaml")[0].data == {"kind": "x", "without": "libyaml"}
    assert read == [text]


def test_what_a_caller_changes_is_not_changed_for_the_next_one() -> None:
    (one,) = yamlfile.parse("a: {b: [1]}\n", "file.yaml")
    one.data["a"]["b"].append(2)
    (other,) = yamlfile.parse("a: {b: [1]}\n", "file.yaml")
    assert other.data == {"a": {"b": [1]}}


def test_a_key_that_is_no_text_has_the_line_of_what_json_calls_it() -> None:
    (document,) = yamlfile.parse("a: 1\nyes:\n  8080: x\n", "file.yaml")
    assert document.data == {"a": 1, "true": {"8080": "x"}}
    assert [document.line_of("true"), document.line_of("true", "8080")] == [2, 3]
