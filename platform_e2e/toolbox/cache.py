"""The content-addressed cache: an entry's key is the digest of its inputs, so that an entry is complete and right, or absent.

An entry is made in a scratch directory beside its final path, under a file lock, and one rename moves it there. So an
interrupted run leaves nothing that a later one could take for a finished entry, and two first runs build once.

Layout under `paths.cache()`: `KIND/KEY/` has entries, `scratch/` entries in the making, `locks/` the locks, `logs/` the logs
of builds.
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
"""Seconds that a run waits for another run's build: twice the longest build that is allowed."""

UNUSED_SECONDS = 14 * 24 * 3600.0
"""Seconds without use after which an entry is removed when a newer one of its kind is made: two weeks."""


def digest(*parts: str | bytes | Path) -> str:
    """Return a key: the digest of all inputs, which are texts, bytes, and files by their content."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        # Each part's own digest has a fixed length, so that two different lists of parts have different digests.
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
    """Return the log file of a build, emptied."""
    path = paths.cache() / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@contextlib.contextmanager
def held(name: str, *, phase: str, timeline: Timeline, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of that name; while this process waits, the timeline names the process that has it.

    Args:
        name: which lock.
        phase: the timeline's phase that shows the wait.
        timeline: shows the wait.
        timeout: the longest wait in seconds.

    Raises:
        LockBusy: the lock was not free in time; the text names the holder.
    """
    lock = FileLock(paths.cache() / "locks" / f"{name}.lock")

    def tell(who: str) -> None:
        timeline.progress(phase, f"waits for {who}, which holds {lock.path}")

    with lock.held(f"makes {name}", waiting=tell, timeout=timeout):
        yield


@contextlib.contextmanager
def scratch(kind: str) -> Iterator[Path]:
    """Make an empty directory on the cache's file system, and remove it when the block ends, also on an error."""
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
    """Return an entry of the cache, making it if it is missing.

    Args:
        kind: the kind of entry; entries of one kind are made one after the other.
        key: names the content, from `digest`.
        make: fills the empty directory that it gets; an exception leaves no entry.
        phase: the timeline's phase that shows a wait.
        timeline: shows a wait.
        unused: seconds without use after which other entries of this kind are removed when a new one is made.
        copied: whether clusters have copies of their own, so that entries can be removed while clusters live.
        nested: whether the caller already shows the making as a phase of its own.

    Returns:
        The entry's directory, which is read-only for every caller.

    Raises:
        LockBusy: another process has been making an entry of this kind for too long.
    """
    place = paths.cache() / kind / key
    if not place.is_dir():
        with held(kind, phase=phase, timeline=timeline):
            _sweep_scratch(kind)
            if not place.is_dir():
                # Timed, so that the report of a first run shows where its minutes went.
                timed = timeline.phase(kind) if not nested else contextlib.nullcontext()
                with timed, scratch(kind) as directory:
                    content = directory / "content"
                    content.mkdir()
                    make(content)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    content.rename(place)
            _forget_unused(place, unused, since=time.time() if copied else _oldest_cluster())
    with contextlib.suppress(PermissionError):
        # The time of the last use, for `_forget_unused`; only the owner can set it.
        os.utime(place)
    return place


def _sweep_scratch(kind: str) -> None:
    """Remove what killed processes left in scratch/; this process holds the lock of this kind, so no other one is using it."""
    for left in (paths.cache() / "scratch").glob(f"{kind}-*-*"):
        if left.name.rsplit("-", 2)[0] == kind:
            remove(left)


def _oldest_cluster() -> float:
    """Return the time since which clusters exist: no cluster uses an entry that was last used before it."""
    clusters = paths.clusters()
    made = [path.stat().st_mtime for path in clusters.glob("*/spec.json")] if clusters.is_dir() else []
    return min(made, default=time.time())


def _forget_unused(keep: Path, unused: float, *, since: float) -> None:
    """Remove entries of the same kind that were not used for that many seconds, and not since a point in time."""
    for path in keep.parent.iterdir():
        used = path.stat().st_mtime
        if path != keep and path.is_dir() and time.time() - used > unused and used < since:
            remove(path)


def remove(path: Path) -> None:
    """Remove a tree, including read-only directories (Go's module cache has them); a missing tree is fine."""
    for directory, _, _ in os.walk(path):
        with contextlib.suppress(FileNotFoundError):
            Path(directory).chmod(0o700)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
