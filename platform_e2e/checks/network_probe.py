"""Asking on a network segment with nothing but the standard library, so that it can be asked from a container too.

There this file is the program: `python3 -c FILE REQUEST`, the request and the answer as JSON (`remote`).
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import struct
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

ETHERTYPE_ARP = 0x0806
BROADCAST = b"\xff" * 6
HEADER = struct.Struct("!6s6sH")
"""Ethernet II: destination, source, type."""
BODY = struct.Struct("!HHBBH6s4s6s4s")
"""ARP for Ethernet and IPv4: hardware, protocol, their lengths, operation, sender's and target's MAC and IP (RFC 826)."""
REQUEST, REPLY = 1, 2

AGAIN_SECONDS = 0.3
"""After how long a request without an answer is sent again; a node on the same segment answers within milliseconds."""


def request_frame(source_mac: bytes, source: IPv4Address, wanted: IPv4Address) -> bytes:
    """Return the frame that asks everyone on the segment for an address."""
    body = BODY.pack(1, 0x0800, 6, 4, REQUEST, source_mac, source.packed, b"\0" * 6, wanted.packed)
    return HEADER.pack(BROADCAST, source_mac, ETHERTYPE_ARP) + body


def reply_mac(frame: bytes, wanted: IPv4Address) -> str | None:
    """Return the MAC address that a frame announces for an address, or None where the frame is not such a reply."""
    if len(frame) < HEADER.size + BODY.size:
        return None
    _destination, _source, ethertype = HEADER.unpack_from(frame)
    _hw, _proto, _hlen, _plen, operation, mac, sender, _tmac, _tip = BODY.unpack_from(frame, HEADER.size)
    if ethertype != ETHERTYPE_ARP or operation != REPLY or sender != wanted.packed:
        return None
    return ":".join(f"{byte:02x}" for byte in mac)


def mac_of(interface: str) -> bytes:
    """Return an interface's own MAC address.

    Raises:
        OSError: the interface does not exist.
    """
    return bytes.fromhex(Path("/sys/class/net", interface, "address").read_text().strip().replace(":", ""))


def open_packets(interface: str) -> socket.socket:
    """Open a socket for ARP frames on one interface.

    Raises:
        PermissionError: this process may not send frames.
    """
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_ARP))
    packets.bind((interface, ETHERTYPE_ARP))
    return packets


def ask(packets: Any, frame: bytes, wanted: IPv4Address, timeout: float) -> tuple[str, float] | None:
    """Send a request until it is answered.

    Args:
        packets: the socket.
        frame: the request.
        wanted: the address that it asks for.
        timeout: seconds in all.

    Returns:
        Who answered, and after how many seconds; None without an answer.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        asked = time.monotonic()
        packets.send(frame)
        for answer in _until(packets, min(asked + AGAIN_SECONDS, deadline)):
            found = reply_mac(answer, wanted)
            if found is not None:
                return found, time.monotonic() - asked
    return None


def _until(packets: Any, deadline: float) -> Iterator[bytes]:
    """Yield the frames that arrive before a monotonic time."""
    while (left := deadline - time.monotonic()) > 0:
        packets.settimeout(left)
        try:
            yield packets.recv(2048)
        except TimeoutError:
            return


def get(scheme: str, address: str, port: int, path: str, timeout: float) -> dict[str, Any]:
    """Send a GET on a connection of its own and return status and body, or why there is no answer."""
    start = time.monotonic()
    # An address out of a pool has no certificate to verify.
    connection = (
        http.client.HTTPSConnection(address, port, timeout=timeout, context=ssl._create_unverified_context())  # noqa: S323, SLF001
        if scheme == "https"
        else http.client.HTTPConnection(address, port, timeout=timeout)
    )
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except TimeoutError:
        return {"problem": f"no answer within {timeout:g} s", "seconds": time.monotonic() - start}
    except (OSError, http.client.HTTPException) as error:
        return {"problem": f"{type(error).__name__}: {error}", "seconds": time.monotonic() - start}
    finally:
        connection.close()
    return {"status": answer.status, "body": body, "seconds": time.monotonic() - start}


def websocket(scheme: str, address: str, port: int, path: str, timeout: float) -> dict[str, Any]:
    """Send one text message over a WebSocket of its own and wait for one frame, or say why none comes (RFC 6455)."""
    start = time.monotonic()
    asked = (
        f"GET {path} HTTP/1.1\r\nHost: {address}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: cGxhdGZvcm0tZTJlLWtleQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    try:
        with socket.create_connection((address, port), timeout=timeout) as plain:
            # An address out of a pool has no certificate to verify.
            connection = ssl._create_unverified_context().wrap_socket(plain) if scheme == "https" else plain  # noqa: S323, SLF001
            connection.sendall(asked.encode())
            head = b""
            while b"\r\n\r\n" not in head and (more := connection.recv(4096)):
                head += more
            status = head.split(b"\r\n", 1)[0].decode(errors="replace")
            if " 101 " not in f"{status} ":
                return {"problem": f"it answers `{status}`", "seconds": time.monotonic() - start}
            connection.sendall(_TEXT_FRAME)
            if not connection.recv(2):
                return {"problem": "it ends the connection without a message", "seconds": time.monotonic() - start}
    except OSError as error:
        return {
            "problem": error.strerror or str(error) or type(error).__name__,
            "seconds": time.monotonic() - start,
        }
    return {"seconds": time.monotonic() - start}


_MASK = b"\x00\x00\x00\x00"
"""Each byte of a client's frame is combined with it; with zeros it stays what it is."""

_TEXT = b"platform-e2e"

_TEXT_FRAME = bytes((0x81, 0x80 | len(_TEXT))) + _MASK + _TEXT
"""One whole text message of a client (RFC 6455, section 5.2)."""


def connect(address: str, port: int, timeout: float) -> dict[str, Any]:
    """Open a TCP connection and close it again."""
    start = time.monotonic()
    try:
        with socket.create_connection((address, port), timeout=timeout):
            return {"seconds": time.monotonic() - start}
    except OSError as error:
        return {"problem": error.strerror or str(error) or type(error).__name__, "seconds": time.monotonic() - start}


def again(ask: Any, times: int, patience: float) -> dict[str, Any]:
    """Send a request several times; return each different answer once, with how often it came.

    Args:
        ask: sends it once.
        times: how often.
        patience: seconds after which it is not sent again.
    """
    answers: dict[tuple[Any, ...], dict[str, Any]] = {}
    start, sent = time.monotonic(), 0
    while not sent or (sent < times and time.monotonic() - start < patience):
        said, sent = ask(), sent + 1
        alike = answers.setdefault((said.get("status"), said.get("body"), said.get("problem")), {**said, "times": 0})
        alike["times"] += 1
    return {"answers": list(answers.values())}


def serve(asked: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks for.

    Args:
        asked: `what` is `who_has`, `get`, `connect` or `websocket`; the rest are that function's arguments, for the last three
            those of `again` beside them.
    """
    what = asked.pop("what")
    several: dict[str, Any] = {"get": get, "connect": connect, "websocket": websocket}
    if what in several:
        times, patience = asked.pop("times", 1), asked.pop("patience", 0.0)
        return again(lambda: several[what](**asked), times, patience)
    wanted = IPv4Address(asked["wanted"])
    frame = request_frame(mac_of(asked["interface"]), IPv4Address(asked["source"]), wanted)
    with open_packets(asked["interface"]) as packets:
        found = ask(packets, frame, wanted, asked["timeout"])
    return {"mac": found[0], "seconds": found[1]} if found else {}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(serve(json.loads(sys.argv[1]))))
