"""`platform-e2e capture`: a read-only picture of a live platform, in one redacted file."""

from __future__ import annotations

import argparse
from pathlib import Path

from platform_e2e.commands.arguments import add_limit, chosen_cluster, cluster_option

TIMEOUT = 300.0
"""Seconds that `capture` may read: of a layer of a thousand objects, each is read by itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `capture` takes."""
    parser.description = (
        "Take a picture of a live platform into one file, redacted: layer, Applications, objects that are not as in Git, "
        "foundations, events, alerts, findings. Reads with get and list alone; what it may not read is named, the rest goes on. "
        "Ends with 3 where nothing could be read."
    )
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="of the cluster; by default kubectl's own")
    parser.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig, its current one by default")
    option = cluster_option()
    parser.add_argument(
        option.option, dest="cluster", default="", metavar=option.metavar, help="a cluster of this harness instead"
    )
    parser.add_argument(
        "--app", action="append", default=[], metavar="NAME", help="only this Application; may be repeated"
    )
    parser.add_argument(
        "-n",
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="look here, too, where not all namespaces may be listed: besides argocd, that of the context, and those of the "
        "Applications; may be repeated",
    )
    add_limit(parser, TIMEOUT)
    parser.add_argument(
        "--layer", type=Path, metavar="DIR", help="of the layer, in a checkout that has the commit that is deployed"
    )
    parser.add_argument(
        "--probe", action="store_true", help="also ask the LoadBalancer addresses from this machine, as a client would"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="of the incident; incident-TIME.tar.gz by default")


def run(args: argparse.Namespace) -> int:
    """Capture an incident."""
    from platform_e2e.incident import capture

    return capture.main(args, chosen_cluster(args))
