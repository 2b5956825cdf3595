"""Between which values the samples of a metric lie: by its type and help, and by what they have been."""

from __future__ import annotations

import math
import re

from platform_e2e.checks.expressions.bounds import ANY, ONE, POSITIVE, SHARE, Bounds
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.series import ALERTS, LOOKBACK

COUNTERS = frozenset({"counter", "histogram", "summary"})
"""Types whose samples are not negative."""

_HELPS = (
    (re.compile(r"\b(?:information about|always 1|constant '?1'?)\b", re.IGNORECASE), ONE),
    (
        re.compile(
            r"\b(?:whether|boolean|1 if|1 when|0 or 1|1 or 0|1 for|current phase|the condition of|reason the)\b"
            r"|=\s?1\b|\bis 1\b",
            re.IGNORECASE,
        ),
        SHARE,
    ),
    (re.compile(r"\b(?:number|count|amount|total) of\b", re.IGNORECASE), POSITIVE),
)
"""How helps say that only labels tell something (OpenMetrics, Info), that a sample is 1 or 0, or that something is counted.

They are those of kube-state-metrics, of Kubernetes and of the foundations.
"""


class Delivered:
    """What targets deliver.

    Args:
        prometheus: that has scraped them.
    """

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus

    def samples(self, name: str) -> Bounds:
        """Return between which values the samples of a metric lie; anywhere where nothing tells."""
        if name in ALERTS:
            return ONE
        if self._prometheus.type_of(name) in COUNTERS:
            return POSITIVE
        told = self._told(name)
        seen = [] if told == ANY else self._seen(name)
        # What it has been may say otherwise: some use -1.
        inside = bool(seen) and all(told[0] <= value <= told[1] for value in seen)
        whole = told != SHARE or all(value in {0.0, 1.0} for value in seen)
        return told if inside and whole else ANY

    def _told(self, name: str) -> Bounds:
        if name == "up" or name.endswith("_bool"):
            return SHARE
        text = self._prometheus.help_of(name)
        return next((bounds for pattern, bounds in _HELPS if pattern.search(text)), ANY)

    def _seen(self, name: str) -> list[float]:
        """Return the least and the greatest sample of an hour."""
        return [
            sample.value
            for most in ("min", "max")
            for sample in self._prometheus.query(f"{most}({most}_over_time({name}[{LOOKBACK}]))")
        ]

    def buckets(self, name: str) -> Bounds:
        """Return between which values the finite buckets of a histogram lie; anywhere where it has none."""
        bounds = [float(each) for each in self._prometheus.values("le", name)]
        finite = [each for each in bounds if math.isfinite(each)]
        return (min(0.0, *finite), max(finite)) if finite else ANY
