"""`platform-e2e bundle`: a run's directory as one file for a ticket."""

from __future__ import annotations

import argparse
from pathlib import Path

from platform_e2e import paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `bundle` takes."""
    parser.add_argument(
        "directory", nargs="?", default="", metavar="DIR", help="of the run; artifacts/latest by default"
    )


def run(args: argparse.Namespace) -> int:
    """Pack a run's directory and print where the archive is."""
    from platform_e2e.evidence.pack import pack

    path = pack(Path(args.directory or paths.artifacts() / "latest"))
    print(f"{path} ({path.stat().st_size} bytes)")
    return 0
