"""Talk with a program in lines: what it is asked goes to its standard input, what it answers comes from its standard output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time

from platform_e2e.pipes import TooMuch

CHUNK = 1 << 16
"""Bytes that are written or read at once: what a pipe holds (pipe(7))."""


class Dialogue:
    """Lines to and from a program, neither of which ever waits for the other.

    Args:
        process: that was started with pipes for both.
        most: bytes that a line of the program may have.
    """

    def __init__(self, process: subprocess.Popen[bytes], most: int) -> None:
        assert process.stdin is not None  # noqa: S101  the caller started it so
        assert process.stdout is not None  # noqa: S101
        self._process, self._most = process, most
        self._input, self._output = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._input, False)
        self._unsaid = bytearray()
        self._heard = bytearray()
        self._searched = 0

    @property
    def process(self) -> int:
        """Return the program's process id."""
        return self._process.pid

    def say(self, line: bytes) -> None:
        """Say a line; it is written while `hear` waits."""
        self._unsaid += line + b"\n"

    def hear(self, deadline: float) -> bytes | None:
        """Return the program's next line without its end, or None when there is none by a monotonic time.

        Raises:
            EOFError: the program has ended, or closed its output.
            TooMuch: its line is too long.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            if self._unsaid:
                selector.register(self._input, selectors.EVENT_WRITE)
            while (line := self._line()) is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                for key, _ in selector.select(left):
                    if key.fd == self._output:
                        self._read()
                    elif not self._write():
                        selector.unregister(self._input)
        return line

    def end(self) -> int:
        """Kill what is left of the program and its process group, and return the program's exit status.

        A program that has ended by itself, which is when `hear` raises EOFError, keeps the status that it ended with.
        """
        # Its id is nobody else's before it was waited for.
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        return self._process.returncode

    def _line(self) -> bytes | None:
        end = self._heard.find(b"\n", self._searched)
        if (end if end >= 0 else len(self._heard)) > self._most:
            raise TooMuch
        if end < 0:
            self._searched = len(self._heard)
            return None
        line = bytes(self._heard[:end])
        del self._heard[: end + 1]
        self._searched = 0
        return line

    def _read(self) -> None:
        data = os.read(self._output, CHUNK)
        if not data:
            raise EOFError
        self._heard += data

    def _write(self) -> bool:
        """Write what is to be said; tell whether more of it is left."""
        try:
            written = os.write(self._input, self._unsaid[:CHUNK])
        except BlockingIOError:
            return True
        except BrokenPipeError:
            # It has ended; what it said until then is still to be heard.
            written = len(self._unsaid)
        del self._unsaid[:written]
        return bool(self._unsaid)
