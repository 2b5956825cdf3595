"""Ask a network segment who has an address, as any client on it does, and take the answer from the wire.

The kernel's own neighbour table is neither read nor written: an old entry there would answer for a node that is gone.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from platform_e2e.checks import network_probe
from platform_e2e.errors import BrokenHarness
from platform_e2e.paths import command


@dataclass(frozen=True)
class Reply:
    """Who answered.

    Attributes:
        mac: of the interface that has the address.
        seconds: from the last request to the answer.
    """

    mac: str
    seconds: float


def who_has(interface: str, source: str, wanted: str, *, timeout: float) -> Reply | None:
    """Return who answers for an address on the segment of an interface; None without an answer.

    Args:
        interface: of this host, on the segment.
        source: this host's own address there.
        wanted: the address that is asked for.
        timeout: seconds in all; the request is repeated meanwhile.

    Raises:
        BrokenHarness: this process may not send frames, or the interface does not exist.
    """
    try:
        mac = network_probe.mac_of(interface)
    except OSError as error:
        raise BrokenHarness(
            f"this host has no interface {interface}", f"see `{command('doctor', more=False)}`"
        ) from error
    frame = network_probe.request_frame(mac, IPv4Address(source), IPv4Address(wanted))
    with _packets(interface) as packets:
        found = network_probe.ask(packets, frame, IPv4Address(wanted), timeout)
    return Reply(*found) if found else None


@contextlib.contextmanager
def _packets(interface: str) -> Iterator[socket.socket]:
    """Open a socket for ARP frames on one interface."""
    try:
        packets = network_probe.open_packets(interface)
    except PermissionError as error:
        raise BrokenHarness("sending ARP requests needs CAP_NET_RAW", "run as root") from error
    with packets:
        yield packets
