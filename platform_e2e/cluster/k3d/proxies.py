"""The user's proxies for the nodes: from this process's variables, else from Docker's configuration for containers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from platform_e2e.cluster.k3d import mirrors
from platform_e2e.cluster.k3d.daemon import Daemon
from platform_e2e.errors import WrongUsage

NAMES = {"HTTP_PROXY": "httpProxy", "HTTPS_PROXY": "httpsProxy", "NO_PROXY": "noProxy"}
"""Proxy variables, and their names in Docker's configuration under `proxies.default`."""

OWN = (
    "localhost",
    "127.0.0.0/8",
    "10.42.0.0/16",
    "10.43.0.0/16",
    ".svc",
    ".cluster.local",
    "host.k3d.internal",
)
"""Destinations that a cluster never reaches through a proxy: k3s' ranges for pods and Services, and its names (k3s
documentation, "Configuring an HTTP proxy")."""

UNFIT = re.compile(r"[\s\"'\\#$]")
"""Characters that are invalid in a proxy's URL and would end the line from which k3d reads it."""


def environment(
    config: Mapping[str, Any], daemon: Daemon, gateway: str, own: Sequence[str], given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the variables that nodes need to reach registries; empty without a proxy.

    Args:
        config: Docker's configuration, as `registry_logins.read` returns it.
        daemon: the daemon of the nodes.
        gateway: the daemon's host on the cluster's network.
        own: names, addresses and networks that nodes reach without a proxy, in addition to k3s' own.
        given: the user's variables; this process's own by default.

    Raises:
        WrongUsage: a proxy's URL cannot be used.
    """
    variables = os.environ if given is None else given
    default = (config.get("proxies") or {}).get("default") or {}
    found = {
        name: str(variables.get(name) or variables.get(name.lower()) or default.get(key) or "")
        for name, key in NAMES.items()
    }
    if not (found["HTTP_PROXY"] or found["HTTPS_PROXY"]):
        return {}
    spared = [*(part.strip() for part in found.pop("NO_PROXY").split(",")), *OWN, *own]
    made = {name: _url(name, url, daemon, gateway) for name, url in found.items() if url}
    return {**made, "NO_PROXY": ",".join(dict.fromkeys(filter(None, spared)))}


def _url(name: str, url: str, daemon: Daemon, gateway: str) -> str:
    """Return a proxy's URL for the nodes."""
    if UNFIT.search(url):
        raise WrongUsage(f"{name} must be a URL, with special characters as %XX", "correct it, or unset it")
    return mirrors.for_nodes(url if "://" in url else f"http://{url}", daemon, gateway)
