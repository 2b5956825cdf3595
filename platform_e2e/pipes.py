"""Reading what a program prints: line by line as it comes, or both of its outputs up to a bound."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable
from typing import IO

REST_SECONDS = 2.0
"""How long the output of a program that has ended is waited for; only what left its process group can still hold it open."""


class TooMuch(Exception):
    """A program printed more than it may."""


def pump(
    source: IO[bytes] | None,
    copy: IO[bytes],
    line: Callable[[str], None],
    on_tick: Callable[[], None] | None,
    *,
    tick: float,
    deadline: float,
) -> bool:
    """Hand on lines until the source ends; tell whether it did so before the deadline."""
    if source is None:
        return True
    pending = b""
    next_tick = time.monotonic() + tick
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while (now := time.monotonic()) < deadline:
            if now >= next_tick:
                next_tick = now + tick
                if on_tick is not None:
                    on_tick()
            if not selector.select(timeout=max(0.0, min(next_tick, deadline) - now)):
                continue
            data = os.read(source.fileno(), 1 << 16)
            copy.write(data)
            *lines, pending = (pending + data).split(b"\n")
            if not data and pending:
                lines.append(pending)
            for text in lines:
                line(text.decode(errors="replace").rstrip("\r"))
            if not data:
                return True
    return False


def gather(process: subprocess.Popen[bytes], *, deadline: float, most: int) -> tuple[bytes, bytes]:
    """Return both outputs of a program when it has ended; of standard error no more than its end.

    Args:
        process: that was started with pipes.
        deadline: monotonic time by which it must end.
        most: bytes of each output.

    Raises:
        TooMuch: standard output has more.
        subprocess.TimeoutExpired: it has not ended in time.
    """
    assert process.stdout is not None  # noqa: S101  the caller started it so
    assert process.stderr is not None  # noqa: S101
    taken = {process.stdout: b"", process.stderr: b""}
    rest = deadline
    with selectors.DefaultSelector() as selector:
        for pipe in taken:
            selector.register(pipe, selectors.EVENT_READ, pipe)
        while selector.get_map() and (left := min(rest, deadline) - time.monotonic()) > 0:
            # What it left behind in the background may hold the pipes for ever.
            if process.poll() is not None and rest == deadline:
                rest = time.monotonic() + REST_SECONDS
            for key, _ in selector.select(min(left, 0.05)):
                pipe = key.data
                data = os.read(pipe.fileno(), 1 << 16)
                if not data:
                    selector.unregister(pipe)
                taken[pipe] += data
                if pipe is process.stdout and len(taken[pipe]) > most:
                    raise TooMuch
                taken[pipe] = taken[pipe][-most:]
    process.wait(max(0.0, deadline - time.monotonic()))
    return taken[process.stdout], taken[process.stderr]
