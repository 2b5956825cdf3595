"""Mirrors of registries: the same name for this host's Docker and for the nodes, and what keeps one of the two from it.

Docker asks a registry by http only where its host is a loopback address, or where its settings say so; in a node a loopback
address is the node itself. So a mirror on this host is named as `http://localhost:PORT`, and the nodes are told the address
under which they reach this host.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from platform_e2e.cluster.k3d import sources
from platform_e2e.cluster.k3d.daemon import Daemon
from platform_e2e.cluster.provider import Problem

HOST_IN_NODES = "host.k3d.internal"
"""The name by which nodes reach the machine that Docker's own is a guest of; k3d finds out its address."""


def for_nodes(url: str, daemon: Daemon, gateway: str) -> str:
    """Return a URL as nodes can use it: this host has another name there.

    Args:
        url: as this host uses it.
        daemon: that the nodes live on.
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
    """Tell whether a host is this one's loopback interface, by its address or by what its name means here."""
    if not host:
        return False
    return all(ip_address(address).is_loopback for address in _addresses(host) or ["0.0.0.0"])


def judge(mirrors: Mapping[str, str], daemon: Daemon, bridge: str) -> list[Problem]:
    """Return what keeps Docker or the nodes from a mirror; each is asked where a node would ask it.

    Args:
        mirrors: as `sources.parse_mirror` returns them.
        daemon: that pulls the node image and has the nodes.
        bridge: this host's address on Docker's own network, empty where that is not known.
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
    """Return what keeps nodes from a mirror that this host names by a loopback address."""
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
    reason = sources.ask(f"http://{bridge}:{split.port or 80}/v2/")
    if not reason:
        return None
    return Problem(
        f"the mirror {url} does not answer where the nodes ask for it, at {bridge}:{split.port or 80} ({reason})",
        "let it listen on every address: `docker run -p 5001:5000`, not `-p 127.0.0.1:5001:5000`; and see the firewall",
    )


def _by_http(split: SplitResult, daemon: Daemon) -> bool:
    """Tell whether Docker asks that registry by http, by its settings."""
    if split.netloc in daemon.insecure:
        return True
    networks = [ip_network(each, strict=False) for each in daemon.insecure if "/" in each]
    return any(ip_address(address) in network for address in _addresses(split.hostname or "") for network in networks)


def _addresses(host: str) -> Sequence[str]:
    """Return what a name means here; none where it means nothing."""
    try:
        return sorted({str(found[4][0]).split("%")[0] for found in socket.getaddrinfo(host, None)})
    except OSError:
        return ()
