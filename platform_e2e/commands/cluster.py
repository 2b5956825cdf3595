"""`platform-e2e cluster`: clusters by hand, `up`, `down`, `list`, `shell` and `kubeconfig`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from platform_e2e import paths
from platform_e2e.addresses import AddressRange
from platform_e2e.commands.arguments import RaisingParser
from platform_e2e.option_values import IMAGES, STAND_INS

DESCRIPTION = "Clusters by hand: `up`, `down`, `list`, `shell` and `kubeconfig`, as `nox -s cluster -- ...` calls them."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Pass every word on: each subcommand has arguments of its own."""
    parser.set_defaults(passes_on=True)


def run(args: argparse.Namespace) -> int:
    """Run a subcommand."""
    return main(args.rest)


def main(argv: Sequence[str]) -> int:
    """Run a subcommand.

    Args:
        argv: the words after `cluster`.

    Returns:
        An exit status of platform_e2e/errors.py.
    """
    from platform_e2e import supplies
    from platform_e2e.cluster import manage, providers
    from platform_e2e.cluster.provider import ClusterSpec

    args = _parser().parse_args(argv)
    if args.command == "up":
        choice = providers.decide(args.provider, args.images, args.registry_mirror)
        print(f"provider: {choice}")
        spec = ClusterSpec(
            args.name or manage.DEFAULT_NAME,
            args.nodes,
            _pools(args.layer),
            source=choice.images,
            mirror=args.registry_mirror,
            servers=args.servers,
            registries=tuple(supplies.registries(args.layer)),
            registry_ca=str(args.registry_ca.absolute()) if args.registry_ca else "",
            stand_ins=args.stand_ins,
        )
        manage.up(spec, choice.provider)
    elif args.command == "down":
        manage.down(manage.chosen(args.name), force=args.force)
    elif args.command == "list":
        manage.show()
    elif args.command in {"stop", "start"}:
        manage.power(manage.facts_of(manage.chosen(args.name)), args.node, on=args.command == "start")
    elif args.command == "kubeconfig":
        print(manage.facts_of(manage.chosen(args.name)).kubeconfig)
    else:
        manage.shell(manage.facts_of(manage.chosen(args.name)), args.node)
    return 0


def _parser() -> argparse.ArgumentParser:
    from platform_e2e.cluster import providers

    parser = RaisingParser(prog="platform-e2e cluster", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=RaisingParser)
    made = commands.add_parser("up", help="make a cluster that stays, laid around the layer's address pools")
    made.add_argument("--nodes", type=int, default=1, metavar="N", help="how many nodes, the servers included")
    made.add_argument("--servers", type=int, default=1, metavar="N", help="how many of them have a control plane")
    made.add_argument(
        "--provider",
        default=providers.AUTO,
        metavar="NAME",
        help=f"one of: {', '.join((providers.AUTO, *providers.NAMES))}",
    )
    made.add_argument("--images", default=providers.AUTO, metavar="FROM", help=f"one of: {', '.join(IMAGES)}")
    made.add_argument("--stand-ins", default="auto", choices=STAND_INS, help="which containers a stand-in replaces")
    made.add_argument("--registry-mirror", default="", metavar="URL", help="fetch images from there")
    made.add_argument("--registry-ca", type=Path, metavar="FILE", help="certificates that nodes trust beside their own")
    made.add_argument(
        "--layer", type=Path, default=paths.project() / "platform", metavar="DIR", help="of the platform layer"
    )
    gone = commands.add_parser("down", help="remove a cluster and every trace of it")
    gone.add_argument("--force", action="store_true", help="also while a run uses it")
    commands.add_parser("list", help="show every cluster of this user")
    stopped = commands.add_parser("stop", help="stop the nodes of a cluster, or one, as if the power failed")
    started = commands.add_parser("start", help="start stopped nodes again, with the addresses that they had")
    for each in (stopped, started):
        each.add_argument("--node", default="", metavar="NODE", help="only this one")
    entered = commands.add_parser("shell", help="open a shell with kubectl for a cluster, or in one of its nodes")
    entered.add_argument("--node", default="", metavar="NODE", help="in this node, instead of on this host")
    told = commands.add_parser("kubeconfig", help="print the path of a cluster's kubeconfig")
    for each in (made, gone, entered, told, stopped, started):
        each.add_argument("name", nargs="?", default="", metavar="NAME", help="of the cluster")
    return parser


def _pools(directory: Path) -> tuple[AddressRange, ...]:
    """Return the address ranges that a layer states; a cluster is laid around them."""
    from platform_e2e import layer
    from platform_e2e.sources import given, lockfile
    from platform_e2e.sources.store import Store
    from platform_e2e.toolbox import layer_renderer

    stored = given.of(Store.at(None), lockfile.read(directory))
    return tuple(layer.load(directory, layer_renderer.renderer(), material=stored).pool_ranges())
