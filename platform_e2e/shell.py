"""The one runner for external programs: an argv list, a timeout, one log line, a typed result."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.errors import BrokenHarness

log = logging.getLogger(__name__)

STDERR_LINES_SHOWN = 20
"""How many last lines of a failed program's output an error shows: what fits the first screen."""


@dataclass(frozen=True)
class Completed:
    """What a program left behind.

    Attributes:
        argv: the command line.
        returncode: its exit status.
        stdout: its standard output, decoded.
        stderr: its standard error, decoded.
        seconds: how long it ran.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class CommandError(BrokenHarness):
    """A program could not be started, took too long, or ended with a status that was not expected."""

    def __init__(self, argv: Sequence[str], reason: str, output: str = "", remedy: str = "") -> None:
        """Quote the command line and the end of what it printed."""
        tail = "\n".join(output.strip().splitlines()[-STDERR_LINES_SHOWN:])
        shown = "".join(f"\n    {line}" for line in tail.splitlines())
        super().__init__(f"`{shlex.join(argv)}` {reason}{shown}", remedy)
        self.argv = tuple(argv)
        self.output = output


def run(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    ok: Sequence[int] = (0,),
    stdin: str | bytes | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    remedy: str = "",
) -> Completed:
    """Run a program to its end and return what it printed.

    Args:
        argv: the program and its arguments; never a shell string.
        timeout: seconds until its whole process group is killed.
        ok: exit statuses that are not an error.
        stdin: what it reads; nothing by default.
        cwd: its working directory.
        env: variables added to this process's own.
        remedy: what the error tells its reader to do.

    Raises:
        CommandError: it is not installed, did not end in time, or ended with a status outside of `ok`.
    """
    words = [str(word) for word in argv]
    data = stdin.encode() if isinstance(stdin, str) else stdin
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL if data is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(words, f"could not be started: {error.strerror}", remedy=remedy) from error
    try:
        out, err = process.communicate(data, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise CommandError(
            words, f"did not end within {timeout:g} s", (out + err).decode(errors="replace"), remedy
        ) from None
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    seconds = time.monotonic() - start
    log.debug("%s -> %d in %.2f s", shlex.join(words), process.returncode, seconds)
    done = Completed(
        tuple(words), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"), seconds
    )
    if done.returncode not in ok:
        raise CommandError(words, f"ended with status {done.returncode}", done.stderr or done.stdout, remedy)
    return done


def which(program: str) -> Path | None:
    """Return where PATH has the program, /usr/sbin and /sbin included, or None."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=path)
    return Path(found) if found else None
