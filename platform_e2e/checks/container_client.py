"""Ask as a client on the cluster's segment: from this host, or from a container where this host is not on that segment.

Some hosts have no interface on the cluster's network, as with Docker Desktop and rootless Docker. There a container on that
network asks in this host's place; how a program is run in it is the provider's to know.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from platform_e2e.checks import arp, external_client, network_probe
from platform_e2e.checks.arp import Reply
from platform_e2e.checks.external_client import PATIENCE, TIMEOUT, ProbeResult
from platform_e2e.layer.probe import Probe

MARGIN_SECONDS = 20.0
"""For starting Python in the container, on top of what is asked of it."""

INTERFACE = "eth0"
"""What a container's first interface is called."""


class Asker(Protocol):
    """A client on the cluster's segment."""

    def who_has(self, wanted: str, *, timeout: float) -> Reply | None:
        """Return who answers ARP requests for an address, or None without an answer."""
        ...

    def fetch(self, address: str, probe: Probe, times: int = 1) -> ProbeResult:
        """Ask over HTTP, so many times, and compare the answers with what the layer says."""
        ...

    def connect(self, address: str, port: int, times: int = 1) -> ProbeResult:
        """Open a TCP connection and close it again, so many times."""
        ...

    def talk(self, address: str, probe: Probe, path: str, times: int = 1) -> ProbeResult:
        """Send a message over a WebSocket and wait for an answer, so many times."""
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
        """Return who answers ARP requests for an address, or None without an answer."""
        return arp.who_has(self.interface, self.address, wanted, timeout=timeout)

    def fetch(self, address: str, probe: Probe, times: int = 1) -> ProbeResult:
        """Ask over HTTP, so many times, and compare the answers with what the layer says."""
        return external_client.several(lambda: external_client.fetch(address, probe), times)

    def connect(self, address: str, port: int, times: int = 1) -> ProbeResult:
        """Open a TCP connection and close it again, so many times."""
        return external_client.several(lambda: external_client.connect(address, port), times)

    def talk(self, address: str, probe: Probe, path: str, times: int = 1) -> ProbeResult:
        """Send a message over a WebSocket and wait for an answer, so many times."""
        return external_client.several(lambda: external_client.talk(address, probe, path), times)


@dataclass(frozen=True)
class Container:
    """A container on the cluster's network that has Python.

    Attributes:
        run: takes a program with its arguments and seconds, runs it there and returns its standard output.
        address: of it on the segment.
    """

    run: Callable[[Sequence[str], float], str]
    address: str

    def who_has(self, wanted: str, *, timeout: float) -> Reply | None:
        """Return who answers ARP requests for an address, or None without an answer."""
        said = self._ask(what="who_has", interface=INTERFACE, source=self.address, wanted=wanted, timeout=timeout)
        return Reply(said["mac"], said["seconds"]) if said else None

    def fetch(self, address: str, probe: Probe, times: int = 1) -> ProbeResult:
        """Ask over HTTP, so many times, and compare the answers with what the layer says."""
        url = external_client.url_of(address, probe)
        where = {"scheme": probe.scheme, "address": address, "port": probe.port, "path": probe.path}

        def judged(said: dict[str, Any]) -> ProbeResult:
            if "problem" in said:
                return ProbeResult("HTTP", url, said["problem"], False, said["seconds"])
            return external_client.judge(url, probe, said["status"], said["body"], said["seconds"])

        return self._several(judged, times, what="get", **where)

    def connect(self, address: str, port: int, times: int = 1) -> ProbeResult:
        """Open a TCP connection and close it again, so many times."""
        return self._several(
            lambda said: external_client.connected(address, port, said),
            times,
            what="connect",
            address=address,
            port=port,
        )

    def talk(self, address: str, probe: Probe, path: str, times: int = 1) -> ProbeResult:
        """Send a message over a WebSocket and wait for an answer, so many times."""
        where = {"scheme": probe.scheme, "address": address, "port": probe.port, "path": path}
        return self._several(
            lambda said: external_client.talked(address, probe, path, said), times, what="websocket", **where
        )

    def _several(self, judged: Callable[[dict[str, Any]], ProbeResult], times: int, **asked: Any) -> ProbeResult:
        """Ask several times within one run of the program, and return the outcome."""
        said = self._ask(**asked, times=times, patience=PATIENCE, timeout=TIMEOUT)
        return external_client.worst([(judged(answer), int(answer["times"])) for answer in said["answers"]])

    def _ask(self, *, timeout: float, **asked: Any) -> dict[str, Any]:
        """Run `network_probe` in the container.

        Raises:
            CommandError: the container is gone, or has no Python.
        """
        request = json.dumps({**asked, "timeout": timeout})
        words = ("python3", "-c", inspect.getsource(network_probe), request)
        timeout += float(asked.get("patience", 0.0))
        said: dict[str, Any] = json.loads(self.run(words, timeout + MARGIN_SECONDS))
        return said
