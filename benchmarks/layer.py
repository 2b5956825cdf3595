"""Measure the reading of a large layer: `nox -s benchmark -- layer`.

Prints a table; ends with 1 where it takes longer or more memory than promised.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.foreign.one import Read
from benchmarks.layers.large import OBJECTS, large
from platform_e2e import shell
from platform_e2e.commands.arguments import Parser
from platform_e2e.errors import HarnessError

MOST_SECONDS = 30.0
MOST_MEGABYTES = 500.0
"""What is promised of 500 Applications and 5,000 objects."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the layer, read it in a process of its own, and return the exit status."""
    parser = Parser(prog="benchmarks.layer", description=__doc__)
    parser.add_argument("--applications", type=int, default=500, metavar="N", help="each of 10 objects; 500")
    known = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="platform-e2e-layer-") as scratch:
        directory = large(Path(scratch) / "layer", known.applications)
        try:
            done = shell.run([sys.executable, "-m", "benchmarks.foreign.one", directory, ""], timeout=600)
        except HarnessError as error:
            print(error, file=sys.stderr)
            return error.exit_code
    read = msgspec.json.decode(done.stdout, type=Read)
    show(read)
    complete = (read.rendered, read.objects) == (known.applications, known.applications * OBJECTS)
    return int(not complete or read.seconds > MOST_SECONDS or read.megabytes > MOST_MEGABYTES)


def show(read: Read) -> None:
    """Print the table."""
    table = Table(pad_edge=False, show_edge=False)
    for name in ("of a large layer", "measured", "promised"):
        table.add_column(name)
    table.add_row("Applications, objects", f"{read.rendered}, {read.objects}", "all")
    table.add_row("read in", f"{read.seconds:.1f} s", f"below {MOST_SECONDS:.0f} s")
    table.add_row("memory at its peak", f"{read.megabytes:.0f} MB", f"below {MOST_MEGABYTES:.0f} MB")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
