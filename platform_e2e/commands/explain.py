"""`platform-e2e explain`: what holds an object now, or everything that is held. Reads only."""

from __future__ import annotations

import argparse
import time

from platform_e2e.commands.arguments import OBJECTS, add_limit, add_where, chosen_cluster

TIMEOUT = 60.0
"""Seconds that `explain` may read: a cluster of a thousand pods takes a few."""

PATIENCE = 2.0
"""Seconds that one request is tried for: a person waits for the answer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `explain` takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Say what holds an object now, or everything that is held in a namespace (namespace/NAME, or -n alone) or in the whole\n"
        "cluster (without an object). Ends with 1 where something is held. Changes nothing.\n\n" + OBJECTS
    )
    parser.add_argument("objects", nargs="*", metavar="OBJECT", help="what to explain; everything by default")
    add_limit(parser, TIMEOUT)
    add_where(parser)


def run(args: argparse.Namespace) -> int:
    """Explain objects of a cluster, or everything that is held.

    Returns:
        0 when nothing is held, 1 when something is, 3 when it could not be read, 4 for wrong usage.
    """
    from platform_e2e.cluster.connection import connect
    from platform_e2e.diagnosis.explain.metallb_pools import ranges_moved
    from platform_e2e.diagnosis.lookup import diagnoses
    from platform_e2e.diagnosis.output import Output
    from platform_e2e.errors import ExitCode, HarnessError
    from platform_e2e.kube.answers import KEPT, understood

    output = Output(as_json=args.output == "json", quiet=False)
    try:
        connection = connect(
            kubeconfig=args.kubeconfig,
            cluster=chosen_cluster(args),
            context=args.context,
            patience=PATIENCE,
            limits=KEPT,
            ends=time.monotonic() + args.timeout,
        )
        if not output.as_json:
            # Before it is asked: one that does not answer may be another than the one that was meant.
            output.say(f"asking {connection.name}, {connection.server}")
        with connection.kube, ranges_moved(connection.pool_map), understood("what the API server answered"):
            about, found = diagnoses(args.objects, connection, labels=args.selector, namespace=args.namespace)
            asked = {"name": connection.name, "context": connection.endpoint.context, "server": connection.server}
            output.explained(about, found, asked)
    except HarnessError as error:
        output.failed(error)
        return error.exit_code
    if any(diagnosis.cause is not None or (not diagnosis.met and not diagnosis.unread) for diagnosis in found):
        return ExitCode.BROKEN_PLATFORM
    return ExitCode.HOLDS if all(diagnosis.sound for diagnosis in found) else ExitCode.BROKEN_HARNESS
