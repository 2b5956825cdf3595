"""A file that is written anew is there as a whole, or the one before is."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from platform_e2e.atomic import atomic_write


@pytest.mark.parametrize("content", ["später\r\n", "später\r\n".encode()])
def test_the_new_one_has_every_character(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "run.json"
    path.write_text("before")
    atomic_write(path, content)
    assert path.read_bytes() == "später\r\n".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ends", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_does_not_come_to_its_end_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: BaseException
) -> None:
    path = tmp_path / "run.json"
    path.write_text("before")
    write = Path.write_bytes

    def stop(path: Path, data: bytes) -> int:
        write(path, data[:3])
        raise ends

    monkeypatch.setattr(Path, "write_bytes", stop)
    with pytest.raises(type(ends)):
        atomic_write(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path], "nothing of the new one"
