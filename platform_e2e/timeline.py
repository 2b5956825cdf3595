"""The run's timeline: phases and facts as JSON lines that every process of a run appends to and one of them shows.

Workers of pytest-xdist cannot print; they append here, and the controlling process follows the file. One line is one
`write` on a file opened for appending, so lines of several processes never mix.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from platform_e2e.report import redact


class Timeline:
    """Append what happens to one file.

    Args:
        path: the file, or None for a timeline that nobody keeps.
    """

    def __init__(self, path: Path | None) -> None:
        """Remember the file; it is created by the first event."""
        self.path = path

    def event(self, kind: str, name: str, **facts: Any) -> None:
        """Append one event.

        Args:
            kind: `phase-start`, `phase-progress`, `phase-end`, `fact`, `cluster`, `finding`.
            name: which phase or fact.
            facts: JSON values that describe it.
        """
        if self.path is None:
            return
        # An error's text may quote the end of a log.
        safe = redact.plain(facts)
        line = json.dumps(
            {"at": time.time(), "mono": time.monotonic(), "pid": os.getpid(), "kind": kind, "name": name, **safe}
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def progress(self, name: str, text: str) -> None:
        """Say what a running phase does now, in a few words."""
        self.event("phase-progress", name, text=text)

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
