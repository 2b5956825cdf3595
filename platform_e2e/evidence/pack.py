"""Pack a run's directory into one file for a ticket."""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from platform_e2e.atomic import whole_file
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.untrusted import plainfile

LEFT = frozenset({"marks", "scratch"})
"""Directories of a run that only its processes need."""

SIGNS = ("run.json", "timeline.jsonl", "junit.xml")
"""Files of which a run's directory has one at least."""


def pack(directory: Path, target: Path | None = None) -> Path:
    """Pack a run's directory and return the archive.

    The same directory gives the same archive, byte for byte: names are sorted and relative, owners are 0, times are those of
    the run's end. Links are not followed and not packed.

    Args:
        directory: of a run; `artifacts/latest` may be a link to it.
        target: the archive; RUN.tar.gz beside the directory by default.

    Raises:
        WrongUsage: it is not the directory of a run.
        BrokenHarness: the archive cannot be written.
    """
    run = directory.resolve()
    if not any((run / name).is_file() for name in SIGNS):
        raise WrongUsage(
            f"{directory} is not the directory of a run: it has no {' and no '.join(SIGNS)}", "name one of artifacts/"
        )
    path = target or run.parent / f"{run.name}.tar.gz"
    try:
        with (
            whole_file(path) as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for file in files(run):
                _add(archive, file, f"{run.name}/{file.relative_to(run)}")
    except OSError as error:
        raise BrokenHarness(
            f"{path} cannot be written: {error.strerror}", "make room, or name another directory"
        ) from error
    return path


def files(run: Path) -> Iterator[Path]:
    """Yield what is packed of a run, sorted by its path."""
    for path in sorted(run.rglob("*"), key=lambda path: path.relative_to(run).as_posix()):
        parts = path.relative_to(run).parts
        if path.is_file() and not path.is_symlink() and parts[0] not in LEFT and not path.name.endswith(".new"):
            yield path


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add one file under a relative name, without an owner."""
    with plainfile.opened(path) as file:
        info = tarfile.TarInfo(name)
        stat = os.fstat(file.fileno())
        info.size, info.mode, info.mtime = stat.st_size, 0o644, int(stat.st_mtime)
        archive.addfile(info, file)
