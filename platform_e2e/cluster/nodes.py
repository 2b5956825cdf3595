"""A cluster's nodes from the inside, as hosts of testinfra, the same way for every provider.

Importing this module teaches testinfra the scheme `embedded://NODE@CLUSTER`, which runs commands in the node's namespaces.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import testinfra
import testinfra.backend
from testinfra.backend import base

from platform_e2e.cluster import cgroups
from platform_e2e.cluster.kubernetes import node
from platform_e2e.cluster.provider import NodeFacts
from platform_e2e.errors import BrokenHarness
from platform_e2e.paths import command
from platform_e2e.shell import run

COMMAND_SECONDS = 60.0
"""Timeout for one command in a node."""

testinfra.backend.BACKENDS["embedded"] = f"{__name__}.EmbeddedBackend"


class NoSuchNode(BrokenHarness):
    """The node does not run."""


class EmbeddedBackend(base.BaseBackend):  # type: ignore[misc]  # testinfra is published without types
    """A backend of testinfra that runs commands in a node of an embedded cluster.

    Args:
        name: NODE@CLUSTER.
    """

    NAME = "embedded"

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        self.name = name
        super().__init__(name, *args, **kwargs)

    def run(self, command: str, *args: str, **_: Any) -> base.CommandResult:
        """Run a shell command in the node and return its status and output."""
        line = self.get_command(command, *args)
        done = run([*enter(self.name), "/bin/sh", "-c", line], timeout=COMMAND_SECONDS, ok=range(256))
        return self.result(done.returncode, self.encode(line), self.encode(done.stdout), self.encode(done.stderr))


def host(node: NodeFacts) -> Any:
    """Return testinfra's host for a node: `host.interface("eth0").addresses`, `host.check_output("iptables-save")`.

    Args:
        node: the node, from the cluster's facts.
    """
    return testinfra.get_host(node.testinfra)


def enter(name: str) -> list[str]:
    """Return the start of a command line that runs the rest in a node.

    Args:
        name: NODE@CLUSTER.

    Raises:
        NoSuchNode: the node does not run.
    """
    process = first_process(name)
    namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
    variables = [f"PATH={node.PATH}", "HOME=/root", "KUBECONFIG=/etc/kubernetes/admin.conf"]
    return ["nsenter", f"--target={process}", *namespaces, "--", "env", "-i", *variables]


def first_process(name: str) -> int:
    """Return the id on this host of a node's process 1.

    Raises:
        NoSuchNode: the node does not run.
    """
    each, _, cluster = name.partition("@")
    hierarchies = cgroups.parse(Path("/proc/self/mountinfo").read_text())
    for process in sorted(cgroups.processes(hierarchies, cluster, each)):
        # A process in a node has a second id, in the node; one in a container has a third.
        if _ids(process)[1:] == ["1"]:
            return process
    raise NoSuchNode(
        f"node {each} of cluster {cluster} does not run",
        f"see which clusters there are ({command('cluster')} list), and node.log in the cluster's logs",
    )


def _ids(process: int) -> list[str]:
    """Return a process's id in each pid namespace from here to its own; empty if it has just ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
