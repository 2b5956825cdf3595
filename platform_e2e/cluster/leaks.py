"""End runs in every way, and compare the host before and after each: no trace of a run may remain."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from platform_e2e import paths
from platform_e2e.cluster import gc, hoststate
from platform_e2e.cluster.directory import ClusterDirectory
from platform_e2e.cluster.hoststate import HostState, Mark
from platform_e2e.errors import ExitCode, WrongUsage
from platform_e2e.paths import command
from platform_e2e.shell import background
from platform_e2e.toolbox.waiting import NotInTime, wait_until

RUN_SECONDS = 3600.0
"""Timeout for one run; on an empty cache the first one builds everything."""

END_SECONDS = 180.0
"""Timeout for the end of a run after a signal: it gathers evidence and removes the cluster."""

GONE_SECONDS = 10.0
"""Longest time after the end of a run until all its traces must be gone."""

RUN = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "e2e")
"""The run to end, from the root of the checkout."""


class Ending(StrEnum):
    """How a run ends."""

    NORMAL = "normal"
    FAILING = "failing"
    INTERRUPT = "ctrl-c"
    TERMINATE = "sigterm"
    HANG_UP = "sighup"
    KILL = "kill-9"


SIGNALS = {
    Ending.INTERRUPT: signal.SIGINT,
    Ending.TERMINATE: signal.SIGTERM,
    Ending.HANG_UP: signal.SIGHUP,
    Ending.KILL: signal.SIGKILL,
}

EXTRA = {
    Ending.NORMAL: ("-m", "smoke"),
    # The deadline passes in the middle of the run, and the current test fails with it.
    Ending.FAILING: ("--deadline", "30s"),
}
"""Options added to the run's command line."""


@dataclass(frozen=True)
class Leak:
    """The result of one run: how it ended, and what it left.

    Attributes:
        ending: the way in which it was ended.
        status: the run's exit status.
        seconds: time from the end of the run until its traces were gone; at most `GONE_SECONDS`.
        left: lines that exist now and did not before.
        lost: lines that existed before and do not now.
        trouble: why the run did not test this ending, or empty.
    """

    ending: Ending
    status: int | None
    seconds: float
    left: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def clean(self) -> bool:
        """Tell whether the run left and removed nothing."""
        return not (self.left or self.lost or self.trouble)

    def render(self) -> str:
        """Return one line, and one more for each line that was left or lost."""
        verdict = "clean" if self.clean else self.trouble or "NOT CLEAN"
        head = f"{self.ending:<10} status {self.status}, {verdict} after {self.seconds:.1f} s"
        return "\n".join([head, *(f"  left: {line}" for line in self.left), *(f"  lost: {line}" for line in self.lost)])


def run_leaks(
    argv_for_run: Callable[[Ending, str], Sequence[str]],
    *,
    endings: Sequence[Ending] = tuple(Ending),
    ignored: Sequence[str] = (),
    told: Callable[[Leak], None] = lambda _: None,
) -> list[Leak]:
    """Do one run for each ending and compare the host before and after it.

    Args:
        argv_for_run: returns the run's command line, given the name of its cluster.
        endings: the endings to test.
        ignored: patterns of `hoststate` lines that other users of this host cause.
        told: called with each result as soon as it is known.

    Raises:
        WrongUsage: this user is not root, and could not see cgroups and namespaces.
    """
    if os.geteuid() != 0:
        raise WrongUsage(
            "only root sees everything that a run could leave", f"run it as `sudo -E {command('leaks', more=False)}`"
        )
    for name in gc.sweep().removed:
        print(f"swept what an earlier run had left of cluster {name}", file=sys.stderr)
    results = []
    for ending in endings:
        mark = Mark(f"leaks-{ending}", secrets.token_hex(8))
        results.append(_one(ending, argv_for_run(ending, mark.cluster), mark, ignored))
        told(results[-1])
    return results


def _one(ending: Ending, argv: Sequence[str], mark: Mark, ignored: Sequence[str]) -> Leak:
    before = hoststate.look(mark, ignored)
    logs = paths.cache() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"leaks-{ending}.log"
    log.write_bytes(b"")
    # The results get a directory of their own, and no page of a job: runs that are ended on purpose must not push others out
    # of artifacts/.
    own = {"PLATFORM_E2E_ARTIFACTS": str(paths.artifacts() / "leaks"), "GITHUB_STEP_SUMMARY": ""}
    # A process that a script starts in the background ignores Ctrl-C, and so would its runs.
    command = ["env", "--default-signal=INT", f"--chdir={paths.project()}", *argv]
    process = background(command, log_file=log, env={**os.environ, **own, hoststate.TOKEN: mark.token})
    trouble = ""
    try:
        if ending is not Ending.NORMAL:
            _until_in_use(process, ClusterDirectory(mark.cluster))
        if ending in SIGNALS:
            _send(process, SIGNALS[ending])
        _until_ended(process, END_SECONDS if ending in SIGNALS else RUN_SECONDS)
    except NotInTime as error:
        trouble = error.problem.splitlines()[0]
    finally:
        # A session of its own keeps Ctrl-C of this one away from it.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    sound = process.returncode in {ExitCode.HOLDS, ExitCode.UNKNOWN}
    if not trouble and sound != (ending is Ending.NORMAL):
        trouble = f"it ended with status {process.returncode}, see {log}"
    seconds, after = _settled(before, lambda: hoststate.look(mark, ignored))
    return Leak(ending, process.returncode, seconds, tuple(before.left(after)), tuple(before.lost(after)), trouble)


def _until_in_use(process: subprocess.Popen[bytes], cluster: ClusterDirectory) -> None:
    """Wait until the run's cluster is ready, so that the run can leave as much as possible behind."""

    def look() -> bool | str:
        if process.poll() is not None:
            raise NotInTime(f"the run ended by itself with status {process.returncode} before it had a cluster")
        return True if cluster.facts() else "it has no cluster yet"

    wait_until(look, timeout=RUN_SECONDS, what="the run uses its cluster")


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal as it is sent in practice: a terminal's to the whole process group, others to the one process."""
    if number in {signal.SIGINT, signal.SIGHUP}:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def _until_ended(process: subprocess.Popen[bytes], timeout: float) -> None:
    wait_until(lambda: True if process.poll() is not None else "it runs", timeout=timeout, what="the run ends")


def _settled(before: HostState, now: Callable[[], HostState]) -> tuple[float, HostState]:
    """Wait until the run's traces are gone, or until the time for it is over."""
    began = time.monotonic()
    after = now()

    def look() -> bool | str:
        nonlocal after
        after = now()
        return "something is left" if before.left(after) or before.lost(after) else True

    try:
        wait_until(look, timeout=GONE_SECONDS, what="nothing is left", most=0.5)
    except NotInTime:
        return GONE_SECONDS, after
    return time.monotonic() - began, after
