"""What a layer is called and which content it has, said before anything of it is read for the run itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fixtures.comparing import layer_digest
from platform_e2e.layer import tree
from platform_e2e.report import digest


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    (tmp_path / "platform" / "apps").mkdir(parents=True)
    (tmp_path / "platform" / "apps" / "one.yaml").write_text("one")
    return tmp_path / "platform"


def test_a_digest_is_of_the_content_without_the_runs(layer: Path) -> None:
    artifacts = layer / "artifacts"
    before = layer_digest(layer, artifacts)
    assert len(before) == digest.DIGITS
    artifacts.mkdir()
    (artifacts / "history.jsonl").write_text("a line of each run")
    assert layer_digest(layer, artifacts) == before
    (layer / "apps" / "one.yaml").write_text("two")
    assert layer_digest(layer, artifacts) != before


def test_what_no_layer_may_have_is_not_opened_and_has_no_digest(layer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(layer / "pipe")
    assert layer_digest(layer, layer / "artifacts") == ""
    assert digest.tree(layer) == digest.tree(layer / "pipe") == ""
    (layer / "pipe").unlink()
    monkeypatch.setattr(tree, "LARGEST_LAYER", 2)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read"))
    assert layer_digest(layer, layer / "artifacts") == ""
    assert layer_digest(layer / "none", layer / "artifacts") == ""
