"""Where it all happens: one embedded cluster, the proxy before its API server, and the ConfigMaps that are waited for."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.waits.contender import FIELD, Setup
from benchmarks.waits.faults import FAULTS
from benchmarks.waits.peers import PEERS
from benchmarks.waits.proxy import Port, Proxy
from benchmarks.waits.worker import Worker
from platform_e2e.cluster import acquisition, providers
from platform_e2e.cluster.kubernetes.pki import Authority
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec
from platform_e2e.errors import BrokenHarness
from platform_e2e.kube import kubeconfig
from platform_e2e.kube.client import Kube
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import programs

CLEAN = "counting"
"""The port of the proxy that only counts."""

PENDING = "pending"
"""What ConfigMaps say until they are ready."""

WRITERS = 8
"""How many requests of the driver are under way at once where hundreds of objects are made or changed."""


class NotAnswered(BrokenHarness):
    """The API server did not take a change."""


class Writer:
    """Change ConfigMaps and tell the moment at which the API server's answer had come.

    By the standard library's own HTTP client, over one connection: nothing comes between the answer and the clock.

    Args:
        config: kubeconfig of the API server.
    """

    def __init__(self, config: Path) -> None:
        """Connect."""
        endpoint = kubeconfig.load(config)
        address = urlsplit(endpoint.server)
        self._http = http.client.HTTPSConnection(
            address.hostname or "", address.port, context=endpoint.tls, timeout=30.0
        )

    def set(self, namespace: str, name: str, state: str) -> int:
        """Set a ConfigMap's state and return the monotonic time of the answer in nanoseconds.

        Raises:
            NotAnswered: the API server refused.
        """
        self._http.request(
            "PATCH",
            f"/api/v1/namespaces/{namespace}/configmaps/{name}",
            body=json.dumps({"data": {FIELD: state}}),
            headers={"Content-Type": "application/merge-patch+json", "Accept": "application/json"},
        )
        answer = self._http.getresponse()
        answered = time.monotonic_ns()
        text = answer.read()
        if answer.status != 200:
            raise NotAnswered(f"PATCH of ConfigMap {name} -n {namespace}: {answer.status} {text[:200]!r}")
        return answered


@dataclass(frozen=True)
class Stage:
    """A cluster to measure on.

    Attributes:
        facts: of the cluster.
        kube: the driver's own client, past the proxy.
        proxy: before the API server.
        programs: directory with kubectl.
        scratch: directory that is removed at the end.
    """

    facts: ClusterFacts
    kube: Kube
    proxy: Proxy
    programs: Path
    scratch: Path

    @property
    def direct(self) -> Path:
        """Return the kubeconfig that leads to the API server itself."""
        return Path(self.facts.kubeconfig)

    def through(self, port: str) -> Path:
        """Return the kubeconfig that leads through a port of the proxy."""
        # Without a space: pytest-kubernetes hands the path to a shell as it is.
        return self.scratch / f"{re.sub('[^a-z0-9]+', '-', port.lower())}.kubeconfig"

    def worker(self, title: str, part: str, config: Path) -> Worker:
        """Start a contender's process.

        Args:
            title: of the contender.
            part: names the worker and, with the contender, the namespace that it waits in.
            config: kubeconfig that it uses.
        """
        scratch = self.scratch / f"{title}-{part}".replace(" ", "-")
        return Worker(title, Setup(config, namespace_of(title, part), self.programs, scratch))

    def make_namespace(self, name: str) -> None:
        """Make a namespace, with all that Kubernetes puts into it."""
        self.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def make(self, namespace: str, name: str, state: str = PENDING) -> None:
        """Make a ConfigMap."""
        meta = {"name": name, "namespace": namespace}
        self.kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {FIELD: state}})

    def set(self, namespace: str, name: str, state: str) -> None:
        """Set a ConfigMap's state."""
        self.kube.patch("v1/ConfigMap", name, {"data": {FIELD: state}}, namespace)

    def remove(self, namespace: str, name: str) -> None:
        """Delete a ConfigMap."""
        self.kube.delete("v1/ConfigMap", name, namespace)

    def make_many(self, namespace: str, names: list[str]) -> None:
        """Make several ConfigMaps."""
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda name: self.make(namespace, name), names))

    def set_many(self, namespace: str, names: list[str], state: str) -> None:
        """Set the state of several ConfigMaps."""
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda name: self.set(namespace, name, state), names))


def namespace_of(title: str, part: str) -> str:
    """Return the namespace of a contender's part: their own, so that no watch of one sees the others' objects."""
    return f"{part.partition('-')[0]}-{PEERS[title].module.replace('_', '-')}"


@contextlib.contextmanager
def build(seed: int) -> Iterator[Stage]:
    """Make a cluster of one node with the proxy before it, and remove both at the end, however it comes.

    Args:
        seed: of the faults.

    Raises:
        CreationFailed, Unfit: the cluster could not be made.
    """
    spec = ClusterSpec(f"bench-{secrets.token_hex(4)}")
    timeline = Timeline(None)
    with (
        acquisition.acquire(spec, providers.choose("embedded"), keep=lambda: False, timeline=timeline) as held,
        tempfile.TemporaryDirectory(prefix="platform-e2e-waiting-") as scratch_name,
        Kube.from_kubeconfig(Path(held.facts.kubeconfig)) as kube,
    ):
        scratch = Path(scratch_name)
        authority = Authority("benchmark")
        pair = authority.server("127.0.0.1", [IPv4Address("127.0.0.1")])
        certificate = scratch / "proxy.pem"
        certificate.touch(0o600)
        certificate.write_bytes(pair.certificate + pair.key)
        ports = [Port(CLEAN), *(Port(name, fault, seed) for name, fault in FAULTS.items())]
        with Proxy(Path(held.facts.kubeconfig), certificate, tuple(ports)) as proxy:
            stage = Stage(held.facts, kube, proxy, programs.ensure(timeline).directory, scratch)
            for name, number in proxy.numbers.items():
                write_kubeconfig(stage.through(name), number, authority.pair.certificate)
            yield stage


def write_kubeconfig(path: Path, port: int, authority: bytes) -> None:
    """Write the kubeconfig of a port of the proxy; JSON is YAML.

    Args:
        path: of the file.
        port: of the proxy on 127.0.0.1.
        authority: PEM of the certificate authority to trust.
    """
    trusted = base64.b64encode(authority).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "clusters": [
            {
                "name": "proxy",
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": trusted},
            }
        ],
        # The proxy lets everybody in; kr8s wants some credential.
        "users": [{"name": "proxy", "user": {"token": "none"}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
    }
    path.write_text(json.dumps(config))
