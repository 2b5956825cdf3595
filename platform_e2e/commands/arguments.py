"""Arguments that several commands share. Imports nothing of a cluster, so that --help is instant."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from platform_e2e.errors import ExitCode, WrongUsage
from platform_e2e.option_values import seconds
from platform_e2e.settings import OPTIONS, Option, Settings, Several, resolve


class Parser(argparse.ArgumentParser):
    """Say what is wrong with the call and end with the status that the rest of the harness has for it.

    Without abbreviations: words that are pytest's must not be taken for ours.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Print how the command is used and what was wrong."""
        self.print_usage(sys.stderr)
        self.exit(ExitCode.WRONG_USAGE, f"{self.prog}: {message}\n")


class RaisingParser(argparse.ArgumentParser):
    """Parse the words that a command takes by itself; an error is `WrongUsage`, exit status 4, not argparse's 2."""

    def error(self, message: str) -> NoReturn:
        """Raise what the command line prints."""
        raise WrongUsage(message, self.format_usage().strip())


OUTPUTS = ("text", "json")

OBJECTS = """\
objects are written as for kubectl: KIND/NAME ..., KIND NAME ..., or KIND -l LABELS; KIND in any of its forms, such as
deploy, Deployment, deployments.apps, app, applications.argoproj.io
"""


def add_limit(parser: argparse.ArgumentParser, seconds_: float) -> None:
    """Add the option that says how long a command may read.

    Args:
        parser: of the command.
        seconds_: the default.
    """
    parser.add_argument(
        "--timeout",
        type=duration,
        default=seconds_,
        metavar="DURATION",
        help=f"after which reading ends, whatever the API server does: 90, 90s, 5m; {seconds_:g}s by default",
    )


def add_where(parser: argparse.ArgumentParser) -> None:
    """Add what says where to look and how to answer."""
    where = parser.add_argument_group("where")
    where.add_argument("-l", "--selector", default="", metavar="LABELS", help="of the objects of a kind")
    where.add_argument(
        "-n",
        "--namespace",
        default="",
        metavar="NAME",
        help="of the objects; by default argocd for Argo CD's own kinds, else that of the context, else default",
    )
    option = cluster_option()
    where.add_argument(
        option.option,
        dest="cluster",
        default="",
        metavar=option.metavar,
        help="a cluster of this harness; by default the only kept one, else $KUBECONFIG or ~/.kube/config",
    )
    where.add_argument("--kubeconfig", type=Path, metavar="FILE", help="of any other cluster")
    where.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig, its current one by default")
    parser.add_argument("-o", "--output", choices=OUTPUTS, default=OUTPUTS[0], help="json for a program that reads it")


def cluster_option() -> Option:
    """Return the row of the options' table that names a cluster."""
    return next(option for option in OPTIONS if option.name == "cluster")


def chosen_cluster(known: argparse.Namespace) -> str:
    """Return the cluster's name that was chosen by option or variable, or an empty string."""
    return known.cluster or os.environ.get(cluster_option().variable) or ""


def duration(text: str) -> float:
    """Return the seconds of a duration such as 90, 90s or 5m."""
    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, got `{text}`") from error


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got `{text}`")
    return int(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of platform_e2e/settings.py, which pytest has too."""
    for option in OPTIONS:
        if option.flag and option.metavar:
            action = Several if option.several else "store"
            parser.add_argument(
                option.option, dest=option.dest, metavar=option.metavar, help=option.help, action=action
            )
        elif option.flag:
            parser.add_argument(option.option, dest=option.dest, action="store_true", help=option.help)


def settings_of(args: argparse.Namespace) -> Settings:
    """Return the settings that the parsed options, the environment and the defaults make together."""
    from platform_e2e.runs import run_options

    chosen = {option.name: getattr(args, option.dest, None) for option in OPTIONS}
    replay = run_options.prepare(chosen)
    return resolve(replay.chosen, run_options.environment()) if replay else resolve(chosen)
