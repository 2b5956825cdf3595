"""`platform-e2e reproduce`: a captured incident, brought about on a cluster of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from platform_e2e.commands.arguments import add_options, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `reproduce` takes, and the options of every run."""
    parser.description = (
        "Bring a captured incident about on a cluster of this machine, which stays, and say which of its findings are seen "
        "again. What the archive has is run: open only those of people you trust. Ends with 1 where a finding is not seen again."
    )
    parser.add_argument("archive", type=Path, metavar="FILE", help="that capture has written")
    parser.add_argument("--no-shell", action="store_true", help="open no shell at the end")
    parser.add_argument(
        "--then", choices=("", "heal"), default="", metavar="heal", help="then let Argo CD go and tell what it heals"
    )
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Reproduce an incident."""
    from platform_e2e.incident import reproduce

    return reproduce.main(args, settings_of(args))
