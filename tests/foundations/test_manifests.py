"""YAML is read by Kubernetes' rules and written so that every reader reads the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml.constructor import DuplicateKeyError

from platform_e2e.foundations import manifests


def test_an_unquoted_equals_sign_is_text() -> None:
    assert manifests.parse("enum:\n- =\n- =~\n") == [{"enum": ["=", "=~"]}]


def test_documents_with_comments_only_are_none() -> None:
    assert manifests.parse("---\n# nothing\n---\na: 1\n---\n") == [{"a": 1}]


@pytest.mark.parametrize("text", ["{}\n", "", "# nothing\n"])
def test_a_file_without_values_has_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "values.yaml").write_text(text)
    assert manifests.read(tmp_path / "values.yaml") == {}


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(DuplicateKeyError):
        manifests.parse("speaker: {}\nspeaker: {}\n")


def test_words_that_yaml_1_1_takes_for_truth_values_survive(tmp_path: Path) -> None:
    path = tmp_path / "below" / "values.yaml"
    manifests.write(path, {"args": ["--appendonly", "no"], "tag": "3.10"})
    assert '"no"' in path.read_text()
    assert manifests.read(path) == {"args": ["--appendonly", "no"], "tag": "3.10"}


def test_documents_are_told_apart_and_do_not_share_what_they_say() -> None:
    text = "--- # first\na: |\n  --- within\nb: {c: 1}\n---\n# nothing\n---\n\n--- {a: 2}\n"
    first, second = manifests.parse(text)
    assert (first["a"], second) == ("--- within\n", {"a": 2})
    first["b"]["c"] = 7
    assert manifests.parse(text)[0]["b"] == {"c": 1}
