"""Read the members of an untrusted tar, tar.gz or zip archive one by one, within bounds.

Sizes are counted from the bytes that were read, never taken from a header. `tarfile` keeps the names of extended headers and the
maps of sparse files in memory, however large they are, so the headers are read here.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from platform_e2e.errors import WrongUsage
from platform_e2e.untrusted.printable import shown
from platform_e2e.untrusted.tarformat import (
    BLOCK,
    CHUNK,
    EXTENDED,
    TYPES,
    ByteStream,
    Counted,
    Exactly,
    Gunzip,
    MemberKind,
    extended_by,
    is_sound,
    name_of,
    number_of,
    text_of,
)

LARGEST_HEADER = 16 << 10
"""Bytes of an extended header; a name has at most 4,096 (PATH_MAX of linux/limits.h)."""

MOST_HEADERS = 4
"""Extended headers before one member: a name, the target of a link, and one more of POSIX and of GNU each."""

LONGEST_NAME = 480
"""Characters of a member's name; the names of evidence have about a hundred."""

LONGEST_LINK = 4096
"""Bytes of the target of a link in a zip: PATH_MAX of linux/limits.h."""

DEEPEST = 40
"""Directories in a member's name."""

LARGEST_DIRECTORY = 4 << 20
"""Bytes of the directory at a zip's end, enough for 40,000 members with usual names."""

NONE = "it is neither a directory nor a .tar.gz, .tgz, .tar or .zip"


@dataclass(frozen=True)
class ArchiveLimits:
    """Bounds of what is read.

    Attributes:
        archive: unpacked bytes of all members together, wanted or not.
        members: number of members.
        kept: bytes of all wanted members together.
        file: bytes of one wanted member.
    """

    archive: int
    members: int
    kept: int
    file: int


@dataclass(frozen=True)
class Member:
    """One member.

    Attributes:
        name: relative path without `.` and `..`.
        kind: file, directory or link.
        target: of a link.
        executable: whether its owner may execute it.
        size: bytes, as its header states.
    """

    name: PurePosixPath
    kind: MemberKind
    target: str = ""
    executable: bool = False
    size: int = 0


class UnsafeArchive(WrongUsage):
    """A file is not an archive, or has a member that no archive of this package has."""


def refused(where: str, why: str, remedy: str) -> UnsafeArchive:
    """Return the error for an archive that is not used.

    Args:
        where: the archive is, as a person can find it again.
        why: it is refused.
        remedy: what to do instead.
    """
    return UnsafeArchive(f"{where} is not read: {why}", remedy)


def members(
    file: BinaryIO, where: str, remedy: str, limits: ArchiveLimits, wanted: Callable[[Member], bool]
) -> Iterator[tuple[Member, bytes]]:
    """Yield every member with its content; the content of unwanted members is empty.

    Args:
        file: the archive, at its beginning.
        where: the archive is, as errors name it.
        remedy: what errors advise.
        limits: bounds of what is read.
        wanted: tells whether a file's content is needed.

    Raises:
        UnsafeArchive: it cannot be read to its end, a name or a link leads out of it, it has a name twice, or more than the
            limits allow; the caller must not use the members that were yielded before.
    """
    reading = _Reading(where, remedy, limits, wanted)
    head = file.read(BLOCK)
    file.seek(0)
    try:
        if head.startswith(b"PK"):
            yield from reading.zip(file)
        else:
            packed = head.startswith(b"\x1f\x8b")
            yield from reading.tar(Gunzip(file) if packed else file)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
        struct.error,
        OSError,
        ValueError,
        OverflowError,
    ) as error:
        # RuntimeError: a zip with a compression that Python does not know (NotImplementedError).
        raise reading.refused(f"it cannot be read to its end: {shown(str(error))}") from error


def leads_out(name: str, start: PurePosixPath | None = None) -> bool:
    """Tell whether a member's name leads out of its archive.

    Args:
        name: of the member, or the target of a link.
        start: the directory that a link's target is relative to; None for a name.
    """
    if not name or name.startswith(("/", "\\")) or "\0" in name:
        return True
    depth = len(start.parts) if start is not None else 0
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        depth += -1 if part == ".." else 0 if part == "." else 1
        if depth < 0 or (part == ".." and start is None):
            return True
    return False


class _Reading:
    """The state of reading one archive."""

    def __init__(self, where: str, remedy: str, limits: ArchiveLimits, wanted: Callable[[Member], bool]) -> None:
        self.where = where
        self.remedy = remedy
        self.limits = limits
        self.wanted = wanted
        self.left = limits.archive
        self.kept = limits.kept
        self.names: dict[str, MemberKind] = {}
        self.count = 0

    def refused(self, why: str) -> UnsafeArchive:
        return refused(self.where, why, self.remedy)

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise self.refused(f"its members must have at most {_amount(self.limits.archive)} unpacked, all together")

    def counted(self) -> None:
        self.count += 1
        if self.count > self.limits.members:
            raise self.refused(f"it has more than {self.limits.members} members")

    def member(
        self, name: str, kind: MemberKind, *, target: str = "", executable: bool = False, size: int = 0
    ) -> Member | None:
        """Check a member and return it; None for the top directory of the archive."""
        what = shown(name[:200])
        if leads_out(name):
            raise self.refused(f"{what} leads out of it")
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise self.refused(f"{what} has a name that is too long or cannot be printed")
        path = PurePosixPath(name)
        if len(path.parts) > DEEPEST:
            raise self.refused(f"{what} is more than {DEEPEST} directories deep")
        if any(part.rstrip(". ").lower() == ".git" for part in path.parts):
            # Git runs the programs that a repository's configuration names.
            raise self.refused(f"{what} would make it a repository of Git")
        if kind is MemberKind.OTHER:
            raise self.refused(f"{what} is {kind}")
        if kind in {MemberKind.LINK, MemberKind.HARD_LINK} and leads_out(
            target, path.parent if kind is MemberKind.LINK else PurePosixPath()
        ):
            # The target of a hard link is a name of the archive, that of a symbolic link is relative to its directory.
            raise self.refused(f"{what} is a link to {shown(target[:200])}, out of it")
        if not path.parts:
            return None
        self.remember(str(path), kind, what)
        return Member(path, kind, target, executable, size)

    def remember(self, name: str, kind: MemberKind, what: str) -> None:
        """Refuse a name that the archive has already, or that is below a name which is not a directory."""
        before = self.names.get(name)
        if before is not None and not (before is kind is MemberKind.DIRECTORY):
            raise self.refused(f"it has {what} twice")
        self.names[name] = kind
        above = PurePosixPath(name).parent
        while above.parts:
            known = self.names.get(str(above))
            if known is MemberKind.DIRECTORY:
                return
            if known is not None:
                raise self.refused(f"it has {what} twice: {shown(str(above))} is not a directory")
            self.counted()
            self.names[str(above)] = MemberKind.DIRECTORY
            above = above.parent

    def content(self, member: Member, read: Callable[[int], bytes]) -> bytes:
        """Return a wanted member's content, bounded by the bytes that were read and not by its header."""
        what = shown(str(member.name))
        if member.size > self.limits.file:
            raise self.refused(f"{what} has more than {_amount(self.limits.file)}")
        found = bytearray()
        while chunk := read(min(CHUNK, self.limits.file + 1 - len(found))):
            found += chunk
            self.kept -= len(chunk)
            if len(found) > self.limits.file:
                raise self.refused(f"{what} has more than {_amount(self.limits.file)}")
            if self.kept < 0:
                raise self.refused(f"its files that are needed have more than {_amount(self.limits.kept)}")
        if len(found) != member.size:
            raise self.refused(f"it ends within {what}")
        return bytes(found)

    def zip(self, file: BinaryIO) -> Iterator[tuple[Member, bytes]]:
        with zipfile.ZipFile(_Chunks(file)) as archive:
            infos = archive.infolist()
            for info in infos:
                self.counted()
                self.spend(info.file_size)
            for info in infos:
                mode = info.external_attr >> 16
                sort = stat.S_IFMT(mode)
                kind = MemberKind.DIRECTORY if info.is_dir() else _SORTS.get(sort, MemberKind.OTHER)
                if info.flag_bits & 1 or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    # The decompressors of bzip2 and LZMA do not stop at a number of bytes.
                    raise self.refused(
                        f"{shown(info.filename[:200])} cannot be read to its end: encrypted or packed unusually"
                    )
                if "\\" in info.orig_filename or "\0" in info.orig_filename:
                    raise self.refused(f"{shown(info.orig_filename[:200])} leads out of it")
                target = ""
                if kind is MemberKind.LINK:
                    if info.file_size > LONGEST_LINK:
                        raise self.refused(
                            f"{shown(info.filename[:200])} is a link with a name of {info.file_size} bytes"
                        )
                    target = self.of_zip(
                        archive, info, Member(PurePosixPath("link"), kind, size=info.file_size)
                    ).decode(errors="replace")
                member = self.member(
                    info.filename, kind, target=target, executable=bool(mode & 0o100), size=info.file_size
                )
                if member is not None:
                    wanted = kind is MemberKind.FILE and self.wanted(member)
                    yield member, self.of_zip(archive, info, member) if wanted else b""

    def of_zip(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, member: Member) -> bytes:
        with archive.open(info) as file:
            return self.content(member, file.read)

    def tar(self, stream: ByteStream) -> Iterator[tuple[Member, bytes]]:
        source = Exactly(stream, self.spend)
        said: dict[str, str] = {}
        extended = 0
        first = True
        while (block := source.block()).strip(b"\0"):
            if not is_sound(block):
                raise self.refused(NONE if first else "it cannot be read to its end: a broken header")
            first = False
            sort, size = block[156:157], number_of(block[124:136])
            if size < 0:
                raise self.refused("it has a member with a negative size")
            if sort in EXTENDED:
                extended += 1
                if size > LARGEST_HEADER or extended > MOST_HEADERS:
                    raise self.refused(
                        f"it has a header of more than {LARGEST_HEADER} bytes, or more than {MOST_HEADERS} for one member"
                    )
                self.counted()
                said |= extended_by(sort, source.data(size))
                if any("sparse" in name.lower() for name in said):
                    raise self.refused("it has a sparse file")
                continue
            self.counted()
            extended = 0
            # The extended header of pax outranks the header: a number there has at most 8 GiB.
            size = int(said["size"]) if said.get("size", "").isdecimal() else size
            kind = TYPES.get(sort, MemberKind.OTHER)
            # Old archives do not have a type for directories.
            name = said.get("path") or name_of(block)
            kind = MemberKind.DIRECTORY if kind is MemberKind.FILE and name.endswith("/") else kind
            target = said.get("linkpath") or text_of(block[157:257])
            said = {}
            mode = number_of(block[100:108])
            member = self.member(name, kind, target=target, executable=bool(mode & 0o100), size=size)
            size = size if kind is MemberKind.FILE else 0
            if member is not None and kind is MemberKind.FILE and self.wanted(member):
                left = Counted(source, size)
                yield member, self.content(member, left.read)
                source.skip(-size % BLOCK)
                continue
            source.skip(size + -size % BLOCK)
            if member is not None:
                yield member, b""
        if first and not block:
            raise self.refused(NONE)


_SORTS = {
    0: MemberKind.FILE,
    stat.S_IFREG: MemberKind.FILE,
    stat.S_IFLNK: MemberKind.LINK,
    stat.S_IFDIR: MemberKind.DIRECTORY,
}


def _amount(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes"


class _Chunks(io.RawIOBase):
    """A file that bounds one read: zipfile reads the directory at the end of an archive at once, however large it is."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = LARGEST_DIRECTORY + 1 if size is None or size < 0 else size
        if wanted > LARGEST_DIRECTORY:
            data = self._file.read(LARGEST_DIRECTORY + 1)
            if len(data) > LARGEST_DIRECTORY:
                raise zipfile.BadZipFile(f"it has a directory of more than {LARGEST_DIRECTORY >> 20} MiB")
            return data
        return self._file.read(wanted)
