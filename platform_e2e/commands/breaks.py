"""`platform-e2e breaks`: deliberate faults in a sound layer, each with the verdict that it must get."""

from __future__ import annotations

import argparse
from pathlib import Path

from platform_e2e.commands.arguments import add_options, settings_of
from platform_e2e.errors import WrongUsage
from platform_e2e.paths import command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `breaks` takes, and the options of every run."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="files of breaks/, without .yaml; all by default")
    parser.add_argument("-k", dest="chosen", default="", metavar="TEXT", help="only breaks whose name contains TEXT")
    parser.add_argument(
        "--cases",
        type=Path,
        metavar="DIR",
        help="take the files of DIR in place of breaks/; cause `legitimate`: must stay green, `unknown`: must be named as not judged",
    )
    parser.add_argument("--list", action="store_true", help="only list the breaks")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many clusters share the breaks; 1")
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the breaks, or list them."""
    from platform_e2e.breaks import runner

    chosen = settings_of(args)
    if chosen.replay:
        raise WrongUsage("--replay: breaks are made in a sound layer", f"use it with {command('e2e', more=False)}")
    return runner.main(chosen, args.names, cases=args.cases, chosen=args.chosen, only_list=args.list, jobs=args.jobs)
