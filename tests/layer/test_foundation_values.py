"""Values of foundations, as they are kept for helm and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e.foundations import manifests
from platform_e2e.layer import foundation_values, yamlfile


@pytest.mark.parametrize("text", ["\N{LARGE RED CIRCLE} down", "caf\u00e9", "a\u0001b", "plain"])
def test_what_is_not_ascii_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    values = {"notifiers": {"message": text}}
    path = foundation_values.stored("argo-cd", values)
    assert manifests.read(path) == values
    (document,) = yamlfile.parse(path.read_text(encoding="utf-8"), path.name)
    assert document.data == values
