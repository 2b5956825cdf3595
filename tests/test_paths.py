"""What is needed for a while stands within the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e import paths


def test_what_is_needed_for_a_while_stands_in_the_cache_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    with paths.scratch() as first, paths.scratch() as second:
        assert first != second
        assert first.is_relative_to(tmp_path / "cache"), "elsewhere nobody would look for what a killed run leaves"
    assert list((tmp_path / "cache" / "scratch").iterdir()) == []


def test_whoever_may_not_write_into_the_cache_has_it_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file is in the way")
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with paths.scratch() as scratch:
        assert scratch.parent == tmp_path
    assert not scratch.exists()
