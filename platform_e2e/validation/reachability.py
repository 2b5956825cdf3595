"""Whether this machine reaches the LoadBalancer addresses of a cluster, so that a silent one is the platform's fault."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from platform_e2e.checks import network_probe
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.diagnosis.objects import at
from platform_e2e.finding import Promise
from platform_e2e.kube.objects import Object
from platform_e2e.kube.reader import Reader

SECONDS = 2.0
"""For a TCP connection; over a VPN it takes less than half a second."""

MOST = 32
"""Addresses that are tried: where none of so many answers, this machine is not on their network."""


def addresses(reader: Reader, skipped: SkippedParts) -> list[tuple[str, int]]:
    """Return address and first TCP port of each LoadBalancer Service that has an address.

    Args:
        reader: of the cluster.
        skipped: is told where Services cannot be read.
    """
    services: Sequence[Object] = skipped.read(
        "checks of LoadBalancer Services", lambda: reader.list("v1/Service"), [], Promise.LOADBALANCER
    )
    return [
        (str(entry["ip"]), int(port["port"]))
        for service in services
        for entry in (at(service, "status", "loadBalancer", "ingress") or ())[:1]
        for port in (at(service, "spec", "ports") or ())[:1]
        if entry.get("ip") and port.get("protocol", "TCP") == "TCP"
    ]


def reached(found: Sequence[tuple[str, int]]) -> bool:
    """Tell whether one of the addresses accepts a connection from this machine.

    Args:
        found: addresses with a port of each.
    """
    if not found:
        return False
    with ThreadPoolExecutor(MOST) as pool:
        answers = pool.map(lambda place: network_probe.connect(place[0], place[1], SECONDS), found[:MOST])
        return any("problem" not in answer for answer in answers)
