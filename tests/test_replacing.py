"""A file that is written anew is there as a whole, or the one before is."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from platform_e2e.replacing import write_anew


@pytest.mark.parametrize("content", ["später\r\n", "später\r\n".encode()])
def test_the_new_one_has_every_character(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "run.json"
    path.write_text("before")
    write_anew(path, content)
    assert path.read_bytes() == "später\r\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("before")
    (tmp_path / ".run.json.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as raised:
        write_anew(path, "after")
    assert raised.value.errno == errno.ENOSPC
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path], "nothing of the new one"
