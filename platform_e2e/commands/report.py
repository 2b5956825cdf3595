"""`platform-e2e report`: the page of a run, made again from what the run left behind."""

from __future__ import annotations

import argparse
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import WrongUsage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `report` takes."""
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="of the run; artifacts/latest")


def run(args: argparse.Namespace) -> int:
    """Make a run's page again and print where it is."""
    from platform_e2e.report import html

    directory = args.directory or paths.artifacts() / "latest"
    if not any((directory / name).exists() for name in ("run.json", "timeline.jsonl")):
        raise WrongUsage(f"{directory} has neither run.json nor timeline.jsonl.", "name the directory of a run.")
    print(html.write(directory.resolve()))
    return 0
