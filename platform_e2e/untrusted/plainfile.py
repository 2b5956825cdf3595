"""Open files in directories that others may write to: only plain files, without following links, and up to a bound."""

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
"""Files and directories that are listed below one directory."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class NotPlain(OSError):
    """A path is a link, a named pipe, a device or a directory and not a plain file, or the file is too large."""


def opened(path: Path, below: Path | None = None) -> BinaryIO:
    """Open a plain file to read.

    Args:
        path: of the file; its last part must not be a link.
        below: a trusted directory; no part of the path below it may be a link.

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
        # Without O_NONBLOCK this process would wait for a writer of a named pipe.
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
        # ELOOP: a link. ENOTDIR: a link in place of a directory. ENXIO, ENODEV: a socket, or a device without a driver.
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.ENODEV}:
            raise NotPlain(error.errno, "is not a plain file, or is behind a link", str(path)) from error
        raise


def read(path: Path, most: int, below: Path | None = None) -> bytes:
    """Return the content of a plain file.

    Args:
        path: of the file.
        most: bytes that it may have.
        below: as in `opened`.

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
    """Return the last bytes of a plain file, and its size in bytes.

    Args:
        path: of the file.
        most: bytes to return.
        below: as in `opened`.

    Raises:
        NotPlain: it is not a plain file, or is behind a link.
        OSError: it cannot be read.
    """
    with opened(path, below) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        return file.read(most), size


def appended(path: Path) -> BinaryIO:
    """Open a plain file to append to it, and create it where it does not exist.

    Args:
        path: of the file; its last part must not be a link.

    Raises:
        NotPlain: it is not a plain file.
        OSError: it cannot be opened.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        found = os.open(path, flags, 0o666)
    except OSError as error:
        # ENXIO: a named pipe without a reader.
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.EISDIR}:
            raise NotPlain(error.errno, "is not a plain file", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise NotPlain(errno.EINVAL, "is not a plain file", str(path))
    os.set_blocking(found, True)
    return os.fdopen(found, "ab")


def in_directories(root: Path, suffix: str) -> list[Path]:
    """Return the entries of a directory's directories with a suffix, sorted; any of them may not be a plain file.

    Args:
        root: the directory; the links in it are returned, too.
        suffix: of the names.
    """
    found: list[Path] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(root) as entries:
        for entry in itertools.islice(entries, MOST_ENTRIES):
            if entry.is_symlink():
                found.append(Path(entry))
            elif entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError), os.scandir(entry) as inner:
                    entries_of = itertools.islice(inner, MOST_ENTRIES)
                    found += [Path(file) for file in entries_of if file.name.endswith(suffix)]
    return sorted(found)


def walk(root: Path, deepest: int) -> Iterator[tuple[Path, list[str]]]:
    """Yield directories and the names of the plain files in each, sorted; links are neither followed nor listed.

    Args:
        root: the first directory.
        deepest: levels of directories below it to look into.

    Raises:
        NotPlain: there are more than `MOST_ENTRIES` files and directories.
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
