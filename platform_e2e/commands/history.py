"""`platform-e2e history`: the last runs, one line each."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_e2e import terminal
from platform_e2e.commands.arguments import positive, settings_of
from platform_e2e.errors import ExitCode

if TYPE_CHECKING:
    from platform_e2e.runs.history.record import RecordedRun

LOG_WIDTH = 160
"""Columns of the table where the output is not a terminal."""

WORDS = {
    ExitCode.HOLDS: "holds",
    ExitCode.BROKEN_PLATFORM: "BROKEN",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.BROKEN_HARNESS: "not judged",
    ExitCode.WRONG_USAGE: "wrong usage",
    ExitCode.UNKNOWN: "unknown",
}
"""What each exit status says, in a word."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `history` takes."""
    parser.add_argument("--last", type=positive, default=20, metavar="N", help="how many; 20")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """List the last runs."""
    return main(settings_of(args).artifacts, last=args.last, as_json=args.json)


def main(artifacts: Path, *, last: int, as_json: bool) -> int:
    """Print the last runs, newest last.

    Args:
        artifacts: the directory of all runs.
        last: how many.
        as_json: one JSON document instead of a table.

    Returns:
        0, also where there is no run yet.
    """
    from platform_e2e.runs.history.changes import RUNS_READ, read

    entries, notes = read(artifacts, max(last, RUNS_READ))
    flaky, more = _flaky(artifacts)
    rows = [row(entry, flaky[entry.id]) for entry in entries[-last:]]
    for note in (*notes, *more):
        print(note, file=sys.stderr)
    if as_json:
        print(json.dumps(rows, indent=1))
    elif rows:
        print(table(rows), end="")
    else:
        print(f"no run has left a line in {artifacts / 'history.jsonl'} yet")
    return ExitCode.HOLDS


def _flaky(artifacts: Path) -> tuple[Counter[str], list[str]]:
    """Return for each run how many tests changed their verdict in it without any other change."""
    from platform_e2e.runs.history.changes import FLAKES
    from platform_e2e.runs.history.jsonl import Ledger

    try:
        lines = Ledger(artifacts / FLAKES).read(_run_of_flake)
    except OSError as error:
        return Counter(), [f"history: {artifacts / FLAKES} cannot be read: {error}"]
    said = f"history: {lines.damaged} damaged line(s) of {artifacts / FLAKES} left out"
    return Counter(lines.whole), [said] if lines.damaged else []


def _run_of_flake(line: Any) -> str:
    try:
        return str(line["runs"][-1])
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("not a flake") from error


def row(run: RecordedRun, flaky: int) -> dict[str, Any]:
    """Return one run as plain data: what a script or a table needs of it."""
    from platform_e2e.runs.verdict import Outcome

    passed = sum(test.outcome == Outcome.PASSED for test in run.tests.values())
    figures = (promise["figures"].get("heal_seconds") for promise in run.promises.values())
    heals = [figure[1] for figure in figures if isinstance(figure, list)]
    return {
        "id": run.id,
        "started": run.started,
        "verdict": WORDS.get(run.exit_code, f"status {run.exit_code}"),
        "exit_code": run.exit_code,
        "whole": run.whole,
        "chosen": run.chosen,
        "tests": sum(test.judged for test in run.tests.values()),
        "passed": passed,
        "seconds": run.seconds,
        "heal_median_seconds": heals[0] if heals else None,
        "flakes": flaky,
        "provider": run.options.get("provider"),
        "nodes": run.options.get("nodes"),
        "layer": run.options.get("layer"),
        "layer_commit": run.layer.get("commit", ""),
        "layer_digest": run.layer.get("digest", ""),
        "accepted": list(run.accepted),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as a person reads them."""
    from platform_e2e.report.console import duration

    cells: list[list[terminal.Cell]] = []
    for row in rows:
        said = row["verdict"] + ("" if row["whole"] else ", in part") + (", fewer accepted" if row["accepted"] else "")
        heal = row["heal_median_seconds"]
        cells.append(
            [
                row["id"],
                (said, "green" if row["exit_code"] == ExitCode.HOLDS else "bold red"),
                f"{row['passed']} of {row['tests']}",
                duration(row["seconds"]),
                "" if heal is None else f"{heal:.2f} s",
                str(row["flakes"] or ""),
                f"{row['provider']}, {row['nodes']} node(s)",
                f"{row['layer_commit'][:12] or 'no commit'} ({row['layer_digest'][:8]})",
            ]
        )
    width, colour = terminal.size(LOG_WIDTH)
    columns = ("run", "verdict", "tests", "time", "heal", "flakes", "where", "layer")
    return terminal.table(columns, cells, width=width, colour=colour)
