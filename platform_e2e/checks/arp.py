"""Ask a network segment who has an address, as any client on it does, and take the answer from the wire.

The kernel's own neighbour table is neither read nor written: an old entry there would answer for a node that is gone.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from platform_e2e.errors import BrokenHarness

ETHERTYPE_ARP = 0x0806
BROADCAST = b"\xff" * 6
HEADER = struct.Struct("!6s6sH")
"""Ethernet II: destination, source, type."""
BODY = struct.Struct("!HHBBH6s4s6s4s")
"""ARP for Ethernet and IPv4: hardware, protocol, their lengths, operation, sender's and target's MAC and IP (RFC 826)."""
REQUEST, REPLY = 1, 2

AGAIN_SECONDS = 0.3
"""After how long a request without an answer is sent again; a node on the same segment answers within milliseconds."""


@dataclass(frozen=True)
class Reply:
    """Who answered.

    Attributes:
        mac: of the interface that has the address.
        seconds: from the last request to the answer.
    """

    mac: str
    seconds: float


def request_frame(source_mac: bytes, source: IPv4Address, wanted: IPv4Address) -> bytes:
    """Return the frame that asks everyone on the segment for an address."""
    body = BODY.pack(1, 0x0800, 6, 4, REQUEST, source_mac, source.packed, b"\0" * 6, wanted.packed)
    return HEADER.pack(BROADCAST, source_mac, ETHERTYPE_ARP) + body


def reply_mac(frame: bytes, wanted: IPv4Address) -> str | None:
    """Return the MAC address that a frame announces for an address, or None where it is no such reply."""
    if len(frame) < HEADER.size + BODY.size:
        return None
    _destination, _source, ethertype = HEADER.unpack_from(frame)
    _hw, _proto, _hlen, _plen, operation, mac, sender, _tmac, _tip = BODY.unpack_from(frame, HEADER.size)
    if ethertype != ETHERTYPE_ARP or operation != REPLY or sender != wanted.packed:
        return None
    return ":".join(f"{byte:02x}" for byte in mac)


def who_has(interface: str, source: str, wanted: str, *, timeout: float) -> Reply | None:
    """Return who answers for an address on the segment of an interface, or None where nobody does.

    Args:
        interface: of this host, on the segment.
        source: this host's own address there.
        wanted: the address that is asked for.
        timeout: seconds in all; the request is repeated meanwhile.

    Raises:
        BrokenHarness: this process may not send frames, or there is no such interface.
    """
    own = Path("/sys/class/net", interface, "address")
    try:
        mac = bytes.fromhex(own.read_text().strip().replace(":", ""))
    except OSError as error:
        raise BrokenHarness(f"this host has no interface {interface}", "see `nox -s doctor`") from error
    frame = request_frame(mac, IPv4Address(source), IPv4Address(wanted))
    with _packets(interface) as packets:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            asked = time.monotonic()
            packets.send(frame)
            for answer in _until(packets, min(asked + AGAIN_SECONDS, deadline)):
                found = reply_mac(answer, IPv4Address(wanted))
                if found is not None:
                    return Reply(found, time.monotonic() - asked)
    return None


@contextlib.contextmanager
def _packets(interface: str) -> Iterator[socket.socket]:
    """Open a socket for ARP frames on one interface."""
    try:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP))
    except PermissionError as error:
        raise BrokenHarness("sending ARP requests needs CAP_NET_RAW", "run as root") from error
    with packets:
        packets.bind((interface, ETHERTYPE_ARP))
        yield packets


def _until(packets: socket.socket, deadline: float) -> Iterator[bytes]:
    """Yield the frames that arrive before a monotonic time."""
    while (left := deadline - time.monotonic()) > 0:
        packets.settimeout(left)
        try:
            yield packets.recv(2048)
        except TimeoutError:
            return
