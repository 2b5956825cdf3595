"""Alerts: each fires when it must and not otherwise, and what fires reaches a receiver."""

from __future__ import annotations

from platform_e2e.checks.alerts import kept, loaded, probe, routing
from platform_e2e.checks.alerts.check import check, figures, of_layer, unknown
from platform_e2e.checks.alerts.live import LiveSeries
from platform_e2e.checks.alerts.synthetic import DIRECTORY, Synthetic

__all__ = [
    "DIRECTORY",
    "LiveSeries",
    "Synthetic",
    "check",
    "figures",
    "kept",
    "loaded",
    "of_layer",
    "probe",
    "routing",
    "unknown",
]
