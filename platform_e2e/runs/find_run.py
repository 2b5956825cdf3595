"""Find an earlier run in what a person names: its directory, an archive of it, or its name below the artifacts.

Whatever it is, it may come from a stranger: of a directory no link is followed, of an archive nothing is unpacked. The few files
of a run that are needed are read, each up to a bound.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from platform_e2e import redact
from platform_e2e.errors import WrongUsage
from platform_e2e.outside import archive, documents, plainfile
from platform_e2e.outside.archive import Limits, Member
from platform_e2e.outside.shown import shown
from platform_e2e.outside.tarformat import Kind
from platform_e2e.runs import seals
from platform_e2e.runs.seals import SEAL
from platform_e2e.runs.snapshot import COPY, SUMS

RUN = "run.json"
"""What makes a directory one of a run."""

PATCH, HARNESS_PATCH = "uncommitted.patch", "harness.patch"

NEEDED = frozenset({RUN, COPY, SUMS, PATCH, HARNESS_PATCH, SEAL})
"""The files of a run that a replay reads."""

LIMITS = Limits(archive=256 << 20, members=20_000, kept=48 << 20, file=24 << 20)
"""Of an archive: the evidence of a run has 50 MB by default, and some thousand files. The copy of a layer is bounded to 20 MiB,
run.json of 2,000 tests has about 4. An archive with more can be unpacked by hand."""

DEEPEST = 6
"""Directories that are looked through below the one that was named."""

ARCHIVES = "a .tar.gz, .tgz, .tar or .zip"

ANOTHER = "take an archive that was made of a run's directory, or unpack it and name the directory of one run"

SHOWN = 20
"""How many runs an error names."""

INNER = (".tar.gz", ".tgz", ".tar", ".zip")
"""How archives are called that may be in another one, as a CI system makes it."""


@dataclass(frozen=True)
class FoundRun:
    """What is left of an earlier run.

    Attributes:
        name: of the run's directory.
        where: it was found, as a person can find it again.
        directory: of the run, or None where it is in an archive.
        files: what is there of `NEEDED`, by name.
        made_here: whether it is as this cache has made it, so that nothing in it is a stranger's.
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
            WrongUsage: it is no JSON.
        """
        try:
            return documents.from_json(self.files[RUN])
        except documents.NoDocument as error:
            raise WrongUsage(
                f"--replay: {RUN} of {self.where} cannot be read as JSON: {error}", "take the run's directory again"
            ) from error

    def text(self, name: str) -> str:
        """Return one of the files as text; empty where it is not there."""
        return self.files.get(name, b"").decode(errors="replace")


def find(what: str, artifacts: Path) -> FoundRun:
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
    try:
        if not path.exists() and len(PurePosixPath(what).parts) == 1:
            path = artifacts / what
        if not path.exists():
            raise WrongUsage(
                f"--replay: there is no {what}",
                f"name a run's directory, {ARCHIVES} of it, or its name below {artifacts}",
            )
        return _chosen(path, _in_directory(path) if path.is_dir() else _in_file(path))
    except plainfile.NotPlain as error:
        raise _refused(Path(error.filename), f"it {error.strerror}") from error
    except (OSError, ValueError, RuntimeError) as error:
        # ValueError: a NUL in the name; RuntimeError: a loop of links, before Python 3.13, or a home that there is not.
        raise WrongUsage(f"--replay: {what} cannot be read: {error}", "name a run's directory") from error


def _chosen(path: Path, runs: list[FoundRun]) -> FoundRun:
    """Return the run that is meant, with all of its files."""
    found = _the_one(path, runs)
    if found.directory is None:
        return found
    return _kept(found.name, found.where, found.directory, _read(found.directory, NEEDED))


def _kept(name: str, where: str, directory: Path | None, files: Mapping[str, bytes]) -> FoundRun:
    return FoundRun(name, where, directory, files, made_here=seals.is_sealed(files))


def _in_directory(path: Path) -> list[FoundRun]:
    """Return the runs in a directory: itself, or those below it."""
    place = path.resolve()
    if os.path.lexists(place / RUN):
        return [FoundRun(place.name, str(place), place, _read(place, frozenset({RUN})))]
    runs, left = [], LIMITS.kept
    for one in _below(place):
        # To tell which one is meant takes run.json alone.
        runs.append(FoundRun(one.name, str(one), one, _read(one, frozenset({RUN}))))
        left -= len(runs[-1].files[RUN])
        if left < 0:
            raise _refused(place, f"its runs have {RUN} of more than {LIMITS.kept >> 20} MiB")
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
    """Return some files of a run's directory, as far as they are there."""
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
    inner = ""
    with plainfile.opened(path.resolve()) as file:
        for member, content in archive.members(file, f"--replay: {path}", ANOTHER, LIMITS, _wanted):
            name = member.name
            if _wanted(member):
                runs.setdefault(name.parent, {})[name.name] = content
            elif name.name in NEEDED and member.kind is not Kind.DIRECTORY:
                raise _refused(path, f"{shown(str(name))} is a link")
            elif name.name.endswith(INNER):
                inner = str(name)
    stem = path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz").removesuffix(".zip")
    found = [
        _kept(place.name or stem, f"{path}:{place}" if place.name else str(path), None, files)
        for place, files in sorted(runs.items())
        if RUN in files
    ]
    if not found and inner:
        raise WrongUsage(f"--replay: {path} has no {RUN}, but an archive {shown(inner)}", "unpack it and name that one")
    return found


def _wanted(member: Member) -> bool:
    return member.kind is Kind.FILE and member.name.name in NEEDED


def _refused(path: Path, why: str) -> WrongUsage:
    """Return the error for what is not a run's."""
    return WrongUsage(f"--replay: {shlex.quote(str(path))} is not read: {why}", "take one that the harness has made")


def _the_one(path: Path, runs: list[FoundRun]) -> FoundRun:
    """Return the only run, or the only one of several that was red."""
    if not runs:
        raise WrongUsage(
            f"--replay: {path} has no {RUN}: it is no run's, or the run was killed before it could write one",
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
    """Tell whether a run's run.json says that it ended otherwise than well."""
    return isinstance(run, dict) and run.get("exit_code") != 0
