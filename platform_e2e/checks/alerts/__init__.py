"""Alerts: each fires when it must and not otherwise, and what fires reaches a receiver."""

from __future__ import annotations

from platform_e2e.checks.alerts import loaded, probe, routing
from platform_e2e.checks.alerts.wanted import of_layer

__all__ = ["loaded", "of_layer", "probe", "routing"]
