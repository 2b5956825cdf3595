"""Open files that a stranger may have put there: only plain files, through no link, and up to a bound."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MOST_ENTRIES = 100_000
"""Most files and directories that are visited below one directory."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class NotPlain(OSError):
    """Something is a link, a named pipe, a device or a directory where a plain file must be, or is too large."""


def opened(path: Path, below: Path | None = None) -> BinaryIO:
    """Open a plain file to read.

    Args:
        path: the path of the file; its last part must not be a link.
        below: a directory of ours; below it no part of the path may be a link.

    Raises:
        NotPlain: it is not a plain file, or is behind a link.
        OSError: it cannot be opened, for instance because it does not exist.
    """
    inner = path.relative_to(below).parts if below is not None else (path.name,)
    outer = below if below is not None else path.parent
    descriptor = os.open(outer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in inner[:-1]:
            descriptor, before = _open(part, descriptor, path, os.O_DIRECTORY), descriptor
            os.close(before)
        # Without O_NONBLOCK a named pipe would block this process until another one writes to it.
        found = _open(inner[-1], descriptor, path, 0)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise NotPlain(errno.EINVAL, "is not a plain file", str(path))
    return os.fdopen(found, "rb")


def _open(part: str, directory: int, path: Path, flags: int) -> int:
    if part in {"", ".", ".."}:
        raise NotPlain(errno.EINVAL, "is not a plain file", str(path))
    try:
        return os.open(part, _FLAGS | flags, dir_fd=directory)
    except OSError as error:
        # ELOOP is a link, ENOTDIR one in place of a directory, ENXIO a socket or a device without its driver.
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENODEV}:
            raise NotPlain(error.errno, "is not a plain file, or is behind a link", str(path)) from error
        raise


def read(path: Path, most: int, below: Path | None = None) -> bytes:
    """Return a plain file's content.

    Args:
        path: the path of the file.
        most: most bytes in it.
        below: as for `opened`.

    Raises:
        NotPlain: it is not a plain file, is behind a link, or has more bytes.
        OSError: it cannot be read.
    """
    with opened(path, below) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise NotPlain(errno.EFBIG, f"has more than {most} bytes", str(path))
    return content


def end_of(path: Path, most: int, below: Path | None = None) -> tuple[bytes, int]:
    """Return the last bytes of a plain file, and its size.

    Args:
        path: the path of the file.
        most: most bytes to return.
        below: as for `opened`.

    Raises:
        NotPlain: it is not a plain file, or is behind a link.
        OSError: it cannot be read.
    """
    with opened(path, below) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        return file.read(most), size


def appended(path: Path) -> BinaryIO:
    """Open a plain file for appending, making it if it does not exist.

    Args:
        path: the path of the file; its last part must not be a link.

    Raises:
        NotPlain: it is not a plain file.
        OSError: it cannot be opened.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        found = os.open(path, flags, 0o666)
    except OSError as error:
        # ENXIO is a named pipe without a reader.
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise NotPlain(error.errno, "is not a plain file", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise NotPlain(errno.EINVAL, "is not a plain file", str(path))
    os.set_blocking(found, True)
    return os.fdopen(found, "ab")


def in_directories(root: Path, suffix: str) -> list[Path]:
    """Return the files with a suffix in the directories of a directory, sorted; opening one shows whether it is a plain file.

    Args:
        root: the directory; a link among its directories is returned itself.
        suffix: the suffix of the names.
    """
    found: list[Path] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(root) as entries:
        for entry in itertools.islice(entries, MOST_ENTRIES):
            if entry.is_symlink():
                found.append(Path(entry))
            elif entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError), os.scandir(entry) as inner:
                    names = (entry for entry in itertools.islice(inner, MOST_ENTRIES) if entry.name.endswith(suffix))
                    found += [Path(entry) for entry in names]
    return sorted(found)


def walk(root: Path, deepest: int) -> Iterator[tuple[Path, list[str]]]:
    """Yield directories with the names of their plain files, sorted; links are neither followed nor listed.

    Args:
        root: the directory to begin at.
        deepest: levels of directories below it.

    Raises:
        NotPlain: it has more than `MOST_ENTRIES` files and directories.
    """
    left = MOST_ENTRIES
    pending = [(root, 0)]
    while pending:
        here, depth = pending.pop()
        names, directories = [], []
        with contextlib.suppress(PermissionError, FileNotFoundError), os.scandir(here) as entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    raise NotPlain(errno.EFBIG, f"has more than {MOST_ENTRIES} files", str(root))
                if entry.is_file(follow_symlinks=False):
                    names.append(entry.name)
                elif entry.is_dir(follow_symlinks=False):
                    directories.append(entry.name)
        yield here, sorted(names)
        if depth < deepest:
            pending += [(here / name, depth + 1) for name in sorted(directories, reverse=True)]
