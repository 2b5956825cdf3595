"""How nodes reach registries: mirrors, proxies, logins and trusted certificates."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from platform_e2e.cluster.k3d import config, image_sources, mirrors, proxies, registry_logins
from platform_e2e.cluster.k3d.daemon import Daemon
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.k3d.registry_logins import HUB, Login
from platform_e2e.cluster.kubernetes.credentials import write
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.cluster.provider import ClusterSpec

CA = "registry-ca.crt"
CA_IN_NODES = "/etc/ssl/certs/platform-e2e-registry-ca.crt"
"""A path in a directory whose certificates every Go program trusts in addition to the system's (crypto/x509)."""

HUB_ENDPOINT = "registry-1.docker.io"
"""containerd's name of Docker Hub in logins: its host."""

SSL_CERT_FILE = "SSL_CERT_FILE"
"""Variable of OpenSSL and Go with a file of certificates to use instead of the system's."""


@dataclass(frozen=True)
class Access:
    """The nodes' way to registries in one cluster.

    Attributes:
        registries: file with k3s' registries.yaml, readable by its owner only; None if it would be empty.
        proxies: proxy variables of the nodes.
        files: files in the cluster's directory, each with its path in the nodes.
        notes: sentences for the log.
    """

    registries: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def given(self) -> dict[str, str]:
        """Return the variables of k3d that carry the values of the nodes' variables."""
        return {f"{config.GIVEN}{name}": value for name, value in self.proxies.items()}


NONE = Access()


def lay(
    spec: ClusterSpec, docker: Docker, daemon: Daemon, plan: Plan, *, names: Sequence[str], directory: Path
) -> Access:
    """Write the files that nodes need to reach registries into the cluster's directory.

    Args:
        spec: the requested cluster.
        docker: the Docker whose configuration has the user's logins and proxies.
        daemon: the daemon of the nodes.
        plan: the cluster's addresses.
        names: the names of the nodes.
        directory: the directory of the cluster; the files are removed with it.

    Raises:
        K3dFailed: Docker's configuration or the file of certificates cannot be read.
        WrongUsage: a proxy's URL cannot be used.
    """
    gateway = str(plan.host)
    said = registry_logins.read(registry_logins.file(docker.environment))
    stated = image_sources.parse_mirror(spec.mirror)
    endpoints = {registry: mirrors.for_nodes(url, daemon, gateway) for registry, url in stated.items()}
    # A login is stored under the name that the user logged in with; nodes need it under the name of their endpoint.
    asked = {registry_name(url): registry_name(endpoints[registry]) for registry, url in stated.items()}
    asked.update({registry: registry for registry in (*image_sources.NODES, *spec.registries)})
    logins, failed = registry_logins.logins(said, asked)
    text = registries_yaml(endpoints, {asked[registry]: login for registry, login in logins.items()})
    if text:
        write(directory, {"registries.yaml": text.encode()})
    ca = _certificates(spec)
    if ca:
        write(directory, {CA: ca})
    own = [str(plan.segment), *names]
    variables = proxies.environment(said, daemon, gateway, own)
    notes = [*failed, *([f"nodes log in at {', '.join(sorted(logins))}"] if logins else [])]
    notes += ["nodes have this user's proxies"] if variables else []
    return Access(
        directory / "registries.yaml" if text else None, variables, {CA: CA_IN_NODES} if ca else {}, tuple(notes)
    )


def _certificates(spec: ClusterSpec) -> bytes:
    """Return the certificates that nodes trust in addition to their own; none by default.

    Raises:
        K3dFailed: they cannot be read.
    """
    name = spec.registry_ca or os.environ.get(SSL_CERT_FILE, "")
    if not name:
        return b""
    try:
        found = Path(name).read_bytes()
    except OSError as error:
        raise K3dFailed(
            f"the file of certificates {name} must be readable, got: {error.strerror}",
            f"correct --registry-ca or {SSL_CERT_FILE}",
        ) from error
    if b"-----BEGIN CERTIFICATE-----" not in found:
        raise K3dFailed(f"{name} must have certificates in PEM, got none", f"correct --registry-ca or {SSL_CERT_FILE}")
    return found


def registries_yaml(mirrors: Mapping[str, str], logins: Mapping[str, Login]) -> str:
    """Return k3s' registries.yaml as JSON, which is YAML too; empty if there are neither mirrors nor logins.

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


def registry_name(url: str) -> str:
    """Return the name of the registry at a URL: its host, with the port if it has one."""
    return urlsplit(url).netloc
