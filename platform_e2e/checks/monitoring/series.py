"""The series that a rule reads: which of them there are, and why a selector matches none.

A value of a label that has not been seen may be one that comes with a fault, such as a phase or a code. It is misspelt where its
metric has all values of the label at once; what a state has at one time only, or a counter counts only once it has happened, is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

from platform_e2e.checks import helm_values
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.diagnosis.objects import listed
from platform_e2e.layer import Layer
from platform_e2e.layer.durations import seconds_of
from platform_e2e.promql import Matcher, Selector, narrowed

USUAL = 30.0
"""Seconds between two scrapes where nothing says otherwise (prometheus-operator 0.88.0, Prometheus.spec.scrapeInterval)."""

LOOKBACK = "1h"
"""How far back it is looked whether a series has had several values of a label."""

ALIKE = 0.85
"""How alike two values are of which one is a slip: one letter of seven."""

ALERTS = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
"""Series that Prometheus makes of alerts themselves (rules/alerting.go)."""

COUNTERS = frozenset({"counter", "histogram", "gaugehistogram", "summary"})
"""Types of a metric of which a series may come only with the first event that it counts."""

OF_TARGETS = frozenset({"job", "instance", "namespace", "pod", "service", "container", "endpoint", "node"})
"""Labels that a scrape configuration gives to all series of a target: their values are not states of what is measured."""


class Lack(StrEnum):
    """Why a selector matches nothing, the worst first; what a cause says after what reads the selector, such as `rule`."""

    METRIC = "metric-missing"
    """No target delivers the metric."""
    LABEL = "label-missing"
    """No series of the metric has the label."""
    VALUE = "value-missing"
    """No series of the metric has such a value."""
    TOGETHER = "selector-unmatched"
    """Each condition alone is met, and all of them by no series."""
    UNSEEN = "unseen"
    """No series has had such a value, and one may yet come."""


@dataclass(frozen=True)
class Missing:
    """A selector that matches no series.

    Attributes:
        selector: that matches none.
        lack: why.
        sentence: what there is instead.
    """

    selector: Selector
    lack: Lack
    sentence: str


def delivered(layer: Layer) -> bool:
    """Tell whether targets deliver here what they deliver in production.

    Not where stand-ins run, nor where a foundation of another form was replaced by the harness's own build of its chart.
    """
    return not layer.stand_ins.containers and not any(release.place for release in layer.releases)


def usual_interval(layer: Layer) -> float:
    """Return the seconds between two scrapes that the values of a layer's Prometheus say."""
    said = next(
        helm_values.of_chart(layer, "kube-prometheus-stack", "prometheus", "prometheusSpec", "scrapeInterval"), None
    )
    return seconds_of(str(said)) if said else USUAL


def missing(
    selectors: Iterable[Selector], prometheus: Prometheus, alerts: Sequence[str], *, certain: bool = True
) -> list[Missing]:
    """Return the selectors that match no series, the worst first.

    Args:
        selectors: of an expression.
        prometheus: that evaluates it.
        alerts: names of all alerts, which `ALERTS` has only while one is pending or fires.
        certain: whether all that delivers series in production does so here; else what is not there may yet be.
    """
    found = [told for each in selectors if (told := _missing(each, prometheus, alerts)) is not None]
    if not certain:
        why = "a stand-in or another build may run here in the place of what delivers it"
        found = [replace(each, lack=Lack.UNSEEN, sentence=f"{each.sentence}; {why}") for each in found]
    return sorted(found, key=lambda each: list(Lack).index(each.lack))


def for_certain(found: Sequence[Missing]) -> Missing | None:
    """Return the worst of what is missing; None where all of it may yet come."""
    return next((each for each in found if each.lack is not Lack.UNSEEN), None)


def _missing(selector: Selector, prometheus: Prometheus, alerts: Sequence[str]) -> Missing | None:
    if selector.name in ALERTS:
        return _alert(selector, alerts)
    named = selector.metric
    if not _there(named, prometheus):
        near = get_close_matches(selector.name, prometheus.names(), 1, 0.8) if selector.name else []
        hint = f"; there is {near[0]}" if near else ""
        return Missing(selector, Lack.METRIC, f"no target delivers {named}{hint}")
    others = [each for each in selector.matchers if each.label != "__name__"]
    return _without_label(selector, named, others, prometheus) or _unmet(selector, named, others, prometheus)


def _without_label(
    selector: Selector, named: str, matchers: Sequence[Matcher], prometheus: Prometheus
) -> Missing | None:
    """Return the label of a condition that means nothing where no series has it: not to be a value, or not to be empty."""
    for matcher in matchers:
        if not matcher.positive and matcher.operator != "=" and not prometheus.values(matcher.label, named):
            return Missing(selector, Lack.LABEL, f"no series of {named} has the label {matcher.label}")
    return None


def _unmet(selector: Selector, named: str, matchers: Sequence[Matcher], prometheus: Prometheus) -> Missing | None:
    """Return which conditions no series meets, the worst first; None where one meets all."""
    unseen: list[Missing] = []
    met: list[Matcher] = []
    for matcher in (each for each in matchers if each.positive):
        lack = _unmatched(selector, named, matcher, prometheus)
        if lack is None:
            met.append(matcher)
        elif lack.lack is Lack.UNSEEN:
            unseen.append(lack)
        else:
            return lack
    slips = (_slip(selector, named, each, prometheus) for each in matchers)
    worst = next(filter(None, slips), None) or _not_together(selector, named, met, prometheus)
    return worst or (unseen[0] if unseen else None)


def _not_together(selector: Selector, named: str, met: Sequence[Matcher], prometheus: Prometheus) -> Missing | None:
    """Return that conditions of which each is met are met by no series together."""
    steady = [each for each in met if not _changes(named, each.label, prometheus)]
    if len(steady) <= 1 or _there(narrowed(named, steady), prometheus):
        return None
    together = f"no series of {named} has {listed([str(each) for each in steady])} together"
    return Missing(selector, Lack.TOGETHER, together)


def _slip(selector: Selector, named: str, matcher: Matcher, prometheus: Prometheus) -> Missing | None:
    """Return the value of several, or of those that are not to be, that no series has and that is like one that some have."""
    if matcher.operator == "=":
        return None
    written = matcher.value.split("|") if "~" in matcher.operator else [matcher.value]
    literal = [each for each in written if re.fullmatch(r"[\w.:/-]{4,}", each)]
    had = prometheus.values(matcher.label, f"last_over_time({named}[{LOOKBACK}])") if literal else []
    others = [each for each in had if each not in written]
    for each in literal:
        near = get_close_matches(each, others, 1, ALIKE) if each not in had else []
        # The names of two of a kind are alike.
        if near and re.sub(r"\d+", "", each) != re.sub(r"\d+", "", near[0]):
            said = f"no series of {named} has {matcher.label}={each}; there is {near[0]}"
            return Missing(selector, Lack.VALUE, said)
    return None


def _alert(selector: Selector, alerts: Sequence[str]) -> Missing | None:
    for matcher in selector.matchers:
        if matcher.label == "alertname" and matcher.operator == "=" and matcher.value not in alerts:
            return Missing(selector, Lack.VALUE, f"there is no alert {matcher.value}")
    return None


def _unmatched(selector: Selector, named: str, matcher: Matcher, prometheus: Prometheus) -> Missing | None:
    """Return why no series of a metric meets a condition; None where one does."""
    if _there(narrowed(named, [matcher]), prometheus):
        return None
    values = prometheus.values(matcher.label, named)
    if not values:
        return Missing(selector, Lack.LABEL, f"no series of {named} has the label {matcher.label}")
    near = get_close_matches(matcher.value, values, 1, 0.75) if matcher.operator == "=" else []
    said = f"no series of {named} has {matcher}; there are {listed(values[:5])}" + (
        " and more" if len(values) > 5 else ""
    )
    may_come = _changes(named, matcher.label, prometheus) or (
        prometheus.type_of(selector.name) in COUNTERS and _of_a_target(matcher, prometheus)
    )
    return Missing(selector, Lack.UNSEEN if may_come and not near else Lack.VALUE, said)


def _of_a_target(matcher: Matcher, prometheus: Prometheus) -> bool:
    """Tell whether a condition can be met by what a target counts: on its job only where there is a target of that job."""
    return matcher.label != "job" or _there(narrowed("up", [matcher]), prometheus)


def _changes(named: str, label: str, prometheus: Prometheus) -> bool:
    """Tell whether the value of a label is a state: a series has one at a time, and has had several."""
    if label in OF_TARGETS:
        return False
    one = prometheus.query(f"max(count without ({label}) ({named}))")
    several = prometheus.query(f"max(count without ({label}) (last_over_time({named}[{LOOKBACK}])))")
    return bool(one and several) and one[0].value <= 1 < several[0].value


def _there(selector: str, prometheus: Prometheus) -> bool:
    return bool(prometheus.query(f"count({selector})"))
