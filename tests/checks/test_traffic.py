"""Traffic is made at each address of a Service that says what it answers, and where one is silent no further."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from platform_e2e.checks import traffic
from platform_e2e.checks.external_client import ProbeResult
from platform_e2e.checks.traffic import Traffic
from tests.fakes.recorded_view import RecordedView, made

PROBE: Any = SimpleNamespace(port=80)


class Asker:
    """Answer all that is asked, but of one address."""

    def __init__(self, silent: str = "") -> None:
        self.silent = silent
        self.asked: list[tuple[str, int]] = []

    def fetch(self, address: str, _probe: Any, times: int = 1) -> ProbeResult:
        self.asked.append((address, times))
        there = address != self.silent
        return ProbeResult("HTTP", address, "" if there else "silent", there, 0.1, times if there else 1, times * there)


def service(name: str, *addresses: str) -> Any:
    return made("v1/Service", name, "shop", status={"loadBalancer": {"ingress": [{"ip": each} for each in addresses]}})


def balancer(name: str, probe: Any = PROBE) -> Any:
    return SimpleNamespace(service=SimpleNamespace(name=name, namespace="shop"), probe=probe, websocket=None)


@pytest.mark.parametrize(
    ("silent", "asked", "made_traffic"),
    [
        ("", ["10.0.0.1", "10.0.0.2", "10.0.0.3"], Traffic(60, 60)),
        ("10.0.0.2", ["10.0.0.1", "10.0.0.2"], Traffic(21, 20)),
    ],
)
def test_every_address_is_asked_until_one_is_silent(silent: str, asked: list[str], made_traffic: Traffic) -> None:
    layer: Any = SimpleNamespace(
        load_balancers=lambda: [balancer("a"), balancer("gone"), balancer("tcp", None), balancer("b")]
    )
    view = RecordedView(service("a", "10.0.0.1", "10.0.0.2"), service("tcp", "10.0.0.9"), service("b", "10.0.0.3"))
    asker: Any = Asker(silent)
    assert traffic.for_all(layer, view, asker) == made_traffic
    assert [address for address, _ in asker.asked] == asked
    assert str(made_traffic).startswith("after ")
    assert str(Traffic()) == ""
