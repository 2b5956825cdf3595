"""k3s' registries.yaml: the endpoints from which nodes fetch images, and the logins for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from platform_e2e.cluster.k3d.registry_logins import HUB, Login

HUB_ENDPOINT = "registry-1.docker.io"
"""containerd's name of Docker Hub in logins: its host."""


def render(mirrors: Mapping[str, str], logins: Mapping[str, Login]) -> str:
    """Return the file as JSON, which is YAML too; empty if there are neither mirrors nor logins.

    Args:
        mirrors: for each registry the URL for the nodes; `*` for every registry.
        logins: the login for each registry, or for a mirror's host.
    """
    config: dict[str, Any] = {}
    if mirrors:
        config["mirrors"] = {registry: {"endpoint": [url]} for registry, url in mirrors.items()}
    entries = {registry: {"auth": login.as_k3s()} for registry, login in logins.items()}
    if HUB in entries:
        entries[HUB_ENDPOINT] = entries[HUB]
    if entries:
        config["configs"] = entries
    return json.dumps(config, indent=1, ensure_ascii=False) if config else ""


def host(url: str) -> str:
    """Return the name of the registry at a URL: its host, with the port if it has one."""
    return urlsplit(url).netloc
