"""What a person sees of it: the tables, the progress, and the file for later comparison."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.waits.hostile import Tallies
from benchmarks.waits.peers import OURS, PEERS
from benchmarks.waits.plan import Tally
from benchmarks.waits.summary import Bar, Delays, Load, ratio

ERRORS_SHOWN = 3
"""How many of a contender's errors the table names; the file has all."""


@contextlib.contextmanager
def progress(console: Console, title: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal, else one line at the begin and one at the end; yield what counts one step."""
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    if not console.is_terminal:
        console.print(f"{title} ...")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
    console.print(f"{title}: {time.monotonic() - began:.0f} s")


def delay_table(delays: Mapping[str, Delays]) -> Table:
    """Return the table of delays."""
    table = Table(title="Delay from the answer to the PATCH until the wait returns, ms", title_justify="left")
    for column in ("", "trials", "min", "median", "mean", "p90", "p99", "max", "median / ours"):
        table.add_column(column, justify="left" if not column else "right")
    ours = delays.get(OURS)
    for title, each in delays.items():
        figures = (each.minimum, each.median, each.mean, each.p90, each.p99, each.maximum)
        compared = ratio(each.median, ours.median) if ours else "-"
        table.add_row(title, str(each.trials), *(f"{figure:.2f}" for figure in figures), compared)
    return table


def load_table(loads: Mapping[str, Sequence[Load]]) -> Table:
    """Return the table of what waits cost."""
    table = Table(title="What waits cost", title_justify="left")
    for column in ("", "waits", "requests", "KiB", "CPU s", "seconds", "returned", "requests / wait", "CPU ms / wait"):
        table.add_column(column, justify="left" if not column else "right")
    for title, each in loads.items():
        for number, load in enumerate(each):
            table.add_row(
                title if not number else "",
                str(load.waits),
                str(load.requests),
                f"{load.bytes / 1024:.0f}",
                f"{load.cpu:.2f}",
                f"{load.seconds:.1f}",
                str(load.satisfied),
                f"{load.requests / load.waits:.2f}",
                f"{1000 * load.cpu / load.waits:.1f}",
                end_section=number == len(each) - 1,
            )
    return table


def total(tallies: Mapping[str, Tally]) -> Tally:
    """Return all verdicts of one contender."""
    whole = Tally()
    for tally in tallies.values():
        whole.merge(tally)
    return whole


def hostile_table(tallies: Tallies) -> Table:
    """Return the table of false verdicts by fault and contender."""
    table = Table(title="False verdicts: false passes + false fails", title_justify="left")
    table.add_column("")
    for title in ("waits each", *tallies):
        table.add_column(title, justify="right")
    wholes = {title: total(by_fault) for title, by_fault in tallies.items()}
    faults = list(next(iter(tallies.values())))
    for fault in faults:
        each = [by_fault[fault] for by_fault in tallies.values()]
        table.add_row(fault, str(each[0].waits), *map(_false, each), end_section=fault == faults[-1])
    table.add_row("all", str(next(iter(wholes.values())).waits), *map(_false, wholes.values()))
    table.add_row("could not be judged", "", *(str(whole.unjudged) for whole in wholes.values()))
    return table


def _false(tally: Tally) -> str:
    return f"{tally.false_passes} + {tally.false_fails}" if tally.false else "0"


def error_table(tallies: Tallies) -> Table:
    """Return the table of what the false fails said."""
    table = Table(title="What false fails said", title_justify="left")
    for column in ("", "times", "error"):
        table.add_column(column, justify="right" if column == "times" else "left")
    for title, by_fault in tallies.items():
        for number, (error, times) in enumerate(total(by_fault).errors.most_common(ERRORS_SHOWN)):
            table.add_row(title if not number else "", str(times), error)
    return table


def bar_table(bars: Sequence[Bar]) -> Table:
    """Return the table of the bars."""
    table = Table(title=f"The bars for {OURS}", title_justify="left")
    for column in ("bar", "limit", "measured", "holds"):
        table.add_column(column)
    for bar in bars:
        table.add_row(bar.what, bar.limit, bar.measured, "yes" if bar.holds else "[bold red]NO[/]")
    return table


def versions(titles: Sequence[str], kubernetes: str) -> dict[str, str]:
    """Return the version of each contender, and of what they run on."""
    found = {"Kubernetes": kubernetes, "Python": platform.python_version()}
    for title in titles:
        about = PEERS[title]
        if about.distribution:
            found[title] = f"{about.distribution} {importlib.metadata.version(about.distribution)}"
        elif about.processes:
            found[title] = kubernetes
    return found


def machine() -> dict[str, Any]:
    """Return what the figures depend on: processors, memory, kernel."""
    facts = {}
    for path, key in (("/proc/cpuinfo", "model name"), ("/proc/meminfo", "MemTotal")):
        lines = (line.split(":", 1) for line in Path(path).read_text().splitlines() if line.startswith(key))
        facts[key] = next((value.strip() for _, value in lines), "unknown")
    return {
        "processors": len(os.sched_getaffinity(0)),
        "model": facts["model name"],
        "memory": facts["MemTotal"],
        "kernel": platform.release(),
    }


def busy() -> float:
    """Return how many processes wanted a processor in the last minute: what else the machine had to do before a part."""
    return round(os.getloadavg()[0], 2)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the results so that a reader sees the whole or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(content, indent=1, default=_plain) + "\n")
    scratch.replace(path)


def _plain(value: Any) -> Any:
    """Return a dataclass as JSON has it; of a tally, the sums too."""
    if not isinstance(value, Tally):
        return asdict(value)
    return {**vars(value), "errors": dict(value.errors.most_common()), "false": value.false}
