"""How nodes reach registries: mirrors, proxies, logins and trusted certificates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platform_e2e.cluster.k3d import config, mirrors, proxies, registries, registry_logins, sources
from platform_e2e.cluster.k3d.daemon import Daemon
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.kubernetes.credentials import write
from platform_e2e.cluster.network.addressing import Plan
from platform_e2e.cluster.provider import ClusterSpec

CA = "registry-ca.crt"
CA_IN_NODES = "/etc/ssl/certs/platform-e2e-registry-ca.crt"
"""A path in a directory whose certificates every Go program trusts in addition to the system's (crypto/x509)."""

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
    stated = sources.parse_mirror(spec.mirror)
    endpoints = {registry: mirrors.for_nodes(url, daemon, gateway) for registry, url in stated.items()}
    # A login is stored under the name that the user logged in with; nodes need it under the name of their endpoint.
    asked = {registries.host(url): registries.host(endpoints[registry]) for registry, url in stated.items()}
    asked.update({registry: registry for registry in (*sources.NODES, *spec.registries)})
    logins, failed = registry_logins.logins(said, asked)
    text = registries.render(endpoints, {asked[registry]: login for registry, login in logins.items()})
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
