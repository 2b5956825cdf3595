"""How nodes reach registries: through which mirrors and proxies, as whom, and trusting which certificates."""

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
"""A program written in Go trusts every certificate in that directory, besides those of the system (crypto/x509)."""

SSL_CERT_FILE = "SSL_CERT_FILE"
"""OpenSSL's variable, and Go's, for other certificates than the system's."""


@dataclass(frozen=True)
class Access:
    """How the nodes of one cluster reach registries.

    Attributes:
        registries: file with k3s' registries.yaml, for its owner only; None where there is nothing to say.
        proxies: variables of the nodes.
        files: of the cluster's directory, and where the nodes have each.
        notes: what a reader of the log should know.
    """

    registries: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def given(self) -> dict[str, str]:
        """Return the variables of k3d that have the values of the nodes' variables."""
        return {f"{config.GIVEN}{name}": value for name, value in self.proxies.items()}


NONE = Access()


def lay(
    spec: ClusterSpec, docker: Docker, daemon: Daemon, plan: Plan, *, names: Sequence[str], directory: Path
) -> Access:
    """Write what nodes need to reach registries into the cluster's directory.

    Args:
        spec: what is asked for.
        docker: whose configuration has the user's logins and proxies.
        daemon: that the nodes live on.
        plan: the cluster's addresses.
        names: of the nodes.
        directory: of the cluster; what is written goes with it.

    Raises:
        K3dFailed: Docker's configuration or the file of certificates cannot be read.
        WrongUsage: a proxy's URL cannot be used.
    """
    gateway = str(plan.host)
    said = registry_logins.read(registry_logins.file(docker.environment))
    stated = sources.parse_mirror(spec.mirror)
    endpoints = {registry: mirrors.for_nodes(url, daemon, gateway) for registry, url in stated.items()}
    # A login is looked up under the name that the user logged in with, and handed over under the one that nodes ask.
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
    """Return the certificates that nodes are to trust beside their own; none by default.

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
            f"{name}, certificates for the nodes to trust, cannot be read: {error.strerror}",
            f"correct --registry-ca or {SSL_CERT_FILE}",
        ) from error
    if b"-----BEGIN CERTIFICATE-----" not in found:
        raise K3dFailed(f"{name} must have certificates in PEM, got none", f"correct --registry-ca or {SSL_CERT_FILE}")
    return found
