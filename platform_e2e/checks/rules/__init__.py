"""PrometheusRules: each rule is selected, loaded, evaluated without an error, and reads series that exist."""

from __future__ import annotations

from platform_e2e.checks.rules import admission
from platform_e2e.checks.rules.baseline import firing
from platform_e2e.checks.rules.check import figures, unknown, watch, without_watchdog
from platform_e2e.checks.rules.received import lost
from platform_e2e.checks.rules.wanted import WantedRule, of_layer

__all__ = ["WantedRule", "admission", "figures", "firing", "lost", "of_layer", "unknown", "watch", "without_watchdog"]
