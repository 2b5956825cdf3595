"""k3s' registries.yaml: where nodes fetch images from, and as whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from platform_e2e.cluster.k3d.registry_logins import HUB, Login

HUB_ENDPOINT = "registry-1.docker.io"
"""Where containerd looks for Docker Hub's login: its host, not its name."""


def render(mirrors: Mapping[str, str], logins: Mapping[str, Login]) -> str:
    """Return it as JSON, which is YAML too; empty where there is nothing to say.

    Args:
        mirrors: URL by registry, as nodes use it; `*` for every registry.
        logins: by registry, a mirror's under the host that nodes ask.
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
    """Return what a registry at a URL is called: its host, with the port where it has one."""
    return urlsplit(url).netloc
