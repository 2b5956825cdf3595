"""Measure the report of a large run: `nox -s benchmark -- report`.

Prints a table and writes artifacts/benchmarks/report.json; ends with 1 where the page is heavier or slower than promised.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.reports.chromium import chromium, opened
from benchmarks.reports.large import large
from platform_e2e import paths
from platform_e2e.commands.arguments import Parser
from platform_e2e.errors import HarnessError
from platform_e2e.report import html

MOST_BYTES = 5_000_000
MOST_SECONDS = 2.0
"""What is promised of 2,000 tests and a timeline of 30 minutes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Make the run and its page, open it, and return the exit status."""
    parser = Parser(prog="benchmarks.report", description=__doc__)
    parser.add_argument("--tests", type=int, default=2000, metavar="N", help="how many tests the run has; 2000")
    parser.add_argument("--minutes", type=float, default=30.0, metavar="N", help="how long it took; 30")
    parser.add_argument("--times", type=int, default=5, metavar="N", help="how often the page is opened; 5")
    known = parser.parse_args(argv)
    try:
        figures = measure(known.tests, known.minutes, known.times)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    show(figures)
    target = paths.artifacts() / "benchmarks" / "report.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"all of it: {target}")
    return int(figures["bytes"] > MOST_BYTES or figures["ready_seconds"] > MOST_SECONDS)


def measure(tests: int, minutes: float, times: int) -> dict[str, float]:
    """Return bytes, seconds to make, and seconds to open as the median of several times."""
    with tempfile.TemporaryDirectory(prefix="platform-e2e-report-") as scratch:
        directory = large(Path(scratch) / "run", tests=tests, minutes=minutes)
        events = (directory / "timeline.jsonl").read_bytes().count(b"\n")
        began = time.monotonic()
        page = html.write(directory)
        built = time.monotonic() - began
        with chromium() as browser:
            seen = [opened(browser, page) for _ in range(times)]
        return {
            "tests": tests,
            "events": events,
            "bytes": page.stat().st_size,
            "build_seconds": built,
            "paint_seconds": statistics.median(one["paint"] for one in seen),
            "ready_seconds": statistics.median(one["ready"] for one in seen),
            "slowest_ready_seconds": max(one["ready"] for one in seen),
        }


def show(figures: dict[str, float]) -> None:
    """Print the table."""
    table = Table(pad_edge=False, show_edge=False)
    for name in ("of a report", "measured", "promised"):
        table.add_column(name)
    table.add_row("tests, events of the timeline", f"{figures['tests']:.0f}, {figures['events']:.0f}", "")
    table.add_row("size", f"{figures['bytes'] / 1e6:.2f} MB", f"below {MOST_BYTES / 1e6:.0f} MB")
    table.add_row("made in", f"{figures['build_seconds']:.2f} s", "")
    table.add_row("first paint after", f"{figures['paint_seconds']:.2f} s", "")
    slowest = f", slowest {figures['slowest_ready_seconds']:.2f} s"
    table.add_row(
        "open, timeline drawn after", f"{figures['ready_seconds']:.2f} s{slowest}", f"below {MOST_SECONDS:.0f} s"
    )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
