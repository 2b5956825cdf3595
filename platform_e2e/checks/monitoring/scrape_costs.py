"""What scrapes cost: how long they take, and how many samples and labels come, against the limits that the team states.

Prometheus adds the first two as series of each target (docs, concepts/jobs_instances); labels are counted in the series themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from platform_e2e.checks.monitoring.prometheus import Prometheus, ScrapeTarget
from platform_e2e.layer.limits import Limits

DURATION, SCRAPED = "scrape_duration_seconds", "scrape_samples_scraped"


@dataclass(frozen=True)
class ScrapeCost:
    """The cost of one target's scrape.

    Attributes:
        target: that is scraped.
        seconds: that the last scrape took; None where that is not known.
        samples: that it delivered, before metric relabelling; None where that is not known.
        metric: with the most labels; empty where they are not counted.
        labels: that its series have at most, without the name.
    """

    target: ScrapeTarget
    seconds: float | None = None
    samples: int | None = None
    metric: str = ""
    labels: int = 0


def costs(targets: Sequence[ScrapeTarget], limits: Limits, prometheus: Prometheus) -> list[ScrapeCost]:
    """Return what the scrapes of targets cost, as far as the team limits it; nothing where it does not.

    Args:
        targets: that are up.
        limits: of the team.
        prometheus: that scrapes them.
    """
    if not targets or (limits.scrape_seconds, limits.samplesPerScrape, limits.labelsPerSeries) == (None, None, None):
        return []
    took = {each.identity: each.value for each in prometheus.query(DURATION)}
    came = {each.identity: int(each.value) for each in prometheus.query(SCRAPED)}
    return [
        ScrapeCost(
            target, took.get(target.identity), came.get(target.identity), *_most_labels(target, limits, prometheus)
        )
        for target in targets
    ]


def _most_labels(target: ScrapeTarget, limits: Limits, prometheus: Prometheus) -> tuple[str, int]:
    """Return the metric of a target with the most labels, and how many."""
    if limits.labelsPerSeries is None:
        return "", 0
    chosen = ", ".join(f'{label}="{target.labels[label]}"' for label in ("job", "instance") if label in target.labels)
    counts = prometheus.label_counts(f"{{{chosen}}}") if chosen else {}
    return max(counts.items(), key=lambda each: (each[1], each[0]), default=("", 0))


def over(cost: ScrapeCost, limits: Limits) -> tuple[str, str, str, str] | None:
    """Return the cause's id, the value, the limit and its name in platform-e2e.yaml of what is too much; None where nothing is."""
    seconds, samples, labels = limits.scrape_seconds, limits.samplesPerScrape, limits.labelsPerSeries
    if seconds is not None and cost.seconds is not None and cost.seconds > seconds:
        return "scrape-too-slow", f"takes {cost.seconds:.3g} s", f"{seconds:g} s", "scrapeDuration"
    if samples is not None and cost.samples is not None and cost.samples > samples:
        return "scrape-too-large", f"delivers {cost.samples} samples", f"{samples}", "samplesPerScrape"
    if labels is not None and cost.labels > labels:
        return "series-too-wide", f"delivers {cost.metric} with {cost.labels} labels", f"{labels}", "labelsPerSeries"
    return None
