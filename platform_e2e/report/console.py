"""What a person sees: phases with times while the run goes on, and the verdict's table at its end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from platform_e2e import terminal
from platform_e2e.runs.verdict import Verdict
from platform_e2e.terminal import visible

PROGRESS_SECONDS = 10.0
"""In a log, where no line can be overwritten, how often a running phase says what it does."""

TEXT_SHOWN = 120
"""How many characters of a phase's progress are shown: with its name, two lines of a terminal of 80 columns."""

FOLLOW_SECONDS = 0.2
"""How often the timeline is looked at for news: quick to a person's eye, nothing to a processor."""


class PhasePrinter:
    """Turn events of a timeline into lines.

    Args:
        progress_seconds: the least time between two lines of progress of one phase.
    """

    def __init__(self, progress_seconds: float = PROGRESS_SECONDS) -> None:
        self.progress_seconds = progress_seconds
        self.titles: dict[str, str] = {}
        self.shown: dict[str, float] = {}
        self.held: dict[str, str] = {}

    def lines(self, event: Mapping[str, Any]) -> list[str]:
        """Return the lines, without an end of line, that an event is worth."""
        name, kind = str(event["name"]), event["kind"]
        if kind == "phase-start":
            self.titles[name] = str(event.get("title") or name)
            self.shown[name] = float(event["mono"])
            more = f": {self.titles[name]}" if self.titles[name] != name else ""
            return [f"  {name:<30} starts{more}"]
        if kind == "phase-progress":
            self.held[name] = shortened(str(event.get("text", "")))
            return self.due(float(event["mono"]), name)
        if kind == "phase-end":
            self.held.pop(name, None)
            error = str(event.get("error") or "")
            ending = f"FAILED: {error.splitlines()[0]}" if error else "done"
            return [f"  {name:<30} {ending} ({duration(float(event['seconds']))})"]
        if kind in {"fact", "cluster"} and event.get("text"):
            return [f"  {name:<30} {event['text']}"]
        return []

    def due(self, now: float, *names: str) -> list[str]:
        """Return the newest progress that came too early after the line before it, once its time has come.

        A phase that waits may say so once, in its first second, and nothing more for minutes.

        Args:
            now: monotonic time.
            names: of the phases; by default all.
        """
        found = []
        for name in names or tuple(self.held):
            if now - self.shown.get(name, float("-inf")) >= self.progress_seconds:
                self.shown[name] = now
                found.append(f"  {name:<30} {self.held.pop(name)}")
        return found


class Follower:
    """Show a growing timeline from a thread of its own.

    Args:
        path: of the timeline; it need not exist yet.
        out: where the lines go.
        printer: which lines.
        position: how much of the file, in bytes, was shown already.
        column: tells in which column of the terminal another writer is.
    """

    def __init__(
        self,
        path: Path,
        out: TextIO,
        printer: PhasePrinter | None = None,
        *,
        position: int = 0,
        column: Callable[[], int] = int,
    ) -> None:
        self.path = path
        self.position = position
        self.column = column
        self.out = out
        self.printer = printer or PhasePrinter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="timeline", daemon=True)

    def start(self) -> None:
        """Begin to show."""
        self._thread.start()

    def stop(self) -> None:
        """Show what is left and end."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _follow(self) -> None:
        """Show whole lines as they come."""
        position, rest, left = self.position, "", 0
        while True:
            last = self._ended.wait(FOLLOW_SECONDS)
            if self.path.exists():
                with self.path.open(encoding="utf-8") as file:
                    file.seek(position)
                    rest += file.read()
                    position = file.tell()
            *whole, rest = rest.split("\n")
            events = [event for text in whole if (event := _parse(text)) is not None]
            lines = [line for event in events for line in self.printer.lines(event)]
            lines += self.printer.due(time.monotonic())
            if lines:
                column = self.column()
                self.out.write(
                    ("\n" if column not in {0, left} else "") + "".join(visible(f"{each}\n") for each in lines)
                )
                self.out.flush()
                left = column
            if last:
                return


def _parse(line: str) -> dict[str, Any] | None:
    """Return one event of a timeline; None for half a line.

    The file becomes shorter where a secret is found in it late, and what was read on from is then the middle of a line.
    """
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def shortened(text: str) -> str:
    """Return the beginning of a text that would take more than two lines of a terminal."""
    return text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…"


def duration(seconds: float) -> str:
    """Return seconds as a person says them: 0.4 s, 12 s, 2 min 05 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def verdict_table(verdict: Verdict, headline: str, *, width: int, colour: bool) -> str:
    """Return the table of promises.

    Args:
        verdict: of the run.
        headline: the line above: layer, commit, cluster, and what ran instead of a pinned version.
        width: columns of the terminal.
        colour: whether escape sequences are welcome.
    """
    if not verdict.promises:
        return f"{headline}\nno promise was judged\n"
    partly = any(row.lacking for row in verdict.promises)
    columns = ("promise", "verdict", *(("not judged",) if partly else ()), "tests", "figures")
    rows = []
    for row in verdict.promises:
        style = "green" if row.holds else "bold red" if row.verdict == "BROKEN" else "yellow"
        lacking = (row.lacking,) if partly else ()
        rows.append((row.promise, (row.verdict, style), *lacking, row.tests, row.figures))
    return terminal.table(columns, rows, width=max(width, 60), colour=colour, headline=headline)
