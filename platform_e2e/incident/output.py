"""Output of `capture` and `reproduce`. An archive is hostile: no control character of it reaches a terminal."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from platform_e2e import redact
from platform_e2e.finding import Finding
from platform_e2e.incident.compare import AGAIN, Row
from platform_e2e.incident.model import Incident
from platform_e2e.paths import command
from platform_e2e.report.console import PhasePrinter
from platform_e2e.terminal import visible
from platform_e2e.timeline import Timeline

LOG_WIDTH = 160
"""Columns of a table where the output is not a terminal."""


def clean(words: str) -> str:
    """Return words that may be printed: no secrets, nothing that steers the terminal."""
    return visible(redact.text(words))


def say(words: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{clean(words)}\n")
    sys.stdout.flush()


def say_list(title: str, lines: Iterable[str]) -> None:
    """Print lines below a title, if there are any."""
    found = list(lines)
    if found:
        say(f"{title}:")
        for line in found:
            say(f"  {line}")


class PrintedTimeline(Timeline):
    """A timeline that is told as it goes on, and not kept."""

    def __init__(self) -> None:
        super().__init__(None)
        self._printer = PhasePrinter()

    def event(self, kind: str, name: str, **facts: Any) -> None:
        """Print what an event is worth."""
        safe = redact.plain(facts)
        for line in self._printer.lines({"mono": time.monotonic(), "kind": kind, "name": name, **safe}):
            say(line)


def captured(incident: Incident, output: Path) -> None:
    """Say what was captured, what was not, and what to do with it."""
    layer = f"layer {incident.repository} at {incident.revision[:12] or 'no commit'}"
    say(f"{layer}; Kubernetes {incident.kubernetes}, {incident.nodes} node(s); {len(incident.apps)} Applications")
    say_list(
        "foundations",
        (
            f"{release.name}: {release.chart} {release.version} ({release.app_version})"
            for release in incident.foundations
        ),
    )
    say_list(
        "not as in Git",
        (f"{drift}: {_how(drift.change, [str(d) for d in drift.differences])}" for drift in incident.drift),
    )
    say_list("held", incident.held)
    say_list("alerts firing", sorted(alert_line(alert) for alert in incident.alerts))
    say_list("findings", (line_of(finding) for finding in incident.findings))
    say_list("worth knowing", incident.notes)
    say_list("not captured", (f"{part}: {why}" for part, why in incident.missed.items()))
    needs = "" if incident.has_layer else " --layer DIR"
    say(f"{output}: {output.stat().st_size} bytes, redacted")
    say(f"  reproduce it: {command('reproduce')} {shlex.quote(str(output))} --trust{needs}")


def alert_line(labels: Any) -> str:
    """Return a firing alert in one line."""
    rest = {k: v for k, v in labels.items() if k not in {"alertname", "alertstate", "__name__"}}
    return f"{labels.get('alertname')} {' '.join(f'{k}={v}' for k, v in sorted(rest.items()))}"


def line_of(finding: Finding) -> str:
    """Return a finding in one line."""
    return f"{finding.object}: {finding.cause.sentence} [{finding.cause.id}]"


def _how(change: str, differences: Sequence[str]) -> str:
    return f"{change} {'; '.join(differences)}".strip()


def console() -> Console:
    """Return where tables are printed."""
    return Console(file=sys.stdout, highlight=False, markup=False, width=None if sys.stdout.isatty() else LOG_WIDTH)


def table(rows: Sequence[Row], title: str) -> Table:
    """Return the findings of the incident beside those that are seen here."""
    result = Table(title=title, title_justify="left", show_lines=True)
    result.add_column("at the incident", overflow="fold", ratio=5)
    result.add_column("here", overflow="fold", ratio=5)
    result.add_column("seen again", overflow="fold", ratio=2)
    for row in rows:
        style = "green" if row.verdict == AGAIN else "bold red" if row.then else "yellow"
        words = row.verdict + (f": {row.why}" if row.why else "")
        result.add_row(_cell(row.then), _cell(row.now), Text(clean(words), style))
    return result


def _cell(one: Finding | None) -> Text:
    return Text(clean(f"{one.object} [{one.cause.id}]\n{one.observed}") if one else "")
