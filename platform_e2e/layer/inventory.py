"""What the layer promises by default: the expectations that the checks compare a cluster with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_address
from typing import Any

from platform_e2e.addresses import AddressRange
from platform_e2e.finding import Promise
from platform_e2e.layer.errors import OddShape
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.own_annotations import PROBE, SERIES, WEBSOCKET
from platform_e2e.layer.probe import Probe, probe_of

ADDRESSES = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
"""Annotations with which a Service asks MetalLB for addresses; the second is the older name that it still reads."""

ASKING = (PROBE, *ADDRESSES, "metallb.io/address-pool", "metallb.universe.tf/address-pool")
"""Annotations that mean nothing on a Service without an address (MetalLB 0.15.3, controller/service.go)."""


@dataclass(frozen=True)
class Pool:
    """One IPAddressPool as written in Git.

    Attributes:
        rendered: the object.
        ranges: its IPv4 ranges.
        auto_assign: whether a Service that asks for nothing may get an address of it.
    """

    rendered: Rendered
    ranges: tuple[AddressRange, ...]
    auto_assign: bool

    @property
    def name(self) -> str:
        """Return the pool's name."""
        return self.rendered.name

    def __contains__(self, address: object) -> bool:
        """Tell whether an address belongs to the pool."""
        return any(address in block for block in self.ranges)


@dataclass(frozen=True)
class LoadBalancer:
    """One Service of type LoadBalancer.

    Attributes:
        service: the Service.
        addresses: that it asks for, in the order written; empty where any will do.
        probe: what it must answer; None where a TCP connection must do.
        exempt: why it does not make the promise, or None.
        websocket: path at which it takes messages and sends one back; empty where the layer names none.
    """

    service: Rendered
    addresses: tuple[str, ...]
    probe: Probe | None
    exempt: str | None
    websocket: str = ""


@dataclass(frozen=True)
class MetricsService:
    """One port of a Service that its name calls metrics.

    Attributes:
        service: the Service.
        entry: of its spec.ports.
        exempt: why it does not make the promise, or None.
    """

    service: Rendered
    entry: Mapping[str, Any]
    exempt: str | None

    @property
    def port(self) -> str:
        """Return the port's name."""
        return str(self.entry["name"])


def pool(rendered: Rendered) -> Pool:
    """Read an IPAddressPool.

    Raises:
        OddShape: it has no addresses, or one that is neither a range nor a CIDR.
    """
    written = rendered.spec.get("addresses")
    if not written:
        raise OddShape(rendered.file, rendered.line, f"{rendered}: has no spec.addresses", "add a range")
    ranges = []
    for text in written:
        try:
            if not _is_ipv6(text):
                ranges.append(AddressRange.parse(text))
        except ValueError as error:
            problem = f"{rendered}: has {text!r}, which is not a range of addresses: {error}"
            raise OddShape(rendered.file, rendered.line, problem, "first-last, or a CIDR") from error
    return Pool(rendered, tuple(ranges), rendered.spec.get("autoAssign") is not False)


def _is_ipv6(text: str) -> bool:
    """Tell whether a range is one of IPv6, which no part of the harness asks for: the segment is an IPv4 network.

    Raises:
        ValueError: it has a colon and is not an IPv6 address.
    """
    if ":" not in text:
        return False
    if "/" in text:
        IPv6Network(text, strict=False)
    else:
        for part in text.split("-"):
            ip_address(part.strip())
    return True


def load_balancer(service: Rendered) -> LoadBalancer:
    """Read what a Service of type LoadBalancer asks for and promises.

    Raises:
        LayerError: its probe cannot be used, or the path of its WebSocket is none.
    """
    asked = next((service.annotations[key] for key in ADDRESSES if key in service.annotations), "")
    asked = asked or str(service.spec.get("loadBalancerIP") or "")
    addresses = tuple(part.strip() for part in asked.split(",") if part.strip())
    websocket = service.annotations.get(WEBSOCKET, "")
    if websocket and not websocket.startswith("/"):
        raise service.error(f"{WEBSOCKET} must be a path, got {websocket!r}", "begin it with /")
    return LoadBalancer(service, addresses, probe_of(service), service.exempt(Promise.LOADBALANCER), websocket)


def asking(service: Rendered) -> tuple[str, ...]:
    """Return the annotations of a Service by which it says that it has an address to be reached at from outside."""
    return tuple(name for name in ASKING if name in service.annotations)


def is_metrics(port: Mapping[str, Any]) -> bool:
    """Tell whether the name of a Service's port calls it metrics: `metrics`, `http-metrics`, `metrics-frr`."""
    return "metrics" in str(port.get("name") or "").split("-")


def metrics_services(services: tuple[Rendered, ...]) -> tuple[MetricsService, ...]:
    """Return every metrics port of the Services.

    Args:
        services: of the layer.
    """
    return tuple(
        MetricsService(service, port, service.exempt(Promise.MONITORING))
        for service in services
        for port in service.spec.get("ports") or ()
        if is_metrics(port)
    )


def series(monitor: Rendered) -> tuple[str, ...]:
    """Return the series that a monitor's annotation names."""
    return tuple(part.strip() for part in monitor.annotations.get(SERIES, "").split(",") if part.strip())
