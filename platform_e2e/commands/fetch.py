"""`platform-e2e fetch`: fill the store with the charts and repositories that a layer needs, and write its lock file."""

from __future__ import annotations

import argparse
import sys

from platform_e2e.commands.arguments import add_options, settings_of
from platform_e2e.errors import ExitCode
from platform_e2e.terminal import visible


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `fetch` takes, and the options of every run."""
    parser.add_argument(
        "--update",
        action="store_true",
        help="resolve branches and version ranges again, in place of what the lock file has",
    )
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Fetch; status 5 where something could not be fetched, so that what needs it is not judged, and 4 where the layer cannot be read."""
    from platform_e2e.sources.fetch import Fetcher
    from platform_e2e.sources.store import Store
    from platform_e2e.timeline import Timeline
    from platform_e2e.toolbox import layer_renderer, programs

    settings = settings_of(args)
    built = programs.ensure(Timeline(None), layer_renderer.PROGRAMS)
    fetcher = Fetcher(
        settings.layer,
        Store.at(settings.store),
        layer_renderer.renderer(lambda: built, unconfined=settings.trust),
        built.path("helm"),
        tell=lambda line: print(visible(f"fetch: {line}"), flush=True),
        roots=settings.roots,
        charts_dir=settings.charts_dir,
        repositories=settings.repositories,
        update=args.update,
    )
    done = fetcher.run()
    for failure in done.failed:
        print(visible(f"{failure.wanted} is not fetched: {failure.problem}"), file=sys.stderr)
        for name in failure.objects:
            print(visible(f"  needed by {name}"), file=sys.stderr)
        print(visible(f"  {failure.remedy}"), file=sys.stderr)
    lacking = f", {len(done.failed)} could not be fetched" if done.failed else ""
    print(visible(f"fetch: {len(done.new)} fetched, {done.there} were there{lacking}; {done.lock} names them"))
    return ExitCode.UNKNOWN if done.failed else ExitCode.HOLDS
