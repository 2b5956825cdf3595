"""Copies of a repository: what is copied, what is not, and what is refused."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.layer import copies

pytestmark = pytest.mark.point("layer-rendered-apart")


def test_files_and_links_are_copied_as_they_are(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "a" / ".git").mkdir(parents=True)
    (source / "a" / "x.yaml").write_bytes(b"\xff\x00")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o4750)
    (source / "a" / "link").symlink_to("./../a//x.yaml")
    (source / "gone").symlink_to("/no/such/file")
    (source / "loop").symlink_to(".")
    (source / ".git").write_text("gitdir: elsewhere\n")
    os.mkfifo(source / "pipe")
    copies.copy(source, tmp_path / "target", None)
    copied = {str(path.relative_to(tmp_path / "target")): path for path in (tmp_path / "target").rglob("*")}
    assert copied.keys() == {"a", "a/link", "a/x.yaml", "gone", "loop", "run.sh"}
    assert copied["a/x.yaml"].read_bytes() == b"\xff\x00"
    # Path.readlink would write the first in another way.
    targets = [os.readlink(copied[name]) for name in ("a/link", "gone")]  # noqa: PTH115
    assert targets == ["./../a//x.yaml", "/no/such/file"]
    assert [stat.S_IMODE(copied[name].stat().st_mode) for name in ("run.sh", "a/x.yaml", "a")] == [0o755, 0o644, 0o755]


def test_a_copy_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(5):
        (source / str(number)).write_bytes(bytes(100))
    monkeypatch.setattr(copies, "MOST_FILES", 5)
    monkeypatch.setattr(copies, "MOST_BYTES", 500)
    copies.copy(source, tmp_path / "fits", None)
    (source / "more").touch()
    with pytest.raises(WrongUsage, match="cannot have more than"):
        copies.copy(source, tmp_path / "files", None)
    (source / "more").unlink()
    (source / "0").write_bytes(bytes(101))
    with pytest.raises(WrongUsage, match="cannot have more than"):
        copies.copy(source, tmp_path / "bytes", None)
    monkeypatch.undo()
    deep = tmp_path / "deep"
    (deep / "/".join("d" * 101)).mkdir(parents=True)
    with pytest.raises(WrongUsage, match="cannot have more than 100 levels of directories"):
        copies.copy(deep, tmp_path / "levels", None)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "secret").touch()
    monkeypatch.setattr("platform_e2e.untrusted.plainfile.opened", refuse)
    with pytest.raises(WrongUsage, match="secret: Permission denied"):
        copies.copy(tmp_path / "source", tmp_path / "target", None)


def test_a_repository_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"none cannot be read: .*No such file"):
        copies.copy(tmp_path / "none", tmp_path / "target", None)


def test_the_copy_belongs_to_whom_it_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "link").symlink_to("/etc/passwd")
    given: list[tuple[str, int, bool]] = []

    def chown(path: Path, user: int, group: int, *, follow_symlinks: bool) -> None:
        assert user == group
        given.append((str(path.relative_to(tmp_path)), user, follow_symlinks))

    monkeypatch.setattr(os, "chown", chown)
    copies.copy(tmp_path / "source", tmp_path / "target", 65534)
    assert given == [(name, 65534, False) for name in ("target", "target/a", "target/a/link")]
