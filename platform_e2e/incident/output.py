"""Print what `capture` and `reproduce` say, redacted and without the control characters of an untrusted archive."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from platform_e2e import redact, terminal
from platform_e2e.finding import Finding
from platform_e2e.incident.model import Incident
from platform_e2e.paths import command
from platform_e2e.report.console import PhasePrinter
from platform_e2e.runs.compare import AGAIN, ComparedFinding
from platform_e2e.terminal import visible
from platform_e2e.timeline import Timeline

LOG_WIDTH = 160
"""Columns of a table where standard output is not a terminal."""


def clean(words: str) -> str:
    """Return words without secrets and without what would steer the terminal."""
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
    """A timeline whose events are printed and not stored."""

    def __init__(self) -> None:
        super().__init__(None)
        self._printer = PhasePrinter()

    def event(self, kind: str, name: str, **facts: Any) -> None:
        """Print an event, if a person needs to see it."""
        safe = redact.plain(facts)
        for line in self._printer.lines({"mono": time.monotonic(), "kind": kind, "name": name, **safe}):
            say(line)


def captured(incident: Incident, output: Path) -> None:
    """Print what was captured, what was not, and how to reproduce it."""
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


def table(compared: Sequence[ComparedFinding], title: str) -> str:
    """Return the findings of the incident beside those that are seen here."""
    styles = {True: "bold red", False: "yellow"}
    rows = [
        (
            _cell(row.then),
            _cell(row.now),
            (
                clean(row.verdict + (f": {row.why}" if row.why else "")),
                "green" if row.verdict == AGAIN else styles[row.then is not None],
            ),
        )
        for row in compared
    ]
    width, colour = terminal.size(LOG_WIDTH)
    columns = ("at the incident", "here", "seen again")
    return terminal.table(columns, rows, width=width, colour=colour, title=title, ratios=(5, 5, 2))


def _cell(finding: Finding | None) -> str:
    return clean(f"{finding.object} [{finding.cause.id}]\n{finding.observed}") if finding else ""
