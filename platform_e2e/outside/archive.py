"""Read archives from strangers: tar, tar.gz and zip, member by member, within bounds.

Nothing is unpacked, and no header is trusted: only bytes that were read count. `tarfile` keeps the names of extended headers and
the maps of sparse files in memory, however large they are, so this module parses the headers itself.
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
from platform_e2e.outside.shown import shown
from platform_e2e.outside.tarformat import (
    BLOCK,
    CHUNK,
    EXTENDED,
    TYPES,
    Counted,
    Exactly,
    Gunzip,
    Kind,
    Stream,
    extended_by,
    is_sound,
    name_of,
    number_of,
    text_of,
)

LARGEST_HEADER = 16 << 10
"""Largest extended header in bytes: a name has at most 4,096 (PATH_MAX of linux/limits.h)."""

MOST_HEADERS = 4
"""Most extended headers before one member: a name, a link's target, and further fields of POSIX and GNU."""

LONGEST_NAME = 480
"""Longest name of a member; names of evidence have about a hundred characters."""

LONGEST_LINK = 4096
"""Longest target of a link in a zip, in bytes: PATH_MAX of linux/limits.h."""

DEEPEST = 40
"""Most directories in a member's name."""

LARGEST_DIRECTORY = 4 << 20
"""Largest directory at a zip's end, in bytes: that of 40,000 members with usual names."""

NONE = "it is neither a directory nor a .tar.gz, .tgz, .tar or .zip"


@dataclass(frozen=True)
class Limits:
    """The bounds of reading.

    Attributes:
        archive: bytes of all members together, unpacked.
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
    """A member of an archive.

    Attributes:
        name: the relative path, without `.` and `..`.
        kind: its kind.
        target: the target of a link.
        executable: whether its owner may execute it.
        size: bytes, as stated by the archive.
    """

    name: PurePosixPath
    kind: Kind
    target: str = ""
    executable: bool = False
    size: int = 0


class UnsafeArchive(WrongUsage):
    """A file is not an archive, or has content that no archive of ours has."""


def members(
    file: BinaryIO, where: str, remedy: str, limits: Limits, wanted: Callable[[Member], bool]
) -> Iterator[tuple[Member, bytes]]:
    """Yield every member, with its content if that is wanted.

    Args:
        file: the archive, at its beginning.
        where: the name of the archive in errors.
        remedy: the remedy in errors.
        limits: the bounds of reading.
        wanted: tells whether a file's content is needed.

    Raises:
        UnsafeArchive: it cannot be read to its end, a name or a link leads out of it, it has something twice, or it exceeds the
            limits; members that were yielded before must not be used.
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
        # RuntimeError: a zip with a compression that Python does not support (NotImplementedError).
        raise reading.refused(f"it cannot be read to its end: {shown(str(error))}") from error


def leads_out(name: str, start: PurePosixPath | None = None) -> bool:
    """Tell whether the name of a member, or the target of a link in `start`, is outside of its archive."""
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

    def __init__(self, where: str, remedy: str, limits: Limits, wanted: Callable[[Member], bool]) -> None:
        self.where = where
        self.remedy = remedy
        self.limits = limits
        self.wanted = wanted
        self.left = limits.archive
        self.kept = limits.kept
        self.names: dict[str, Kind] = {}
        self.count = 0

    def refused(self, why: str) -> UnsafeArchive:
        return UnsafeArchive(f"{self.where} is not read: {why}", self.remedy)

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise self.refused(f"its members have more than {_amount(self.limits.archive)} unpacked")

    def counted(self) -> None:
        self.count += 1
        if self.count > self.limits.members:
            raise self.refused(f"it has more than {self.limits.members} members")

    def member(
        self, name: str, kind: Kind, *, target: str = "", executable: bool = False, size: int = 0
    ) -> Member | None:
        """Check a member, and return it; None for the archive's own directory."""
        what = shown(name[:200])
        if leads_out(name):
            raise self.refused(f"{what} leads out of it")
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise self.refused(f"{what} has a name that is too long or cannot be printed")
        path = PurePosixPath(name)
        if len(path.parts) > DEEPEST:
            raise self.refused(f"{what} is more than {DEEPEST} directories deep")
        if any(part.rstrip(". ").lower() == ".git" for part in path.parts):
            # Git runs programs that a repository's own configuration names.
            raise self.refused(f"{what} would make it a repository of Git")
        if kind is Kind.OTHER:
            raise self.refused(f"{what} is {kind}")
        if kind in {Kind.LINK, Kind.HARD_LINK} and leads_out(
            target, path.parent if kind is Kind.LINK else PurePosixPath()
        ):
            # A hard link's target is a name of the archive, a symbolic link's is relative to its own directory.
            raise self.refused(f"{what} is a link to {shown(target[:200])}, out of it")
        if not path.parts:
            return None
        self.remember(str(path), kind, what)
        return Member(path, kind, target, executable, size)

    def remember(self, name: str, kind: Kind, what: str) -> None:
        """Refuse a name that exists already, or lies below a member that is not a directory."""
        before = self.names.get(name)
        if before is not None and not (before is kind is Kind.DIRECTORY):
            raise self.refused(f"it has {what} twice")
        self.names[name] = kind
        above = PurePosixPath(name).parent
        while above.parts:
            known = self.names.get(str(above))
            if known is Kind.DIRECTORY:
                return
            if known is not None:
                raise self.refused(f"it has {what} twice: {shown(str(above))} is no directory")
            self.counted()
            self.names[str(above)] = Kind.DIRECTORY
            above = above.parent

    def content(self, member: Member, read: Callable[[int], bytes]) -> bytes:
        """Return a wanted member's content: the bytes that exist, whatever its stated size."""
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
                kind = Kind.DIRECTORY if info.is_dir() else _SORTS.get(sort, Kind.OTHER)
                if info.flag_bits & 1 or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    # The decompressors of bzip2 and LZMA do not stop at a number of bytes.
                    raise self.refused(
                        f"{shown(info.filename[:200])} cannot be read to its end: encrypted or packed unusually"
                    )
                if "\\" in info.orig_filename or "\0" in info.orig_filename:
                    raise self.refused(f"{shown(info.orig_filename[:200])} leads out of it")
                target = ""
                if kind is Kind.LINK:
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
                    wanted = kind is Kind.FILE and self.wanted(member)
                    yield member, self.of_zip(archive, info, member) if wanted else b""

    def of_zip(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, member: Member) -> bytes:
        with archive.open(info) as file:
            return self.content(member, file.read)

    def tar(self, stream: Stream) -> Iterator[tuple[Member, bytes]]:
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
                raise self.refused("it has a member of less than no bytes")
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
            # The size in pax, not in the header, which has room for 8 GiB.
            size = int(said["size"]) if said.get("size", "").isdecimal() else size
            kind = TYPES.get(sort, Kind.OTHER)
            # An old archive has no type for directories.
            name = said.get("path") or name_of(block)
            kind = Kind.DIRECTORY if kind is Kind.FILE and name.endswith("/") else kind
            target = said.get("linkpath") or text_of(block[157:257])
            said = {}
            mode = number_of(block[100:108])
            member = self.member(name, kind, target=target, executable=bool(mode & 0o100), size=size)
            size = size if kind is Kind.FILE else 0
            if member is not None and kind is Kind.FILE and self.wanted(member):
                left = Counted(source, size)
                yield member, self.content(member, left.read)
                source.skip(-size % BLOCK)
                continue
            source.skip(size + -size % BLOCK)
            if member is not None:
                yield member, b""
        if first and not block:
            raise self.refused(NONE)


_SORTS = {0: Kind.FILE, stat.S_IFREG: Kind.FILE, stat.S_IFLNK: Kind.LINK, stat.S_IFDIR: Kind.DIRECTORY}


def _amount(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size} bytes"


class _Chunks(io.RawIOBase):
    """A file that refuses large reads: zipfile reads the directory at the end as a whole, however large."""

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
