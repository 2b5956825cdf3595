"""Write evidence: redacted, within limits, and nothing of it silently cut."""

from __future__ import annotations

import errno
import fcntl
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from platform_e2e import redact
from platform_e2e.atomic import atomic_write

LIMIT_SECONDS = 60.0
"""For all evidence of one failure; on a cluster that answers it takes a few seconds."""

SHARE = 10
"""One file has at most this part of all: a log that floods leaves room for the others."""

LONGEST = 5_000_000
"""Bytes of one file at most: what an editor still opens at once."""

LEAST = 4_096
"""Bytes that must be left for another file to be begun: less is not worth reading."""

RESERVE = 16_000_000
"""Bytes that evidence leaves free on the disk: JUnit XML, run.json and the timeline are written after it."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a system says when a disk, a quota or a file is full."""


@dataclass(frozen=True)
class IndexedFile:
    """One file of the index.

    Attributes:
        path: relative to the evidence's directory.
        bytes: its size.
        what: what it has, in a few words.
        truncated: whether something of it was left out.
        of_bytes: the size without that; None where it is not known, or where nothing was left out.
    """

    path: str
    bytes: int
    what: str
    truncated: bool = False
    of_bytes: int | None = None


@dataclass(frozen=True)
class LeftOut:
    """Something that is not there, and why."""

    what: str
    why: str = ""

    @property
    def sentence(self) -> str:
        """Return both."""
        return f"{self.what or 'something'}: {self.why}" if self.why else self.what or "something"


@dataclass(frozen=True)
class Index:
    """What index.json has; what was left out may also be a sentence."""

    files: tuple[IndexedFile, ...] = ()
    left_out: tuple[str | LeftOut, ...] = ()


class Store:
    """Write below one directory; several processes and threads may do so, with one limit for all.

    Args:
        directory: of the evidence; made when there is something to keep.
        ledger: what was written and what was left out, a line each, shared by the processes of the run.
        limit: bytes of all evidence together.
        end: monotonic second after which nothing more is written.
    """

    def __init__(self, directory: Path, ledger: Path, *, limit: int, end: float = float("inf")) -> None:
        self.directory = directory
        self.limit = limit
        self.end = end
        self.trouble = ""
        self._ledger = ledger
        self._threads = threading.Lock()
        self._known: list[Mapping[str, Any]] = []
        self._offset = 0
        self._total = 0

    @property
    def most(self) -> int:
        """Return how many bytes one file may have."""
        return min(LONGEST, self.limit // SHARE)

    def text(
        self, path: str, content: str, what: str, *, keep: Literal["start", "end"] = "start", more: str = ""
    ) -> None:
        """Write a text without its secrets; nothing where there is nothing.

        Args:
            path: relative to the directory.
            content: the text.
            what: it is, for the index.
            keep: which part is kept where it is too long; of a log the end.
            more: why there is more of it elsewhere that was not even read, as the last line says; empty where this is all.
        """
        if not content:
            return
        size = len(content.encode(errors="replace"))
        # A line at a time is looked at for secrets: a part that cannot be kept need not be.
        shown = redact.text(_cut(content, 3 * self.most, keep))
        self._write(path, shown.encode(errors="replace"), what, keep=keep, size=size, more=more)

    def json(self, path: str, data: Any, what: str) -> None:
        """Write plain data as JSON without its secrets; looked at as a text too, it might be JSON no more.

        Args:
            path: relative to the directory.
            data: of lists, mappings and what JSON has; what it has not is written as a text.
            what: it is, for the index.
        """
        parsed = json.loads(json.dumps(data, default=str))
        content = (json.dumps(redact.plain(parsed), indent=1) + "\n").encode()
        self._write(path, content, what, keep="start", size=len(content))

    def data(self, path: str, content: bytes, what: str) -> None:
        """Write an archive of parts without secrets, whole or not at all."""
        self._write(path, content, what, keep=None, size=len(content))

    def left_out(self, what: str, why: str) -> None:
        """Note what is not there."""
        self._note({"what": what, "why": redact.text(why)})

    def _write(
        self, path: str, content: bytes, what: str, *, keep: Literal["start", "end"] | None, size: int, more: str = ""
    ) -> None:
        """Write bytes within the limits, or note why not."""
        with self._locked():
            room = self.limit - self._total
            why = self._refused(room, len(content), whole=keep is None)
            if why:
                self._note({"what": f"{path} ({what})", "why": why}, locked=True)
                return
            truncated = bool(more)
            most = min(self.most, room)
            if keep is not None and len(content) > most:
                kept = _cut(content.decode(errors="replace"), most, keep)
                left = size - len(kept.encode())
                reason = (
                    f"a file has at most {self.most} bytes"
                    if most == self.most
                    else f"all evidence has at most {self.limit} bytes"
                )
                where = "the start" if keep == "end" else "the end"
                content = f"{kept.rstrip(chr(10))}\n[{left} of {size} bytes left out at {where}: {reason}]\n".encode()
                truncated = True
            elif more:
                content = content.rstrip(b"\n") + f"\n[{more}]\n".encode()
            if self._put(self.directory / path, content, f"{path} ({what})"):
                self._note(
                    asdict(IndexedFile(path, len(content), what, truncated, size if truncated and not more else None)),
                    locked=True,
                )

    def _refused(self, room: int, size: int, *, whole: bool) -> str:
        """Return why nothing more is written, or an empty text."""
        if self.trouble:
            return self.trouble
        if time.monotonic() >= self.end:
            return "reading the evidence took too long"
        if room < (size if whole else min(size, LEAST)):
            return f"all evidence has at most {self.limit} bytes (--evidence-limit)"
        if whole and size > self.limit // 2:
            return f"its {size} bytes are more than half of all evidence may have (--evidence-limit)"
        existing = next(directory for directory in (self.directory, *self.directory.parents) if directory.exists())
        free = shutil.disk_usage(existing).free
        if free < RESERVE + min(size, self.most):
            self.trouble = f"the disk is full: {existing} has {free} bytes left, which the results need"
        return self.trouble

    def _put(self, path: Path, content: bytes, what: str) -> bool:
        """Write a file, whole or not at all."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            if error.errno in NO_ROOM:
                self.trouble = f"the disk is full: {path.parent} takes nothing more"
            self._remove(path)
            self._note({"what": what, "why": f"it could not be written: {error.strerror}"}, locked=True)
            return False
        return True

    def _remove(self, path: Path) -> None:
        """Remove what was written of a file."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self.trouble = self.trouble or f"{path} cannot be removed: {error.strerror}"

    @contextmanager
    def _locked(self) -> Iterator[list[Mapping[str, Any]]]:
        """Hold the ledger against other threads and processes; yield what it has. Without one there is no limit to keep."""
        with self._threads:
            try:
                self._ledger.parent.mkdir(parents=True, exist_ok=True)
                file = self._ledger.open("a+b")
            except OSError as error:
                self.trouble = self.trouble or f"{self._ledger} cannot be written: {error.strerror}"
                yield []
                return
            with file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._read(file)
                yield self._known

    def _read(self, file: BinaryIO) -> None:
        """Take over the whole lines that were added to the ledger since it was last read."""
        file.seek(self._offset)
        added = file.read()
        added = added[: added.rfind(b"\n") + 1]
        self._offset += len(added)
        entries = _parsed(added.decode(errors="replace"))
        self._known += entries
        self._total += sum(entry["bytes"] for entry in entries if "bytes" in entry)

    def _note(self, entry: Mapping[str, Any], *, locked: bool = False) -> None:
        """Append a line to the ledger."""
        if not locked:
            with self._locked():
                self._note(entry, locked=True)
            return
        try:
            with self._ledger.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            self.trouble = self.trouble or f"{self._ledger} cannot be written: {error.strerror}"

    @contextmanager
    def entries(self) -> Iterator[tuple[list[IndexedFile], list[Mapping[str, str]]]]:
        """Yield the files, and what was left out with the reasons; until that is written no other process writes."""
        with self._locked() as known:
            yield self._entries(known)

    def _entries(self, known: Sequence[Mapping[str, Any]]) -> tuple[list[IndexedFile], list[Mapping[str, str]]]:
        files = {entry["path"]: IndexedFile(**entry) for entry in known if "path" in entry}
        absent = {entry["what"]: entry for entry in known if "why" in entry}
        for path in sorted(self.directory.rglob("*")) if self.directory.exists() else ():
            name = str(path.relative_to(self.directory))
            if path.is_file() and name not in files and name not in {"index.json", "index.txt"}:
                files[name] = IndexedFile(name, path.stat().st_size, _guess(path))
        there = {name: entry for name, entry in files.items() if (self.directory / name).exists()}
        return [there[name] for name in sorted(there)], list(absent.values())


def _parsed(text: str) -> list[Mapping[str, Any]]:
    """Return the lines of a ledger; a last one that a full disk has cut off says nothing."""
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _guess(path: Path) -> str:
    """Return what a file has that others wrote."""
    return "what the test printed and logged" if path.name == "captured.txt" else "kept by the test"


def _cut(content: str, most: int, keep: Literal["start", "end"]) -> str:
    """Return a text's start or end of at most so many bytes, whole lines where that leaves something."""
    raw = content.encode(errors="replace")
    if len(raw) <= most:
        return content
    part = raw[:most] if keep == "start" else raw[-most:]
    text = part.decode(errors="ignore")
    head, _, tail = text.rpartition("\n") if keep == "start" else text.partition("\n")[::-1]
    return (head + "\n" if keep == "start" else head) if len(head) > most // 2 else (text if tail or not head else head)


def write_index(store: Store) -> None:
    """Write what the evidence has: `index.json` for programs, `index.txt` for people; nothing where there is none."""
    # All processes of a run write the same two files.
    with store.entries() as (files, absent):
        if files or absent:
            _write_index(store, files, absent)


def _write_index(store: Store, files: Sequence[IndexedFile], absent: Sequence[Mapping[str, str]]) -> None:
    data = {
        "files": [asdict(file) for file in files],
        "left_out": [dict(part) for part in absent],
        "limit": store.limit,
    }
    texts = {"index.json": json.dumps(data, indent=1) + "\n", "index.txt": index_text(files, absent, store.limit)}
    for name, content in texts.items():
        try:
            store.directory.mkdir(parents=True, exist_ok=True)
            atomic_write(store.directory / name, content)
        except OSError as error:
            store.trouble = store.trouble or f"the index cannot be written: {error.strerror}"


def index_text(files: Sequence[IndexedFile], absent: Sequence[Mapping[str, str]], limit: int) -> str:
    """Return the index for people: every file in a line, then what is missing and why."""
    total = sum(file.bytes for file in files)
    lines = [f"{len(files)} files, {total} bytes of at most {limit}. Secrets are [redacted].", ""]
    for file in files:
        cut = (
            f"  CUT, of {file.of_bytes} bytes"
            if file.of_bytes
            else "  CUT, its last line says how"
            if file.truncated
            else ""
        )
        lines.append(f"{file.bytes:>9}  {file.path:<60}  {file.what}{cut}")
    if absent:
        lines += ["", "Not here:", *(f"  {part['what']}: {part['why']}" for part in absent)]
    return "\n".join(lines) + "\n"
