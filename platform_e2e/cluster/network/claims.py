"""Claims on networks that other caches' clusters on this host have chosen and not yet made, and which only they have on file.

A claim is a socket of the abstract namespace without a listener: it belongs to the network namespace whose interfaces the
clusters share, every process there can read its name, it needs no file, and the kernel removes it with its process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv4Network
from pathlib import Path

from platform_e2e.cluster import naming
from platform_e2e.toolbox.waiting import wait_until

PREFIX = "platform-e2e/"
"""Start of a claim's name; the network and the owner follow."""

CHOOSING_SECONDS = 30.0
"""Timeout for other processes' choices: one takes milliseconds, and a second if Docker is asked."""

_claims: dict[str, socket.socket] = {}


@contextlib.contextmanager
def choosing() -> Iterator[None]:
    """Be the only process of this host that chooses a network, across all caches and users.

    Raises:
        NotInTime: another process has been choosing for too long.
    """
    if sys.platform != "linux":
        # There Docker's networks are in a virtual machine, and Docker refuses two that overlap.
        yield
        return
    # All choosing processes share the network namespace, and its file can be locked.
    descriptor = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def look() -> bool | str:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "another process chooses one"
        return True

    try:
        wait_until(
            look,
            timeout=CHOOSING_SECONDS,
            what="a network for the cluster can be chosen",
            remedy="find the process: grep FLOCK /proc/locks",
        )
        yield
    finally:
        os.close(descriptor)


def claim(directory: Path, network: IPv4Network) -> None:
    """Claim a network until `drop`, or until this process ends.

    Args:
        directory: the directory of the cluster.
        network: its segment.
    """
    drop(directory)
    if sys.platform != "linux":
        return
    claimed = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claimed.bind(f"\0{PREFIX}{network}/{_owner(directory)}")
    except BaseException:
        claimed.close()
        raise
    _claims[_owner(directory)] = claimed


def drop(directory: Path) -> None:
    """Give up this process's claim for a cluster, if it has one."""
    claimed = _claims.pop(_owner(directory), None)
    if claimed is not None:
        claimed.close()


def claimed() -> list[IPv4Network]:
    """Return every claimed network of this host, of all caches."""
    if sys.platform != "linux":
        return []
    found = []
    for line in Path("/proc/thread-self/net/unix").read_text(errors="replace").splitlines():
        _, at, name = line.partition(f" @{PREFIX}")
        # Every process may bind such a name; ignore one without a network.
        with contextlib.suppress(ValueError):
            if at:
                found.append(IPv4Network(name.rpartition("/")[0]))
    return found


def _owner(directory: Path) -> str:
    return sha256(f"{directory}\0{naming.on_host(directory.name)}".encode()).hexdigest()[: naming.LENGTH]
