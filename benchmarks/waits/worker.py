"""The process that a contender works in: its processor time is its own, and nobody shares its interpreter lock."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from benchmarks.waits import contender
from benchmarks.waits.contender import Contender, Done, Order, Setup
from platform_e2e.errors import BrokenHarness

START_SECONDS = 60.0
"""For a process to start and import its contender; about one second on an idle machine."""

USAGE = "usage"
STOP = "stop"
STOP_SECONDS = 5.0

SPAWN = multiprocessing.get_context("spawn")
"""A fresh interpreter: a forked one would have the driver's modules and threads."""


class WorkerEnded(BrokenHarness):
    """A contender's process has ended before its time."""


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time, of the process and of the programs that it has run to their end."""

    seconds: float


def processor_seconds() -> float:
    """Return the processor time of this process and of its children that have ended, system time included."""
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def main(pipe: Connection, title: str, setup: Setup) -> None:
    """Do what is ordered until told to stop, or until nobody is there any more to tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's business, which then stops this one
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # kr8s warns on standard error of each error that it raises too
    surround(setup)
    waiter = contender.make(title, setup)
    lock = threading.Lock()

    def tell(message: Done | Usage) -> None:
        with lock:
            pipe.send(message)

    tell(Usage(processor_seconds()))
    try:
        while (message := pipe.recv()) != STOP:
            if isinstance(message, Order):
                waiter.begin(message, tell)
            else:
                tell(Usage(processor_seconds()))
    except EOFError:
        pass  # the driver was killed
    finally:
        end(waiter)


def end(waiter: Contender) -> None:
    """End the process at once: threads of waits that never return would hold it for ever."""
    try:
        waiter.close()
    finally:
        os._exit(0)


def surround(setup: Setup) -> None:
    """Give this process, and the programs that it starts, nothing of the user's own but the way to its programs."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or name.startswith("KUBE")]:
        del os.environ[name]
    os.environ["HOME"] = str(setup.scratch)
    # The official client writes certificates and keys into temporary files, and `end` leaves it no time to remove them.
    os.environ["TMPDIR"] = tempfile.tempdir = str(setup.scratch)
    os.environ["PATH"] = f"{setup.programs}:{os.environ.get('PATH', '')}"


class Worker:
    """A contender in its process, as the driver sees it.

    Args:
        title: of the contender.
        setup: where it works.
    """

    def __init__(self, title: str, setup: Setup) -> None:
        """Start it; `ready` waits for it."""
        self.title = title
        self.setup = setup
        setup.scratch.mkdir(parents=True, exist_ok=True)
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=main, args=(theirs, title, setup), daemon=True)
        self._process.start()
        theirs.close()
        self._news = threading.Condition()
        self._sending = threading.Lock()
        self._done: dict[int, Done] = {}
        self._usages: list[Usage] = []
        self._number = 0
        self._ended = False
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        """Wait until it can be used."""
        self._next_usage(START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def begin(self, name: str, timeout: float) -> int:
        """Begin a wait and return its number.

        Args:
            name: of the ConfigMap.
            timeout: seconds after which it is to give up.
        """
        with self._sending:
            self._number += 1
            self._pipe.send(Order(self._number, name, timeout))
            return self._number

    def result(self, number: int, timeout: float) -> Done | None:
        """Return how a wait ended, or None when it does not end within so many seconds.

        Raises:
            WorkerEnded: the process is gone.
        """
        deadline = time.monotonic() + timeout
        with self._news:
            while number not in self._done:
                if self._ended:
                    raise WorkerEnded(f"the process of {self.title} has ended", "run it with --only and --peers alone")
                if not self._news.wait(max(deadline - time.monotonic(), 0.0)) and time.monotonic() >= deadline:
                    return None
            return self._done.pop(number)

    def usage(self) -> float:
        """Return the processor seconds that it has used until now."""
        with self._sending:
            self._pipe.send(USAGE)
        return self._next_usage(START_SECONDS)

    def stop(self) -> None:
        """End the process."""
        if not self._ended:
            with self._sending:
                self._pipe.send(STOP)
            self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()

    def _next_usage(self, timeout: float) -> float:
        with self._news:
            if not self._news.wait_for(lambda: self._usages or self._ended, timeout) or self._ended:
                raise WorkerEnded(f"the process of {self.title} does not answer", "see what it printed above")
            return self._usages.pop(0).seconds

    def _listen(self) -> None:
        while True:
            try:
                message: Done | Usage = self._pipe.recv()
            except (EOFError, OSError):
                with self._news:
                    self._ended = True
                    self._news.notify_all()
                return
            with self._news:
                if isinstance(message, Done):
                    self._done[message.number] = message
                else:
                    self._usages.append(message)
                self._news.notify_all()
