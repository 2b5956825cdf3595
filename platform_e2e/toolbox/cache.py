"""The content-addressed cache: what an entry is made of names it, so that an entry is either whole and right or absent.

An entry is made in a scratch directory beside its final place, under a file lock, and moved there by one rename. So a
run that is interrupted leaves nothing that a later one could take for finished, and two first runs build once.

Layout under `paths.cache()`: `KIND/KEY/` for entries, `scratch/` for what is being made, `locks/` for the locks,
`logs/` for the logs of builds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from platform_e2e import paths
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.locks import FileLock

KEY_LENGTH = 20
"""Hexadecimal digits of SHA-256 in a key: 80 bits, far from any accidental collision, and paths stay readable."""

LOCK_SECONDS = 2 * 3600.0
"""How long a run waits for another one's build: twice the longest build that is allowed."""

UNUSED_SECONDS = 14 * 24 * 3600.0
"""An entry that no run used for this long is removed when a newer one of its kind is made."""


def digest(*parts: str | bytes | Path) -> str:
    """Return the key of what is made from these parts: texts, bytes, and the content of files."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        # Each part's own digest has a fixed length, so no two lists of parts read the same.
        total.update(hashlib.sha256(data).digest())
    return total.hexdigest()[:KEY_LENGTH]


def tree_digest(directory: Path, *, ignored: Callable[[Path], bool] = lambda _: False) -> str:
    """Return a key for the names, the executable bits and the content of a directory's files."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and not ignored(path))
    parts: list[str | Path] = []
    for path in files:
        parts += [f"{path.relative_to(directory)} {os.access(path, os.X_OK)}", path]
    return digest(*parts)


def log_file(name: str) -> Path:
    """Return the file for the log of a build, emptied."""
    path = paths.cache() / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@contextlib.contextmanager
def held(name: str, *, phase: str, timeline: Timeline, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of that name; while it is waited for, the timeline names the process that has it.

    Args:
        name: which lock.
        phase: the timeline's phase under which the waiting is shown.
        timeline: where it is shown.
        timeout: seconds to wait at most.

    Raises:
        LockBusy: it was not free in time; the text names the holder.
    """
    lock = FileLock(paths.cache() / "locks" / f"{name}.lock")

    def tell(who: str) -> None:
        timeline.progress(phase, f"waits for {who}, which holds {lock.path}")

    with lock.held(f"makes {name}", waiting=tell, timeout=timeout):
        yield


@contextlib.contextmanager
def scratch(kind: str) -> Iterator[Path]:
    """Make an empty directory on the cache's file system, and remove it at the end whatever happens."""
    path = paths.cache() / "scratch" / f"{kind}-{os.getpid()}-{time.monotonic_ns()}"
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        remove(path)


def entry(
    kind: str,
    key: str,
    make: Callable[[Path], None],
    *,
    phase: str,
    timeline: Timeline,
    unused: float = UNUSED_SECONDS,
    copied: bool = False,
    nested: bool = False,
) -> Path:
    """Return the cache's entry, making it first if it is not there.

    Args:
        kind: which sort of entry; entries of one sort are made one after the other.
        key: names the content, from `digest`.
        make: fills the empty directory that it is given; what it raises leaves no entry.
        phase: the timeline's phase under which waiting is shown.
        timeline: where it is shown.
        unused: seconds without use after which other entries of this sort are removed when a new one is made.
        copied: whether clusters have copies of their own, so that entries may go while clusters live.
        nested: whether the making is part of a phase of that name already, so that it is not shown as one.

    Returns:
        The entry's directory, which nobody may change.

    Raises:
        LockBusy: another process makes entries of this sort for too long.
    """
    place = paths.cache() / kind / key
    if not place.is_dir():
        with held(kind, phase=phase, timeline=timeline):
            _sweep_scratch(kind)
            if not place.is_dir():
                # Timed, so that the report of a first run says what it spent its minutes on.
                timed = timeline.phase(kind) if not nested else contextlib.nullcontext()
                with timed, scratch(kind) as directory:
                    content = directory / "content"
                    content.mkdir()
                    make(content)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    content.rename(place)
            _forget_unused(place, unused, since=time.time() if copied else _oldest_cluster())
    with contextlib.suppress(PermissionError):
        # The time of the last use, for `_forget_unused`; a reader who is not the owner cannot set it.
        os.utime(place)
    return place


def _sweep_scratch(kind: str) -> None:
    """Remove what killed processes left in scratch/; the lock of this kind is held, so nobody else fills one."""
    for left in (paths.cache() / "scratch").glob(f"{kind}-*-*"):
        if left.name.rsplit("-", 2)[0] == kind:
            remove(left)


def _oldest_cluster() -> float:
    """Return since when there have been clusters: what was not used since then, none of them uses."""
    clusters = paths.clusters()
    made = [path.stat().st_mtime for path in clusters.glob("*/spec.json")] if clusters.is_dir() else []
    return min(made, default=time.time())


def _forget_unused(keep: Path, unused: float, *, since: float) -> None:
    """Remove entries of the same kind that no run used for that many seconds, nor since a moment."""
    for path in keep.parent.iterdir():
        used = path.stat().st_mtime
        if path != keep and path.is_dir() and time.time() - used > unused and used < since:
            remove(path)


def remove(path: Path) -> None:
    """Remove a tree, read-only directories (Go's module cache has them) included; one that is gone is no error."""
    for directory, _, _ in os.walk(path):
        with contextlib.suppress(FileNotFoundError):
            Path(directory).chmod(0o700)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
