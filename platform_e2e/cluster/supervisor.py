"""The supervisor process: it makes a cluster, watches over it while processes hold it, and removes it afterwards.

`python -m platform_e2e.cluster.supervisor NAME` goes into the background at once, in a session of its own, so that neither a
signal to a run nor its `kill -9` reaches it. Every process of the cluster is its descendant: if the supervisor is killed, they
die with it, and the next run removes the files that remain.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from platform_e2e import paths, redact
from platform_e2e.atomic import atomic_write
from platform_e2e.cluster import providers
from platform_e2e.cluster.directory import ClusterDirectory, read_spec
from platform_e2e.cluster.provider import Provider
from platform_e2e.errors import HarnessError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.waiting import NotInTime, wait_until
from platform_e2e.untrusted import plainfile

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""Seconds between two checks whether the cluster has a holder."""


START_SECONDS = 10.0
"""Timeout for its own lock: a process that checks for a supervisor holds it for less than a millisecond."""

ROOM = 16384
"""Bytes reserved on the disk for the reason of a failure, which may be a full disk."""


MOST_KEPT = 10 << 20
"""Bytes kept of the end of each log after a cluster's removal; a first start writes some hundred thousand."""


class Ended(KeyboardInterrupt):
    """The cluster is no longer wanted; a KeyboardInterrupt because event loops and others swallow an Exception."""


class Supervisor:
    """Make one cluster, watch over it, and remove it.

    Args:
        files: the cluster's files.
    """

    def __init__(self, files: ClusterDirectory) -> None:
        self.files = files
        self.spec, provider, timeline = read_spec(files.spec_file)
        self.provider: Provider = providers.choose(provider)
        self.timeline = Timeline(timeline)
        self._news = files.failure_file.with_suffix(".new")
        self._news.write_bytes(b" " * ROOM)
        self._failed = False
        self._over = threading.Event()
        self._release: Callable[[], None] | None = None

    def run(self) -> None:
        """Make the cluster, wait until it has no holder, remove it."""
        signal.signal(signal.SIGTERM, self._end)
        watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        watcher.start()
        try:
            self._make()
            self._tend()
        except Ended:
            log.info("removing the cluster: it has no holder, or its removal was requested")
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self._over.set()
            self._remove()

    def _make(self) -> None:
        try:
            self.provider.create(self.spec, self.files.path, self.timeline).write(self.files.facts_file)
        except HarnessError as error:
            log.exception("the cluster could not be made")
            self._fail(error.problem, error.remedy, error.exit_code)
        except OSError as error:
            log.exception("the cluster could not be made")
            reason, remedy = repr(error), "report this with its traceback"
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                reason = f"no space left on the disk of {paths.cache()}"
                remedy = "free some, or set PLATFORM_E2E_CACHE to a directory on a larger disk"
            self._fail(f"cluster {self.spec.name} could not be made: {reason}", remedy, 3)
        except Exception as error:
            # No caller could report the error to the processes that wait for the cluster.
            log.exception("the cluster could not be made")
            self._fail(f"cluster {self.spec.name} could not be made: {error!r}", "report this with its traceback", 3)
        else:
            log.info("the cluster can be used")

    def _tend(self) -> None:
        """Do the provider's recurring work until the end, in the main thread: what that starts would end with another thread."""
        while True:
            # Event.wait of the main thread lets signal handlers run.
            threading.Event().wait(LOOK_SECONDS)
            if self._failed:
                continue
            try:
                self.provider.tend(self.spec.name, self.files.path)
            except HarnessError:
                log.exception("the provider's recurring work failed")

    def _fail(self, problem: str, remedy: str, exit_code: int) -> None:
        """Report to the waiting processes why the cluster failed; it is removed when all of them have left."""
        self._failed = True
        kept = self._keep_logs()
        if kept is not None:
            problem = f"{problem}\n  all logs: {kept}"
        with self._news.open("r+b") as file:
            file.write(json.dumps({"problem": problem, "remedy": remedy, "exit_code": exit_code}).encode())
        self._news.replace(self.files.failure_file)

    def _keep_logs(self) -> Path | None:
        """Copy the logs to a directory that outlives the cluster, beside the timeline if there is one, and return it."""
        of_run = self.timeline.path
        kept = of_run.parent / "evidence" / "nodes" if of_run else paths.cache() / "logs" / f"cluster-{self.spec.name}"
        logs = self.files.path / "logs"
        try:
            # Pods of the layer can write anything into the directories of the nodes' logs.
            for file in (self.files.log, *plainfile.in_directories(logs, ".log")):
                target = kept / (file.relative_to(logs) if logs in file.parents else file.name)
                try:
                    content, _ = plainfile.end_of(file, MOST_KEPT, self.files.path)
                except plainfile.NotPlain as error:
                    log.warning("%s is not kept: it %s", file, error.strerror)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(target, redact.text(content.decode(errors="replace")))
        except OSError:
            log.exception("the logs could not be kept")
            return None
        return kept

    def _watch(self) -> None:
        """Interrupt the main thread when the cluster has no holder; the lock keeps new holders away meanwhile."""
        while not self._over.wait(LOOK_SECONDS):
            if self._unwanted():
                release = self.files.lock.take("removes the cluster")
                if self._unwanted() and not self._over.is_set():
                    self._release = release
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                release()

    def _unwanted(self) -> bool:
        if self.files.end.exists():
            return True
        return not self.files.holders() and (self._failed or not self.files.keep.exists())

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Ended

    def _remove(self) -> None:
        release = self._release or self.files.lock.take("removes the cluster")
        self.provider.delete(self.spec.name, self.files.path)
        self.files.lock.remove()
        release()


def main(name: str) -> None:
    """Go into the background and supervise the cluster of that name."""
    files = ClusterDirectory(name)
    # Taken before the fork, so that the parent finds the lock held as soon as the first process has ended.
    try:
        wait_until(
            lambda: files.supervisor.try_take("supervises the cluster") or "another process holds its lock",
            timeout=START_SECONDS,
            what=f"the supervisor of cluster {name} is the only one",
        )
    except NotInTime as error:
        sys.exit(str(error))
    if os.fork():
        os._exit(0)
    os.setsid()
    output = os.open(files.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.chdir("/")
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    logging.basicConfig(level=logging.DEBUG, format="%(asctime)s.%(msecs)03d %(name)s: %(message)s", datefmt="%H:%M:%S")
    for noisy in ("urllib3", "pyroute2", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    Supervisor(files).run()


if __name__ == "__main__":
    main(sys.argv[1])
