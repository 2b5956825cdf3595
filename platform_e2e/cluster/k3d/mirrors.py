"""Mirrors of registries: their URLs for this host's Docker and for the nodes, and what prevents one of the two.

Docker uses http only for a registry on a loopback address, or one in its settings; in a node a loopback address is the node
itself. So a mirror on this host is named `http://localhost:PORT`, and the nodes get the address by which they reach this host.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from platform_e2e.cluster.k3d import image_sources
from platform_e2e.cluster.k3d.daemon import Daemon
from platform_e2e.cluster.provider import Problem

HOST_IN_NODES = "host.k3d.internal"
"""The name by which nodes reach the machine that runs Docker's virtual machine; k3d resolves it."""


def for_nodes(url: str, daemon: Daemon, gateway: str) -> str:
    """Return a URL for the nodes, which know this host by another name.

    Args:
        url: the URL for this host.
        daemon: the daemon of the nodes.
        gateway: the daemon's host on the cluster's network.
    """
    split = urlsplit(url)
    if not is_loopback(split.hostname or ""):
        return url
    user = f"{split.netloc.rpartition('@')[0]}@" if "@" in split.netloc else ""
    port = f":{split.port}" if split.port else ""
    host = gateway if daemon.local else HOST_IN_NODES
    return split._replace(netloc=f"{user}{host}{port}").geturl()


def is_loopback(host: str) -> bool:
    """Tell whether a host is this one's loopback interface, by its address or by its resolved name."""
    if not host:
        return False
    return all(ip_address(address).is_loopback for address in _addresses(host) or ["0.0.0.0"])


def judge(mirrors: Mapping[str, str], daemon: Daemon, bridge: str) -> list[Problem]:
    """Return what prevents Docker or the nodes from using a mirror; each is asked from where a node would ask it.

    Args:
        mirrors: as `sources.parse_mirror` returns them.
        daemon: the daemon that pulls the node image and runs the nodes.
        bridge: this host's address on Docker's default network; empty if it is unknown.
    """
    problems = []
    for url in sorted(set(mirrors.values())):
        split = urlsplit(url)
        problem = _of_this_host(url, split, daemon, bridge) if is_loopback(split.hostname or "") else None
        if problem is None and split.scheme == "http" and not _by_http(split, daemon):
            problem = Problem(
                f"Docker asks {split.netloc} by https, and the mirror {url} speaks http",
                f'add "insecure-registries": ["{split.netloc}"] to Docker\'s daemon.json and restart it, or run the mirror on '
                f"this host and name it http://localhost:{split.port or 80}",
            )
        problems += [problem] if problem else []
    return problems


def _of_this_host(url: str, split: SplitResult, daemon: Daemon, bridge: str) -> Problem | None:
    """Return what prevents nodes from using a mirror with a loopback address of this host."""
    if daemon.host:
        return Problem(
            f"the mirror {url} is on this host, and the nodes are on {daemon.host}",
            "name it by an address that both reach",
        )
    if split.scheme == "https":
        return Problem(
            f"the nodes reach the mirror {url} under another name than its certificate has",
            "name it by a name that this host and the nodes share, or serve it by http",
        )
    if not bridge or not daemon.reachable:
        return None
    reason = image_sources.ask(f"http://{bridge}:{split.port or 80}/v2/")
    if not reason:
        return None
    return Problem(
        f"the mirror {url} does not answer where the nodes ask for it, at {bridge}:{split.port or 80} ({reason})",
        "let it listen on every address: `docker run -p 5001:5000`, not `-p 127.0.0.1:5001:5000`; and see the firewall",
    )


def _by_http(split: SplitResult, daemon: Daemon) -> bool:
    """Tell whether Docker's settings allow http for that registry."""
    if split.netloc in daemon.insecure:
        return True
    networks = [ip_network(each, strict=False) for each in daemon.insecure if "/" in each]
    return any(ip_address(address) in network for address in _addresses(split.hostname or "") for network in networks)


def _addresses(host: str) -> Sequence[str]:
    """Return the addresses of a name here; empty if it cannot be resolved."""
    try:
        return sorted({str(found[4][0]).split("%")[0] for found in socket.getaddrinfo(host, None)})
    except OSError:
        return ()
