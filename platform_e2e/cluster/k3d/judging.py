"""Judge whether a cluster of k3d can run on a Docker daemon; each problem has a remedy."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from platform_e2e.cluster.k3d.daemon import GIB, OLDEST, Daemon, numbers, why_no_client
from platform_e2e.cluster.provider import ClusterSpec, Images, Problem

NODE_MEMORY = 1 * GIB
"""Memory for each node beyond the first."""

MEMORY = 4 * GIB
"""Docker's memory for one node: all programs together were measured at 2.2 GiB; Docker Desktop's old default is 2 GiB."""

DISK = 6 * GIB
"""Free bytes that Docker needs: the unpacked node and platform images, and the cluster's data."""

DELEGATION = (
    "write `[Service]` and `Delegate=cpu cpuset io memory pids` into /etc/systemd/system/user@.service.d/delegate.conf, run "
    "`sudo systemctl daemon-reload`, and log in again (https://rootlesscontaine.rs/getting-started/common/cgroup2/)"
)


def judge(daemon: Daemon, spec: ClusterSpec) -> list[Problem]:
    """Return what prevents a cluster of k3d on a daemon, and what differs there from Linux.

    Args:
        daemon: the observed daemon.
        spec: the requested cluster.
    """
    problems: list[Problem] = []
    if numbers(daemon.version) < OLDEST:
        problems.append(Problem(f"{daemon} is older than {OLDEST[0]}.{OLDEST[1]}", "install a newer Docker"))
    need = MEMORY + (spec.nodes - 1) * NODE_MEMORY
    if daemon.memory and daemon.memory < need:
        where = "in its settings, under Resources" if daemon.desktop else "to its machine, or ask for fewer --nodes"
        problems.append(
            Problem(
                f"{daemon} has {daemon.memory / GIB:.1f} GiB of memory; {spec.nodes} node(s) need {need / GIB:.0f} GiB",
                f"give it more {where}",
            )
        )
    if daemon.free is not None and daemon.free < DISK:
        problems.append(
            Problem(
                f"{daemon.free / GIB:.1f} GiB are free below {daemon.root}; Docker needs {DISK / GIB:.0f} GiB there",
                "free some: `docker system df` shows what is used, `docker system prune` removes unused data",
            )
        )
    if daemon.rootless and daemon.cgroups != "2":
        problems.append(
            Problem(
                f"{daemon} has cgroups of version {daemon.cgroups}; k3s needs version 2 there",
                "start the kernel with systemd.unified_cgroup_hierarchy=1, or use Docker as root",
            )
        )
    if daemon.rootless and spec.source is Images.BUILT:
        problems.append(
            Problem(
                f"{daemon} cannot run nodes that are built here: their files belong to root",
                "use --images registry, a Docker daemon of root's, or --provider embedded",
            )
        )
    if daemon.rootless and daemon.cgroups == "2" and daemon.undelegated:
        several = len(daemon.undelegated) > 1
        problems.append(
            Problem(
                f"{daemon} was not given the cgroup controller{'s' * several} {listing(daemon.undelegated)}; "
                f"k3s needs {'them' if several else 'it'}",
                DELEGATION,
            )
        )
    if daemon.storage == "zfs" and spec.servers > 1 and spec.source is not Images.BUILT:
        problems.append(
            Problem(
                f"{daemon} keeps its files on ZFS, where several servers do not form a cluster",
                "use --servers 1, or give Docker a directory on another file system (data-root in its daemon.json)",
            )
        )
    if daemon.host and not _resolves(daemon.host):
        problems.append(
            Problem(
                f"{daemon} is on {daemon.host}, which means nothing here: the API server of a cluster there is not reached",
                "name the machine in DOCKER_HOST, or in the context, by an address or a name that this host can resolve",
            )
        )
    why = why_no_client(daemon)
    if why:
        problems.append(
            Problem(
                f"{why}: addresses are asked for from a container on the cluster's network",
                "nothing to do; that an address answers on this host itself can be seen only on Linux by root, with a daemon of "
                "root's",
                fatal=False,
            )
        )
    return problems


def listing(names: Sequence[str]) -> str:
    """Return names joined as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True
