"""`platform-e2e validate`: judge live clusters before a release, with get, list and watch alone."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from platform_e2e.cluster.connection import Connection, connect
from platform_e2e.diagnosis.explain.metallb_pools import ranges_moved
from platform_e2e.errors import ExitCode, HarnessError, WrongUsage
from platform_e2e.finding import Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.incident.output import say
from platform_e2e.kube.answers import TAKEN, understood
from platform_e2e.kube.wait import Unobserved
from platform_e2e.validation import outputs, stability
from platform_e2e.validation.gate import Gate
from platform_e2e.validation.judging import judge
from platform_e2e.validation.listing import ListingReader
from platform_e2e.validation.verdict import Verdict, exit_code, unreachable

PATIENCE = 10.0
"""Seconds for which one request is tried."""

AT_ONCE = 8
"""Clusters that are read at once: each waits for its API server most of the time."""


def main(args: argparse.Namespace, cluster: str) -> int:
    """Judge live clusters.

    Args:
        args: as `platform_e2e.commands.validate` parses them.
        cluster: name of a cluster of this harness, or empty.

    Returns:
        0 where every promise holds, 1 where one is broken, 5 where none is broken and one is unknown.

    Raises:
        WrongUsage: the layer is not a directory, a policy or baseline cannot be read, or a shard has no context.
        HarnessError: the only cluster does not answer, or has no Application that may be read.
    """
    if args.layer is not None and not args.layer.is_dir():
        raise WrongUsage(f"--layer must be a directory, got {args.layer}", "name the layer's directory in a checkout")
    gate = Gate.read(args.policy, args.baseline)
    several = [name for each in args.context for name in each.split(",") if name]
    contexts = shard(several, args.shard)
    if len(several) <= 1:
        found = [validated(args, cluster, contexts[0] if contexts else "", gate)]
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda context: _whatever_comes(args, context, gate), contexts))
    for each in found:
        outputs.told(each)
    outputs.written(found, args)
    return exit_code(found)


def shard(contexts: Sequence[str], which: tuple[int, int] | None) -> list[str]:
    """Return the contexts of one of several machines.

    Args:
        contexts: of all machines, in the same order on each.
        which: number of the machine, from 0, and of how many; None for the only one.

    Raises:
        WrongUsage: there is no context for this machine.
    """
    if which is None:
        return list(contexts)
    index, of = which
    mine = list(contexts[index::of])
    if not mine:
        raise WrongUsage(
            f"--shard {index}/{of} must have a context, got {len(contexts)} for {of} shards", "use fewer shards"
        )
    return mine


def validated(args: argparse.Namespace, cluster: str, context: str, gate: Gate) -> Verdict:
    """Return the verdict on one cluster, held for as long as is asked for.

    Args:
        args: as `main` takes them.
        cluster: name of a cluster of this harness, or empty.
        context: of the kubeconfig, or empty for its current one.
        gate: what excuses findings.

    Raises:
        HarnessError: the cluster cannot be judged.
    """
    found = _looked_at(_connected(args, cluster, context), args, gate)
    if not args.stable_for or found.exit_code == ExitCode.BROKEN_PLATFORM:
        return found
    say(f"{found.cluster}: watching its Applications for {args.stable_for:g} s")
    watching = _connected(args, cluster, context, longer=args.stable_for)
    try:
        with watching.kube as reader, understood("what the API server answered"):
            unstable = stability.unstable(reader, args.stable_for)
    except Unobserved as error:
        return found.with_unknown(Promise.APPLICATIONS, f"whether they stay so: {error.problem}")
    return _looked_at(_connected(args, cluster, context), args, gate, unstable)


def _whatever_comes(args: argparse.Namespace, context: str, gate: Gate) -> Verdict:
    """Return the verdict on one of several clusters: one that cannot be read is unknown and keeps no other from its verdict."""
    try:
        return validated(args, "", context, gate)
    except WrongUsage:
        raise
    except HarnessError as error:
        return unreachable(f"context {context}", str(error))


def _connected(args: argparse.Namespace, cluster: str, context: str, longer: float = 0.0) -> Connection:
    connection = connect(
        kubeconfig=args.kubeconfig,
        cluster=cluster,
        context=context,
        patience=PATIENCE,
        limits=TAKEN,
        ends=time.monotonic() + args.timeout + longer,
        client=ListingReader,
    )
    places = [*args.namespace, argocd.NAMESPACE, *filter(None, [connection.namespace])]
    connection.kube.instead = tuple(dict.fromkeys(places))
    return connection


def _looked_at(connection: Connection, args: argparse.Namespace, gate: Gate, before: Sequence[Finding] = ()) -> Verdict:
    say(f"validating {connection.name}, {connection.server}; reads, and changes nothing")
    with connection.kube, ranges_moved(connection.pool_map), understood("what the API server answered"):
        return judge(connection, args.layer, gate, args.probe_from, before)
