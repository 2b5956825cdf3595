"""MetalLB's pools: those that a Service may get its address from, by the rules of MetalLB 0.15.3.

Sources: controller/service.go (allocateIPs, getDesiredLbIPs), internal/allocator/allocator.go (Allocate,
pinnedPoolsForService, isPoolCompatibleWithService, poolFor), api/v1beta1/ipaddresspool_types.go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from platform_e2e.addresses import AddressRange
from platform_e2e.diagnosis.objects import annotations_of, at, labels_of, mismatches, name_of, selects
from platform_e2e.gitops import pool_remap
from platform_e2e.kube.objects import Object, key

POOL_KIND = "metallb.io/v1beta1/IPAddressPool"
ADVERTISEMENT_KIND = "metallb.io/v1beta1/L2Advertisement"

PREFIXES = ("metallb.io", "metallb.universe.tf")
"""Of MetalLB's annotations; the second is deprecated and still read (controller/service.go)."""

BUGGY_LAST_BYTES = frozenset({0, 255})
"""Last bytes of the IPv4 addresses that avoidBuggyIPs leaves out (ipConfusesBuggyFirmwares)."""


@dataclass(frozen=True)
class AddressPool:
    """An IPAddressPool as the rules need it.

    Attributes:
        name: of the pool.
        ranges: first and last address of each of its ranges.
        written: its ranges as they are written.
        stated: its ranges as Git has them; empty where that is not known.
        auto_assign: whether Services that do not ask for it may get its addresses.
        avoid_buggy: whether addresses that end in .0 or .255 are left out.
        allocation: its `serviceAllocation`, or None.
        about: the object, as findings name it.
    """

    name: str
    ranges: tuple[tuple[int, int, int], ...]
    written: str
    auto_assign: bool = True
    avoid_buggy: bool = False
    allocation: Mapping[str, Any] | None = None
    about: str = ""
    stated: str = ""

    def __contains__(self, address: object) -> bool:
        """Tell whether the pool has the address."""
        if not isinstance(address, IPv4Address | IPv6Address):
            return False
        if self.avoid_buggy and address.version == 4 and int(address) % 256 in BUGGY_LAST_BYTES:
            return False
        return any(version == address.version and first <= int(address) <= last for version, first, last in self.ranges)

    @property
    def in_words(self) -> str:
        """Return its ranges; where the cluster uses others than Git has, both."""
        moved = self.stated and self.stated != self.written
        return f"{self.stated} in Git ({self.written} on this cluster)" if moved else self.written

    @property
    def size(self) -> int:
        """Return how many addresses it has."""
        total = sum(last - first + 1 for _, first, last in self.ranges)
        if not self.avoid_buggy:
            return total
        return total - sum(_buggy(first, last) for version, first, last in self.ranges if version == 4)

    def closed(self, *, asked: bool) -> str:
        """Return in words why a Service may not have its addresses.

        Args:
            asked: whether the Service asks for the pool, or for an address of it; autoAssign does not matter then.
        """
        if not asked and not self.auto_assign:
            return f"{self.name} is not given automatically (autoAssign: false)"
        return f"{self.name} is for {self._reserved_for} only"

    @property
    def _reserved_for(self) -> str:
        """Return in words what its serviceAllocation is limited to."""
        allocation = self.allocation or {}
        names = [f"namespaces {', '.join(allocation['namespaces'])}"] if allocation.get("namespaces") else []
        names += [f"namespaces with {words}" for words in _each(allocation.get("namespaceSelectors"))]
        services = [f"Services with {words}" for words in _each(allocation.get("serviceSelectors"))]
        return " and ".join(" or ".join(parts) for parts in (names, services) if parts) or "every Service"


def _each(selectors: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    """Yield in words what each LabelSelector asks for."""
    for selector in selectors or ():
        yield ", ".join(mismatches(selector, {})) or "any labels"


def _buggy(first: int, last: int) -> int:
    """Return how many addresses from first to last end in .0 or .255."""
    return sum((last - byte) // 256 - (first - 1 - byte) // 256 for byte in BUGGY_LAST_BYTES)


_MOVED: list[dict[AddressRange, AddressRange]] = [{}]
"""The ranges of the cluster that this process works on, each with that of Git which it replaces. An explanation deep in the library
cannot be given them."""


@contextlib.contextmanager
def ranges_moved(pool_map: Mapping[str, str]) -> Iterator[None]:
    """Let explanations name the ranges that Git has while the block runs, besides those of the cluster.

    Args:
        pool_map: ClusterFacts.pool_map.
    """
    found = {after: before for before, after in pool_remap.ranges(pool_map).items()}
    _MOVED.append(found)
    try:
        yield
    finally:
        _MOVED.remove(found)


def _stated(text: str) -> str:
    """Return the range of Git that a range of the cluster replaces; the range itself where it replaces none."""
    used = pool_remap.parse(text)
    before = pool_remap.moved_range(used, _MOVED[-1]) if used is not None else None
    return str(before) if before is not None else text


def pool(obj: Object) -> AddressPool:
    """Return a pool from its object, an IPAddressPool of Git or of the cluster."""
    written = [str(text) for text in at(obj, "spec", "addresses") or ()]
    spec = obj.get("spec") or {}
    return AddressPool(
        name=key(obj)[1],
        ranges=tuple(_range(text) for text in written),
        written=", ".join(written),
        auto_assign=spec.get("autoAssign") is not False,
        avoid_buggy=bool(spec.get("avoidBuggyIPs")),
        allocation=spec.get("serviceAllocation"),
        about=name_of(obj),
        stated=", ".join(map(_stated, written)) if _MOVED[-1] else "",
    )


def _range(text: str) -> tuple[int, int, int]:
    """Return version, first and last address of a range written as first-last or as a CIDR."""
    first, dash, last = text.partition("-")
    if dash:
        low, high = ip_address(first.strip()), ip_address(last.strip())
    else:
        network = ip_network(text.strip(), strict=False)
        low, high = network[0], network[-1]
    return low.version, int(low), int(high)


def annotated(service: Object, name: str) -> str:
    """Return the value of one of MetalLB's annotations, without its prefix; empty where it has none.

    The newer prefix wins also where its value is empty (valueForAnnotation, SharingKey).
    """
    annotations = annotations_of(service)
    return next((str(annotations[f"{p}/{name}"]) for p in PREFIXES if f"{p}/{name}" in annotations), "")


def written_at(service: Object, name: str) -> str:
    """Return under which name a Service has one of MetalLB's annotations: with its older prefix where that is the one there."""
    annotations = annotations_of(service)
    return next((f"{p}/{name}" for p in PREFIXES if f"{p}/{name}" in annotations), f"{PREFIXES[0]}/{name}")


def asks_in(service: Object) -> str:
    """Return in words where a Service says which addresses it wants."""
    where = asks_at(service)
    return f"the annotation {where[-1]}" if where[0] == "metadata" else ".".join(where)


def asks_at(service: Object) -> tuple[str, ...]:
    """Return the keys of the field where a Service says which addresses it wants."""
    if annotated(service, "loadBalancerIPs") or not at(service, "spec", "loadBalancerIP"):
        return "metadata", "annotations", written_at(service, "loadBalancerIPs")
    return "spec", "loadBalancerIP"


def requested_addresses(service: Object) -> list[str]:
    """Return the addresses that a Service asks for, in the order of its annotation or field, without what is not an address."""
    text = annotated(service, "loadBalancerIPs") or str(at(service, "spec", "loadBalancerIP") or "")
    return [found for word in text.split(",") if (found := _address(word.strip()))]


def refused_request(service: Object) -> str:
    """Return why MetalLB refuses what a Service asks for, in its words, or an empty string.

    It says so in an event and gives no address; one that the Service had before it keeps, so that nothing else tells
    (MetalLB 0.15.3, controller/service.go, getDesiredLbIPs).
    """
    text = annotated(service, "loadBalancerIPs")
    if text and at(service, "spec", "loadBalancerIP"):
        return "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP"
    wrong = [word.strip() for word in text.split(",") if not _address(word.strip())] if text else []
    return f"invalid metallb.io/loadBalancerIPs: {text!r}" if wrong else ""


def _address(text: str) -> str:
    """Return the canonical form of an address; empty where it is not one."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def requested_pool(service: Object) -> str:
    """Return the pool that a Service asks for, or an empty string."""
    return annotated(service, "address-pool")


def allocated_pool(service: Object) -> str:
    """Return the pool that MetalLB says the address came from, or an empty string."""
    return annotated(service, "ip-allocated-from-pool")


def allowed_pools(
    service: Object, namespace_labels: Mapping[str, str], pools: Sequence[AddressPool]
) -> list[AddressPool]:
    """Return the pools that the rules allow for a Service, the preferred ones first.

    Args:
        service: with its annotations, labels and namespace.
        namespace_labels: of its namespace, for pools that choose namespaces by label.
        pools: all there are.
    """
    wanted, name = requested_addresses(service), requested_pool(service)
    fitting = [p for p in pools if _is_compatible(p, service, namespace_labels)]
    if wanted:
        fitting = [p for p in fitting if any(ip_address(address) in p for address in wanted)]
        return [p for p in fitting if not name or p.name == name]
    if name:
        return [p for p in fitting if p.name == name]
    pinned = [p for p in fitting if p.auto_assign and p.allocation is not None]
    # The lowest number comes first, and none at all (0) last.
    pinned.sort(key=lambda p: int((p.allocation or {}).get("priority") or 0) or float("inf"))
    return pinned + [p for p in fitting if p.auto_assign and p.allocation is None]


def _is_compatible(pool: AddressPool, service: Object, namespace_labels: Mapping[str, str]) -> bool:
    """Tell whether a pool's serviceAllocation lets a Service have its addresses."""
    allocation = pool.allocation or {}
    names, by_label = allocation.get("namespaces") or (), allocation.get("namespaceSelectors") or ()
    if names or by_label:
        inside = key(service)[0] in names or any(selects(s, namespace_labels) for s in by_label)
        if not inside:
            return False
    selectors = allocation.get("serviceSelectors") or ()
    return not selectors or any(selects(s, labels_of(service)) for s in selectors)
