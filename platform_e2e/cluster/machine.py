"""What this machine has, and what it lacks for a cluster, found without changing anything; each problem has a remedy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from platform_e2e import paths
from platform_e2e.cluster import cgroups
from platform_e2e.cluster.provider import ClusterSpec, Problem
from platform_e2e.paths import command
from platform_e2e.toolbox import hostpackages, programs

GIB = 1024**3

COLD_DISK = 15 * GIB
"""Free bytes that a first build needs: 4.9 GB of build cache, 4 GB of modules, 3 GB of programs and images, and room to link."""

COLD_TOOLS_DISK = 6 * GIB
"""Free bytes for a first build of only argocd, helm, kubectl and kustomize, when nodes and pods come from a registry: 2.4 GB of build
cache, 2 GB of modules, and the programs were measured."""

WARM_TOOLS_DISK = 1 * GIB
"""Free bytes for a run with these four: logs, evidence and the layer's own images; Docker stores the cluster's files."""

WARM_DISK = 4 * GIB
"""Free bytes for a run that builds everything: container layers, etcd, logs and evidence of one cluster."""

MEMORY = 4 * GIB
"""Available bytes: all programs of one cluster together were measured at 2.2 GiB, the rest is for tests and page cache."""

INOTIFY_INSTANCES = 128
"""A one-node cluster opens about 60 (kubelet, containerd, one or two for each pod); 128 is Debian's default and enough."""

INOTIFY_WATCHES = 8192
"""The kernel's old default; the kubelet watches every mounted ConfigMap and Secret."""

CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_NET_RAW, CAP_SYS_RESOURCE = 12, 21, 13, 24
"""Bits of linux/capability.h."""

NEEDED_CAPABILITIES = {CAP_NET_ADMIN: "CAP_NET_ADMIN", CAP_SYS_ADMIN: "CAP_SYS_ADMIN", CAP_NET_RAW: "CAP_NET_RAW"}
"""Capabilities for bridges and namespaces, for mounts, and for ARP requests."""


@dataclass(frozen=True)
class Machine:
    """The observed properties of a machine.

    Attributes:
        system: `linux`, `darwin`, `win32`.
        root: whether this process is uid 0.
        capabilities: the effective set, as a bit mask.
        disk: free bytes on the cache's file system.
        memory: available bytes.
        inotify_instances: limit for one user.
        inotify_watches: limit for one user.
        cgroups: `v1`, `hybrid`, `v2`, or empty if none are mounted.
        routes: the destinations of the machine's routes.
        missing_tools: needed packages that are missing and that the run will not install.
        warm: whether the programs are built already.
        tools: whether at least the programs that run on this host are built.
    """

    system: str
    root: bool
    capabilities: int
    disk: int
    memory: int
    inotify_instances: int
    inotify_watches: int
    cgroups: str
    routes: tuple[IPv4Network, ...]
    missing_tools: tuple[str, ...]
    warm: bool
    tools: bool = False


def judge(machine: Machine, spec: ClusterSpec) -> list[Problem]:
    """Return what prevents an embedded cluster on a machine, and what may make it slow.

    Args:
        machine: the observed machine.
        spec: the requested cluster.
    """
    if machine.system != "linux":
        return [
            Problem(
                f"this is {machine.system}: the embedded cluster is made of Linux namespaces",
                "run in a Linux virtual machine, or use a provider that runs on Docker",
            )
        ]
    problems: list[Problem] = []
    if not machine.root:
        problems.append(
            Problem(
                "this user is not root: namespaces with networks and mounts need root",
                f"run it as `sudo -E {command('e2e', more=False)}`, or use a provider that runs on Docker",
            )
        )
    else:
        for bit, name in NEEDED_CAPABILITIES.items():
            if not machine.capabilities >> bit & 1:
                problems.append(
                    Problem(
                        f"root lacks {name} here", f"start this container with --cap-add {name[4:]} or --privileged"
                    )
                )
    if machine.missing_tools:
        problems.append(
            Problem(
                f"missing on this host: {', '.join(machine.missing_tools)}",
                f"install them: {' '.join(hostpackages.command(list(machine.missing_tools)))}",
                fatal=True,
            )
        )
    problems += resources(machine)
    if not machine.cgroups:
        problems.append(Problem("no cgroups are mounted", "mount them: mount -t cgroup2 none /sys/fs/cgroup"))
    problems += _network(machine, spec)
    return problems


def resources(machine: Machine, *, built: bool = True) -> list[Problem]:
    """Judge disk, memory and inotify limits.

    Args:
        machine: the observed machine.
        built: whether nodes and pods are built here; else only the tools for this host are.
    """
    problems = disk(machine, built=built)
    if machine.memory < MEMORY:
        problems.append(
            Problem(
                f"{machine.memory / GIB:.1f} GiB of memory are available; a cluster needs {MEMORY / GIB:.0f} GiB",
                f"end other programs or clusters ({command('cluster')} list)",
            )
        )
    for name, limit, least in (
        ("max_user_instances", machine.inotify_instances, INOTIFY_INSTANCES),
        ("max_user_watches", machine.inotify_watches, INOTIFY_WATCHES),
    ):
        if limit < least:
            problems.append(
                Problem(
                    f"fs.inotify.{name} is {limit}; pods fail with `too many open files` below {least}",
                    f"sysctl -w fs.inotify.{name}={least}",
                )
            )
    return problems


def disk(machine: Machine, *, built: bool = True) -> list[Problem]:
    """Judge the free disk space for the cache.

    Args:
        machine: the observed machine.
        built: as for `resources`.
    """
    problems: list[Problem] = []
    warm = machine.warm if built else machine.tools
    need = (WARM_DISK if warm else COLD_DISK) if built else (WARM_TOOLS_DISK if warm else COLD_TOOLS_DISK)
    if machine.disk < need:
        what = "everything" if built else "argocd, helm, kubectl and kustomize"
        why = "a run" if warm else f"the first run, which builds {what},"
        problems.append(
            Problem(
                f"{machine.disk / GIB:.1f} GiB are free below {paths.cache()}; {why} needs {need / GIB:.0f} GiB",
                "free some, or set PLATFORM_E2E_CACHE to a directory on a larger disk",
            )
        )
    return problems


def _network(machine: Machine, spec: ClusterSpec) -> list[Problem]:
    """Note that the layer's own addresses are taken; the run then replaces them, so the note is not fatal."""
    return [
        Problem(
            f"the layer's address pool {pool} is inside {route}, which this host has a route for",
            "nothing to do: the run uses another range, as a commit that you can see",
            fatal=False,
        )
        for pool in spec.pools
        for route in machine.routes
        if pool.first in route or pool.last in route
    ]


def observe() -> Machine:
    """Observe this machine."""
    linux = sys.platform == "linux"
    existing = next(parent for parent in (paths.cache(), *paths.cache().parents) if parent.exists())
    return Machine(
        system=sys.platform,
        root=hasattr(os, "geteuid") and os.geteuid() == 0,
        capabilities=_capabilities() if linux else 0,
        disk=shutil.disk_usage(existing).free,
        memory=_available_memory() if linux else 0,
        inotify_instances=_number("/proc/sys/fs/inotify/max_user_instances"),
        inotify_watches=_number("/proc/sys/fs/inotify/max_user_watches"),
        cgroups=cgroup_layout(Path("/proc/self/mountinfo").read_text()) if linux else "",
        routes=routes(Path("/proc/net/route").read_text()) if linux else (),
        missing_tools=_missing_tools(),
        warm=programs.has([programs.KUBERNETES]),
        tools=programs.has(programs.TOOLS_OF_HOST),
    )


def _missing_tools() -> tuple[str, ...]:
    """Return the host packages that are missing and that the run itself will not install."""
    return () if hostpackages.can_install() else tuple(hostpackages.missing())


def _capabilities() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)


def _available_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def _number(path: str) -> int:
    file = Path(path)
    return int(file.read_text()) if file.exists() else sys.maxsize


def cgroup_layout(mountinfo: str) -> str:
    """Return `v1`, `hybrid` or `v2`, or an empty string.

    Args:
        mountinfo: text of /proc/self/mountinfo.
    """
    found = cgroups.parse(mountinfo)
    return cgroups.layout(found).value if found else ""


def routes(table: str) -> tuple[IPv4Network, ...]:
    """Return the destinations in the text of /proc/net/route, without the default route."""
    found = []
    for line in table.splitlines()[1:]:
        _interface, destination, _gateway, _flags, _count, _use, _metric, mask, *_rest = line.split()
        prefix = int(mask, 16).bit_count()
        if prefix:
            packed = int(destination, 16).to_bytes(4, "little")
            found.append(IPv4Network((int.from_bytes(packed, "big"), prefix)))
    return tuple(found)


def render(problems: Sequence[Problem]) -> str:
    """Return one paragraph for each problem: the problem, then its remedy."""
    return "\n".join(
        f"{'problem' if problem.fatal else 'note'}: {problem.what}\n  remedy: {problem.remedy}" for problem in problems
    )


def summary(machine: Machine) -> str:
    """Return one line about the observed machine."""
    resource = "with" if machine.capabilities >> CAP_SYS_RESOURCE & 1 else "without"
    return (
        f"{machine.system}, {'root' if machine.root else 'not root'}, {resource} CAP_SYS_RESOURCE, cgroups {machine.cgroups},"
        f" {machine.disk / GIB:.0f} GiB of disk and {machine.memory / GIB:.0f} GiB of memory free,"
        f" {'programs are built' if machine.warm else 'the tools are built' if machine.tools else 'nothing is built yet'}"
    )
