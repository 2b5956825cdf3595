"""MetalLB's address sharing: whether two Services may have one address together, by the rules of MetalLB 0.15.3.

Sources: controller/service.go (SharingKey), internal/allocator/k8salloc (Ports, BackendKey), internal/allocator/allocator.go
(sharingOK, checkSharing).
"""

from __future__ import annotations

from dataclasses import dataclass

from platform_e2e.diagnosis.explain.metallb_pools import PREFIXES, annotated
from platform_e2e.diagnosis.objects import at, listed, name_of
from platform_e2e.kube.objects import Object

SHARING = f"{PREFIXES[0]}/allow-shared-ip"
"""Services with the same value may have one address together, if nothing else keeps them from it."""


@dataclass(frozen=True)
class Refusal:
    """Why two Services cannot share an address.

    Attributes:
        why: as a clause; empty where neither says that it would.
        remedy: what would let them.
    """

    why: str
    remedy: str


def sharing_key(service: Object) -> str:
    """Return the key by which a Service agrees to share its address; empty where it does not."""
    return annotated(service, "allow-shared-ip")


def refusal(service: Object, holder: Object) -> Refusal | None:
    """Return why a Service cannot share the address that another has; None where it can.

    Args:
        service: that asks for the address.
        holder: that has it.
    """
    mine, its = sharing_key(service), sharing_key(holder)
    one, other = name_of(service), name_of(holder)
    if not mine and not its:
        return Refusal("", f"let both share it, with the same value of {SHARING}")
    if not mine or not its:
        willing, unwilling = (one, other) if mine else (other, one)
        return Refusal(
            f"only {willing} agrees to share it ({SHARING}: {mine or its})",
            f"write {SHARING}: {mine or its} into {unwilling} too",
        )
    if mine != its:
        return Refusal(
            f"their sharing keys differ: {mine} of {one}, {its} of {other}", f"give both the same value of {SHARING}"
        )
    return _policies(service, holder) or _ports(service, holder)


def _policies(service: Object, holder: Object) -> Refusal | None:
    """Return why the traffic policies keep two Services with the same key from sharing."""
    mine, its = _policy(service), _policy(holder)
    agreed = f"both agree to share it ({SHARING}: {sharing_key(service)})"
    if mine != its:
        why = f"externalTrafficPolicy is {mine} of {name_of(service)} and {its} of {name_of(holder)}"
        same = "give both externalTrafficPolicy: Cluster, or both Local with the same selector"
        # With an empty selector Local is as good as Cluster (BackendKey).
        return (
            Refusal(f"{agreed}, but MetalLB refuses, since {why}", same)
            if _backend(service) != _backend(holder)
            else None
        )
    if _backend(service) != _backend(holder):
        why = f"externalTrafficPolicy is Local and their selectors differ: {_pairs(service)}, {_pairs(holder)}"
        return Refusal(
            f"{agreed}, but MetalLB refuses, since {why}",
            "give both the same spec.selector, or externalTrafficPolicy: Cluster",
        )
    return None


def _policy(service: Object) -> str:
    return str(at(service, "spec", "externalTrafficPolicy") or "Cluster")


def _backend(service: Object) -> str:
    """Return what must be the same of Services that share: the selector, where traffic stays on the node."""
    return _pairs(service) if _policy(service) == "Local" else ""


def _pairs(service: Object) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted((at(service, "spec", "selector") or {}).items()))


def _ports(service: Object, holder: Object) -> Refusal | None:
    """Return which port two Services would have on one address."""
    taken = _numbers(holder)
    both = [f"{protocol} {number}" for protocol, number in _numbers(service) if (protocol, number) in taken]
    if not both:
        return None
    why = f"both agree to share it ({SHARING}: {sharing_key(service)}), but both have port {listed(both)}"
    return Refusal(why, "give one of them another port")


def _numbers(service: Object) -> list[tuple[str, int]]:
    return [(str(port.get("protocol") or "TCP"), int(port["port"])) for port in at(service, "spec", "ports") or ()]
