"""Find an earlier run by its directory, an archive of it, or its name below the artifacts.

The run may come from a stranger: no link of a directory is followed, no archive is unpacked. Only the few files of a run that are
needed are read, each up to a bound.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from platform_e2e import redact
from platform_e2e.errors import ExitCode, WrongUsage
from platform_e2e.runs import signatures
from platform_e2e.runs.signatures import SEAL
from platform_e2e.runs.snapshot import COPY, SUMS
from platform_e2e.untrusted import archive, documents, plainfile
from platform_e2e.untrusted.members import ArchiveLimits
from platform_e2e.untrusted.printable import shown

RUN = "run.json"
"""The file that makes a directory the directory of a run."""

PATCH, HARNESS_PATCH = "uncommitted.patch", "harness.patch"

NEEDED = frozenset({RUN, COPY, SUMS, PATCH, HARNESS_PATCH, SEAL})
"""The files of a run that a replay reads."""

LIMITS = ArchiveLimits(archive=256 << 20, members=20_000, kept=48 << 20, file=24 << 20)
"""Of an archive: the evidence of a run has 50 MB by default, and some thousand files. The copy of a layer is bounded to 20 MiB,
run.json of 2,000 tests has about 4. An archive with more can be unpacked by hand."""

DEEPEST = 6
"""Levels of directories below the named one that are searched."""

ARCHIVES = "a .tar.gz, .tgz, .tar or .zip"

ANOTHER = "take an archive that was made of a run's directory, or unpack it and name the directory of one run"

SHOWN = 20
"""How many runs an error names."""

INNER = (".tar.gz", ".tgz", ".tar", ".zip")
"""Endings of archives inside another archive, as CI systems make them."""


@dataclass(frozen=True)
class FoundRun:
    """The files of an earlier run.

    Attributes:
        name: of the run's directory.
        where: it was found, as a person can find it again.
        directory: of the run, or None where it is in an archive.
        files: those of `NEEDED` that exist, by name.
        made_here: whether the seal proves that this cache has made all of these files.
    """

    name: str
    where: str
    directory: Path | None
    files: Mapping[str, bytes]
    made_here: bool = False

    @property
    def run(self) -> Any:
        """Return run.json as plain data.

        Raises:
            WrongUsage: it is not JSON.
        """
        try:
            return documents.from_json(self.files[RUN])
        except documents.NoDocument as error:
            raise WrongUsage(
                f"--replay: {RUN} of {self.where} cannot be read as JSON: {error}", "take the run's directory again"
            ) from error

    def text(self, name: str) -> str:
        """Return one of the files as text; empty where it does not exist."""
        return self.files.get(name, b"").decode(errors="replace")


def find(what: str, artifacts: Path) -> FoundRun:
    """Return the run that a person names.

    Args:
        what: a directory, an archive, run.json itself, or a name below `artifacts`.
        artifacts: where runs leave their directories.

    Raises:
        WrongUsage: no run was found, or several were; the text says what to do.
    """
    if "://" in what:
        raise WrongUsage(
            f"--replay: {redact.text(what)} is a URL, and nothing is downloaded for a replay",
            "download the artifact by hand, in the browser or with `gh run download RUN -n NAME`, and name the file or "
            "the directory",
        )
    with archive.readable(f"--replay: {what}", "name a run's directory, as the harness has made it"):
        path = Path(what).expanduser()
        if not path.exists() and len(PurePosixPath(what).parts) == 1:
            path = artifacts / what
        if not path.exists():
            raise WrongUsage(
                f"--replay: {what} does not exist",
                f"name a run's directory, {ARCHIVES} of it, or its name below {artifacts}",
            )
        return _chosen(path, _in_directory(path) if path.is_dir() else _in_file(path))


def _chosen(path: Path, runs: list[FoundRun]) -> FoundRun:
    """Return the only red run with all of its files."""
    found = _the_one(path, runs)
    if found.directory is None:
        return found
    return _kept(found.name, found.where, found.directory, _read(found.directory, NEEDED))


def _kept(name: str, where: str, directory: Path | None, files: Mapping[str, bytes]) -> FoundRun:
    return FoundRun(name, where, directory, files, made_here=signatures.is_sealed(files))


def _in_directory(path: Path) -> list[FoundRun]:
    """Return the runs in a directory: itself, or those below it."""
    place = path.resolve()
    if os.path.lexists(place / RUN):
        return [FoundRun(place.name, str(place), place, _read(place, frozenset({RUN})))]
    runs, left = [], LIMITS.kept
    for directory in _below(place):
        # run.json alone says whether the run was red.
        runs.append(FoundRun(directory.name, str(directory), directory, _read(directory, frozenset({RUN}))))
        left -= len(runs[-1].files[RUN])
        if left < 0:
            raise WrongUsage(
                f"--replay: {shlex.quote(str(place))} is not read: its runs have {RUN} of more than {LIMITS.kept >> 20} MiB",
                "name the directory of one run",
            )
    return runs


def _below(place: Path) -> list[Path]:
    """Return the directory of every run.json below one; links are not followed, such as `latest` beside the runs."""
    found: list[Path] = []
    for directory, names in plainfile.walk(place, DEEPEST):
        # What is below a run's directory comes right after it.
        if RUN in names and not (found and directory.is_relative_to(found[-1])):
            found.append(directory)
    return found


def _read(directory: Path, names: frozenset[str]) -> dict[str, bytes]:
    """Return those of the named files that a run's directory has."""
    return {
        name: plainfile.read(directory / name, LIMITS.file)
        for name in sorted(names)
        if os.path.lexists(directory / name)
    }


def _in_file(path: Path) -> list[FoundRun]:
    """Return the runs in an archive, or the one that a run.json belongs to."""
    if path.name == RUN:
        return _in_directory(path.resolve().parent)
    runs: dict[PurePosixPath, dict[str, bytes]] = {}
    opened = archive.read(path, f"--replay: {path}", ANOTHER, LIMITS, lambda name: name.name in NEEDED)
    for name, content in opened.files.items():
        runs.setdefault(name.parent, {})[name.name] = content
    stem = path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz").removesuffix(".zip")
    found = [
        _kept(place.name or stem, f"{path}:{place}" if place.name else str(path), None, files)
        for place, files in sorted(runs.items())
        if RUN in files
    ]
    inner = next((str(name) for name in reversed(opened.others) if name.name.endswith(INNER)), "")
    if not found and inner:
        raise WrongUsage(f"--replay: {path} has no {RUN}, but an archive {shown(inner)}", "unpack it and name that one")
    return found


def _the_one(path: Path, runs: list[FoundRun]) -> FoundRun:
    """Return the only run, or the only one of several that was red."""
    if not runs:
        raise WrongUsage(
            f"--replay: {path} must have {RUN}, got none: it is not of a run, or the run was killed before it wrote the file",
            f"name a run's directory, or {ARCHIVES} of it",
        )
    red = [run for run in runs if len(runs) == 1 or _was_red(run.run)]
    if len(red) == 1:
        return red[0]
    names = ", ".join(shown(run.name) for run in runs[:SHOWN]) + ("..." if len(runs) > SHOWN else "")
    which: Callable[[str], str] = lambda text: f"--replay: {path} has {len(runs)} runs, {text}: {names}"  # noqa: E731
    raise WrongUsage(
        which(f"and {len(red)} of them were red" if red else "and none of them was red"),
        "unpack it and name the directory of one",
    )


def _was_red(run: Any) -> bool:
    """Tell whether there is something to run again, by the exit code in run.json: what is unknown has not failed."""
    return isinstance(run, dict) and run.get("exit_code") not in {ExitCode.HOLDS, ExitCode.UNKNOWN}
