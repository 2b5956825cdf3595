"""Remove the oldest runs' directories: only what a run of ours has made, and nothing that anybody still needs."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.runs.history.record import RecordedRun
from platform_e2e.toolbox.locks import FileLock

DIRECTORY = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-[a-z0-9][a-z0-9-]*")
"""How a run's directory is called: when it began, the cluster's name, and a number where two began in one second."""

GOING = ".going"
"""The file in a run's directory that its process holds a lock on while it goes on; the kernel lets go of it in any case."""

UNKNOWN_SECONDS = 86_400.0
"""How long a directory without verdict and lock counts as one of a run still going: no run takes a day."""


MOST_KINDS = 5
"""Of how many kinds the newest green run stays: a team has one or two, and one that is never run again must not stay for ever."""


@dataclass(frozen=True)
class Removal:
    """What was done.

    Attributes:
        removed: names of directories that are gone.
        failed: what could not be removed, and why.
    """

    removed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def going(directory: Path) -> Callable[[], None]:
    """Say that a run goes on, and return what says that it has ended."""
    lock = FileLock(directory / GOING)
    release = lock.take("the run goes on")

    def ended() -> None:
        lock.remove()
        release()

    return ended


def apply(artifacts: Path, keep: int, needed: Collection[str]) -> Removal:
    """Remove the oldest directories of runs beyond a number.

    Args:
        artifacts: the directory of all runs.
        keep: how many stay at least, the newest ones.
        needed: names of those that stay in any case.
    """
    stays = {*needed, _latest(artifacts)}
    try:
        names = [entry.name for entry in sorted(filter(_is_run, os.scandir(artifacts)), key=_age)]
    except OSError as error:
        return Removal(failed=(f"{artifacts} cannot be read: {error}",))
    removed, failed = [], []
    for name in names[: max(len(names) - keep, 0)]:
        if name in stays or _goes_on(artifacts / name):
            continue
        try:
            # It follows no symbolic link, also where one takes a directory's place meanwhile.
            shutil.rmtree(artifacts / name)
        except FileNotFoundError:
            continue  # another run that has just ended removes it too
        except OSError as error:
            failed.append(f"{name}: {error}")
        else:
            removed.append(name)
    return Removal(tuple(removed), tuple(failed))


def needed(entries: Iterable[RecordedRun]) -> set[str]:
    """Return the newest green run of each kind that was run last, which later ones are compared with.

    Args:
        entries: the history, oldest first.
    """
    newest: dict[str, str] = {}
    for run in entries:
        if run.green:
            newest.pop(run.kind, None)
            newest[run.kind] = run.id
    return set(list(newest.values())[-MOST_KINDS:])


def _is_run(entry: os.DirEntry[str]) -> bool:
    """Tell whether a run of ours has made it."""
    if not DIRECTORY.fullmatch(entry.name) or not entry.is_dir(follow_symlinks=False):
        return False
    # Its first event makes the timeline, so also a run that was killed has one of them.
    return any(Path(entry.path, name).is_file() for name in ("run.json", "timeline.jsonl", GOING))


def _age(entry: os.DirEntry[str]) -> tuple[str, int]:
    """Return when a run began: its name has the second, and of two in one second the later one was written to last."""
    try:
        return entry.name[: len("2026-01-01T00-00-00Z")], entry.stat(follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:  # another run has just removed it
        return entry.name, 0


def _latest(artifacts: Path) -> str:
    """Return the name of the directory that `latest` points to."""
    try:
        return (artifacts / "latest").readlink().name
    except OSError:
        return ""


def _goes_on(directory: Path) -> bool:
    """Tell whether its run may still go on; what cannot be told counts as yes."""
    try:
        if FileLock(directory / GOING).is_held():
            return True
        ended = (directory / "run.json").is_file() or (directory / GOING).exists()
        return not ended and time.time() - directory.stat().st_mtime < UNKNOWN_SECONDS
    except OSError:
        return True
