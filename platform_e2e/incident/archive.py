"""The file that an incident travels in: a tar.gz of small plain files, written redacted and read as hostile input."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, cast

from platform_e2e.errors import WrongUsage

MOST_BYTES = 128 << 20
"""Of all files together, unpacked; a layer of a thousand objects has about 2 MB, five thousand events about as much."""

MOST_FILES = 10_000
"""In one archive; a layer of a thousand objects has about a hundred."""

LONGEST_NAME = 400
"""Characters of a file's name with its directories."""

CAPTURE_AGAIN = "get the file again, or capture again: platform-e2e capture"


class UnsafeArchive(WrongUsage):
    """A file is no incident, or has what no capture writes: links, paths that lead outside, more than fits."""


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write an archive so that a reader sees the whole or nothing; only its owner may read it.

    Args:
        path: of the archive.
        files: name, with `/`, to content that is redacted already.

    Raises:
        WrongUsage: it cannot be written there, or is larger than what `read` takes.
    """
    total = sum(map(len, files.values()))
    if total > MOST_BYTES or len(files) > MOST_FILES:
        raise WrongUsage(
            f"the incident has {len(files)} files with {total} bytes, more than the {MOST_FILES} files with {MOST_BYTES} bytes "
            "that are taken",
            "name the Applications that it is about: --app NAME",
        )
    scratch = path.with_name(f".{path.name}.new")
    try:
        scratch.touch(mode=0o600)
        with (
            scratch.open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|") as tar,
        ):
            for name, content in sorted(files.items()):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
        _name(scratch, path)
    except FileExistsError as error:
        raise taken(path) from error
    except OSError as error:
        raise WrongUsage(f"{path} cannot be written: {error.strerror}", "name another file by --output") from error
    finally:
        # Also after Ctrl-C; what is whole has its name by then.
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def taken(path: Path) -> WrongUsage:
    """Return the error that a file of that name is there, which nobody replaces."""
    return WrongUsage(f"{path} is there already", "name another file by --output, or move that one away")


def _name(scratch: Path, path: Path) -> None:
    """Give a file that is whole its name, unless another has it already."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: between the question and the renaming nobody else is expected.
        if path.exists():
            raise FileExistsError(path) from None
        scratch.rename(path)


def read(path: Path) -> dict[str, bytes]:
    """Return the files of an archive by name; nothing of it reaches the disk.

    Args:
        path: of the archive.

    Raises:
        WrongUsage: there is no such file.
        UnsafeArchive: it is none, or has something that no capture writes.
    """
    if not path.is_file():
        raise WrongUsage(f"there is no file {path}", "name an incident that `platform-e2e capture` has written")
    try:
        with (
            gzip.open(path) as packed,
            tarfile.open(fileobj=cast("IO[bytes]", _Bounded(packed, path)), mode="r|") as tar,
        ):
            return _members(tar, path)
    except (tarfile.TarError, EOFError, zlib.error, OSError, UnicodeError) as error:
        raise UnsafeArchive(f"{path} is no tar.gz that can be read: {error}", CAPTURE_AGAIN) from error


def unpack(files: Mapping[str, bytes], target: Path, prefix: str = "") -> None:
    """Write files below a directory.

    Args:
        files: of an archive that `read` returned.
        target: the directory; it must be empty or absent.
        prefix: only files whose names begin with it, and without it.
    """
    for name, content in files.items():
        if name.startswith(prefix):
            path = target / name.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


class _Bounded:
    """A stream that ends a decompression bomb before it fills the memory."""

    def __init__(self, stream: gzip.GzipFile, path: Path) -> None:
        self._stream = stream
        self._path = path
        # Each member has a header of 512 bytes and is filled up to a multiple of it.
        self._left = MOST_BYTES + MOST_FILES * 1024 + (1 << 16)

    def read(self, size: int = -1) -> bytes:
        """Read as the stream does, as long as there is less than allowed."""
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        data = self._stream.read(wanted)
        self._left -= len(data)
        if self._left < 0:
            raise UnsafeArchive(f"{self._path} unpacks to more than {MOST_BYTES} bytes", CAPTURE_AGAIN)
        return data


def _members(tar: tarfile.TarFile, path: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for member in tar:
        if member.isdir():
            continue
        problem = _problem(member, files)
        if problem:
            raise UnsafeArchive(f"{path} has {member.name[:LONGEST_NAME]!r}: {problem}", CAPTURE_AGAIN)
        stream = tar.extractfile(member)
        content = stream.read() if stream is not None else b""
        if len(content) != member.size:
            raise UnsafeArchive(f"{path} ends within {member.name!r}", CAPTURE_AGAIN)
        files[member.name] = content
    return files


def _problem(member: tarfile.TarInfo, files: Mapping[str, bytes]) -> str:
    """Return why a member is none of a capture, or nothing."""
    name = member.name
    parts = PurePosixPath(name).parts
    if not member.isreg() or member.issparse():
        return "it is no plain file"
    if name.startswith("/") or ".." in parts or "\\" in name or str(PurePosixPath(name)) != name:
        return "its name leads out of the archive"
    if len(name) > LONGEST_NAME or not name.isprintable():
        return "its name is too long or cannot be printed"
    above = {str(one) for one in PurePosixPath(name).parents}
    if name in files or above & files.keys() or any(known.startswith(f"{name}/") for known in files):
        return "it is there twice"
    if member.size > MOST_BYTES or len(files) >= MOST_FILES:
        return f"it is larger than {MOST_BYTES} bytes, or one of more than {MOST_FILES} files"
    return ""
