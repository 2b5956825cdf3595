"""`platform-e2e wait`: wait until objects are as they should be."""

from __future__ import annotations

import argparse
import re

from platform_e2e.commands.arguments import OBJECTS, add_where, chosen_cluster, duration, positive

TIMEOUT = 60.0
"""Seconds that a wait lasts by default: a rollout of a small service with its image at hand takes below 20."""

KUBECTL = {
    "condition=": "--condition",
    "jsonpath=": "--field",
    "delete": "--gone",
    "create": "--exists",
}
"""What `kubectl wait --for` takes, and the option of that meaning here."""

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


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    wanted.add_argument("--endpoints", type=positive, metavar="N", help="the Service has so many ready endpoints")
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
        help="and stays so for this long; what holds for a moment only starts the duration again",
    )
    wanted.add_argument(
        "--timeout",
        type=_timeout,
        default=TIMEOUT,
        metavar="DURATION",
        help=f"90, 90s, 5m; {TIMEOUT:g}s by default; 0 looks once",
    )
    add_where(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but why it was in vain")


def run(args: argparse.Namespace) -> int:
    """Wait for objects of a cluster."""
    from platform_e2e.diagnosis import wait

    return wait.main(args, chosen_cluster(args))


def _timeout(text: str) -> float:
    if re.fullmatch(r"0+[smh]?", text):
        return 0.0
    return duration(text)


def _hold(text: str) -> float:
    for start, option in KUBECTL.items():
        if text.startswith(start):
            rest = text.removeprefix(start).strip("{}")
            raise argparse.ArgumentTypeError(
                f"must be how long the condition must hold, such as 10s, got `{text}`; "
                f"give the condition itself as `{option}{' ' + rest if rest else ''}`"
            )
    return duration(text)


def _revision(text: str) -> str:
    from platform_e2e.git.repository import COMMIT_OR_PREFIX

    if text == "HEAD" or COMMIT_OR_PREFIX.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(
        f"must be HEAD or at least 7 digits of a commit, got `{text}`; for a branch or tag of your checkout give "
        f"$(git rev-parse {text}); HEAD is the newest commit of the branch or tag that the Application tracks"
    )
