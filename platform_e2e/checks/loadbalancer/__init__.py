"""The promise `loadbalancer`: what a Service must have, what is observed of it, and the first link of the chain that is broken."""

from __future__ import annotations

from platform_e2e.checks.loadbalancer.check import figures, has_address, is_pending, typed, unplanned, watch
from platform_e2e.checks.loadbalancer.observe import ObservedService, Outside, WantedService, asking

__all__ = [
    "ObservedService",
    "Outside",
    "WantedService",
    "asking",
    "figures",
    "has_address",
    "is_pending",
    "typed",
    "unplanned",
    "watch",
]
