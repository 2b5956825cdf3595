"""`kubectl wait --for=jsonpath`: one process for each wait."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

from benchmarks.waits.contender import JSONPATH, NotSeen, Setup, Threaded
from platform_e2e.shell import background


class Peer(Threaded):
    """Wait by running kubectl to its end."""

    def __init__(self, setup: Setup) -> None:
        """Remember what runs, so that it can be ended."""
        super().__init__(setup)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()

    def wait(self, name: str, timeout: float) -> None:
        """Wait for one ConfigMap."""
        log = self.setup.scratch / f"{name}.log"
        words: list[str | Path] = [
            *(self.setup.programs / "kubectl", "--kubeconfig", self.setup.kubeconfig, "wait", f"configmap/{name}"),
            # A shell would take the quotes away.
            *("--for=" + JSONPATH.replace("'", ""), f"--timeout={timeout:g}s", "-n", self.setup.namespace),
        ]
        process = background(words, log_file=log, env=os.environ)
        with self._lock:
            self._running.add(process)
        # Without a timeout, with which Python would look every few milliseconds; kubectl has its own.
        status = process.wait()
        with self._lock:
            self._running.discard(process)
        said = log.read_text()
        log.unlink()
        if status:
            raise NotSeen(said)

    def close(self) -> None:
        """Kill what still runs."""
        with self._lock:
            for process in self._running:
                process.kill()
