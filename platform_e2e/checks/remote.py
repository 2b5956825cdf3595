"""Asking from where a client on the cluster's segment is: this host, or a container where this host is none.

Docker Desktop and rootless Docker have networks that this host has no interface on. There a container on the cluster's
network asks in its place.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import Any, Protocol

from platform_e2e.checks import arp, outside, wire
from platform_e2e.checks.arp import Reply
from platform_e2e.checks.outside import TIMEOUT, Answer
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.layer.probe import Probe

MARGIN_SECONDS = 20.0
"""For starting Python in the container, on top of what is asked of it."""

INTERFACE = "eth0"
"""What Docker calls a container's first interface."""


class Asker(Protocol):
    """A client on the cluster's segment."""

    def who_has(self, wanted: str, *, timeout: float) -> Reply | None:
        """Return who answers for an address, or None where nobody does."""
        ...

    def fetch(self, address: str, probe: Probe) -> Answer:
        """Ask over HTTP and compare the answer with what the layer says."""
        ...

    def connect(self, address: str, port: int) -> Answer:
        """Open a TCP connection and close it again."""
        ...


@dataclass(frozen=True)
class Here:
    """This host.

    Attributes:
        interface: on the segment.
        address: of this host there.
    """

    interface: str
    address: str

    def who_has(self, wanted: str, *, timeout: float) -> Reply | None:
        """Return who answers for an address, or None where nobody does."""
        return arp.who_has(self.interface, self.address, wanted, timeout=timeout)

    def fetch(self, address: str, probe: Probe) -> Answer:
        """Ask over HTTP and compare the answer with what the layer says."""
        return outside.fetch(address, probe)

    def connect(self, address: str, port: int) -> Answer:
        """Open a TCP connection and close it again."""
        return outside.connect(address, port)


@dataclass(frozen=True)
class Container:
    """A container on the cluster's network that has Python.

    Attributes:
        docker: that it lives in.
        name: of it.
        address: of it on the segment.
    """

    docker: Docker
    name: str
    address: str

    def who_has(self, wanted: str, *, timeout: float) -> Reply | None:
        """Return who answers for an address, or None where nobody does."""
        said = self._ask(what="who_has", interface=INTERFACE, source=self.address, wanted=wanted, timeout=timeout)
        return Reply(said["mac"], said["seconds"]) if said else None

    def fetch(self, address: str, probe: Probe) -> Answer:
        """Ask over HTTP and compare the answer with what the layer says."""
        url = f"{probe.scheme}://{address}:{probe.port}{probe.path}"
        where = {"scheme": probe.scheme, "address": address, "port": probe.port, "path": probe.path}
        said = self._ask(what="get", **where, timeout=TIMEOUT)
        if "problem" in said:
            return Answer("HTTP", url, said["problem"], False, said["seconds"])
        return outside.judge(url, probe, said["status"], said["body"], said["seconds"])

    def connect(self, address: str, port: int) -> Answer:
        """Open a TCP connection and close it again."""
        said = self._ask(what="connect", address=address, port=port, timeout=TIMEOUT)
        problem = str(said.get("problem", ""))
        return Answer("TCP", f"{address}:{port}", problem, not problem, said["seconds"])

    def _ask(self, *, timeout: float, **asked: Any) -> dict[str, Any]:
        """Run `wire` in the container.

        Raises:
            CommandError: the container is gone, or has no Python.
        """
        request = json.dumps({**asked, "timeout": timeout})
        words = ("exec", self.name, "python3", "-c", inspect.getsource(wire), request)
        said: dict[str, Any] = json.loads(self.docker.run(*words, timeout=timeout + MARGIN_SECONDS).stdout)
        return said
