"""Find an earlier run in what a person names: its directory, an archive of it, or its name below the artifacts.

Of an archive, which may come from a stranger, nothing is unpacked: the few files of a run that are needed are read, each up
to a bound, and an archive with a member that leads out of it is refused as a whole.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from platform_e2e.errors import WrongUsage
from platform_e2e.replay.keeping import COPY, SUMS
from platform_e2e.report import redact

RUN = "run.json"
"""What makes a directory one of a run."""

PATCH, HARNESS_PATCH = "uncommitted.patch", "harness.patch"

NEEDED = frozenset({RUN, COPY, SUMS, PATCH, HARNESS_PATCH})
"""The files of a run that a replay reads."""

LARGEST_FILE = 64 << 20
"""Bytes of one of them: run.json of 2,000 tests has about 4 MB, the copy of a layer is bounded to 20."""

LARGEST_ARCHIVE = 4 << 30
"""Bytes that all members of an archive have together, unpacked: an archive that claims more is made to fill a disk."""

MOST_MEMBERS = 200_000
"""A run with evidence of a hundred failures has some thousand files."""

DEEPEST = 6
"""Directories that are looked through below the one that was named."""

ARCHIVES = "a .tar.gz, .tgz, .tar or .zip"


class Source(Protocol):
    """A stream to read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes; none at the end."""
        ...


@dataclass(frozen=True)
class Kept:
    """What is left of an earlier run.

    Attributes:
        name: of the run's directory.
        where: it was found, as a person can find it again.
        directory: of the run, or None where it is in an archive.
        files: what is there of `NEEDED`, by name.
    """

    name: str
    where: str
    directory: Path | None
    files: Mapping[str, bytes]

    @property
    def run(self) -> Any:
        """Return run.json as plain data.

        Raises:
            WrongUsage: it is no JSON.
        """
        try:
            return json.loads(self.files[RUN])
        except (ValueError, RecursionError) as error:
            raise WrongUsage(
                f"--replay: {RUN} of {self.where} is no JSON: {error}", "take the run's directory again"
            ) from error

    def text(self, name: str) -> str:
        """Return one of the files as text; empty where it is not there."""
        return self.files.get(name, b"").decode(errors="replace")


def find(what: str, artifacts: Path) -> Kept:
    """Return the run that a person names.

    Args:
        what: a directory, an archive, run.json itself, or a name below `artifacts`.
        artifacts: where runs leave their directories.

    Raises:
        WrongUsage: there is none, or there are several; the text says what to do.
    """
    if "://" in what:
        raise WrongUsage(
            f"--replay: {redact.text(what)} is a URL, and nothing is downloaded for a replay",
            "download the artifact by hand, in the browser or with `gh run download RUN -n NAME`, and name the file or "
            "the directory",
        )
    path = Path(what).expanduser()
    if not path.exists() and len(PurePosixPath(what).parts) == 1:
        path = artifacts / what
    if not path.exists():
        raise WrongUsage(
            f"--replay: there is no {what}",
            f"name a run's directory, {ARCHIVES} of it, or its name below {artifacts}",
        )
    runs = _in_directory(path) if path.is_dir() else _in_file(path)
    return _the_one(path, runs)


def _in_directory(path: Path) -> list[Kept]:
    """Return the runs in a directory: itself, or those below it."""
    place = path.resolve()
    found = [place / RUN] if (place / RUN).is_file() else _below(place)
    return [Kept(file.parent.name, str(file.parent), file.parent, _read(file.parent)) for file in found]


def _below(place: Path) -> list[Path]:
    """Return every run.json below a directory; links are not followed, such as `latest` beside the runs."""
    found = []
    for directory, names, files in os.walk(place):
        here = Path(directory)
        if RUN in files:
            found.append(here / RUN)
            names.clear()
        if len(here.relative_to(place).parts) >= DEEPEST:
            names.clear()
        names.sort()
    return found


def _read(directory: Path) -> dict[str, bytes]:
    """Return the files of a run's directory."""
    files = {}
    for name in NEEDED:
        path = directory / name
        if path.is_file():
            if path.stat().st_size > LARGEST_FILE:
                raise _refused(path, f"{name} has {path.stat().st_size >> 20} MiB")
            files[name] = path.read_bytes()
    return files


def _in_file(path: Path) -> list[Kept]:
    """Return the runs in an archive, or the one that a run.json belongs to."""
    if path.name == RUN:
        return _in_directory(path.resolve().parent)
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(b"PK"):
        members = _zip_members
    elif head.startswith(b"\x1f\x8b") or head[257:262] == b"ustar":
        members = _tar_members
    else:
        raise WrongUsage(f"--replay: {path} is neither a directory nor {ARCHIVES}", "name a run's directory")
    runs: dict[PurePosixPath, dict[str, bytes]] = {}
    try:
        for name, content in members(path):
            files = runs.setdefault(name.parent, {})
            if name.name in files:
                raise _refused(path, f"it has {name} twice")
            files[name.name] = content
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError) as error:
        # RuntimeError: a zip that is encrypted, or packed in a way that Python does not know (NotImplementedError).
        raise WrongUsage(
            f"--replay: {path} cannot be read to its end: {error}", "download or copy it once more"
        ) from error
    stem = path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz").removesuffix(".zip")
    return [
        Kept(place.name or stem, f"{path}:{place}" if place.name else str(path), None, files)
        for place, files in sorted(runs.items())
        if RUN in files
    ]


def _tar_members(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the needed files of a tar archive, after each member before them was looked at."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        source: Source = gzip.GzipFile(fileobj=raw) if packed else raw
        bounded = io.BufferedReader(_Bounded(source, path))
        with tarfile.open(fileobj=bounded, mode="r|") as archive:
            for number, member in enumerate(archive):
                _look_at(path, number, member.name)
                name = PurePosixPath(member.name)
                if member.issym() or member.islnk():
                    # A hard link's target is a name of the archive, a symbolic link's is relative to where the link is.
                    base = PurePosixPath() if member.islnk() else name.parent
                    _look_at_link(path, member.name, member.linkname, base)
                elif not member.isreg() and not member.isdir():
                    raise _refused(path, f"{_shown(member.name)} is neither a file nor a directory")
                if name.name in NEEDED and member.isreg():
                    if member.size > LARGEST_FILE:
                        raise _refused(path, f"{_shown(member.name)} has {member.size >> 20} MiB")
                    file = archive.extractfile(member)
                    yield name, file.read() if file else b""


def _zip_members(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield the needed files of a zip archive, after each of its members was looked at."""
    with zipfile.ZipFile(path) as archive:
        for number, info in enumerate(archive.infolist()):
            _look_at(path, number, info.filename)
            if stat.S_ISLNK(info.external_attr >> 16):
                _look_at_link(path, info.filename, _contents(path, archive, info).decode(errors="replace"))
        if sum(info.file_size for info in archive.infolist()) > LARGEST_ARCHIVE:
            raise _refused(path, f"its members have more than {LARGEST_ARCHIVE >> 30} GiB")
        for info in archive.infolist():
            name = PurePosixPath(info.filename)
            if name.name in NEEDED and not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
                yield name, _contents(path, archive, info)


def _contents(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return a member of a zip archive; what it says of its size is not believed."""
    with archive.open(info) as file:
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise _refused(path, f"{_shown(info.filename)} has more than {LARGEST_FILE >> 20} MiB")
    return content


class _Bounded(io.RawIOBase):
    """Read from a stream, and refuse to read without end: a gzip of some megabytes can be made to have terabytes."""

    def __init__(self, source: Source, path: Path) -> None:
        """Have read nothing yet."""
        self.source = source
        self.path = path
        self.left = LARGEST_ARCHIVE

    def readable(self) -> bool:
        """Say so, as BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the source has something."""
        data = self.source.read(len(buffer))
        self.left -= len(data)
        if self.left < 0:
            raise _refused(self.path, f"its members have more than {LARGEST_ARCHIVE >> 30} GiB")
        buffer[: len(data)] = data
        return len(data)


def _look_at(path: Path, number: int, name: str) -> None:
    """Refuse a name that leads out of the archive, and an archive without end."""
    if number >= MOST_MEMBERS:
        raise _refused(path, f"it has more than {MOST_MEMBERS} members")
    if leads_out(name):
        raise _refused(path, f"{_shown(name)} leads out of it")


def _look_at_link(path: Path, name: str, target: str, base: PurePosixPath | None = None) -> None:
    """Refuse a link that leads out of the archive."""
    start = PurePosixPath(name).parent if base is None else base
    if leads_out(target, start):
        raise _refused(path, f"{_shown(name)} is a link to {_shown(target)}, out of it")


def leads_out(name: str, start: PurePosixPath | None = None) -> bool:
    """Tell whether a name of an archive's member, or where a link in `start` leads, is outside of the archive."""
    if not name or name.startswith(("/", "\\")) or "\0" in name:
        return True
    depth = len(start.parts) if start is not None else 0
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        depth += -1 if part == ".." else 0 if part == "." else 1
        if depth < 0 or (part == ".." and start is None):
            return True
    return False


def _shown(name: str) -> str:
    """Return a name of a member without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:200])


def _refused(path: Path, why: str) -> WrongUsage:
    """Return the error for an archive that is not a run's."""
    return WrongUsage(f"--replay: {path} is not read: {why}", "take an archive that was made of a run's directory")


def _the_one(path: Path, runs: list[Kept]) -> Kept:
    """Return the only run, or the only one of several that was red."""
    if not runs:
        raise WrongUsage(
            f"--replay: {path} has no {RUN}: it is no run's, or the run was killed before it could write one",
            f"name a run's directory, or {ARCHIVES} of it",
        )
    red = [one for one in runs if len(runs) == 1 or _was_red(one.run)]
    if len(red) == 1:
        return red[0]
    names = ", ".join(_shown(one.name) for one in runs)
    which: Callable[[str], str] = lambda text: f"--replay: {path} has {len(runs)} runs, {text}: {names}"  # noqa: E731
    raise WrongUsage(
        which(f"and {len(red)} of them were red" if red else "and none of them was red"),
        "unpack it and name the directory of one",
    )


def _was_red(run: Any) -> bool:
    """Tell whether a run's run.json says that it ended otherwise than well."""
    return isinstance(run, dict) and run.get("exit_code") != 0
