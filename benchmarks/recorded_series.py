"""Series that were recorded from a live Prometheus, as a source for cases of alerts without a cluster."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from platform_e2e.promql import NAME, Matcher, Selector

Labels = Mapping[str, str]


class RecordedSeries:
    """A source of series (`platform_e2e.checks.alerts.populations.Source`).

    Args:
        series: labels of each, the name as `__name__`.
    """

    def __init__(self, series: Iterable[Labels]) -> None:
        self._by_name: dict[str, list[Labels]] = defaultdict(list)
        for each in series:
            self._by_name[each[NAME]].append(each)

    @classmethod
    def read(cls, path: Path) -> RecordedSeries:
        """Read a file with the answer of /api/v1/series."""
        return cls(json.loads(path.read_text(encoding="utf-8"))["data"])

    def series(self, selector: Selector, most: int) -> Sequence[Labels]:
        """Return the labels of the series that a selector chooses."""
        some = [self._by_name.get(selector.name, [])] if selector.name else list(self._by_name.values())
        found = [each for several in some for each in several if all(_meets(each, m) for m in selector.matchers)]
        return found[:most]


def _meets(labels: Labels, matcher: Matcher) -> bool:
    value = labels.get(matcher.label, "")
    match matcher.operator:
        case "=":
            return value == matcher.value
        case "!=":
            return value != matcher.value
        case "=~":
            return re.fullmatch(matcher.value, value) is not None
        case _:
            return re.fullmatch(matcher.value, value) is None
