"""The state of this host, recorded before and after a run to find what the run left behind.

Recorded are processes of the run, mounts, interfaces, addresses, routes, network namespaces, cgroups, packet filter rules,
kernel settings, Docker's objects, and files outside of the cache. Other clusters may live on this host, of this cache or of
another one; their parts are left out.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute

from platform_e2e import paths
from platform_e2e.cluster import cgroups, naming
from platform_e2e.cluster.cleanup import words
from platform_e2e.cluster.directory import every_cluster
from platform_e2e.cluster.k3d import inventory
from platform_e2e.cluster.network import links
from platform_e2e.shell import run, which

TROUBLED = ("/dev/shm", "/etc", "/opt", "/run", "/tmp", "/usr/local", "/var/lib", "/var/log", "/var/tmp")  # noqa: S108 - looked at only
"""Directories in which programs leave files; the user's home is searched as well."""

DEPTH = 3
"""Depth of the search: files that a program leaves behind begin near the top of one of these."""

SETTINGS = (
    "fs/inotify/max_user_instances",
    "fs/inotify/max_user_watches",
    "net/bridge/bridge-nf-call-iptables",
    "net/ipv4/conf/all/arp_ignore",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/all/route_localnet",
    "net/ipv4/ip_forward",
    "net/netfilter/nf_conntrack_max",
)
"""Below /proc/sys: what a kubelet, kube-proxy or a bridge would change if it ran on the host itself."""


TOKEN = "PLATFORM_E2E_LEAKS_TOKEN"  # noqa: S105 - the name of a variable
"""The environment variable that identifies a run's processes."""

LOCAL_TABLE = 255
"""RT_TABLE_LOCAL of linux/rtnetlink.h: the kernel's own entries for each address."""


@dataclass(frozen=True)
class HostState:
    """The host's state at one moment, as lines such as `interface eth0`."""

    lines: frozenset[str]

    def left(self, after: HostState) -> list[str]:
        """Return the lines that are only in the later state; of a new directory only the directory itself."""
        new = after.lines - self.lines
        return sorted(line for line in new if not (line.startswith("file ") and line.rpartition("/")[0] in new))

    def lost(self, after: HostState) -> list[str]:
        """Return the lines that are missing in the later state; a test tool must not remove anything either."""
        theirs = ("process ", "file ", "network namespace net:")
        return sorted(line for line in self.lines - after.lines if not line.startswith(theirs))


@dataclass(frozen=True)
class Mark:
    """The marks by which a run's traces are told from others.

    Attributes:
        cluster: name of the run's cluster.
        token: value of the variable `TOKEN` in the run's environment, which all its child processes inherit; nodes do not get the
            user's variables and are identified by the cluster's name.
    """

    cluster: str
    token: str

    @property
    def name(self) -> str:
        """Return the name of the run's cluster on this host."""
        return naming.on_host(self.cluster)

    def others(self) -> set[str]:
        """Return the names on this host of the other clusters of this cache."""
        return {naming.on_host(each.name) for each in every_cluster()} - {self.name}

    def is_foreign(self, name: str) -> bool:
        """Tell whether a name on this host belongs to a cluster of another cache, or to another cluster of this one."""
        return not naming.is_ours(name) or name in self.others()


def look(mark: Mark, ignored: Sequence[str] = ()) -> HostState:
    """Record the state of this host.

    Args:
        mark: the mark of the run.
        ignored: patterns (fnmatch) of lines that other users of this host cause.
    """
    others = mark.others()
    foreign = inventory.belongings(others)
    everything = (
        *processes(mark),
        *_mounts(),
        *_network(mark),
        *_namespaces(mark, foreign),
        *_cgroups(mark),
        *inventory.lines(),
        *_rules(),
        *_settings(),
        *_files(),
    )
    mine = (line for line in everything if not any(word in line for word in foreign))
    return HostState(frozenset(line for line in mine if not any(fnmatch.fnmatch(line, pattern) for pattern in ignored)))


def processes(mark: Mark) -> Iterator[str]:
    """Yield the processes that a run has started."""
    signs = (f"{TOKEN}={mark.token}", f"PLATFORM_E2E_CLUSTER_NAME={mark.name}")
    for directory in Path("/proc").glob("[0-9]*"):
        # It may end while we read.
        with contextlib.suppress(OSError):
            variables = (directory / "environ").read_bytes().decode(errors="replace").split("\0")
            if any(sign in variables for sign in signs):
                yield f"process {directory.name} {words(int(directory.name))}"


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        yield f"mount {line.split()[4]}"


def _network(mark: Mark) -> Iterator[str]:
    """Yield interfaces, addresses and routes, except those of other clusters' interfaces."""
    with IPRoute() as netlink:
        names = {
            link["index"]: link.get_attr("IFLA_IFNAME")
            for link in netlink.get_links()
            if not _is_another_clusters(str(link.get_attr("IFLA_IFALIAS") or ""), mark)
        }
        yield from (f"interface {name}" for name in names.values())
        for address in netlink.get_addr():
            if address["index"] in names:
                yield f"address {address.get_attr('IFA_ADDRESS')} on {names[address['index']]}"
        for route in netlink.get_routes():
            index = route.get_attr("RTA_OIF")
            mine = index is None or index in names
            if mine and route["family"] in {2, 10} and route.get_attr("RTA_TABLE") != LOCAL_TABLE:
                destination = f"{route.get_attr('RTA_DST') or 'default'}/{route['dst_len']}"
                yield f"route {destination} on {names.get(index)}"


def _is_another_clusters(alias: str, mark: Mark) -> bool:
    """Tell whether an interface's alias names another cluster."""
    return alias.startswith(links.ALIAS) and mark.is_foreign(alias.removeprefix(links.ALIAS))


def _namespaces(mark: Mark, containers: frozenset[str]) -> Iterator[str]:
    """Yield the network namespaces with processes, except those of other clusters, and those with a name."""
    seen = set()
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            group = (directory / "cgroup").read_text()
            clusters = re.findall(rf"/{cgroups.PREFIX}([^/\s]+)", group)
            if not any(map(mark.is_foreign, clusters)) and not any(name in group for name in containers):
                seen.add(str((directory / "ns" / "net").readlink()))
    yield from (f"network namespace {name}" for name in seen)
    for directory in (Path("/run/netns"), Path("/var/run/netns")):
        if directory.is_dir():
            yield from (f"network namespace {path}" for path in directory.iterdir())


def _cgroups(mark: Mark) -> Iterator[str]:
    for hierarchy in cgroups.parse(Path("/proc/self/mountinfo").read_text()):
        for path in hierarchy.mount_point.glob(f"{cgroups.PREFIX}*"):
            if not mark.is_foreign(path.name.removeprefix(cgroups.PREFIX)):
                yield f"cgroup {path}"
        for pattern in ("kubepods*", "docker/*/"):
            yield from (f"cgroup {path}" for path in hierarchy.mount_point.glob(pattern))


def _rules() -> Iterator[str]:
    """Yield the packet filter's rules without counters, if a program to read them is installed."""
    for argv in (["nft", "--stateless", "list", "ruleset"], ["iptables-save"]):
        if which(argv[0]) and os.geteuid() == 0:
            listing = run([str(which(argv[0])), *argv[1:]], timeout=30, ok=range(256)).stdout
            yield from (f"rule {line}" for line in listing.splitlines() if line and not line.startswith(("#", ":")))


def _settings() -> Iterator[str]:
    for name in SETTINGS:
        with contextlib.suppress(OSError):
            yield f"setting {name} {(Path('/proc/sys') / name).read_text().strip()}"


def _files() -> Iterator[str]:
    home = Path.home()
    spared = {paths.cache(), paths.artifacts(), paths.project(), paths.ROOT}
    for top in dict.fromkeys([*map(Path, TROUBLED), home]):
        yield from (f"file {path}" for path in _below(top, spared, DEPTH))


def _below(top: Path, spared: set[Path], depth: int) -> Iterator[Path]:
    if depth == 0 or top in spared:
        return
    with contextlib.suppress(OSError):
        for path in top.iterdir():
            if path in spared:
                continue
            yield path
            if path.is_dir() and not path.is_symlink():
                yield from _below(path, spared, depth - 1)
