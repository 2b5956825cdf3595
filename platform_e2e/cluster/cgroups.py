"""The cluster's cgroups: a directory for the cluster and one for each node in it, in every hierarchy of the host.

A node runs in its own cgroup namespace, so that its root is its directory here, and its kubelet makes everything below it.
/proc/self/mountinfo shows the host's layout, one of three:

* `v2`: one hierarchy with all controllers.
* `v1`: one hierarchy for each controller or group of controllers.
* `hybrid`: as v1, and a version 2 hierarchy without controllers beside it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from platform_e2e.cluster import naming
from platform_e2e.errors import BrokenHarness

PREFIX = "platform-e2e-"
"""Start of the cluster's directory name in each hierarchy; `leaks` looks for it."""

NOT_CONTROLLERS = frozenset(
    {"rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode", "favordynmods", "nofavordynmods"}
)
"""Mount options of a version 1 hierarchy that do not name a controller: kernel/cgroup/cgroup-v1.c."""


class Layout(StrEnum):
    """The versions of cgroups on a host."""

    V1 = "v1"
    HYBRID = "hybrid"
    V2 = "v2"


class NoCgroups(BrokenHarness):
    """The host's cgroups cannot be used."""


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy.

    Attributes:
        version: 1 or 2.
        mount_point: its mount point on the host.
        controllers: the controllers of a version 1 hierarchy, as its mount options name them: `cpu`, `cpuacct`, `name=systemd`.
        writable: whether directories can be made in it.
    """

    version: int
    mount_point: Path
    controllers: tuple[str, ...] = ()
    writable: bool = True

    def directory(self, cluster: str) -> Path:
        """Return its directory for a cluster of this cache."""
        return self.mount_point / f"{PREFIX}{naming.on_host(cluster)}"


def parse(mountinfo: str) -> tuple[Hierarchy, ...]:
    """Return the hierarchies of a host.

    Args:
        mountinfo: the text of /proc/self/mountinfo; proc(5) describes its fields.
    """
    found: dict[tuple[int, tuple[str, ...]], Hierarchy] = {}
    for line in mountinfo.splitlines():
        mount, dash, source = line.partition(" - ")
        if not dash:
            continue
        kind, _, options = source.split(" ", 2)
        fields = mount.split()
        if kind not in {"cgroup", "cgroup2"}:
            continue
        version = 2 if kind == "cgroup2" else 1
        words = [word for word in options.split(",") if word not in NOT_CONTROLLERS]
        controllers = tuple(word for word in words if not word.startswith("release_agent=")) if version == 1 else ()
        point = Path(re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), fields[4]))
        writable = "ro" not in {*fields[5].split(","), *options.split(",")}
        # A hierarchy may be mounted more than once (a container's tools do that); the first one is the system's own.
        found.setdefault((version, controllers), Hierarchy(version, point, controllers, writable))
    return tuple(found.values())


def of_this_host() -> tuple[Hierarchy, ...]:
    """Return the hierarchies that this process sees.

    Raises:
        NoCgroups: none is mounted, or one is read-only.
    """
    found = parse(Path("/proc/self/mountinfo").read_text())
    if not found:
        raise NoCgroups("no cgroup hierarchy is mounted", "mount one: `mount -t cgroup2 none /sys/fs/cgroup`")
    locked = [str(hierarchy.mount_point) for hierarchy in found if not hierarchy.writable]
    if locked:
        raise NoCgroups(
            f"cgroups cannot be made in {', '.join(locked)}, mounted read-only",
            "in a container, run it with --privileged --cgroupns=host and /sys/fs/cgroup writable",
        )
    return found


def layout(hierarchies: Sequence[Hierarchy]) -> Layout:
    """Return the layout of these hierarchies."""
    versions = {hierarchy.version for hierarchy in hierarchies}
    return Layout.V2 if versions == {2} else Layout.V1 if versions == {1} else Layout.HYBRID


def make(hierarchies: Sequence[Hierarchy], cluster: str, node: str) -> list[Path]:
    """Make a node's directory in every hierarchy and return them; the cluster's directory is made too.

    Raises:
        NoCgroups: a hierarchy refuses the directory.
    """
    made = []
    for hierarchy in hierarchies:
        directory = hierarchy.directory(cluster) / node
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if hierarchy.version == 2:
                _delegate(hierarchy.mount_point)
                _delegate(directory.parent)
            elif "cpuset" in hierarchy.controllers:
                _fill_cpuset(directory.parent)
                _fill_cpuset(directory)
        except OSError as error:
            raise NoCgroups(
                f"the cgroup {directory} could not be made: {error.strerror}",
                "run on the host itself, or in a container with --privileged --cgroupns=host",
            ) from error
        made.append(directory)
    return made


def _delegate(directory: Path) -> None:
    """Let the children of a version 2 directory have every controller that it has itself."""
    there = (directory / "cgroup.controllers").read_text().split()
    enabled = (directory / "cgroup.subtree_control").read_text().split()
    missing = [f"+{name}" for name in there if name not in enabled]
    if missing:
        (directory / "cgroup.subtree_control").write_text(" ".join(missing))


def _fill_cpuset(directory: Path) -> None:
    """Give a version 1 directory its parent's processors and memory; without them no process may enter it."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (directory / name).read_text().strip():
            (directory / name).write_text((directory.parent / name).read_text())


def mounts(hierarchies: Sequence[Hierarchy]) -> tuple[list[dict[str, object]], dict[str, str]]:
    """Return the mounts and links that show a node its own cgroups under /sys/fs/cgroup, for the launcher."""
    flags = ["nosuid", "nodev", "noexec"]
    if layout(hierarchies) is Layout.V2:
        return [{"type": "cgroup2", "source": "cgroup", "target": "/sys/fs/cgroup", "options": flags}], {}
    made: list[dict[str, object]] = [
        {"type": "tmpfs", "source": "tmpfs", "target": "/sys/fs/cgroup", "options": [*flags, "mode=755"]}
    ]
    links = {}
    for hierarchy in hierarchies:
        target = f"/sys/fs/cgroup/{hierarchy.mount_point.name}"
        if hierarchy.version == 2:
            made.append({"type": "cgroup2", "source": "cgroup", "target": target, "options": flags})
            continue
        # A named hierarchy has no controllers, and the kernel requires the option `none`.
        named = ["none"] if hierarchy.controllers[0].startswith("name=") else []
        options = [*flags, *named, *hierarchy.controllers]
        made.append({"type": "cgroup", "source": "cgroup", "target": target, "options": options})
        for name in hierarchy.controllers:
            if name != hierarchy.mount_point.name and not name.startswith("name="):
                links[f"/sys/fs/cgroup/{name}"] = hierarchy.mount_point.name
    return made, links


def delegated(hierarchies: Sequence[Hierarchy]) -> str:
    """Return the directory, as a node sees it, in which the launcher must hand controllers to its children."""
    return "/sys/fs/cgroup" if layout(hierarchies) is Layout.V2 else ""


def directories(hierarchies: Sequence[Hierarchy], cluster: str, node: str = "") -> list[Path]:
    """Return the existing cgroups of a cluster or of one of its nodes, children before their parents."""
    tops = [hierarchy.directory(cluster) / node for hierarchy in hierarchies]
    return [path for top in tops for path in _below(top)]


def _below(top: Path) -> Iterator[Path]:
    for path, _, _ in os.walk(top, topdown=False):
        yield Path(path)


def processes(hierarchies: Sequence[Hierarchy], cluster: str, node: str = "") -> set[int]:
    """Return the ids of all processes that run in a cluster's cgroups, or in those of one of its nodes."""
    found: set[int] = set()
    for directory in directories(hierarchies, cluster, node):
        # It may vanish while it is read.
        with contextlib.suppress(OSError):
            found.update(int(word) for word in (directory / "cgroup.procs").read_text().split())
    return found - {0}


def kill(hierarchies: Sequence[Hierarchy], cluster: str, node: str = "") -> set[int]:
    """Kill the processes in the cgroups of a cluster or of one of its nodes; they may take a moment to end.

    The kernel may reuse the id of a process that has ended. So open a descriptor of each process first, then read the list
    again: an id that is still in it belongs to the process of the descriptor, or that process is dead and ignores signals.

    Returns:
        The ids of the processes that were killed.
    """
    with contextlib.ExitStack() as stack:
        held = {}
        for process in processes(hierarchies, cluster, node):
            with contextlib.suppress(ProcessLookupError):
                held[process] = os.pidfd_open(process)
                stack.callback(os.close, held[process])
        killed = held.keys() & processes(hierarchies, cluster, node)
        for process in killed:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(held[process], signal.SIGKILL)
        return killed


def remove(hierarchies: Sequence[Hierarchy], cluster: str) -> list[Path]:
    """Remove a cluster's cgroups and return those that still have a process and cannot be removed."""
    left = []
    for directory in directories(hierarchies, cluster):
        try:
            directory.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            left.append(directory)
    return left
