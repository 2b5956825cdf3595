"""An earlier run, an incident and the copy of a layer are opened, unpacked and written by the same functions."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.incident import archive as incident_archive
from platform_e2e.runs import find_run
from platform_e2e.untrusted import archive
from platform_e2e.untrusted.archive import Content
from platform_e2e.untrusted.members import ArchiveLimits

LIMITS = ArchiveLimits(archive=1 << 20, members=100, kept=1 << 20, file=1 << 20)
LAYER: dict[str, Content] = {
    "apps/a.yaml": ("file", b"a: 1\n", False),
    "apps/b.yaml": ("link", b"a.yaml", False),
    "run.sh": ("file", b"#!/bin/sh\n", True),
}


def packed(contents: dict[str, Content]) -> bytes:
    out = io.BytesIO()
    archive.pack(out, contents)
    return out.getvalue()


def test_what_is_packed_is_unpacked_for_this_user_alone(tmp_path: Path) -> None:
    archive.unpack(packed(LAYER), tmp_path, "the copy", "take another", LIMITS)
    assert (tmp_path / "apps" / "a.yaml").read_bytes() == b"a: 1\n"
    assert (tmp_path / "apps" / "b.yaml").readlink() == Path("a.yaml")
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("apps/a.yaml", "run.sh")] == [0o600, 0o700]
    assert packed(LAYER) == packed(dict(LAYER))


def test_only_what_is_wanted_is_read_and_the_rest_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(LAYER))
    opened = archive.read(path, "a", "take another", LIMITS, lambda name: name.suffix == ".sh")
    assert opened.files == {PurePosixPath("run.sh"): b"#!/bin/sh\n"}
    assert opened.others == [PurePosixPath("apps/a.yaml"), PurePosixPath("apps/b.yaml")]
    with pytest.raises(WrongUsage, match=r"a is not read: apps/b\.yaml is a link\n  remedy: take another"):
        archive.read(path, "a", "take another", LIMITS)


def test_a_file_that_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("mine")
    with pytest.raises(WrongUsage, match=r"the copy cannot be unpacked: .*run\.sh"):
        archive.unpack(packed(LAYER), tmp_path, "the copy", "take another", LIMITS)
    assert (tmp_path / "run.sh").read_text() == "mine"


OPENERS: dict[str, Callable[[Path], object]] = {
    "replay": lambda path: find_run.find(str(path), path.parent),
    "reproduce": incident_archive.read,
}


@pytest.mark.parametrize("opener", OPENERS)
def test_a_run_and_an_incident_that_cannot_be_opened_end_in_the_same_sentences(tmp_path: Path, opener: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, words in (
        ("pipe", "is not a plain file"),
        ("a\0b", "null byte|does not exist"),
        ("loop", "loop|does not exist"),
    ):
        with pytest.raises(WrongUsage, match=words) as refused:
            OPENERS[opener](tmp_path / name)
        assert refused.value.remedy.startswith("name ")
