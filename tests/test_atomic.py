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

    def stop(*_names: object) -> None:
        raise ends

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(type(ends)):
        atomic_write(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path], "nothing of the new one"


@pytest.mark.point("host-files-stay")
def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others may write, too, they may plant what this process would write to."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    monkeypatch.setattr("platform_e2e.atomic.secrets.token_hex", lambda _: "known")
    path = tmp_path / "run.json"
    (tmp_path / ".run.json.known.new").symlink_to(victim)
    with pytest.raises(FileExistsError):
        atomic_write(path, "after")
    (tmp_path / ".run.json.known.new").unlink(missing_ok=True)
    path.symlink_to(victim)
    atomic_write(path, "after")
    assert victim.read_text() == "mine"
    assert not path.is_symlink()
