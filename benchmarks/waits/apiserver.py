"""The embedded cluster's own API server, killed: the node's launcher starts it again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from platform_e2e.cluster import cgroups
from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.expect import Met, Pending, Verdict, poll

PROGRAM = "kube-apiserver"

BACK_SECONDS = 90.0
"""For it to be ready again: 8 s on an idle machine, four times that beside hundreds of waiting programs."""


class NotFound(BrokenHarness):
    """The cluster has no such process."""


def process(cluster: str) -> int:
    """Return the id of a cluster's API server.

    Raises:
        NotFound: none of the processes in the cluster's cgroups is one.
    """
    for number in sorted(cgroups.processes(cgroups.of_this_host(), cluster)):
        try:
            words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended since
        if Path(words[0].decode()).name == PROGRAM:
            return number
    raise NotFound(f"cluster {cluster} runs no {PROGRAM}", "see its log in the cluster's directory")


def kill(cluster: str) -> None:
    """Kill a cluster's API server as a crash would."""
    number = process(cluster)
    held = os.pidfd_open(number)
    try:
        # Its number may be another process's since it was read; what is held is the one that is still there.
        if process(cluster) == number:
            signal.pidfd_send_signal(held, signal.SIGKILL)
    finally:
        os.close(held)


def wait_until_ready(kube: Kube) -> None:
    """Return as soon as the API server says that it is ready."""

    def look() -> Verdict:
        try:
            kube.raw("GET", "/readyz")
        except ApiError as error:
            return Pending(error.problem)
        return Met()

    poll(look, timeout=BACK_SECONDS, what="the API server is ready again", most=0.1)
