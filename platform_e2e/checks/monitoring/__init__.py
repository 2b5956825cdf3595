"""The promise `monitoring`: what a monitor must have, what is observed of it, and the first link of the chain that is broken."""

from __future__ import annotations

from platform_e2e.checks.monitoring.check import figures, unknown, watch
from platform_e2e.checks.monitoring.observe import SAMPLES, ObservedMonitor, WantedMonitor

__all__ = [
    "SAMPLES",
    "ObservedMonitor",
    "WantedMonitor",
    "figures",
    "unknown",
    "watch",
]
