"""Make, remove, list, stop, start and enter kept clusters, for the command `platform-e2e cluster`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from platform_e2e import paths
from platform_e2e.cluster import acquisition, gc, providers
from platform_e2e.cluster.acquisition import REMOVAL_SECONDS
from platform_e2e.cluster.directory import ClusterDirectory, every_cluster
from platform_e2e.cluster.provider import Capability, ClusterFacts, ClusterSpec, Images
from platform_e2e.errors import WrongUsage
from platform_e2e.paths import command
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.waiting import wait_until

DEFAULT_NAME = "e2e"
"""The default name of a kept cluster; `platform_e2e.settings` has the same."""


def up(spec: ClusterSpec, provider: str) -> None:
    """Make a cluster, or attach to the one of that name, and keep it.

    Args:
        spec: the requested cluster.
        provider: the provider's name.

    Raises:
        CreationFailed: it could not be made.
    """
    print(f"making cluster {spec.name}; on an empty cache everything is built first, see {paths.cache() / 'logs'}")
    name = spec.name
    with acquisition.acquire(spec, providers.choose(provider), keep=lambda: True, timeline=Timeline(None)) as held:
        facts = held.facts
    print(f"cluster {name}: Kubernetes {facts.kubernetes}, nodes {', '.join(node.name for node in facts.nodes)}")
    print(f"  export KUBECONFIG={facts.kubeconfig}")
    options = f"--provider {facts.provider} --images {facts.images} --nodes {len(facts.nodes)}"
    print(f"  test on it:  {command('e2e')} --cluster {name} {options}")
    print(f"  remove it:   {command('cluster')} down {name}")


def down(name: str, *, force: bool = False) -> None:
    """Remove a cluster, also if its supervisor was killed.

    Args:
        name: the name of the cluster.
        force: remove it even while processes hold it.

    Raises:
        WrongUsage: a process holds it.
        NotInTime: it was not removed within a minute.
    """
    there = ClusterDirectory(name)
    holders = there.holders()
    if holders and not force:
        raise WrongUsage(
            f"cluster {name} is used by {', '.join(holders)}", "wait for its end, or remove it with --force"
        )
    there.keep.unlink(missing_ok=True)
    if holders:
        there.end.touch()
    wait_until(
        lambda: f"the supervisor still runs, see {there.log}" if there.supervisor.is_held() else True,
        timeout=REMOVAL_SECONDS,
        what=f"cluster {name} is removed",
    )
    gc.sweep().demand(name)
    print(f"cluster {name} is removed")


def power(facts: ClusterFacts, node: str, *, on: bool) -> None:
    """Stop or start the nodes of a cluster, the servers first when they start and last when they stop.

    Args:
        facts: the facts of the cluster.
        node: the node's name; all nodes if empty.
        on: start them; else stop them.

    Raises:
        WrongUsage: it lacks that node, or its provider cannot stop nodes.
    """
    provider = providers.choose(facts.provider)
    names = [each.name for each in facts.nodes]
    if Capability.STOP_NODE not in provider.capabilities:
        raise WrongUsage(f"the provider {facts.provider} cannot stop nodes", "use another one")
    if node and node not in names:
        raise WrongUsage(f"cluster {facts.name} has no node {node}", f"it has {', '.join(names)}")
    chosen = [node] if node else names if on else names[::-1]
    for name in chosen:
        (provider.start_node if on else provider.stop_node)(facts, name)
        print(f"node {name} is {'started' if on else 'stopped'}")


def show() -> None:
    """Print one line for each cluster: name, provider, age, nodes, holders, segment."""
    rows = [("NAME", "PROVIDER", "AGE", "NODES", "SEGMENT", "STATE")]
    for each in every_cluster():
        facts, holders = each.facts(), each.holders()
        if not each.supervisor.is_held():
            state = f"abandoned; remove it: {command('cluster')} down {each.name}"
        elif facts is None:
            state = "being made"
        else:
            state = f"used by {', '.join(holders)}" if holders else "kept" if each.keep.exists() else "being removed"
        nodes, segment, provider = (str(len(facts.nodes)), facts.segment, facts.provider) if facts else ("", "", "")
        rows.append((each.name, provider, age(each.path), nodes, segment, state))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def age(directory: Path) -> str:
    """Return the time since a cluster's specification was written, in kubectl's format for ages."""
    file = directory / "spec.json"
    seconds = int(time.time() - (file if file.exists() else directory).stat().st_mtime)
    days, hours, minutes = seconds // 86400, seconds // 3600, seconds // 60
    return f"{days}d" if days else f"{hours}h" if hours else f"{minutes}m" if minutes else f"{seconds}s"


def chosen(name: str) -> str:
    """Return the name, or that of the only existing cluster."""
    there = [each.name for each in every_cluster()]
    if name or len(there) == 1:
        found = name or there[0]
        if found in there:
            return found
    raise WrongUsage(
        f"there is no cluster {name}" if name else "name the cluster",
        f"there are: {', '.join(there)}" if there else f"there is none; make one: {command('cluster')} up",
    )


def facts_of(name: str) -> ClusterFacts:
    """Return a cluster's facts.

    Raises:
        WrongUsage: the cluster is still being made.
    """
    facts = ClusterDirectory(name).facts()
    if facts is None:
        raise WrongUsage(
            f"cluster {name} is still being made", f"wait until `{command('cluster')} list` says that it is kept"
        )
    return facts


def shell(facts: ClusterFacts, node: str) -> None:
    """Become a shell with KUBECONFIG set and kubectl on PATH, or a shell in a node. Does not return."""
    if node:
        words = list(providers.choose(facts.provider).enter(facts, node))
    else:
        from platform_e2e.toolbox import programs  # noqa: PLC0415 - only this command needs it

        os.environ["KUBECONFIG"] = facts.kubeconfig
        only = () if facts.images == Images.BUILT else programs.TOOLS_OF_HOST
        os.environ["PATH"] = f"{programs.ensure(Timeline(None), only).directory}:{os.environ['PATH']}"
        words = [os.environ.get("SHELL") or "/bin/sh"]
    sys.stdout.flush()
    # This process has nothing left to do, and a shell needs the terminal for itself.
    os.execvp(words[0], words)  # noqa: S606 - a program by its name, no shell in between
