"""The cluster's links: anonymous network namespaces, a bridge between the nodes, and one link to this host.

The bridge is in a namespace of its own, the segment. No namespace has a name or a mount: each exists while this process
holds its descriptor or a node's process runs in it, so that nothing remains after they end, for whatever reason. The host
gets one interface with one address; its routes, rules and settings stay unchanged.
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
    # The provider k3d uses this package too, also on systems without netlink.
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

T = TypeVar("T")

MNT_DETACH = 2
"""linux/fs.h: unmount at once, even if the mount is in use."""

CLONE_NEWNET = 0x40000000
"""linux/sched.h; Python has os.unshare and os.setns only from 3.12 on."""

PREFIX = "pe-"
"""Start of the host interface's name; `leaks` looks for it."""

ALIAS = "platform-e2e "
"""Start of the host interface's alias; a cluster's name on this host follows."""

MAIN_TABLE = 254
"""RT_TABLE_MAIN of linux/rtnetlink.h: the routes that `ip route` shows."""

LINK_SCOPE = 253
"""RT_SCOPE_LINK of linux/rtnetlink.h: a route without a gateway."""


class NetworkError(BrokenHarness):
    """The kernel refused a part of the cluster's network."""


def interface(cluster: str) -> str:
    """Return the name of the host's interface to a cluster of this cache: 13 of the kernel's 15 characters."""
    return PREFIX + hashlib.sha256(naming.on_host(cluster).encode()).hexdigest()[:10]


def taken() -> list[IPv4Network]:
    """Return every network of this host's addresses and routes, the default route aside."""
    found = set()
    with IPRoute() as netlink:
        for address in netlink.get_addr(family=2):
            found.add(f"{address.get_attr('IFA_ADDRESS')}/{address['prefixlen']}")
        for route in netlink.get_routes(family=2):
            destination = route.get_attr("RTA_DST")
            # The table `local` and those of policies repeat addresses; a route without a destination clashes with none.
            if destination and route["dst_len"] and route.get_attr("RTA_TABLE") != 255:
                found.add(f"{destination}/{route['dst_len']}")
    return [IPv4Network(text, strict=False) for text in sorted(found)]


@dataclass
class Network:
    """A cluster's network namespaces, alive while this object holds them or a node runs in them.

    Attributes:
        segment: descriptor of the namespace that has the bridge.
        nodes: descriptor of each node's namespace, by the node's name.
    """

    segment: int
    nodes: dict[str, int] = field(default_factory=dict)

    def path(self, node: str) -> Path:
        """Return the file by which another process can enter a node's namespace while this process holds it."""
        return Path(f"/proc/{os.getpid()}/fd/{self.nodes[node]}")

    def close(self) -> None:
        """Release every namespace."""
        for descriptor in (self.segment, *self.nodes.values()):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def make(plan: Plan, cluster: str, names: Sequence[str]) -> Network:
    """Make the cluster's network.

    Args:
        plan: its addresses.
        cluster: its name.
        names: the names of its nodes, in the plan's order.

    Raises:
        NetworkError: the kernel refused; nothing of the network remains.
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
    """Remove the host's interface to a cluster; otherwise it disappears later, with the segment."""
    with IPRoute() as netlink:
        for index in netlink.link_lookup(ifname=interface(cluster)):
            # The kernel may have removed it already.
            with contextlib.suppress(NetlinkError):
                netlink.link("del", index=index)


def exists(cluster: str) -> bool:
    """Tell whether the host has an interface to a cluster."""
    return (Path("/sys/class/net") / interface(cluster)).exists()


def inside(namespace: int, work: Callable[[Any], T]) -> T:
    """Do netlink work inside a network namespace, given by its descriptor."""

    def entered() -> T:
        _check(libc().setns(namespace, CLONE_NEWNET), "entering a network namespace")
        with IPRoute() as netlink:
            return work(netlink)

    return _in_thread(entered)


def _in_thread(work: Callable[[], T]) -> T:
    """Work in a thread of its own: a network namespace belongs to a thread, and this one keeps its own."""
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
    """Return the C library, for system calls that Python lacks."""
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

    There is no default route: the cluster is closed, and a request to the outside must fail at once, not after a timeout.
    kube-proxy's rules rewrite a Service's address only once the kernel has found a route for it: without that route the API server
    reaches no webhook, and a pod in the node's own network no API server.
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
