"""Address ranges as MetalLB writes them: what the layer states, and what a cluster's network is laid around."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True)
class AddressRange:
    """A range of addresses as a pool writes it, first and last included."""

    first: IPv4Address
    last: IPv4Address

    def __contains__(self, address: object) -> bool:
        """Tell whether the address lies in the range."""
        return isinstance(address, IPv4Address) and self.first <= address <= self.last

    def lies_in(self, other: AddressRange) -> bool:
        """Tell whether it is another range, or a part of it."""
        return self.first in other and self.last in other

    def __str__(self) -> str:
        """Write it as MetalLB does, first-last."""
        return f"{self.first}-{self.last}"

    @classmethod
    def parse(cls, text: str) -> AddressRange:
        """Read `first-last` or a CIDR.

        Raises:
            ValueError: it is neither, or the last address comes before the first.
        """
        first, dash, last = (part.strip() for part in text.partition("-"))
        if dash:
            found = cls(IPv4Address(first), IPv4Address(last))
        else:
            network = IPv4Network(first, strict=False)
            found = cls(network.network_address, network.broadcast_address)
        if found.last < found.first:
            raise ValueError(f"{text} ends before it begins")
        return found
