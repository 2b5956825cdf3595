"""Networks that clusters of this host have chosen and not yet made: what another cache's choice cannot read in its own files.

A claim is a socket of the abstract namespace that nothing listens on: it belongs to the network namespace whose interfaces the
clusters share, every process there can read its name, it has no file, and the kernel drops it with the process that holds it.
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
"""Of a claim's name; the network follows, and what tells two claims apart."""

CHOOSING_SECONDS = 30.0
"""For others to have chosen: one choice takes milliseconds, and a second where Docker is asked."""

_claims: dict[str, socket.socket] = {}


@contextlib.contextmanager
def choosing() -> Iterator[None]:
    """Be the only process of this host's network that chooses, whatever its cache and its user.

    Raises:
        NotInTime: another process does not end its choice.
    """
    if sys.platform != "linux":
        # Docker's networks are in a virtual machine there, and Docker refuses two that overlap.
        yield
        return
    # The namespace itself is what is shared, and it can be locked as a file can.
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
            remedy="see which process it is: grep FLOCK /proc/locks",
        )
        yield
    finally:
        os.close(descriptor)


def claim(directory: Path, network: IPv4Network) -> None:
    """Claim a network as long as this process lives, or until `drop`.

    Args:
        directory: of the cluster.
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
    """Give up the claim for a cluster, if this process has one."""
    claimed = _claims.pop(_owner(directory), None)
    if claimed is not None:
        claimed.close()


def claimed() -> list[IPv4Network]:
    """Return every network that is claimed on this host, by whatever cache."""
    if sys.platform != "linux":
        return []
    found = []
    for line in Path("/proc/thread-self/net/unix").read_text(errors="replace").splitlines():
        _, at, name = line.partition(f" @{PREFIX}")
        # Anybody may bind such a name; what is no network claims none.
        with contextlib.suppress(ValueError):
            if at:
                found.append(IPv4Network(name.rpartition("/")[0]))
    return found


def _owner(directory: Path) -> str:
    return sha256(f"{directory}\0{naming.on_host(directory.name)}".encode()).hexdigest()[: naming.LENGTH]
