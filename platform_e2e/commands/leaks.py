"""`platform-e2e leaks`: runs ended in every way there is, and the host compared before and after."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from platform_e2e.commands.arguments import RaisingParser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Pass every word on: those that are not ours are pytest's."""
    parser.set_defaults(passes_on=True)


def run(args: argparse.Namespace) -> int:
    """End runs and say what they leave."""
    return main(args.rest)


def main(argv: Sequence[str]) -> int:
    """Run the check.

    Args:
        argv: `--ending NAME` and `--ignore PATTERN`, as often as wanted; the rest goes to the runs.

    Returns:
        0, or 3 where something was left.
    """
    from platform_e2e.cluster import leaks

    parser = RaisingParser(prog="platform-e2e leaks", description=leaks.__doc__)
    parser.add_argument("--ending", action="append", choices=list(leaks.Ending), help="only this one; all by default")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="PATTERN",
        help="lines that others on this host cause: 'file /tmp/*'",
    )
    parsed, rest = parser.parse_known_args(argv)
    results = leaks.run_leaks(
        lambda ending, cluster: (*leaks.RUN, "--cluster", cluster, *leaks.EXTRA.get(ending, ()), *rest),
        endings=[leaks.Ending(name) for name in parsed.ending or list(leaks.Ending)],
        ignored=parsed.ignore,
        told=lambda leak: print(leak.render(), flush=True),
    )
    return 0 if all(leak.clean for leak in results) else 3
