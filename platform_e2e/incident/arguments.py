"""The words that `platform-e2e capture` and `platform-e2e reproduce` take. Imports nothing of a cluster."""

from __future__ import annotations

import argparse
from pathlib import Path

from platform_e2e.ask.arguments import add_limit, cluster_option

CAPTURE = 300.0
"""Seconds that `capture` may read: of a layer of a thousand objects, each is read by itself."""


def of_capture(parser: argparse.ArgumentParser) -> None:
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
    add_limit(parser, CAPTURE)
    parser.add_argument(
        "--layer", type=Path, metavar="DIR", help="of the layer, in a checkout that has the commit that is deployed"
    )
    parser.add_argument(
        "--probe", action="store_true", help="also ask the LoadBalancer addresses from this machine, as a client would"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="of the incident; incident-TIME.tar.gz by default")


def of_reproduce(parser: argparse.ArgumentParser) -> None:
    """Add what `reproduce` takes besides the options of every cluster."""
    parser.description = (
        "Bring a captured incident about on a cluster of this machine, which stays, and say which of its findings are seen "
        "again. What the archive has is run: open only those of people you trust. Ends with 1 where a finding is not seen again."
    )
    parser.add_argument("archive", type=Path, metavar="FILE", help="that capture has written")
    parser.add_argument("--no-shell", action="store_true", help="open no shell at the end")
    parser.add_argument(
        "--then", choices=("", "heal"), default="", metavar="heal", help="then let Argo CD go and tell what it heals"
    )
