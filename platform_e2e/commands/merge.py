"""`platform-e2e merge`: one verdict of those that several machines have written."""

from __future__ import annotations

import argparse
from pathlib import Path

from platform_e2e.commands.validate import add_results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `merge` takes."""
    parser.description = (
        "Make one verdict of those that `validate --shard I/N --json FILE` has written on several machines: it equals that of one "
        "machine. Ends as `validate` does."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON of a validation")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Merge verdicts."""
    from platform_e2e.validation import merging

    return merging.main(args)
