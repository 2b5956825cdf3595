"""Find and remove the traces of a cluster on this host: processes, mounts, the interface, cgroups, files.

Everything is found by the cluster's name, so that the next run also removes what a killed run left behind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from platform_e2e import paths
from platform_e2e.cluster import cgroups
from platform_e2e.cluster.cgroups import Hierarchy
from platform_e2e.cluster.network import links
from platform_e2e.toolbox import cache
from platform_e2e.toolbox.waiting import wait_until

END_SECONDS = 30.0
"""Timeout for the end of all killed processes of a cluster; 0.3 s were seen."""


def find(cluster: str) -> list[str]:
    """Return the existing traces of a cluster."""
    hierarchies = _hierarchies()
    directory = paths.clusters() / cluster
    return [
        *(f"process {process}: {words(process)}" for process in sorted(cgroups.processes(hierarchies, cluster))),
        *(f"mount {mount}" for mount in mounts(directory)),
        *([f"interface {links.interface(cluster)}"] if links.exists(cluster) else []),
        *(f"cgroup {group}" for group in cgroups.directories(hierarchies, cluster)),
        *([f"directory {directory}"] if directory.exists() else []),
    ]


def end(cluster: str) -> None:
    """Kill every process of a cluster and remove its cgroups and its interface; its files stay.

    Raises:
        NotInTime: a process does not end, or a cgroup cannot be removed.
    """
    hierarchies = _hierarchies()

    def look() -> bool | str:
        left = cgroups.kill(hierarchies, cluster)
        if left:
            return f"processes {', '.join(map(str, sorted(left)[:10]))} still run"
        stuck = cgroups.remove(hierarchies, cluster)
        return f"{stuck[0]} cannot be removed" if stuck else True

    wait_until(look, timeout=END_SECONDS, what=f"the processes of cluster {cluster} are gone", most=0.1)
    if links.exists(cluster):
        links.remove(cluster)


def remove(cluster: str, directory: Path) -> None:
    """Remove every trace of a cluster.

    Raises:
        NotInTime: a process does not end, or a cgroup cannot be removed.
    """
    end(cluster)
    for mount in reversed(mounts(directory)):
        # None is expected: every mount of a node is in the node's own namespace.
        links.libc().umount2(str(mount).encode(), links.MNT_DETACH)
    forget(directory)


def forget(directory: Path) -> None:
    """Remove a cluster's directory, its only trace on this host if Docker has the rest."""
    # Rename it first: a directory that is being removed must not look like a cluster.
    doomed = directory.with_name(f".{directory.name}.removed")
    cache.remove(doomed)
    with contextlib.suppress(FileNotFoundError):
        directory.rename(doomed)
    cache.remove(doomed)


def mounts(directory: Path) -> list[Path]:
    """Return the mount points of this host at or below a directory."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4])
        if point == directory or directory in point.parents:
            found.append(point)
    return found


def words(process: int) -> str:
    """Return a process's command line, or why there is none."""
    try:
        line = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(gone)"
    return line[:120] or "(no command line)"


def _hierarchies() -> Sequence[Hierarchy]:
    """Return the host's cgroups, also where they allow no new cluster."""
    return cgroups.parse(Path("/proc/self/mountinfo").read_text())
