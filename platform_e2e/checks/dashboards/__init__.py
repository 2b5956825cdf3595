"""Grafana's dashboards: each is one that the sidecar finds, with datasources that there are, and panels whose queries have series."""

from __future__ import annotations

from platform_e2e.checks.dashboards import grafana
from platform_e2e.checks.dashboards.check import figures, shared_uids, unknown, watch
from platform_e2e.checks.dashboards.wanted import WantedDashboard, of_layer

__all__ = ["WantedDashboard", "figures", "grafana", "of_layer", "shared_uids", "unknown", "watch"]
