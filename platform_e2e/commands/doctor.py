"""`platform-e2e doctor`: what this machine lacks for a run, each with its remedy, in under a second and without changing anything."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from platform_e2e.commands.arguments import add_options, settings_of
from platform_e2e.errors import BrokenHarness, ExitCode

if TYPE_CHECKING:
    from platform_e2e.addresses import AddressRange
    from platform_e2e.cluster.k3d.image_sources import Supplies
    from platform_e2e.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `doctor` takes, and the options of every run; before a run pytest's words are passed on."""
    parser.add_argument(
        "--before-run", action="store_true", help="say nothing where all is well; ignore pytest's arguments"
    )
    add_options(parser)
    parser.set_defaults(passes_on=True)


def run(args: argparse.Namespace) -> int:
    """Print what the doctor finds; status 3 where something keeps a run from working."""
    from platform_e2e import supplies

    if args.rest and not args.before_run:
        print(f"unrecognized arguments: {' '.join(args.rest)}", file=sys.stderr)
        return ExitCode.WRONG_USAGE
    chosen = settings_of(args)
    return main(chosen, supplies=supplies.of(chosen), quiet=args.before_run)


def main(
    settings: Settings,
    *,
    pools: tuple[AddressRange, ...] = (),
    supplies: Supplies | None = None,
    quiet: bool = False,
) -> int:
    """Print what was found.

    Args:
        settings: provider, nodes and source of images of the run.
        pools: address ranges that the layer states.
        supplies: what a run of the layer needs from elsewhere.
        quiet: print nothing where nothing keeps a run from working, notes aside.

    Returns:
        0, or 3 where something keeps a run from working.
    """
    from platform_e2e.cluster import machine, providers
    from platform_e2e.cluster.provider import ClusterSpec, Problem

    spec = ClusterSpec(
        name=settings.cluster,
        nodes=settings.nodes,
        pools=pools,
        mirror=settings.registry_mirror or "",
        servers=settings.servers,
        registry_ca=str(settings.registry_ca or ""),
    )
    try:
        choice = providers.decide(settings.provider, settings.images, settings.registry_mirror or "", supplies=supplies)
    except BrokenHarness as error:
        print(machine.render([Problem(error.problem, error.remedy)]))
        return error.exit_code
    problems = providers.choose(choice.provider).doctor(replace(spec, source=choice.images))
    fatal = any(problem.fatal for problem in problems)
    if not quiet:
        print(f"doctor: {machine.summary(machine.observe())}")
        print(f"doctor: {choice}")
    if problems and (fatal or not quiet):
        print(machine.render(problems))
    if not quiet and not fatal:
        print(f"doctor: this machine can run a cluster of {choice.provider}")
    return 3 if fatal else 0
