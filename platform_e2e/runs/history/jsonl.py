"""A file of JSON lines that outlives runs: appended to under a lock, bounded, and readable whatever has happened to it."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from platform_e2e.atomic import atomic_write
from platform_e2e.toolbox.locks import FileLock, LockBusy

LINES_KEPT = 2000
"""Of one file: five years of nights."""

BYTES_KEPT = 32 * 1024 * 1024
"""The same in bytes, where a layer has thousands of tests; it is read in a fraction of a second."""

SLACK = 1.1
"""How far a file may outgrow its bounds before it is written again without its oldest lines."""

LOCK_SECONDS = 10.0
"""How long another run may hold the lock; it needs milliseconds."""

Line = TypeVar("Line")


@dataclass(frozen=True)
class Lines(Generic[Line]):
    """What a file has.

    Attributes:
        whole: what could be read, oldest first.
        damaged: how many lines could not.
    """

    whole: tuple[Line, ...]
    damaged: int = 0


@dataclass(frozen=True)
class Ledger:
    """One file of JSON lines.

    Attributes:
        path: of the file; it need not exist.
        lines: how many of the newest are kept.
        size: how many bytes of the newest are kept.
    """

    path: Path
    lines: int = LINES_KEPT
    size: int = BYTES_KEPT

    def read(self, parse: Callable[[Any], Line], newest: int = LINES_KEPT) -> Lines[Line]:
        """Return what can be read; a line that was torn by a crash or damaged otherwise is counted and left out.

        Args:
            parse: makes the value from a line's plain data, or raises ValueError.
            newest: how many of the last lines are looked at.

        Raises:
            OSError: the file cannot be read at all.
        """
        if not self.path.exists():
            return Lines(())
        with contextlib.ExitStack() as stack:
            # Where no lock can be had, as on a read-only disk, a line that is just being written counts as torn.
            with contextlib.suppress(OSError):
                stack.enter_context(self._locked())
            content = self._regular().read_bytes()
        whole, damaged = [], 0
        for raw in [raw for raw in content.split(b"\n") if raw.strip()][-newest:]:
            try:
                whole.append(parse(json.loads(raw, parse_constant=_refuse)))
            except (ValueError, RecursionError):
                damaged += 1
        return Lines(tuple(whole), damaged)

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line at the end, on a line of its own also after a torn one; a disk that is full leaves the file as it was.

        Raises:
            OSError: it cannot be written, or another process holds the lock for too long.
        """
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=False, default=str, allow_nan=False)
        # A lone surrogate, which a file name can have, is not UTF-8.
        raw = text.encode(errors="replace") + b"\n"
        with self._locked():
            self._add(raw)
            self._trim()

    def _add(self, raw: bytes) -> None:
        """Write one line and have it on the disk, or nothing of it."""
        self._regular()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            left = memoryview(b"\n" + raw if torn else raw)
            position = size
            try:
                while left:
                    written = os.pwrite(descriptor, left, position)
                    left, position = left[written:], position + written
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)

    def _trim(self) -> None:
        """Write the file again without its oldest lines where it has outgrown its bounds."""
        content = self.path.read_bytes()
        lines = content.splitlines(keepends=True)
        if len(lines) <= self.lines * SLACK and len(content) <= self.size * SLACK:
            return
        kept: list[bytes] = []
        room = self.size
        for line in reversed(lines[-self.lines :]):
            room -= len(line)
            if kept and room < 0:
                break
            kept.append(line)
        # Through a symbolic link that a person has made, to where they want it.
        atomic_write(self.path.resolve(), b"".join(reversed(kept)))

    def _regular(self) -> Path:
        """Return the path, unless something else than a file is there: a device would be read for ever."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(self.path.stat().st_mode):
                raise OSError(f"{self.path} is not a regular file")
        return self.path

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the file alone, over all processes.

        Raises:
            OSError: no lock can be had there, or another process holds it for too long.
        """
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            release = lock.take(f"reads or writes {self.path}", timeout=LOCK_SECONDS)
        except LockBusy as error:
            raise OSError(error.problem) from error
        try:
            yield
        finally:
            release()


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ValueError(f"{constant} is not a value of JSON")
