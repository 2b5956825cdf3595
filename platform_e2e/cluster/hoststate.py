"""What a run could leave on this host, written down so that before and after can be compared.

Looked at: processes that are ours, mounts, interfaces, addresses, routes, network namespaces, cgroups, packet filter rules,
kernel settings, and files outside of the cache. A run's own results and the caches of other programs are no leaks.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute

from platform_e2e import paths
from platform_e2e.cluster.embedded import cgroups
from platform_e2e.shell import run, which

TROUBLED = ("/dev/shm", "/etc", "/opt", "/run", "/tmp", "/usr/local", "/var/lib", "/var/log", "/var/tmp")  # noqa: S108 - looked at only
"""Where programs leave files; besides these the user's home is looked at."""

DEPTH = 3
"""How deep: what a program leaves behind begins near the top of one of these."""

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


@dataclass(frozen=True)
class HostState:
    """What was seen at one moment: lines such as `interface eth0`."""

    lines: frozenset[str]

    def left(self, after: HostState) -> list[str]:
        """Return what is there later and was not before."""
        return sorted(after.lines - self.lines)

    def lost(self, after: HostState) -> list[str]:
        """Return what was there and is not any more; a test tool must not take anything away either."""
        return sorted(line for line in self.lines - after.lines if not line.startswith(("process ", "file ")))


def look(ignored: Sequence[str] = ()) -> HostState:
    """Write down what there is.

    Args:
        ignored: patterns (fnmatch) of lines that others on this host are responsible for.
    """
    everything = (
        *processes(),
        *_mounts(),
        *_network(),
        *_namespaces(),
        *_cgroups(),
        *_rules(),
        *_settings(),
        *_files(),
    )
    return HostState(
        frozenset(line for line in everything if not any(fnmatch.fnmatch(line, pattern) for pattern in ignored))
    )


def processes() -> Iterator[str]:
    """Yield the processes that a run of ours has started: they name the harness, the cache, or a cluster of ours."""
    mine = {os.getpid(), os.getppid()}
    marks = ("platform_e2e", str(paths.cache()), "PLATFORM_E2E_CLUSTER_NAME=")
    for directory in Path("/proc").glob("[0-9]*"):
        # It may end while it is read.
        with contextlib.suppress(OSError):
            line = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            variables = (directory / "environ").read_bytes().decode(errors="replace")
            if int(directory.name) not in mine and (any(mark in line for mark in marks) or marks[-1] in variables):
                yield f"process {directory.name} {line[:120].strip()}"


def _mounts() -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        yield f"mount {line.split()[4]}"


def _network() -> Iterator[str]:
    with IPRoute() as netlink:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in netlink.get_links()}
        yield from (f"interface {name}" for name in names.values())
        for address in netlink.get_addr():
            yield f"address {address.get_attr('IFA_ADDRESS')} on {names.get(address['index'])}"
        for route in netlink.get_routes():
            if route["family"] in {2, 10} and route.get_attr("RTA_TABLE") != 255:
                destination = f"{route.get_attr('RTA_DST') or 'default'}/{route['dst_len']}"
                yield f"route {destination} on {names.get(route.get_attr('RTA_OIF'))}"


def _namespaces() -> Iterator[str]:
    seen = set()
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):
            seen.add(str(link.readlink()))
    yield from (f"network namespace {name}" for name in seen)
    for directory in (Path("/run/netns"), Path("/var/run/netns")):
        if directory.is_dir():
            yield from (f"network namespace {path}" for path in directory.iterdir())


def _cgroups() -> Iterator[str]:
    for hierarchy in cgroups.parse(Path("/proc/self/mountinfo").read_text()):
        for pattern in ("platform-e2e*", "kubepods*", "*/kubepods*"):
            yield from (f"cgroup {path}" for path in hierarchy.mount_point.glob(pattern))


def _rules() -> Iterator[str]:
    """Yield the packet filter's rules, as far as a program is there to show them; counters are left out."""
    for words in (["nft", "--stateless", "list", "ruleset"], ["iptables-save"]):
        if which(words[0]) and os.geteuid() == 0:
            listing = run([str(which(words[0])), *words[1:]], timeout=30, ok=range(256)).stdout
            yield from (f"rule {line}" for line in listing.splitlines() if line and not line.startswith(("#", ":")))


def _settings() -> Iterator[str]:
    for name in SETTINGS:
        with contextlib.suppress(OSError):
            yield f"setting {name} {(Path('/proc/sys') / name).read_text().strip()}"


def _files() -> Iterator[str]:
    home = Path.home()
    spared = {paths.cache(), paths.artifacts(), paths.ROOT}
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
