"""Durations as Prometheus writes them, `1m30s`."""

from __future__ import annotations

import re

DURATION = re.compile(r"(\d+)(ms|[ywdhms])")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, "y": 365 * 86400.0}
"""A number and its unit, and the seconds of each unit (prometheus/common, model.ParseDuration)."""


def seconds_of(duration: str) -> float:
    """Return how long a duration is that is written as in a ServiceMonitor; 0 where none is written."""
    return sum(int(number) * UNITS[unit] for number, unit in DURATION.findall(duration))


def is_duration(text: str) -> bool:
    """Tell whether a text is nothing but a duration."""
    return bool(text) and DURATION.sub("", text) == ""
