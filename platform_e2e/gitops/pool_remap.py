"""Remap a layer's LoadBalancer addresses to the ranges that a cluster got instead of the layer's own.

These fields are rewritten, in documents and in patches:

* IPAddressPool: `spec.addresses[]`, where an entry is a range that was taken, or a part of one;
* Service: the annotations `metallb.io/loadBalancerIPs` and `metallb.universe.tf/loadBalancerIPs` and the field
  `spec.loadBalancerIP`, where an address lies in such a range: the n-th address of it becomes the n-th of the other;
* JSON patches whose path is one of these fields.

An address anywhere else (a ConfigMap's text, a dashboard) is left unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from ruamel.yaml.nodes import Node, ScalarNode

from platform_e2e.addresses import AddressRange
from platform_e2e.errors import WrongUsage
from platform_e2e.gitops import yamledit
from platform_e2e.gitops.yaml_patches import Fragment

PIN_ANNOTATIONS = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
"""MetalLB 0.15 reads both: internal/k8s, annotations of the current and of the former prefix."""

_PIN_PATHS = ("/spec/loadBalancerIP", *(f"/metadata/annotations/{name.replace('/', '~1')}" for name in PIN_ANNOTATIONS))
"""The same fields, as JSON pointers."""

_POOL_PATH = re.compile(r"/spec/addresses(?:/[0-9-]+)?")


@dataclass(frozen=True)
class Moved:
    """A scalar to rewrite."""

    owner: str
    where: str
    node: ScalarNode
    value: str


def parse(text: str) -> AddressRange | None:
    """Return the range of a pool's entry; None for IPv6 and for anything that is not a range."""
    try:
        return AddressRange.parse(text)
    except ValueError:
        return None


def ranges(pool_map: Mapping[str, str]) -> dict[AddressRange, AddressRange]:
    """Parse ClusterFacts.pool_map.

    Raises:
        WrongUsage: a text is not a range, or a replacement is smaller than the layer's own range.
    """
    parsed: dict[AddressRange, AddressRange] = {}
    for before, after in pool_map.items():
        old, new = parse(before), parse(after)
        if old is None or new is None:
            raise WrongUsage(f"the pool map must have two address ranges in each entry, got {before!r} -> {after!r}")
        if int(new.last) - int(new.first) < int(old.last) - int(old.first):
            raise WrongUsage(
                f"the range {new} must have at least as many addresses as {old}, which it replaces",
                "give a range of at least the same size, or free the layer's own",
            )
        last = new.first + (int(old.last) - int(old.first))
        parsed[old] = AddressRange(new.first, last)
    return parsed


def moved_range(written: AddressRange, pools: Mapping[AddressRange, AddressRange]) -> AddressRange | None:
    """Return the replacement of a range that was taken, or of a part of one; None for any other range.

    A pool that became smaller since the cluster was made keeps the same replacement addresses.
    """
    for old, new in pools.items():
        if written.lies_in(old):
            offset = int(new.first) - int(old.first)
            return AddressRange(written.first + offset, written.last + offset)
    return None


def moved(text: str, pools: Mapping[AddressRange, AddressRange]) -> str:
    """Return a comma-separated list of addresses, with those in replaced ranges moved."""

    def one(word: str) -> str:
        try:
            address = IPv4Address(word.strip())
        except AddressValueError:
            return word
        for old, new in pools.items():
            if address in old:
                return word.replace(word.strip(), str(new.first + (int(address) - int(old.first))))
        return word

    return ",".join(one(word) for word in text.split(","))


def find(fragment: Fragment, pools: Mapping[AddressRange, AddressRange]) -> list[Moved]:
    """Return every scalar of a fragment to rewrite."""
    found = [change for root in fragment.roots for change in _document(root, pools)]
    for operation in fragment.operations():
        owner = f"the patch of {operation.path}"
        if _POOL_PATH.fullmatch(operation.path):
            for node in yamledit.items(operation.value) or [operation.value]:
                found += _range(owner, "value", node, pools)
        elif operation.path in _PIN_PATHS:
            found += _pin(owner, "value", operation.value, pools)
        elif operation.path == "/metadata/annotations":
            found += _annotations(owner, "value", operation.value, pools)
    return found


def _document(root: Node, pools: Mapping[AddressRange, AddressRange]) -> Iterator[Moved]:
    kind = yamledit.scalar(yamledit.get(root, "kind"))
    if kind == "List":
        for item in yamledit.items(yamledit.get(root, "items")):
            yield from _document(item, pools)
    owner = f"{kind} {yamledit.scalar(yamledit.get(root, 'metadata', 'name')) or 'without a name'}"
    if kind == "IPAddressPool":
        for index, node in enumerate(yamledit.items(yamledit.get(root, "spec", "addresses"))):
            yield from _range(owner, f"spec.addresses[{index}]", node, pools)
    elif kind == "Service":
        yield from _annotations(owner, "metadata.annotations", yamledit.get(root, "metadata", "annotations"), pools)
        yield from _pin(owner, "spec.loadBalancerIP", yamledit.get(root, "spec", "loadBalancerIP"), pools)


def _annotations(
    owner: str, where: str, annotations: Node | None, pools: Mapping[AddressRange, AddressRange]
) -> Iterator[Moved]:
    for name in PIN_ANNOTATIONS:
        yield from _pin(owner, f"{where}[{name}]", yamledit.get(annotations, name), pools)


def _range(owner: str, where: str, node: Node, pools: Mapping[AddressRange, AddressRange]) -> Iterator[Moved]:
    written = parse(yamledit.scalar(node) or "")
    new = moved_range(written, pools) if written is not None else None
    if isinstance(node, ScalarNode) and new is not None:
        yield Moved(owner, where, node, str(new))


def _pin(owner: str, where: str, node: Node | None, pools: Mapping[AddressRange, AddressRange]) -> Iterator[Moved]:
    written = yamledit.scalar(node)
    if isinstance(node, ScalarNode) and written is not None:
        value = moved(written, pools)
        if value != written:
            yield Moved(owner, where, node, value)
