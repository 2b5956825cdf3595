"""Operations on the nodes of a running embedded cluster: stop, start, load an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from platform_e2e.cluster import cgroups, cleanup, nodes
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.shell import run
from platform_e2e.toolbox.waiting import wait_until

START_SECONDS = 30.0
"""Timeout for a stopped node's first process to run again; a quarter of a second is usual."""

LOAD_SECONDS = 300.0
"""Timeout for loading an image into a node; 10 MB take half a second."""

WISH = "start"
"""Name of a file in a node's directory that asks the supervisor to start the node again."""


def load_image(facts: ClusterFacts, archive: Path) -> None:
    """Load an image into every node.

    Args:
        facts: the facts of the cluster.
        archive: an archive in the format of `docker save`.

    Raises:
        NoSuchNode: a node does not run.
        CommandError: a node's containerd refuses it.
    """
    data = archive.read_bytes()
    for each in facts.nodes:
        words = [*nodes.enter(f"{each.name}@{facts.name}"), "ctr", "-n", "k8s.io", "images", "import", "-"]
        run(words, timeout=LOAD_SECONDS, stdin=data)


def stop_node(facts: ClusterFacts, node: str) -> None:
    """Kill every process of a node, as if its power failed.

    Raises:
        NotInTime: a process does not end.
    """
    hierarchies = cgroups.of_this_host()

    def look() -> bool | str:
        left = cgroups.kill(hierarchies, facts.name, node)
        return f"processes {', '.join(map(str, sorted(left)[:10]))} still run" if left else True

    wait_until(look, timeout=cleanup.END_SECONDS, what=f"node {node} of cluster {facts.name} is stopped", most=0.1)


def start_node(facts: ClusterFacts, node: str) -> None:
    """Ask for a stopped node to be started again, and wait until its first process runs.

    Raises:
        NotInTime: the process did not start; the supervisor's log has the reason.
    """
    wish = Path(facts.directory) / "nodes" / node / WISH
    wish.touch()
    hierarchies = cgroups.of_this_host()

    def look() -> bool | str:
        runs = not wish.exists() and cgroups.processes(hierarchies, facts.name, node)
        return True if runs else "its process does not run"

    wait_until(
        look,
        timeout=START_SECONDS,
        what=f"node {node} of cluster {facts.name} runs again",
        remedy=f"read {Path(facts.directory) / 'supervisor.log'}",
    )


def wishes(directory: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the name of each node to start, with a function to call when it runs.

    Args:
        directory: the directory of the cluster.
    """
    for file in directory.glob(f"nodes/*/{WISH}"):
        yield file.parent.name, file.unlink
