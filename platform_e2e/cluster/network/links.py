"""The cluster's network: anonymous namespaces, a bridge between the nodes, and one link to this host.

The bridge is in a namespace of its own, the segment. No namespace has a name or a mount: each exists as long as this
process holds its descriptor or a process of a node runs in it, so that nothing outlives them, whatever ends them. On the
host there is one interface with one address; its routes, rules and settings stay as they are.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from platform_e2e.cluster import naming
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.errors import BrokenHarness

if sys.platform == "linux":
    # The k3d provider shares this package, and runs where there is no netlink.
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

T = TypeVar("T")

MNT_DETACH = 2
"""linux/fs.h: take a mount away at once, also one that is in use."""

CLONE_NEWNET = 0x40000000
"""linux/sched.h; os.unshare and os.setns are in Python from 3.12 on only."""

PREFIX = "pe-"
"""Of the host's interface; `leaks` looks for it."""

ALIAS = "platform-e2e "
"""Of what the host's interface is said to be for: a cluster's name on this host follows."""

MAIN_TABLE = 254
"""RT_TABLE_MAIN of linux/rtnetlink.h: the routes that `ip route` shows."""

LINK_SCOPE = 253
"""RT_SCOPE_LINK of linux/rtnetlink.h: a route without a gateway."""


class NetworkError(BrokenHarness):
    """The kernel refused a part of the cluster's network."""


def interface(cluster: str) -> str:
    """Return the name of the host's interface to a cluster of this cache: 13 characters, of the kernel's 15."""
    return PREFIX + hashlib.sha256(naming.on_host(cluster).encode()).hexdigest()[:10]


def taken() -> list[IPv4Network]:
    """Return every network that this host has an address in or a route to, the default route aside."""
    found = set()
    with IPRoute() as netlink:
        for address in netlink.get_addr(family=2):
            found.add(f"{address.get_attr('IFA_ADDRESS')}/{address['prefixlen']}")
        for route in netlink.get_routes(family=2):
            destination = route.get_attr("RTA_DST")
            # The tables `local` and those of policies repeat addresses; a route to nowhere in particular clashes with none.
            if destination and route["dst_len"] and route.get_attr("RTA_TABLE") != 255:
                found.add(f"{destination}/{route['dst_len']}")
    return [IPv4Network(text, strict=False) for text in sorted(found)]


@dataclass
class Network:
    """A cluster's network namespaces, alive as long as this object holds them or a node runs in them.

    Attributes:
        segment: descriptor of the namespace that has the bridge.
        nodes: descriptor of each node's namespace, by the node's name.
    """

    segment: int
    nodes: dict[str, int] = field(default_factory=dict)

    def path(self, node: str) -> Path:
        """Return the file by which another process can enter a node's namespace, as long as this process holds it."""
        return Path(f"/proc/{os.getpid()}/fd/{self.nodes[node]}")

    def close(self) -> None:
        """Let go of every namespace."""
        for descriptor in (self.segment, *self.nodes.values()):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def make(plan: Plan, cluster: str, names: Sequence[str]) -> Network:
    """Make the cluster's network.

    Args:
        plan: its addresses.
        cluster: its name.
        names: of its nodes, in the plan's order.

    Raises:
        NetworkError: the kernel refused; what was made is gone again.
    """
    network = Network(_in_thread(_new))
    try:
        network.nodes.update({name: _in_thread(_new) for name in names})
        inside(network.segment, lambda netlink: _bridge(netlink, network.nodes))
        for number, name in enumerate(names):
            inside(network.nodes[name], functools.partial(_node, plan=plan, number=number))
        with IPRoute() as netlink:
            _host(netlink, plan, cluster, network.segment)
    except (NetlinkError, OSError) as error:
        network.close()
        remove(cluster)
        raise NetworkError(
            f"the network of cluster {cluster} could not be made: {error}",
            "the kernel needs bridge, veth and network namespaces, and this process CAP_NET_ADMIN and CAP_SYS_ADMIN",
        ) from error
    return network


def remove(cluster: str) -> None:
    """Remove the host's interface to a cluster; it goes by itself with the segment, only later."""
    with IPRoute() as netlink:
        for index in netlink.link_lookup(ifname=interface(cluster)):
            # The kernel may be faster.
            with contextlib.suppress(NetlinkError):
                netlink.link("del", index=index)


def exists(cluster: str) -> bool:
    """Tell whether the host's interface to a cluster is there."""
    return (Path("/sys/class/net") / interface(cluster)).exists()


def inside(namespace: int, work: Callable[[Any], T]) -> T:
    """Do some netlink work inside of a network namespace, whose descriptor is given."""

    def entered() -> T:
        _check(libc().setns(namespace, CLONE_NEWNET), "entering a network namespace")
        with IPRoute() as netlink:
            return work(netlink)

    return _in_thread(entered)


def _in_thread(work: Callable[[], T]) -> T:
    """Do some work in a thread that ends then: a network namespace belongs to a thread, and this one keeps its own."""
    result: list[T] = []
    trouble: list[Exception] = []

    def body() -> None:
        try:
            result.append(work())
        except (NetlinkError, OSError) as error:
            trouble.append(error)

    thread = threading.Thread(target=body, name="network-namespace")
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return result[0]


def libc() -> ctypes.CDLL:
    """Return the C library, for the system calls that Python has no function for."""
    return ctypes.CDLL(None, use_errno=True)


def _check(status: int, what: str) -> None:
    if status:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)} ({errno.errorcode.get(number, number)})")


def _new() -> int:
    _check(libc().unshare(CLONE_NEWNET), "making a network namespace")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _up(netlink: Any, name: str) -> int:
    index = int(netlink.link_lookup(ifname=name)[0])
    netlink.link("set", index=index, state="up")
    return index


def _bridge(netlink: Any, nodes: dict[str, int]) -> None:
    """Make the bridge and a link to each node."""
    netlink.link("add", ifname="bridge", kind="bridge", br_stp_state=0, br_forward_delay=0)
    bridge = _up(netlink, "bridge")
    for number, descriptor in enumerate(nodes.values()):
        port = f"node{number}"
        netlink.link("add", ifname=port, kind="veth", peer={"ifname": "eth0", "net_ns_fd": descriptor})
        netlink.link("set", index=_up(netlink, port), master=bridge)


def _node(netlink: Any, plan: Plan, number: int) -> None:
    """Give a node its address, the routes to the other nodes' pods, and one to the Services.

    It gets no default route: the cluster is closed, and what asks for the world must fail at once, not after a timeout.
    kube-proxy's rules give a Service's address another destination, but only once the kernel has found a route for it:
    without one the API server reaches no webhook, and what runs in the node's own network no API server.
    """
    _up(netlink, "lo")
    index = _up(netlink, "eth0")
    netlink.addr("add", index=index, address=str(plan.nodes[number]), prefixlen=plan.segment.prefixlen)
    netlink.route("add", dst=str(plan.services), oif=index, scope=LINK_SCOPE)
    for other, address in enumerate(plan.nodes):
        if other != number:
            netlink.route("add", dst=str(plan.pods_of(other)), gateway=str(address))


def _host(netlink: Any, plan: Plan, cluster: str, segment: int) -> None:
    """Make this host a client on the segment."""
    name = interface(cluster)
    netlink.link("add", ifname=name, kind="veth", peer={"ifname": "host", "net_ns_fd": segment})
    index = int(netlink.link_lookup(ifname=name)[0])
    netlink.link("set", index=index, ifalias=f"{ALIAS}{naming.on_host(cluster)}")

    def plug(inner: Any) -> None:
        inner.link("set", index=_up(inner, "host"), master=inner.link_lookup(ifname="bridge")[0])

    inside(segment, plug)
    netlink.addr("add", index=index, address=str(plan.host), prefixlen=plan.segment.prefixlen)
    _up(netlink, name)
