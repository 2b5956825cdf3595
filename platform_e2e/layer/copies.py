"""Copy a repository to render it: whatever is done to the copy, the user's own files stay as they are."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.errors import WrongUsage
from platform_e2e.untrusted import plainfile
from platform_e2e.untrusted.plainfile import NotPlain

MOST_FILES = 500_000
"""Files of one repository; that of Kubernetes has 30,000."""

MOST_BYTES = 4 << 30
"""Bytes of one repository's files; the clone of a layer is a hundredth of that."""

DEEPEST = 100
"""Levels of directories."""


@dataclass
class _Room:
    """What a copy may still take."""

    root: Path
    files: int
    bytes: int

    def take(self, size: int) -> None:
        self.files -= 1
        self.bytes -= size
        if self.files < 0 or self.bytes < 0:
            raise WrongUsage(
                f"{self.root} cannot have more than {MOST_FILES} files or {MOST_BYTES >> 30} GiB",
                "name the directory of the layer's own repository, without what is built or downloaded there",
            )


def copy(source: Path, target: Path, owner: int | None) -> None:
    """Copy a directory without `.git`: directories, plain files and links as links; what else there is stays out.

    Args:
        source: the directory; links in it are not followed.
        target: the directory to make.
        owner: user and group that get the copy; None leaves it to this user.

    Raises:
        WrongUsage: it is too large, nested too deeply, or has a file that cannot be read.
    """
    room = _Room(source, MOST_FILES, MOST_BYTES)
    try:
        for made in _copied(source, target, room, 0):
            if owner is not None:
                os.chown(made, owner, owner, follow_symlinks=False)
    except OSError as error:
        raise WrongUsage(
            f"{source} cannot be read: {error.filename}: {error.strerror}", "let this user read all files of the layer"
        ) from error


def change(copied: Path, changed: Mapping[str, bytes | None], owner: int | None) -> None:
    """Change files of a copy.

    Args:
        copied: the copy, which may have links: nothing is written through one.
        changed: the new content of files, by path from the root; None removes the file.
        owner: user and group that get what is made; None leaves it to this user.
    """
    for name, content in changed.items():
        path = copied / name
        if any(above.is_symlink() for above in path.parents if above.is_relative_to(copied)):
            continue
        if path.is_symlink() or path.is_file():
            path.unlink()
        if content is None:
            continue
        made = [above for above in path.parents if not above.exists()]
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
        for each in (*made, path) if owner is not None else ():
            os.chown(each, owner or 0, owner or 0)


def _copied(source: Path, target: Path, room: _Room, depth: int) -> Iterator[Path]:
    """Copy a directory and yield everything that was made."""
    if depth > DEEPEST:
        raise WrongUsage(f"{room.root} cannot have more than {DEEPEST} levels of directories, got {source}")
    target.mkdir(mode=0o755)
    yield target
    with os.scandir(source) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        place = target / entry.name
        if entry.name == ".git":
            continue
        if entry.is_symlink():
            room.take(0)
            place.symlink_to(os.readlink(entry.path))  # noqa: PTH115  Path would write `./x` as `x`
            yield place
        elif entry.is_dir(follow_symlinks=False):
            room.take(0)
            yield from _copied(Path(entry.path), place, room, depth + 1)
        elif entry.is_file(follow_symlinks=False):
            yield _file(Path(entry.path), place, room)


def _file(source: Path, target: Path, room: _Room) -> Path:
    try:
        with plainfile.opened(source) as content, target.open("xb") as written:
            found = os.fstat(content.fileno())
            room.take(found.st_size)
            shutil.copyfileobj(content, written, 1 << 20)
    except NotPlain as error:
        raise WrongUsage(f"{source} was replaced while it was read", "change nothing of the layer meanwhile") from error
    target.chmod(0o755 if found.st_mode & stat.S_IXUSR else 0o644)
    return target
