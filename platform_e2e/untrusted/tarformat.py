"""Parse the format of tar archives: headers, extended headers, and streams that are read in parts (POSIX pax, GNU tar)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import BinaryIO, Protocol

BLOCK = 512
"""Bytes of a tar header; every part of an archive is padded to a multiple of it (POSIX pax)."""

CHUNK = 64 << 10


class MemberKind(StrEnum):
    """The type of a member."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    HARD_LINK = "hard link"
    OTHER = "neither a file, a directory nor a link"


TYPES = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"1": MemberKind.HARD_LINK,
    b"2": MemberKind.LINK,
    b"5": MemberKind.DIRECTORY,
}
"""Types of members by the byte of the header; devices (3, 4), named pipes (6), sparse files (S) and all others are refused."""

EXTENDED = frozenset({b"x", b"g", b"X", b"L", b"K"})
"""Types of headers about the member that follows: of POSIX, of Solaris, and of GNU for a long name or link."""


class ByteStream(Protocol):
    """The source of an archive's bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes; none at the end."""
        ...


def is_sound(block: bytes) -> bool:
    """Tell whether a header's checksum is right: the sum of its bytes, with spaces in place of the checksum."""
    if len(block) < BLOCK:
        return False
    try:
        stated = number_of(block[148:156])
    except ValueError:
        return False
    return stated == sum(block) - sum(block[148:156]) + 8 * 0x20


def number_of(field: bytes) -> int:
    """Return a number of a header: octal, or in base 256, as GNU writes large numbers."""
    if field[0] & 0x80:
        return int.from_bytes(field, "big", signed=True) if field[0] == 0xFF else int.from_bytes(field[1:], "big")
    digits = field.split(b"\0")[0].strip()
    return int(digits, 8) if digits else 0


def text_of(field: bytes) -> str:
    """Return a text of a header; bytes that are not UTF-8 become characters that cannot be printed."""
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")


def name_of(block: bytes) -> str:
    """Return the name of a header's member."""
    name, prefix = text_of(block[:100]), text_of(block[345:500])
    return f"{prefix}/{name}" if block[257:263] == b"ustar\0" and prefix else name


def extended_by(sort: bytes, data: bytes) -> dict[str, str]:
    """Return the fields of an extended header, which are about the member that follows.

    Raises:
        ValueError: a record is malformed.
    """
    if sort in {b"L", b"K"}:
        text = data.split(b"\0")[0].decode("utf-8", "surrogateescape")
        return {"path" if sort == b"L" else "linkpath": text}
    said = {}
    while data.strip(b"\0"):
        number, _, _ = data.partition(b" ")
        length = int(number) if number.isdigit() and len(number) < 8 else 0
        record = data[len(number) + 1 : length]
        name, mark, value = record.partition(b"=")
        if length < len(number) + 3 or length > len(data) or not mark or not value.endswith(b"\n"):
            raise ValueError("a broken extended header")
        said[name.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "surrogateescape")
        data = data[length:]
    # A global header has a comment, for instance of `git archive`; only a sparse file in it matters.
    return said if sort != b"g" else {name: value for name, value in said.items() if "sparse" in name.lower()}


class Gunzip:
    """Unpack gzip, also several streams in a row, never more bytes than were asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._packed = b""
        self._unpacker = zlib.decompressobj(wbits=31)

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes; none at the end."""
        while True:
            self._packed = self._packed or self._file.read(CHUNK)
            if self._unpacker.eof:
                if not self._packed.lstrip(b"\0"):
                    return b""
                self._unpacker = zlib.decompressobj(wbits=31)
            if not self._packed:
                raise EOFError("it ends too early")
            data = self._unpacker.decompress(self._packed, size)
            self._packed = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail
            if data:
                return data


class Exactly:
    """Read whole parts of a stream, and count the bytes."""

    def __init__(self, stream: ByteStream, spend: Callable[[int], None]) -> None:
        self._stream = stream
        self._spend = spend

    def read(self, size: int) -> bytes:
        """Return at most that many bytes; none at the end."""
        data = self._stream.read(size)
        self._spend(len(data))
        return data

    def data(self, size: int) -> bytes:
        """Return exactly that many bytes, and skip their padding."""
        found = b""
        padded = size + -size % BLOCK
        while len(found) < padded:
            chunk = self.read(padded - len(found))
            if not chunk:
                raise EOFError("it ends too early")
            found += chunk
        return found[:size]

    def block(self) -> bytes:
        """Return a header; an empty one at the end, which some programs do not mark."""
        found = b""
        while len(found) < BLOCK and (chunk := self.read(BLOCK - len(found))):
            found += chunk
        return found

    def skip(self, size: int) -> None:
        """Skip that many bytes."""
        while size > 0:
            chunk = self.read(min(CHUNK, size))
            if not chunk:
                raise EOFError("it ends too early")
            size -= len(chunk)


class Counted:
    """Read at most a number of bytes of a stream."""

    def __init__(self, source: Exactly, size: int) -> None:
        self._source = source
        self._left = size

    def read(self, size: int) -> bytes:
        """Return at most that many bytes; none at the end."""
        data = self._source.read(min(size, self._left)) if self._left else b""
        self._left -= len(data)
        return data
