"""The run's timeline: phases and facts as JSON lines, appended by all processes of a run and displayed by one of them.

Workers of pytest-xdist cannot print; they append here, and the controlling process follows the file. One line is one `write` on a
file opened for appending, so lines of several processes never mix.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from platform_e2e import redact

STEP_CHARACTERS = 300
"""Most characters of one step in a wait's history: three lines of a terminal."""


class Timeline:
    """Append events to one file.

    Args:
        path: the file, or None to discard all events.

    Attributes:
        test: the id of this process's current test, or empty; all its events have it.
        trouble: why events are missing, such as a full disk; usually empty.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.test = ""
        self.trouble = ""

    def event(self, kind: str, name: str, **facts: Any) -> None:
        """Append one event.

        Args:
            kind: `phase-start`, `phase-progress`, `phase-end`, `fact`, `cluster`, `finding`, `test-start`, `test-end`,
                `wait`, `disturbance-start`, `disturbance-healed`, `disturbance-end`, `application`, `restart`, `warning`.
            name: the name of the phase, fact, test or object.
            facts: JSON values of the event.
        """
        if self.path is None:
            return
        # The text of an error may quote the end of a log.
        safe = redact.plain({"test": self.test, **facts} if self.test else facts)
        line = json.dumps(
            {
                "at": time.time(),
                "mono": time.monotonic(),
                "pid": os.getpid(),
                "kind": kind,
                "name": redact.text(name),
                **safe,
            }
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            # A verdict with an incomplete timeline is better than none.
            self.trouble = f"{self.path} is not complete: {error.strerror}"

    def progress(self, name: str, text: str) -> None:
        """Show the current step of a running phase, in a few words."""
        self.event("phase-progress", name, text=text)

    def wait(self, what: str, *, seconds: float, outcome: str, steps: Sequence[str] = ()) -> None:
        """Record a wait that has just ended.

        Args:
            what: the awaited state, as a sentence.
            seconds: the duration of the wait.
            outcome: `met`, or another end.
            steps: the states on the way, one line each.
        """
        shown = [step if len(step) <= STEP_CHARACTERS else step[: STEP_CHARACTERS - 1] + "…" for step in steps]
        # A wait that found its state at once has no history worth a line.
        moved = len(shown) > 1 or outcome != "met"
        self.event("wait", what, seconds=seconds, outcome=outcome, **({"steps": shown} if moved else {}))

    @contextlib.contextmanager
    def phase(self, name: str, title: str = "") -> Iterator[None]:
        """Record that a phase starts, and its seconds and error when it ends."""
        self.event("phase-start", name, title=title or name)
        start = time.monotonic()
        try:
            yield
        except BaseException as error:
            self.event("phase-end", name, seconds=time.monotonic() - start, error=str(error) or repr(error))
            raise
        self.event("phase-end", name, seconds=time.monotonic() - start, error=None)


_OF_PROCESS = [Timeline(None)]
"""The timeline of this process's run, for code deep in the library, such as waits, that cannot get it as an argument."""


def current() -> Timeline:
    """Return the timeline of this process's run; outside of a run one that discards all events."""
    return _OF_PROCESS[-1]


@contextlib.contextmanager
def kept_in(timeline: Timeline) -> Iterator[None]:
    """Set this process's timeline, for all of its threads, while the block runs."""
    _OF_PROCESS.append(timeline)
    try:
        yield
    finally:
        _OF_PROCESS.remove(timeline)
