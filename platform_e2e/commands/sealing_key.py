"""`platform-e2e sealing-key`: the keys of Sealed Secrets, `backup`, `verify` and `restore`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from platform_e2e import paths
from platform_e2e.commands.arguments import RaisingParser, add_limit, chosen_cluster, cluster_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from platform_e2e.checks.secrets.files import SealedFile
    from platform_e2e.cluster.connection import Connection
    from platform_e2e.finding import Finding

DESCRIPTION = "The keys of Sealed Secrets: back them up, say what a backup opens and lacks, and load it into a cluster."

TIMEOUT = 120.0
"""Seconds that the cluster may be asked; a restart of the controller takes about 5."""

PATIENCE = 10.0
"""Seconds for which one request is tried."""

UNSEALED_SECONDS = 30.0
"""For a controller that has just started to unseal everything again: some milliseconds each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Pass every word on: each subcommand has arguments of its own."""
    parser.set_defaults(passes_on=True)
    parser.description = DESCRIPTION


def run(args: argparse.Namespace) -> int:
    """Run a subcommand.

    Returns:
        0 when all is well, 1 when something is lost or will not open, 3 when the cluster could not be asked, 4 for wrong usage.
    """
    known = _parser().parse_args(args.rest)
    return int({"backup": _backup, "verify": _verify, "restore": _restore}[known.command](known))


def _parser() -> argparse.ArgumentParser:
    parser = RaisingParser(prog="platform-e2e sealing-key", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=RaisingParser)
    backup = commands.add_parser("backup", help="write every key of a cluster into a file that only its owner may read")
    backup.add_argument("--output", type=Path, required=True, metavar="FILE", help="of the backup; must not exist yet")
    verify = commands.add_parser(
        "verify", help="say what of a layer a backup cannot open, and with a cluster which of its keys it lacks"
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="of the backup")
    verify.add_argument("--layer", type=Path, metavar="DIR", default=paths.project() / "platform", help="of the layer")
    restore = commands.add_parser("restore", help="load a backup into a cluster, and restart the controller")
    restore.add_argument("file", type=Path, metavar="FILE", help="of the backup")
    restore.add_argument(
        "--confirm",
        default="",
        metavar="CONTEXT",
        help="the name of the --context once more: needed where the cluster is not one of this harness",
    )
    option = cluster_option()
    for each in (backup, verify, restore):
        each.add_argument("--kubeconfig", type=Path, metavar="FILE", help="of the cluster; by default kubectl's own")
        each.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig")
        each.add_argument(
            option.option, dest="cluster", default="", metavar=option.metavar, help="a cluster of this harness instead"
        )
        each.add_argument("-n", "--namespace", default="", metavar="NAME", help="of the controller; all by default")
        add_limit(each, TIMEOUT)
    return parser


def _connection(args: argparse.Namespace) -> Connection:
    """Return a connection whose client can only read."""
    from platform_e2e.cluster.connection import connect

    return connect(
        kubeconfig=args.kubeconfig,
        cluster=chosen_cluster(args),
        context=args.context,
        patience=PATIENCE,
        ends=time.monotonic() + args.timeout,
    )


def _backup(args: argparse.Namespace) -> int:
    from platform_e2e.errors import ExitCode
    from platform_e2e.foundations import sealing_backup

    connection = _connection(args)
    _say(f"reads the keys of {connection.name}, and changes nothing")
    with connection.kube as reader:
        keys = sealing_backup.keys_of(reader, args.namespace)
    sealing_backup.write(args.output, keys)
    for each in keys:
        _say(f"  {each}{'' if each.active else ', not active'}")
    _say(
        f"{args.output} has {_count(len(keys), 'key')}, the newest first; keep it out of Git, where it outlives the cluster"
    )
    return ExitCode.HOLDS


def _verify(args: argparse.Namespace) -> int:
    from platform_e2e.checks.secrets import backup
    from platform_e2e.errors import ExitCode
    from platform_e2e.foundations import sealing_backup
    from platform_e2e.layer import sealing_keys

    keys = sealing_keys.read(args.file)
    sealed = _sealed(args.layer)
    findings = backup.unopened(sealed, keys)
    opened = len(sealed) - len(findings)
    _say(
        f"{args.file} has {_count(len(keys), 'key')}, and opens {opened} of {_count(len(sealed), 'SealedSecret')} of {args.layer}"
    )
    if args.kubeconfig or args.context or chosen_cluster(args):
        connection = _connection(args)
        with connection.kube as reader:
            live = sealing_backup.keys_of(reader, args.namespace)
        lacking = backup.missing(keys, live, str(args.file), connection.name)
        active = sum(each.active for each in live)
        _say(f"it has {active - len(lacking)} of {_count(active, 'active key')} of {connection.name}")
        findings += lacking
    else:
        _say("no cluster was named, so whether it has the newest key is not known (--context or --cluster)")
    _tell(findings)
    return ExitCode.BROKEN_PLATFORM if findings else ExitCode.HOLDS


def _restore(args: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from platform_e2e.checks.secrets import backup
    from platform_e2e.diagnosis.explain import explain
    from platform_e2e.diagnosis.objects import name_of
    from platform_e2e.errors import ExitCode
    from platform_e2e.foundations import sealing_backup
    from platform_e2e.kube.expect import Timeout, eventually
    from platform_e2e.layer import sealed_secrets, sealing_keys

    keys = sealing_keys.read(args.file)
    connection = _connection(args)
    _demand_confirmation(args, connection)
    with connection.kube, connection.writer(patience=PATIENCE, ends=time.monotonic() + args.timeout) as kube:
        loaded = sealing_backup.load(kube, keys, args.namespace)
        for each in loaded:
            _say(f"loaded {each} into {connection.name}")
        _say(f"{connection.name} had {len(keys) - len(loaded)} of {_count(len(keys), 'key')} already")
        restarted = sealing_backup.restart(
            kube, f"{args.file.name} at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", args.namespace
        )
        if not restarted:
            _say("no controller runs yet: it will read the keys when it starts")
            return ExitCode.HOLDS
        _say(f"restarted {', '.join(map(name_of, restarted))}")
        source = kube.many(sealed_secrets.API)
        try:
            found = eventually(
                source, backup.all_unsealed(), timeout=UNSEALED_SECONDS, what="every SealedSecret is unsealed"
            )
        except Timeout:
            causes = filter(None, (explain(sealed, kube) for sealed in kube.list(sealed_secrets.API)))
            for cause in causes:
                _say(f"{cause.sentence} [{cause.id}]\n  remedy: {cause.remedy}")
            return ExitCode.BROKEN_PLATFORM
        _say(f"all of {_count(len(found), 'SealedSecret')} are unsealed")
    return ExitCode.HOLDS


def _demand_confirmation(args: argparse.Namespace, connection: Connection) -> None:
    """Demand that a cluster that is not the harness's own was named twice.

    Raises:
        WrongUsage: it was not.
    """
    from platform_e2e.errors import WrongUsage

    if connection.name.startswith("cluster "):
        return
    if not args.context or args.confirm != args.context:
        raise WrongUsage(
            f"restore must be confirmed for {connection.name}, which is not a cluster of this harness: it loads keys and restarts "
            "the controller",
            f"name it twice: --context {connection.endpoint.context} --confirm {connection.endpoint.context}",
        )


def _sealed(directory: Path) -> list[SealedFile]:
    """Return every SealedSecret of a layer."""
    from platform_e2e import layer
    from platform_e2e.checks.secrets import files
    from platform_e2e.sources import given, lockfile
    from platform_e2e.sources.store import Store
    from platform_e2e.toolbox import layer_renderer

    stored = given.of(Store.at(None), lockfile.read(directory))
    return list(files.of_layer(layer.load(directory, layer_renderer.renderer(), material=stored)))


def _tell(findings: Sequence[Finding]) -> None:
    for each in findings:
        _say(f"\n{each.render()}")


def _say(text: str) -> None:
    """Print a line; nothing of a key is ever in one."""
    from platform_e2e.terminal import visible

    sys.stdout.write(f"{visible(text)}\n")
    sys.stdout.flush()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
