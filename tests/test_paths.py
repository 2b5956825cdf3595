"""What is needed for a while stands within the cache."""

from __future__ import annotations

import errno
import os
import tempfile
import time
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
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    make = tempfile.mkdtemp

    def refuse(suffix: str | None = None, prefix: str | None = None, dir: Path | None = None) -> str:  # noqa: A002
        if dir == tmp_path / "cache" / "scratch":
            raise PermissionError(errno.EACCES, "Permission denied", str(dir))
        return make(suffix, prefix, dir)

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with paths.scratch() as scratch:
        assert scratch.parent == tmp_path
    assert not scratch.exists()


def test_what_a_killed_run_has_left_goes_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    left = tmp_path / "scratch" / "platform-e2e-left"
    (left / "objects").mkdir(parents=True)
    os.utime(left, (time.time() - paths.SCRATCH_SECONDS - 1,) * 2)
    with paths.scratch() as needed:
        paths.sweep_scratch()
        assert list((tmp_path / "scratch").iterdir()) == [needed]
