from __future__ import annotations

import time
from ipaddress import IPv4Address
from typing import Self

import pytest

from platform_e2e.checks import arp, network_probe
from platform_e2e.errors import BrokenHarness

OWN, NODE = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
HOST, WANTED = IPv4Address("10.89.0.1"), IPv4Address("10.89.0.201")
REQUEST = (
    "ffffffffffff 020000000001 0806"  # to everyone, from us, ARP
    " 0001 0800 06 04 0001"  # Ethernet, IPv4, their lengths, request
    " 020000000001 0a590001"  # sender
    " 000000000000 0a5900c9"  # target
)


def reply(operation: int = network_probe.REPLY, sender: IPv4Address = WANTED, mac: bytes = NODE) -> bytes:
    body = network_probe.BODY.pack(1, 0x0800, 6, 4, operation, mac, sender.packed, OWN, HOST.packed)
    return network_probe.HEADER.pack(OWN, mac, network_probe.ETHERTYPE_ARP) + body


def test_a_request_is_what_rfc_826_says() -> None:
    assert network_probe.request_frame(OWN, HOST, WANTED) == bytes.fromhex(REQUEST.replace(" ", ""))


def test_a_reply_tells_the_mac() -> None:
    # Frames are padded to the least length of Ethernet.
    assert network_probe.reply_mac(reply() + b"\0" * 18, WANTED) == "02:00:00:00:00:02"


@pytest.mark.parametrize(
    "frame",
    [
        reply(network_probe.REQUEST),
        reply(sender=IPv4Address("10.89.0.202")),
        network_probe.HEADER.pack(OWN, NODE, 0x0800) + reply()[14:],
        reply()[:30],
        b"",
    ],
    ids=["request", "another address", "no ARP", "cut short", "empty"],
)
def test_what_is_no_reply_for_the_address_is_ignored(frame: bytes) -> None:
    assert network_probe.reply_mac(frame, WANTED) is None


def test_an_interface_that_does_not_exist() -> None:
    with pytest.raises(BrokenHarness, match="this host has no interface e2e-none"):
        arp.who_has("e2e-none", "10.89.0.1", "10.89.0.201", timeout=0.1)


class Wire:
    """Stand for a packet socket: hand out frames, then be silent."""

    def __init__(self, *frames: bytes) -> None:
        self.frames = list(frames)
        self.sent: list[bytes] = []
        self.waited = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, frame: bytes) -> int:
        self.sent.append(frame)
        return len(frame)

    def settimeout(self, seconds: float) -> None:
        self.waited = seconds

    def recv(self, _size: int) -> bytes:
        if not self.frames:
            raise TimeoutError
        return self.frames.pop(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the clock cost a tenth of a second."""
    now = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: next(now) / 10)


@pytest.mark.usefixtures("clock")
def test_the_first_reply_for_the_address_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Wire(reply(sender=HOST), reply())
    monkeypatch.setattr(arp, "_packets", lambda _interface: fake)
    found = arp.who_has("lo", str(HOST), str(WANTED), timeout=5)
    assert found is not None
    assert found.mac == "02:00:00:00:00:02"
    assert fake.sent == [network_probe.request_frame(b"\0" * 6, HOST, WANTED)]


@pytest.mark.usefixtures("clock")
def test_silence_is_asked_again_and_then_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Wire()
    monkeypatch.setattr(arp, "_packets", lambda _interface: fake)
    assert arp.who_has("lo", str(HOST), str(WANTED), timeout=2) is None
    assert len(fake.sent) > 1
