"""The series that a live Prometheus has, or had in the last hour, as a source for cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.series import LOOKBACK
from platform_e2e.promql import NAME, Selector

_KEPT = "platform_e2e_name"
"""A label that has the name of a series where a selector does not."""


class LiveSeries:
    """Series of a live Prometheus (`populations.Source`).

    Args:
        prometheus: that has them.
    """

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus

    def series(self, selector: Selector, most: int) -> Sequence[Mapping[str, str]]:
        """Return the labels of the series that a selector chooses, or chose in the last hour where it chooses none now."""
        for text in (str(selector), f"last_over_time({selector}[{LOOKBACK}])"):
            named = text if selector.name else f'label_replace({text}, "{_KEPT}", "$1", "{NAME}", "(.+)")'
            found = [
                _labels(sample.labels, selector.name) for sample in self._prometheus.query(f"topk({most}, {named})")
            ]
            if found:
                return found
        return []


def _labels(labels: Mapping[str, str], name: str) -> Mapping[str, str]:
    rest = {key: value for key, value in labels.items() if key != _KEPT}
    return {NAME: name or labels.get(_KEPT, ""), **rest}
