"""The words that `platform-e2e wait` and `platform-e2e explain` take. Imports nothing of a cluster, so that --help is instant."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from platform_e2e.settings import OPTIONS, Option, seconds

OUTPUTS = ("text", "json")

TIMEOUT = 60.0
"""Seconds that a wait lasts where nobody says more: a rollout of a small service with its image at hand takes below 20."""

EXPLAIN = 60.0
"""Seconds that `explain` may read: a cluster of a thousand pods takes a few."""

KUBECTL = {
    "condition=": "--condition",
    "jsonpath=": "--field",
    "delete": "--gone",
    "create": "--exists",
}
"""What somebody who knows `kubectl wait --for` may write after --for, and what it is called here."""

OBJECTS = """\
objects are written as for kubectl: KIND/NAME ..., KIND NAME ..., or KIND -l LABELS; KIND in any of its forms, such as
deploy, Deployment, deployments.apps, app, applications.argoproj.io
"""

DEFAULTS = """\
what is waited for where nothing is said, by kind:
  Application                         what Argo CD compared it with last; with --refresh as --converged-on HEAD
  ApplicationSet                      condition ResourcesUpToDate
  Deployment, StatefulSet, DaemonSet  as --rolled-out
  Job                                 as --complete
  Pod                                 ready, or ended without an error
  Service                             an address for type LoadBalancer, else a ready endpoint
  CustomResourceDefinition            as --served
  Node, Namespace, PVC, SealedSecret  Ready, Active, Bound, Synced
  a kind without a status, ConfigMap  as --exists
"""


def of_wait(parser: argparse.ArgumentParser) -> None:
    """Add what `wait` takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Wait until objects are as they should be, and say why when they are not.\n\n" + OBJECTS
    parser.epilog = DEFAULTS
    parser.add_argument("objects", nargs="+", metavar="OBJECT", help="what to wait for")
    wanted = parser.add_argument_group("what is waited for; several together must all hold")
    wanted.add_argument(
        "--converged-on",
        metavar="REV",
        type=_revision,
        help="the Application is what this commit says: at least 7 digits of it, or HEAD with --refresh",
    )
    wanted.add_argument(
        "--refresh",
        action="store_true",
        help="let Argo CD look at Git now, by an annotation of the Application: the only thing that is ever written",
    )
    wanted.add_argument("--rolled-out", action="store_true", help="the newest template runs everywhere")
    wanted.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="TYPE[=STATUS]",
        help="a condition of the newest generation, True by default",
    )
    wanted.add_argument("--complete", action="store_true", help="the Job has completed")
    wanted.add_argument("--endpoints", type=_number, metavar="N", help="the Service has so many ready endpoints")
    wanted.add_argument("--served", action="store_true", help="the kinds of the CRD can be listed")
    wanted.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="PATH[=VALUE]",
        help="a field is there, or has the value: .status.phase=Running; != demands another one",
    )
    wanted.add_argument("--exists", action="store_true", help="it exists")
    wanted.add_argument("--gone", action="store_true", help="it no longer exists")
    wanted.add_argument(
        "--for",
        dest="hold",
        type=_hold,
        default=0.0,
        metavar="DURATION",
        help="and stays so for this long; what holds for a moment only begins the while anew",
    )
    wanted.add_argument(
        "--timeout",
        type=_timeout,
        default=TIMEOUT,
        metavar="DURATION",
        help=f"90, 90s, 5m; {TIMEOUT:g}s by default; 0 looks once",
    )
    _common(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but why it was in vain")


def of_explain(parser: argparse.ArgumentParser) -> None:
    """Add what `explain` takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Say what holds an object now, or everything that is held in a namespace (namespace/NAME, or -n alone) or in the whole\n"
        "cluster (without an object). Ends with 1 where something is held. Changes nothing.\n\n" + OBJECTS
    )
    parser.add_argument("objects", nargs="*", metavar="OBJECT", help="what to explain; everything by default")
    add_limit(parser, EXPLAIN)
    _common(parser)


def add_limit(parser: argparse.ArgumentParser, seconds_: float) -> None:
    """Add the option that says how long a command may read.

    Args:
        parser: of the command.
        seconds_: where nobody says more.
    """
    parser.add_argument(
        "--timeout",
        type=_duration,
        default=seconds_,
        metavar="DURATION",
        help=f"after which reading ends, whatever the API server does: 90, 90s, 5m; {seconds_:g}s by default",
    )


def _common(parser: argparse.ArgumentParser) -> None:
    """Add what says where to look and how to answer."""
    where = parser.add_argument_group("where")
    where.add_argument("-l", "--selector", default="", metavar="LABELS", help="of the objects of a kind")
    where.add_argument(
        "-n",
        "--namespace",
        default="",
        metavar="NAME",
        help="of the objects; by default argocd for Argo CD's own kinds, else that of the context, else default",
    )
    option = cluster_option()
    where.add_argument(
        option.option,
        dest="cluster",
        default="",
        metavar=option.metavar,
        help="a cluster of this harness; by default the only kept one, else $KUBECONFIG or ~/.kube/config",
    )
    where.add_argument("--kubeconfig", type=Path, metavar="FILE", help="of any other cluster")
    where.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig, its current one by default")
    parser.add_argument("-o", "--output", choices=OUTPUTS, default=OUTPUTS[0], help="json for a program that reads it")


def cluster_option() -> Option:
    """Return the row of the options' table that names a cluster."""
    return next(option for option in OPTIONS if option.name == "cluster")


def chosen_cluster(known: argparse.Namespace) -> str:
    """Return the cluster's name that was chosen by option or variable, or an empty string."""
    return known.cluster or os.environ.get(cluster_option().variable) or ""


def _timeout(text: str) -> float:
    if re.fullmatch(r"0+[smh]?", text):
        return 0.0
    return _duration(text)


def _duration(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"`{text}` {error}") from error


def _hold(text: str) -> float:
    for start, option in KUBECTL.items():
        if text.startswith(start):
            rest = text.removeprefix(start).strip("{}")
            raise argparse.ArgumentTypeError(
                f"`{text}` is kubectl's way to say `{option}{' ' + rest if rest else ''}`; "
                "--for says here how long it must stay so, such as 10s"
            )
    return _duration(text)


def _revision(text: str) -> str:
    if text == "HEAD" or re.fullmatch(r"[0-9a-f]{7,64}", text):
        return text
    raise argparse.ArgumentTypeError(
        f"`{text}` is neither HEAD nor 7 or more digits of a commit; HEAD is what the Application's own branch or tag has now, "
        "$(git rev-parse NAME) what yours has"
    )


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no number from 1 on")
    return int(text)
