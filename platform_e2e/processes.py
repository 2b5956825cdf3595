"""Programs that several threads wait for, and that are ended together: a signal to this process reaches none of them by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator


class RunningProcesses:
    """Programs that threads wait for, so that another thread can end them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._told: set[subprocess.Popen[bytes]] = set()

    @contextlib.contextmanager
    def having(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Have a program while the block waits for it."""
        with self._lock:
            self._running.add(process)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(process)
                self._told.discard(process)

    def ask_to_end(self) -> None:
        """Send SIGTERM to each that has not had it, so that it cleans up and ends; a second one would disturb it at that."""
        with self._lock:
            for process in self._running - self._told:
                # Unlike os.kill, it signals no other process where the program has just ended.
                process.send_signal(signal.SIGTERM)
            self._told |= self._running

    def kill(self) -> None:
        """Kill each with its process group."""
        with self._lock:
            for process in self._running:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
