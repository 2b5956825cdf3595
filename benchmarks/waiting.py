"""How this harness waits, beside its peers: `nox -s benchmark -- waiting`.

On one embedded cluster, in one run: the delay of a wait, what one wait and hundreds of them cost, and how often a wait tells
what is not so while streams are closed, versions expire, the API server is busy, objects are replaced, and the API server is
restarted. Prints tables, writes artifacts/benchmarks/waiting.json, and says which of the bars hold; asserts nothing.
docs/waiting.md says how to read it.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NoReturn

from rich.console import Console

from benchmarks.waits import delay, hostile, load, report, stage
from benchmarks.waits.peers import OURS, PEERS
from benchmarks.waits.summary import Bar, Delays, delay_bars, hostile_bar, load_bars
from platform_e2e import paths
from platform_e2e.commands.arguments import Parser
from platform_e2e.errors import ExitCode, HarnessError

LOG_WIDTH = 132
"""Columns of the tables in a log, where nobody says how wide it is."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    shown = argparse.ArgumentDefaultsHelpFormatter
    parser = Parser(prog="nox -s benchmark -- waiting", description=__doc__, formatter_class=shown)
    parser.add_argument(
        "--trials", type=_at_least_two, default=200, metavar="N", help="delays to take of each contender"
    )
    parser.add_argument("--waits", type=_positive, default=500, metavar="N", help="waits at once, beside a single one")
    parser.add_argument(
        "--processes",
        type=_positive,
        default=200,
        metavar="N",
        help="the same for contenders of which each wait is a process: 500 of them need 70 s of CPU and 15 GB",
    )
    parser.add_argument("--hostile", type=_positive, default=1000, metavar="N", help="hostile waits of each contender")
    parser.add_argument("--seed", type=int, default=4, metavar="N", help="of the faults, the order and the pauses")
    parser.add_argument(
        "--only", type=_some_of(PARTS), default=",".join(PARTS), metavar="PART,...", help="what to measure"
    )
    parser.add_argument(
        "--peers", type=_some_of(PEERS), default=",".join(PEERS), metavar="NAME,...", help="whom to measure"
    )
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no number of at least 1")
    return int(text)


def _at_least_two(text: str) -> int:
    if _positive(text) < 2:
        raise argparse.ArgumentTypeError("one delay has no percentiles")
    return int(text)


def _some_of(known: Sequence[str] | dict[str, Any]) -> Any:
    def read(text: str) -> list[str]:
        words = [word.strip() for word in text.split(",")]
        unknown = [word for word in words if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"`{unknown[0]}` is none of: {', '.join(known)}")
        return [name for name in known if name in words]

    return read


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and return an exit status of platform_e2e/errors.py; 2 when interrupted."""
    options = parse(sys.argv[1:] if argv is None else argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    try:
        measure(options, console)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return 0


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does, so that the cluster is removed."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def measure(options: argparse.Namespace, console: Console) -> None:
    """Measure all that was asked for on one cluster, print the tables and write the file."""
    titles: list[str] = options.peers
    content: dict[str, Any] = {
        "benchmark": "waiting",
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": report.machine(),
        "options": vars(options),
        "busy_before": {},
    }
    bars: list[Bar] = []
    with contextlib.ExitStack() as stack:
        with report.progress(console, "cluster", 1):
            built = stack.enter_context(stage.build(options.seed))
        content["versions"] = report.versions(titles, built.facts.kubernetes)
        for part in options.only:
            content["busy_before"][part] = report.busy()
            bars += PARTS[part](options, console, built, content)
    content["bars"] = bars
    path = paths.artifacts() / "benchmarks" / "waiting.json"
    report.write(path, content)
    if bars:
        console.print(report.bar_table(bars))
    told = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    console.print(f"{content['date']}, {content['machine']['processors']} x {content['machine']['model']}; {told}")
    load_before = ", ".join(f"{load:g} before {part}" for part, load in content["busy_before"].items())
    console.print(f"processes that wanted a processor in the last minute: {load_before}")
    console.print(f"all figures: {path}", soft_wrap=True)


def _delay(options: argparse.Namespace, console: Console, built: stage.Stage, content: dict[str, Any]) -> list[Bar]:
    with report.progress(console, "delay", options.trials * len(options.peers)) as tick:
        samples = delay.measure(built, options.peers, options.trials, options.seed, tick)
    delays = {title: Delays.of(found) for title, found in samples.items()}
    content["delay"] = {
        title: {"summary_ms": delays[title], "samples_ms": [round(sample, 3) for sample in found]}
        for title, found in samples.items()
    }
    console.print(report.delay_table(delays))
    return delay_bars(delays[OURS]) if OURS in delays else []


def _load(options: argparse.Namespace, console: Console, built: stage.Stage, content: dict[str, Any]) -> list[Bar]:
    with report.progress(console, "load", 2 * len(options.peers)) as tick:
        loads = load.measure(built, options.peers, options.waits, options.processes, tick)
    content["load"] = loads
    console.print(report.load_table(loads))
    return [bar for found in loads.get(OURS, []) for bar in load_bars(found)]


def _hostile(options: argparse.Namespace, console: Console, built: stage.Stage, content: dict[str, Any]) -> list[Bar]:
    with report.progress(console, "hostile", options.hostile * len(options.peers)) as tick:
        tallies = hostile.measure(built, options.peers, options.hostile, options.seed, tick)
    content["hostile"] = {title: {**by_fault, "all": report.total(by_fault)} for title, by_fault in tallies.items()}
    console.print(report.hostile_table(tallies))
    console.print(report.error_table(tallies))
    if OURS not in tallies:
        return []
    whole = report.total(tallies[OURS])
    return [hostile_bar(whole.waits, whole.false, whole.unjudged)]


PARTS = {"delay": _delay, "load": _load, "hostile": _hostile}
"""What can be measured, in its order."""


if __name__ == "__main__":
    sys.exit(main())
