"""Open, unpack and write archives of runs, incidents and layers, which a stranger may have made."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from platform_e2e.errors import WrongUsage
from platform_e2e.untrusted import plainfile
from platform_e2e.untrusted.members import ArchiveLimits, Member, members, refused
from platform_e2e.untrusted.printable import shown
from platform_e2e.untrusted.tarformat import MemberKind

Content = tuple[str, bytes, bool]
"""`file` or `link`, the bytes of the file or the path that the link leads to, and whether the file is executable."""


@dataclass(frozen=True)
class Opened:
    """What was read of an archive.

    Attributes:
        files: content of the wanted files by name.
        others: names of the members that were not wanted.
    """

    files: dict[PurePosixPath, bytes] = field(default_factory=dict)
    others: list[PurePosixPath] = field(default_factory=list)


@contextlib.contextmanager
def readable(where: str, remedy: str) -> Iterator[None]:
    """Turn every error of opening and reading a path into one sentence.

    Args:
        where: the path, as errors name it.
        remedy: what errors advise.

    Raises:
        WrongUsage: it cannot be read.
    """
    try:
        yield
    except plainfile.NotPlain as error:
        raise WrongUsage(f"{where} is not read: {shown(error.filename)} {error.strerror}", remedy) from error
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: a NUL in the name. RuntimeError: a loop of links, before Python 3.13, or `~name` of an unknown user.
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise WrongUsage(f"{where} cannot be read: {shown(str(why))}", remedy) from error


def read(
    path: Path, where: str, remedy: str, limits: ArchiveLimits, wanted: Callable[[PurePosixPath], bool] = lambda _: True
) -> Opened:
    """Return the wanted files of an archive; no part of it reaches the disk.

    Args:
        path: of the archive; a link to it is followed.
        where: it is, as errors name it.
        remedy: what errors advise.
        limits: how much is read.
        wanted: tells by its name whether a member's content is needed.

    Raises:
        UnsafeArchive: it is not an archive, is refused as a whole (see `members`), or a wanted member is a link.
        OSError: it cannot be opened.
    """
    found = Opened()
    with plainfile.opened(path.resolve()) as file:
        for member, content in members(file, where, remedy, limits, lambda member: wanted(member.name)):
            if member.kind is MemberKind.FILE and wanted(member.name):
                found.files[member.name] = content
            elif member.kind is not MemberKind.DIRECTORY and wanted(member.name):
                raise refused(where, f"{shown(str(member.name))} is a link", remedy)
            else:
                found.others.append(member.name)
    return found


def unpack(packed: bytes, directory: Path, where: str, remedy: str, limits: ArchiveLimits) -> None:
    """Unpack an archive of files and symbolic links below a directory, after all of it was looked at.

    Links that are harmless one by one may lead out together: the caller looks at the directory before it follows any.

    Args:
        packed: the archive.
        directory: an empty directory.
        where: the archive is, as errors name it.
        remedy: what errors advise.
        limits: how much is read.

    Raises:
        UnsafeArchive: it is refused as a whole (see `members`), or has a hard link.
        WrongUsage: it cannot be written.
    """
    for member, _ in members(io.BytesIO(packed), where, remedy, limits, lambda _: False):
        if member.kind is MemberKind.HARD_LINK:
            raise refused(where, f"{shown(str(member.name))} is neither a file nor a link", remedy)
    try:
        write_below(directory, members(io.BytesIO(packed), where, remedy, limits, lambda _: True))
    except (OSError, ValueError) as error:
        raise WrongUsage(f"{where} cannot be unpacked: {error}", remedy) from error


def write_below(directory: Path, found: Iterable[tuple[Member, bytes]]) -> None:
    """Write members of an archive below a directory, for this user alone.

    Args:
        directory: an empty or absent directory.
        found: files, directories and symbolic links, all of which were looked at before.

    Raises:
        OSError: one cannot be written, or exists already.
    """
    for member, content in found:
        target = directory / member.name
        if member.kind is MemberKind.DIRECTORY:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if member.kind is MemberKind.LINK:
            target.symlink_to(member.target)
        else:
            with target.open("xb") as file:
                file.write(content)
            target.chmod(0o700 if member.executable else 0o600)


def pack(file: BinaryIO, contents: Mapping[str, Content]) -> None:
    """Write a .tar.gz; the same contents in the same order always give the same bytes.

    Args:
        file: to write to.
        contents: by relative path.
    """
    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for name, (kind, content, executable) in contents.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755 if executable else 0o644
            if kind == MemberKind.LINK:
                member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(content)
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
