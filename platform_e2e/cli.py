"""The command line: a table of commands, each a module of `platform_e2e.commands`."""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import sys
from collections.abc import Sequence
from types import FrameType, ModuleType
from typing import NoReturn

from platform_e2e.commands import (
    alert_cases,
    breaks,
    bundle,
    capture,
    cluster,
    doctor,
    explain,
    fetch,
    history,
    leaks,
    merge,
    rbac,
    report,
    reproduce,
    sealing_key,
    validate,
    wait,
)
from platform_e2e.commands.arguments import Parser
from platform_e2e.errors import BrokenHarness, ExitCode, HarnessError
from platform_e2e.terminal import visible

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""Errors of the system that no command can do anything about; any other one that is not told as ours is a bug."""

COMMANDS: dict[str, tuple[str, ModuleType]] = {
    "doctor": ("say what this machine lacks for a run, each with its remedy", doctor),
    "cluster": ("handle a cluster by hand", cluster),
    "breaks": ("break a sound layer on purpose and demand the declared verdict", breaks),
    "fetch": ("fetch the charts and repositories that a layer needs, and write its lock file", fetch),
    "wait": ("wait until objects are as they should be, and say why when they are not", wait),
    "explain": ("say what holds an object, or everything that is held", explain),
    "validate": ("judge a live cluster before a release, by reading alone", validate),
    "rbac": ("print the smallest role with which validate can judge a cluster", rbac),
    "merge": ("make one verdict of those that several machines have written", merge),
    "history": ("list the last runs: verdict, seconds, heal times, flaky tests", history),
    "capture": ("take a read-only picture of a live platform into one redacted file", capture),
    "reproduce": ("bring a captured incident about on a cluster of its own", reproduce),
    "sealing-key": ("back up the keys of Sealed Secrets, verify a backup, restore it", sealing_key),
    "bundle": ("pack a run's directory into one RUN.tar.gz for a ticket", bundle),
    "report": ("make a run's report.html again, from what the run left behind", report),
    "alert-cases": ("keep the cases of alerts that a run has derived, beside the layer", alert_cases),
    "leaks": ("end runs in every way there is and compare the host before and after", leaks),
}
"""By name: the help of a command, and its module."""

OWN_HELP = frozenset({"cluster", "sealing-key"})
"""Commands with subcommands, which have a help each."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; this process's own by default.

    Returns:
        The exit status of platform_e2e/errors.py; 2 when interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(words)
    args, rest = parser.parse_known_args(words)
    if rest and not args.passes_on:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    logging.basicConfig(level=logging.INFO if args.verbose else logging.WARNING, format="%(name)s: %(message)s")
    try:
        return int(args.run(args))
    except HarnessError as error:
        print(visible(str(error)), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in NO_ROOM and "temporary directory" not in str(error):
            raise
        # What writes to an open file no longer knows its name.
        full = BrokenHarness(
            f"{error.filename or 'a file'} cannot be written: {error.strerror}",
            "make room (`df -h`), or name other places by TMPDIR, PLATFORM_E2E_CACHE and PLATFORM_E2E_ARTIFACTS",
        )
        print(full, file=sys.stderr)
        return full.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does: what a command has made, such as the cluster of all breaks, is removed."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of these words: of the command that they call alone, of all where they call none, for their list.

    To make the parsers of all takes longer than to parse.
    """
    parser = Parser(prog="platform-e2e", description=sys.modules["platform_e2e"].__doc__)
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is done")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    called = next((word for word in words if word not in {"-v", "--verbose"}), "")
    for name in (called,) if called in COMMANDS else COMMANDS:
        about, module = COMMANDS[name]
        command = commands.add_parser(name, help=about, add_help=name not in OWN_HELP)
        command.set_defaults(run=module.run, passes_on=False)
        module.add_arguments(command)
    return parser
