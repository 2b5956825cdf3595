"""Locks between processes: `flock` on a file, which the kernel releases however the holder ends.

Beside each lock file lies a directory with one line of text from each holder, so that a waiting process can name the holder.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.errors import BrokenHarness
from platform_e2e.toolbox.waiting import NotInTime, wait_until

NUMBERS = itertools.count()
"""Tells two locks of one process apart."""


class LockBusy(BrokenHarness):
    """Another process has held a lock for too long."""


def this_process() -> str:
    """Return a description by which a person finds this process: its id and the start of its command line."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        # The command line is the same for every worker.
        return f"process {os.getpid()} (pytest's worker {worker}, a child of process {os.getppid()})"
    words = " ".join(Path(word).name if index == 0 else word for index, word in enumerate(sys.orig_argv))
    return f"process {os.getpid()} ({words[:100]})"


@dataclass(frozen=True)
class FileLock:
    """A lock on a file, which its exclusive holder may remove.

    Attributes:
        path: the path of the file; its directory is made when it is needed.
    """

    path: Path

    @contextlib.contextmanager
    def held(
        self,
        what: str,
        *,
        shared: bool = False,
        waiting: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> Iterator[None]:
        """Hold the lock for a while.

        Args:
            what: what the lock is held for, shown to processes that wait for it.
            shared: whether other shared holders may hold it at the same time.
            waiting: called once with the holders' descriptions if the lock is taken.
            timeout: the longest wait in seconds; without limit by default.

        Raises:
            LockBusy: the lock was not free in time; the text names the holder.
        """
        release = self.take(what, shared=shared, waiting=waiting, timeout=timeout)
        try:
            yield
        finally:
            release()

    def take(
        self,
        what: str,
        *,
        shared: bool = False,
        waiting: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> Callable[[], None]:
        """Take the lock as `held` does, and return a function that releases it."""
        operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        descriptor = self._try(operation | fcntl.LOCK_NB)
        if descriptor is None:
            if waiting is not None:
                waiting(self.holders() or "another process")
            if timeout is not None:
                descriptor = self._within(operation, timeout)
            while descriptor is None:
                descriptor = self._try(operation)
        return self._announced(descriptor, what)

    def try_take(self, what: str, *, shared: bool = False) -> Callable[[], None] | None:
        """Take the lock if it is free now, and return a function that releases it; else return None."""
        descriptor = self._try((fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        return None if descriptor is None else self._announced(descriptor, what)

    def is_held(self) -> bool:
        """Tell whether a process holds it exclusively."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that two processes that test at the same moment do not take each other for a holder.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def holders(self) -> str:
        """Return the descriptions of the present holders."""
        words = []
        for file in sorted(self._directory.glob("*")):
            # A killed process could not remove its description; another one may be removed while we read.
            with contextlib.suppress(OSError):
                if Path(f"/proc/{file.name.split('-')[0]}").exists():
                    words.append(file.read_text())
        return ", ".join(words)

    def remove(self) -> None:
        """Remove the file; only its exclusive holder may do so. A process that waits for it then makes a new one."""
        for file in self._directory.glob("*"):
            file.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self._directory.rmdir()
        self.path.unlink(missing_ok=True)

    @property
    def _directory(self) -> Path:
        return self.path.with_name(f"{self.path.name}.holders")

    def _try(self, operation: int) -> int | None:
        """Return a descriptor that holds the lock, or None if it is taken or was removed meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, operation)
            same = os.path.samestat(os.fstat(descriptor), self.path.stat())
        except (BlockingIOError, FileNotFoundError):
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        if not same:
            os.close(descriptor)
            return None
        return descriptor

    def _within(self, operation: int, timeout: float) -> int:
        """Return a descriptor that holds the lock as soon as it is free; flock itself has no timeout."""

        def look() -> int | str:
            descriptor = self._try(operation | fcntl.LOCK_NB)
            return "it is held" if descriptor is None else descriptor

        try:
            return wait_until(look, timeout=timeout, what=f"{self.path} is free")
        except NotInTime:
            raise LockBusy(
                f"{self.holders() or 'another process'} holds {self.path} for more than {timeout:g} s",
                "see what that process does, end it if it hangs, and run again",
            ) from None

    def _announced(self, descriptor: int, what: str) -> Callable[[], None]:
        words = self._directory / f"{os.getpid()}-{next(NUMBERS)}"
        # Descriptions are optional: the last holder may remove the file together with the lock, and a full disk must not prevent
        # the removal of a cluster.
        with contextlib.suppress(OSError):
            words.parent.mkdir(exist_ok=True)
            words.write_text(f"{this_process()}: {what}")

        def release() -> None:
            # The directory goes with the last description; of two processes that end at once, one finds it filled or gone.
            with contextlib.suppress(OSError):
                words.unlink()
                words.parent.rmdir()
            os.close(descriptor)

        return release
