"""The run's timeline: phases and facts as JSON lines that every process of a run appends to and one of them shows.

Workers of pytest-xdist cannot print; they append here, and the controlling process follows the file. One line is one
`write` on a file opened for appending, so lines of several processes never mix.
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
"""How much of one step of a wait's history is kept: three lines of a terminal."""


class Timeline:
    """Append what happens to one file.

    Args:
        path: the file, or None for a timeline that nobody keeps.

    Attributes:
        test: what this process tests now, or an empty string; every event that it appends meanwhile says so.
        trouble: why events are missing, such as a full disk; mostly nothing.
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
            name: which phase, fact, test or object.
            facts: JSON values that describe it.
        """
        if self.path is None:
            return
        # An error's text may quote the end of a log.
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
            # A verdict without a whole timeline is worth more than none.
            self.trouble = f"{self.path} is not complete: {error.strerror}"

    def progress(self, name: str, text: str) -> None:
        """Say what a running phase does now, in a few words."""
        self.event("phase-progress", name, text=text)

    def wait(self, what: str, *, seconds: float, outcome: str, steps: Sequence[str] = ()) -> None:
        """Record a wait that has ended just now.

        Args:
            what: was waited for, as a sentence.
            seconds: how long it took.
            outcome: `met`, or how it ended otherwise.
            steps: the states on the way, one line each.
        """
        shown = [step if len(step) <= STEP_CHARACTERS else step[: STEP_CHARACTERS - 1] + "…" for step in steps]
        # One that found at once what it looked for has no history worth a line.
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
"""The timeline of the run that this process belongs to; what is deep in the library, such as a wait, cannot be handed one."""


def current() -> Timeline:
    """Return the timeline of the run that this process belongs to; outside of a run one that nobody keeps."""
    return _OF_PROCESS[-1]


@contextlib.contextmanager
def kept_in(timeline: Timeline) -> Iterator[None]:
    """Make a timeline that of this process, for all of its threads, while the block runs."""
    _OF_PROCESS.append(timeline)
    try:
        yield
    finally:
        _OF_PROCESS.remove(timeline)
