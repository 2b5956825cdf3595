"""The command line: what `nox -s cluster`, `doctor`, `breaks`, `report` and `leaks` call, usable without nox too."""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from platform_e2e.addresses import AddressRange
from platform_e2e.ask import arguments
from platform_e2e.errors import BrokenHarness, HarnessError, WrongUsage
from platform_e2e.incident import arguments as incidents
from platform_e2e.paths import command
from platform_e2e.settings import OPTIONS, Settings, resolve
from platform_e2e.terminal import visible

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What no command can do anything about; any other error of the system that is not told as ours is a bug."""

INTERRUPTED = 2
WRONG_USAGE = 4


class Parser(argparse.ArgumentParser):
    """Say what is wrong with the call and end with the status that the rest of the harness has for it.

    Without abbreviations: words that are pytest's must not be taken for ours.
    """

    def __init__(self, **options: Any) -> None:
        """Take what argparse takes."""
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Print how the command is used and what was wrong."""
        self.print_usage(sys.stderr)
        self.exit(WRONG_USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; this process's own by default.

    Returns:
        The exit status of platform_e2e/errors.py; 2 when interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(words)
    known, rest = parser.parse_known_args(words)
    if rest and not known.passes_on:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    logging.basicConfig(level=logging.INFO if known.verbose else logging.WARNING, format="%(name)s: %(message)s")
    try:
        return int(known.command(known, rest))
    except HarnessError as error:
        print(visible(str(error)), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in NO_ROOM and "temporary directory" not in str(error):
            raise
        # What writes to an open file does not know its name any more.
        full = BrokenHarness(
            f"{error.filename or 'a file'} cannot be written: {error.strerror}",
            "make room (`df -h`), or name other places by TMPDIR, PLATFORM_E2E_CACHE and PLATFORM_E2E_ARTIFACTS",
        )
        print(full, file=sys.stderr)
        return full.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


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
        about, add_arguments = COMMANDS[name]
        add_arguments(commands.add_parser(name, help=about, add_help=name != "cluster"))
    return parser


def _of_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--before-run", action="store_true", help="say nothing where all is well; ignore pytest's arguments"
    )
    add_options(parser)
    parser.set_defaults(command=_doctor, passes_on=True)


def _of_cluster(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_cluster, passes_on=True)


def _of_breaks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="files of breaks/, without .yaml; all by default")
    parser.add_argument("-k", dest="chosen", default="", metavar="TEXT", help="only breaks whose name contains TEXT")
    parser.add_argument(
        "--cases",
        type=Path,
        metavar="DIR",
        help="take the files of DIR in place of breaks/; cause `legitimate`: must stay green",
    )
    parser.add_argument("--list", action="store_true", help="only list the breaks")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many clusters share the breaks; 1")
    add_options(parser)
    parser.set_defaults(command=_breaks, passes_on=False)


def _of_wait(parser: argparse.ArgumentParser) -> None:
    arguments.of_wait(parser)
    parser.set_defaults(command=_wait, passes_on=False)


def _of_explain(parser: argparse.ArgumentParser) -> None:
    arguments.of_explain(parser)
    parser.set_defaults(command=_explain, passes_on=False)


def _of_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--last", type=_positive, default=20, metavar="N", help="how many; 20")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(command=_history, passes_on=False)


def _of_capture(parser: argparse.ArgumentParser) -> None:
    incidents.of_capture(parser)
    parser.set_defaults(command=_capture, passes_on=False)


def _of_reproduce(parser: argparse.ArgumentParser) -> None:
    incidents.of_reproduce(parser)
    add_options(parser)
    parser.set_defaults(command=_reproduce, passes_on=False)


def _of_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", nargs="?", default="", metavar="DIR", help="of the run; artifacts/latest by default"
    )
    parser.set_defaults(command=_bundle, passes_on=False)


def _of_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="of the run; artifacts/latest")
    parser.set_defaults(command=_report, passes_on=False)


def _of_leaks(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_leaks, passes_on=True)


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "doctor": ("say what this machine lacks for a run, each with its remedy", _of_doctor),
    "cluster": ("handle a cluster by hand", _of_cluster),
    "breaks": ("break a sound layer on purpose and demand the declared verdict", _of_breaks),
    "wait": ("wait until objects are as they should be, and say why when they are not", _of_wait),
    "explain": ("say what holds an object, or everything that is held", _of_explain),
    "history": ("list the last runs: verdict, seconds, heal times, flaky tests", _of_history),
    "capture": ("take a read-only picture of a live platform into one redacted file", _of_capture),
    "reproduce": ("bring a captured incident about on a cluster of its own", _of_reproduce),
    "bundle": ("pack a run's directory into one RUN.tar.gz for a ticket", _of_bundle),
    "report": ("make a run's report.html again, from what the run left behind", _of_report),
    "leaks": ("end runs in every way there is and compare the host before and after", _of_leaks),
}
"""By name: what is said of a command, and what adds its arguments."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of platform_e2e/settings.py, which pytest has too."""
    for option in OPTIONS:
        if option.flag and option.metavar:
            parser.add_argument(option.option, dest=option.dest, metavar=option.metavar, help=option.help)
        elif option.flag:
            parser.add_argument(option.option, dest=option.dest, action="store_true", help=option.help)


def settings(known: argparse.Namespace) -> Settings:
    """Return the settings that the parsed options, the environment and the defaults make together."""
    from platform_e2e.replay import preparing

    chosen = {option.name: getattr(known, option.dest, None) for option in OPTIONS}
    replay = preparing.prepare(chosen)
    return resolve(replay.chosen, preparing.environment()) if replay else resolve(chosen)


def _doctor(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Print what the doctor finds; status 3 where something keeps a run from working."""
    from platform_e2e import supplies
    from platform_e2e.cluster import doctor

    if rest and not known.before_run:
        print(f"unrecognized arguments: {' '.join(rest)}", file=sys.stderr)
        return WRONG_USAGE
    chosen = settings(known)
    return doctor.main(chosen, supplies=supplies.of(chosen), quiet=known.before_run)


def _cluster(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Hand over to the commands of the cluster package."""
    del known
    from platform_e2e import supplies
    from platform_e2e.cluster import cli

    return cli.main(rest, _pools, supplies.registries)


def _pools(directory: Path) -> tuple[AddressRange, ...]:
    """Return the address ranges that a layer states; a cluster is laid around them."""
    from platform_e2e import layer
    from platform_e2e.cluster.embedded import programs
    from platform_e2e.timeline import Timeline

    kustomize = programs.ensure(Timeline(None), ["kustomize"]).path("kustomize")
    return tuple(layer.load(directory, layer.kustomize_build(kustomize)).pool_ranges())


def _breaks(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Run the breaks, or list them."""
    del rest
    from platform_e2e.breaks import runner

    chosen = settings(known)
    if chosen.replay:
        raise WrongUsage("--replay: breaks are made in a sound layer", f"use it with {command('e2e', more=False)}")
    return runner.main(
        chosen, known.names, cases=known.cases, chosen=known.chosen, only_list=known.list, jobs=known.jobs
    )


def _wait(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Wait for objects of a cluster."""
    del rest
    from platform_e2e.ask import wait

    return wait.main(known)


def _explain(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Explain objects of a cluster."""
    del rest
    from platform_e2e.ask import explaining

    return explaining.main(known)


def _positive(text: str) -> int:
    """Return a number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 1")
    return int(text)


def _history(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """List the last runs."""
    del rest
    from platform_e2e.report import past

    return past.main(settings(known).artifacts, last=known.last, as_json=known.json)


def _capture(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Capture an incident."""
    del rest
    from platform_e2e.incident import capture

    return capture.main(known)


def _reproduce(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Reproduce an incident."""
    del rest
    from platform_e2e.incident import reproduce

    return reproduce.main(known, settings(known))


def _bundle(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Pack a run's directory and print where the archive is."""
    del rest
    from platform_e2e import paths
    from platform_e2e.report.bundle.pack import pack

    path = pack(Path(known.directory or paths.artifacts() / "latest"))
    print(f"{path} ({path.stat().st_size} bytes)")
    return 0


def _report(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Make a run's page again and print where it is."""
    del rest
    from platform_e2e import paths
    from platform_e2e.errors import WrongUsage
    from platform_e2e.report import html

    directory = known.directory or paths.artifacts() / "latest"
    if not any((directory / name).exists() for name in ("run.json", "timeline.jsonl")):
        raise WrongUsage(f"{directory} has neither run.json nor timeline.jsonl.", "name the directory of a run.")
    print(html.write(directory.resolve()))
    return 0


def _leaks(known: argparse.Namespace, rest: Sequence[str]) -> int:
    """Hand over to the leak check."""
    del known
    from platform_e2e.cluster import leaks

    return leaks.main(rest)
