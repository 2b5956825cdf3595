"""`platform-e2e validate`: judge a live cluster before a release, by reading alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from platform_e2e.commands.arguments import add_limit, chosen_cluster, cluster_option, duration

TIMEOUT = 120.0
"""Seconds that `validate` may read."""

FORMS = {
    "json": "the verdict with all findings, which --baseline reads",
    "junit": "JUnit XML: a test case for each promise",
    "sarif": "SARIF 2.1.0, with file and line where the layer says them",
    "metrics": "Prometheus text, for a Pushgateway or the textfile collector",
}
"""Options that write a file: what they write (`validation.outputs`)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `validate` takes."""
    parser.description = (
        "Judge a live cluster: Applications, LoadBalancer addresses, monitors, foundations, drift. Sends get, list and watch alone, "
        "reads no Secret, and needs no root. Without --layer the expectation is what Argo CD tracks on the cluster. "
        "Ends with 0 where every promise holds, 1 where one is broken, 5 where none is broken and one is unknown, 3 where the "
        "cluster cannot be read, 4 for wrong usage."
    )
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="of the cluster; by default kubectl's own")
    parser.add_argument(
        "--context",
        action="append",
        default=[],
        metavar="NAME,...",
        help="of the kubeconfig, its current one by default; several are judged at once, and one that does not answer is unknown",
    )
    parser.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="of N machines with the same contexts this is number I, from 0; `platform-e2e merge` makes one verdict of theirs",
    )
    option = cluster_option()
    parser.add_argument(
        option.option, dest="cluster", default="", metavar=option.metavar, help="a cluster of this harness instead"
    )
    parser.add_argument(
        "-n",
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="look here, too, where not all namespaces may be listed; may be repeated",
    )
    add_limit(parser, TIMEOUT)
    parser.add_argument(
        "--layer",
        type=Path,
        metavar="DIR",
        help="compare with this layer, in a checkout that has the deployed commit; its Applications are rendered",
    )
    parser.add_argument(
        "--probe-from",
        choices=("auto", "host", "none"),
        default="auto",
        help="ask the LoadBalancer addresses from this machine: auto, where it reaches one of them; host, always; none, never",
    )
    parser.add_argument(
        "--stable-for",
        type=duration,
        default=0.0,
        metavar="DURATION",
        help="then watch the Applications for so long, and judge once more: 2m",
    )
    gate = parser.add_argument_group("what blocks a release")
    gate.add_argument("--policy", type=Path, metavar="FILE", help="YAML: which findings block and which may wait")
    gate.add_argument(
        "--baseline", type=Path, metavar="FILE", help="JSON of an earlier validation: only new findings count"
    )
    add_results(parser)


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add the options for what a pipeline reads, which `merge` has too."""
    results = parser.add_argument_group("results for a pipeline")
    for name, what in FORMS.items():
        results.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write {what}")
    results.add_argument("--github", action="store_true", help="print the findings as annotations of a GitHub workflow")


def shard(text: str) -> tuple[int, int]:
    """Return number and count of a shard such as 0/4."""
    index, _, of = text.partition("/")
    if not (index.isdecimal() and of.isdecimal()) or int(index) >= int(of):
        raise argparse.ArgumentTypeError(f"must be I/N with I below N, such as 0/4, got `{text}`")
    return int(index), int(of)


def run(args: argparse.Namespace) -> int:
    """Judge a live cluster."""
    from platform_e2e.validation import validate

    return validate.main(args, chosen_cluster(args))
