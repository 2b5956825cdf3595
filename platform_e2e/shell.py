"""Run external programs: an argv list, a timeout, one log line, a typed result."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.dialogue import Dialogue
from platform_e2e.errors import BrokenHarness
from platform_e2e.pipes import REST_SECONDS, TooMuch, gather, pump
from platform_e2e.processes import RunningProcesses
from platform_e2e.untrusted import plainfile

log = logging.getLogger(__name__)

STDERR_LINES_SHOWN = 20
"""Last lines of a failed program's output in an error: as many as fit the first screen."""

STREAM_LINES_KEPT = 200
"""Last lines of a streamed program's output in memory; its log file has all of them."""


@dataclass(frozen=True)
class Completed:
    """The result of a program.

    Attributes:
        argv: the command line.
        returncode: its exit status.
        stdout: its standard output, decoded.
        stderr: its standard error, decoded.
        seconds: the duration of the run.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


class CommandError(BrokenHarness):
    """A program could not be started, took too long, or ended with an unexpected status."""

    def __init__(self, argv: Sequence[str], reason: str, output: str = "", remedy: str = "") -> None:
        tail = "\n".join(output.strip().splitlines()[-STDERR_LINES_SHOWN:])
        shown = "".join(f"\n    {line}" for line in tail.splitlines())
        super().__init__(f"`{shlex.join(argv)}` {reason}{shown}", remedy)
        self.argv = tuple(argv)
        self.reason = reason
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
    alone: bool = False,
    among: RunningProcesses | None = None,
) -> Completed:
    """Run a program to its end and return its output.

    Args:
        argv: the program and its arguments; never a shell string.
        timeout: seconds until its whole process group is killed.
        ok: accepted exit statuses.
        stdin: its standard input; empty by default.
        cwd: its working directory.
        env: environment variables added to this process's own.
        remedy: the remedy in the error.
        alone: whether `env` has all of its variables.
        among: the programs that are ended together with it.

    Raises:
        CommandError: it is missing, did not end in time, or ended with a status outside of `ok`.
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
            env={**({} if alone else os.environ), **(env or {})},
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(words, f"could not be started: {error.strerror}", remedy=remedy) from error
    try:
        with among.having(process) if among else contextlib.nullcontext():
            out, err = process.communicate(data, timeout=timeout)
    except subprocess.TimeoutExpired:
        output = _kill(process)
        raise CommandError(words, f"did not end within {timeout:g} s", output, remedy) from None
    except BaseException:
        _kill(process)
        raise
    seconds = time.monotonic() - start
    log.debug("%s -> %d in %.2f s", shlex.join(words), process.returncode, seconds)
    done = Completed(
        tuple(words), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"), seconds
    )
    if done.returncode not in ok:
        raise CommandError(words, f"ended with status {done.returncode}", done.stderr or done.stdout, remedy)
    return done


def confidential(
    argv: Sequence[str | Path], *, timeout: float, most: int, env: Mapping[str, str], remedy: str = ""
) -> Completed:
    """Run a program that prints a secret: logs and errors have neither its arguments nor its output, except for standard error.

    Args:
        argv: the program and its arguments; never a shell string.
        timeout: seconds until its whole process group is killed.
        most: largest output in bytes; of standard error the last bytes are kept.
        env: environment variables added to this process's own.
        remedy: the remedy in the error.

    Raises:
        CommandError: it is missing, did not end in time, printed too much, or ended with a status other than 0.
    """
    words = [str(word) for word in argv]
    named, start = words[:1], time.monotonic()
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **env},
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(named, f"could not be started: {error.strerror}", remedy=remedy) from error
    try:
        out, err = gather(process, deadline=start + timeout, most=most)
    except (subprocess.TimeoutExpired, TooMuch) as error:
        _kill(process)
        problem = (
            f"printed more than {most} bytes" if isinstance(error, TooMuch) else f"did not end within {timeout:g} s"
        )
        raise CommandError(named, problem, remedy=remedy) from None
    except BaseException:
        _kill(process)
        raise
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    seconds = time.monotonic() - start
    log.debug("%s -> %d in %.2f s", shlex.join(named), process.returncode, seconds)
    done = Completed(
        tuple(named), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"), seconds
    )
    if done.returncode:
        raise CommandError(named, f"ended with status {done.returncode}", _without(done), remedy)
    return done


def _without(done: Completed) -> str:
    """Return a program's standard error without its standard output, and without anything that looks like a secret."""
    from platform_e2e import redact  # noqa: PLC0415  only after a failure

    said = done.stderr
    for word in sorted(set(re.findall(r"[^\s\"',:{}]{8,}", done.stdout)), key=len, reverse=True):
        said = said.replace(word, redact.HIDDEN)
    return redact.text(said)


def _kill(process: subprocess.Popen[bytes]) -> str:
    """Kill a program's process group, wait for the program, and return its output as far as it can be read."""
    # The group of a program that was waited for may be another one's, and must not turn an interruption into an error.
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    try:
        out, err = process.communicate(timeout=REST_SECONDS)
    except subprocess.TimeoutExpired as late:
        out, err = late.output or b"", late.stderr or b""
    except ValueError:
        # An interruption while writing to it has closed its pipes.
        out = err = b""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    return (out + err).decode(errors="replace")


def stream(
    argv: Sequence[str | Path],
    *,
    timeout: float,
    on_line: Callable[[str], None],
    on_tick: Callable[[], None] | None = None,
    tick: float = 1.0,
    log_file: Path | None = None,
    ok: Sequence[int] = (0,),
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    remedy: str = "",
    tied: bool = False,
) -> Completed:
    """Run a program to its end and pass on each line of its output immediately.

    Standard output and standard error arrive in the order in which the program wrote them.

    Args:
        argv: the program and its arguments; never a shell string.
        timeout: seconds until its whole process group is killed.
        on_line: called with each line, without its line end.
        on_tick: called about every `tick` seconds, also without any output.
        tick: seconds between two calls of `on_tick`.
        log_file: gets the complete output; its directory must exist.
        ok: accepted exit statuses.
        cwd: its working directory.
        env: environment variables added to this process's own.
        remedy: the remedy in the error.
        tied: whether the kernel kills it when this process dies, even by SIGKILL; processes that it started itself continue.

    Returns:
        The result, with the last `STREAM_LINES_KEPT` lines of both outputs as `stdout`.

    Raises:
        CommandError: it is missing, did not end in time, or ended with a status outside of `ok`.
    """
    words = [str(word) for word in argv]
    setpriv = which("setpriv") if tied else None
    if setpriv:
        words = [str(setpriv), "--pdeathsig", "KILL", "--", *words]
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(words, f"could not be started: {error.strerror}", remedy=remedy) from error
    tail: deque[str] = deque(maxlen=STREAM_LINES_KEPT)

    def line(text: str) -> None:
        tail.append(text)
        on_line(text)

    try:
        with plainfile.appended(log_file) if log_file else open(os.devnull, "ab") as copy:  # noqa: PTH123 - no Path
            ended = pump(process.stdout, copy, line, on_tick, tick=tick, deadline=start + timeout)
        # A program may close its output and continue.
        process.wait(max(0.0, start + timeout - time.monotonic()) if ended else 0)
    except subprocess.TimeoutExpired:
        ended = False
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    seconds = time.monotonic() - start
    log.debug("%s -> %d in %.2f s", shlex.join(words), process.returncode, seconds)
    output = "\n".join(tail)
    if not ended:
        raise CommandError(words, f"did not end within {timeout:g} s", output, remedy)
    if process.returncode not in ok:
        raise CommandError(words, f"ended with status {process.returncode}", output, remedy)
    return Completed(tuple(words), process.returncode, output, "", seconds)


def background(
    argv: Sequence[str | Path], *, log_file: Path, env: Mapping[str, str], remedy: str = ""
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, and return it; the caller must end it.

    Args:
        argv: the program and its arguments; never a shell string.
        log_file: gets the complete output; its directory must exist.
        env: all of its environment variables; this process's own are not added.
        remedy: the remedy in the error.

    Raises:
        CommandError: it could not be started.
    """
    words = [str(word) for word in argv]
    log.debug("%s in the background", shlex.join(words))
    try:
        with plainfile.appended(log_file) as output:
            return subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(env), start_new_session=True
            )
    except OSError as error:
        raise CommandError(words, f"could not be started: {error.strerror}", remedy=remedy) from error


@contextlib.contextmanager
def conversing(
    argv: Sequence[str | Path], *, most: int, log_file: Path, env: Mapping[str, str], remedy: str = ""
) -> Iterator[Dialogue]:
    """Start a program that is asked and answers in lines; when the block ends its whole process group is killed.

    Args:
        argv: the program and its arguments; never a shell string.
        most: bytes that a line of its answers may have.
        log_file: gets its standard error; its directory must exist.
        env: all of its environment variables; this process's own are not added.
        remedy: the remedy in the error.

    Raises:
        CommandError: it could not be started.
    """
    words = [str(word) for word in argv]
    log.debug("%s to talk with", shlex.join(words))
    try:
        with plainfile.appended(log_file) as errors:
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(env),
                start_new_session=True,
            )
    except OSError as error:
        raise CommandError(words, f"could not be started: {error.strerror}", remedy=remedy) from error
    dialogue = Dialogue(process, most)
    try:
        yield dialogue
    finally:
        dialogue.end()


def which(program: str) -> Path | None:
    """Return the path of a program on PATH, /usr/sbin or /sbin, or None."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    found = shutil.which(program, path=path)
    return Path(found) if found else None
