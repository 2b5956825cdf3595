"""`platform-e2e rbac`: the smallest role with which `validate` can judge a cluster."""

from __future__ import annotations

import argparse
import sys

from platform_e2e.finding import Promise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `rbac` takes."""
    parser.description = (
        "Print the smallest ClusterRole, or a Role for each named namespace, with which `validate` can judge the chosen promises. "
        "It has no right on Secrets and none to write. Bind it to the user or ServiceAccount that validates."
    )
    parser.add_argument(
        "--promise",
        action="append",
        default=[],
        choices=[promise.value for promise in Promise],
        help="only what this one needs; may be repeated",
    )
    parser.add_argument(
        "-n",
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="a Role in this namespace instead; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Print the role."""
    from platform_e2e.errors import ExitCode
    from platform_e2e.validation import rights

    sys.stdout.write(rights.manifests(args.promise, args.namespace))
    return ExitCode.HOLDS
