"""Processes forked from one that has loaded what they need: the workers of these tests, runs in a box, supervisors."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from execnet import gateway_io
from execnet.gateway_base import Popen2IO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.support.preloaded"])


def start(
    target: Callable[..., None], *args: Any, env: Mapping[str, str], directory: Path | None = None
) -> ForkServerProcess:
    """Start a process as a shell does.

    Args:
        target: what it does, a function of a module.
        args: what that is given.
        env: all variables that it has.
        directory: in which it begins; that of this process, where none is named.
    """
    process = FORKS.Process(target=_be, args=(target, args, dict(env), directory or Path.cwd()))
    process.start()
    return process


def end(process: ForkServerProcess) -> None:
    """Kill a process where it still runs: whoever leaves this one would wait for it."""
    if process.exitcode is None:
        process.kill()
        process.join()


def workers_too() -> None:
    """Let the workers that pytest-xdist starts from here on be forks; what they are told stays as it is."""
    gateway_io.Popen2IOMaster = ForkedIO  # type: ignore[misc, assignment]


class ForkedIO(Popen2IO):
    """The pipes to a worker, as execnet's Popen2IOMaster has them, and the worker.

    Args:
        args: of a Python interpreter, with the code to run at their end.
    """

    def __init__(self, args: Sequence[str], execmodel: Any) -> None:
        theirs_in, ours_out = FORKS.Pipe(duplex=False)
        ours_in, theirs_out = FORKS.Pipe(duplex=False)
        stderr = Path(f"/proc/{os.getpid()}/fd/2")
        self._process = start(_worker, args[-1], theirs_in, theirs_out, stderr, env=os.environ)
        theirs_in.close()
        theirs_out.close()
        super().__init__(_file(ours_out, "wb"), _file(ours_in, "rb"), execmodel=execmodel)

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()


def _file(end: Connection[Any, Any], mode: str) -> IO[bytes]:
    """Return an end of a pipe as a file."""
    file = os.fdopen(os.dup(end.fileno()), mode)
    end.close()
    return file


def _worker(code: str, stdin: Connection[Any, Any], stdout: Connection[Any, Any], stderr: Path) -> None:
    """Run what execnet has given to the interpreter, as a program whose standard files are these."""
    for end, number in ((stdin, 0), (stdout, 1)):
        os.dup2(end.fileno(), number)
        end.close()
    with contextlib.suppress(OSError), stderr.open("ab") as file:
        os.dup2(file.fileno(), 2)
    sys.stdin, sys.stdout = os.fdopen(0, "r", closefd=False), os.fdopen(1, "w", closefd=False)
    exec(code, {"__name__": "__main__"})


def _be(target: Callable[..., None], args: Sequence[Any], env: Mapping[str, str], directory: Path) -> None:
    """Be a process as a shell starts it."""
    # Costs nothing where it was loaded before the fork, and says what is wrong with it, which a fork server does not.
    import tests.support.preloaded  # noqa: F401

    # It knows where the server is that it was forked from, but CPython would start another one for its own processes.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
    sys.dont_write_bytecode = not sys.pycache_prefix
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(env)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whatever a shell starts in the background inherits that SIGINT is ignored.
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    try:
        target(*args)
    finally:
        # A forked process leaves these to the one it was forked from.
        atexit._run_exitfuncs()
