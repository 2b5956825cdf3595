"""Limits that a team states for its own monitoring in platform-e2e.yaml; what it does not limit is not judged."""

from __future__ import annotations

from dataclasses import dataclass

from platform_e2e.layer.durations import seconds_of


@dataclass(frozen=True)
class Limits:
    """What alerts and scrapes of a layer may be at most; None where the team says nothing.

    Attributes:
        criticalFor: how long a fault may last until an alert with the label `severity: critical` fires, such as `5m`.
        scrapeDuration: how long a scrape may take, such as `5s`.
        samplesPerScrape: samples that a target may deliver, before metric relabelling.
        labelsPerSeries: labels that a series may have, without its name.
    """

    criticalFor: str | None = None  # noqa: N815 - the name in the file
    scrapeDuration: str | None = None  # noqa: N815
    samplesPerScrape: int | None = None  # noqa: N815
    labelsPerSeries: int | None = None  # noqa: N815

    @property
    def critical_seconds(self) -> float | None:
        """Return the seconds of `criticalFor`."""
        return None if self.criticalFor is None else seconds_of(self.criticalFor)

    @property
    def scrape_seconds(self) -> float | None:
        """Return the seconds of `scrapeDuration`."""
        return None if self.scrapeDuration is None else seconds_of(self.scrapeDuration)


DURATIONS = ("criticalFor", "scrapeDuration")
"""Fields that are durations."""
