"""The series of a synthetic case: names and labels of series that there are, chosen so that they can be joined.

Only a value that a selector asks for and that no series has at the moment is invented, in the labels of a series that there is: a
state that comes with the fault, such as `sync_status="OutOfSync"`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from platform_e2e.checks.alerts.joins import Joins
from platform_e2e.checks.alerts.patterns import sample_of
from platform_e2e.checks.monitoring.series import OF_TARGETS
from platform_e2e.promql import NAME, Matcher, Selector

MOST = 300
"""Series of a selector that are looked at."""

ANCHORS = 3
"""Series from which on those of other selectors are chosen."""

SEVERAL = 6
"""Series of a selector in a case with several."""

OTHER = "other"
"""A value that is not the one that a selector excludes."""

JOINED, OF_JOINED = 20.0, 0.1
"""How much it counts that a label is equal by which two selectors are joined, and that any other one is."""

Labels = Mapping[str, str]


class Source(Protocol):
    """Where the names and labels of series come from: a live Prometheus, or what was recorded from one."""

    def series(self, selector: Selector, most: int) -> Sequence[Labels]:
        """Return the labels of the series that a selector chooses, their name as `__name__`.

        Args:
            selector: the selector.
            most: number of series to return at most.
        """
        ...


@dataclass(frozen=True)
class Chosen:
    """The series that a case has for each selector.

    Attributes:
        series: labels by the selector, as PromQL.
        invented: what no series has now, in a few words each.
    """

    series: Mapping[str, Sequence[Labels]]
    invented: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What there is for a selector.

    Attributes:
        series: that it chooses, or that are as near as can be and have invented values.
        invented: those values.
        lack: why there are none; empty where there are.
    """

    series: Sequence[Labels]
    invented: tuple[str, ...] = ()
    lack: str = ""


def find(selector: Selector, source: Source) -> Found:
    """Return the series of a selector, with values that may yet come where it chooses none."""
    there = source.series(selector, MOST)
    if there:
        return Found(_sorted(there))
    named = Selector(selector.name, tuple(each for each in selector.matchers if each.label == NAME))
    others = _sorted(source.series(named, MOST))
    if not others:
        return Found((), lack=f"no target delivers {selector.metric}")
    invented: list[str] = []
    for matcher in selector.matchers:
        if matcher.label == NAME:
            continue
        fitting = source.series(Selector(selector.name, (*named.matchers, matcher)), MOST)
        if fitting:
            continue
        if matcher.label in OF_TARGETS:
            return Found((), lack=f"no series of {selector.metric} has {matcher}")
        if matcher.positive and not any(matcher.label in each for each in others):
            return Found((), lack=f"no series of {selector.metric} has the label {matcher.label}")
        value = _value_for(matcher)
        if value is None:
            return Found((), lack=f"no value is known that meets {matcher}")
        invented.append(f'{matcher.label}="{value}"')
        others = [{**each, matcher.label: value} for each in others]
    met = _sorted([_meeting(each, selector) for each in others])
    return Found(met, tuple(invented) or (str(selector),))


def _meeting(labels: Labels, selector: Selector) -> Labels:
    """Return labels that have the values that a selector names outright."""
    return {**labels, **{each.label: each.value for each in selector.matchers if each.operator == "=" and each.value}}


def _value_for(matcher: Matcher) -> str | None:
    match matcher.operator:
        case "=":
            return matcher.value
        case "=~":
            return sample_of(matcher.value)
        case _:
            return OTHER if matcher.value != OTHER else f"{OTHER}-{OTHER}"


def _sorted(series: Sequence[Labels]) -> list[Labels]:
    different = {tuple(sorted(each.items())): each for each in series}
    return [different[each] for each in sorted(different)]


def choices(selectors: Mapping[str, Selector], found: Mapping[str, Found], joins: Joins) -> list[Chosen]:
    """Return ways to choose the series of a case, those that can be joined best first.

    Args:
        selectors: of an expression, by name.
        found: what there is for each.
        joins: labels by which two of them are joined.
    """
    there = {key: each for key, each in found.items() if each.series}
    invented = tuple(
        f"{key.partition('{')[0]}: {', '.join(each.invented)}" for key, each in there.items() if each.invented
    )
    if not there:
        return [Chosen({})]
    # The most particular first: what it needs decides the others.
    order = sorted(there, key=lambda key: (-len(selectors[key].matchers), len(there[key].series), key))
    scored = [_from(anchor, order, there, joins) for anchor in _spread(there[order[0]].series)]
    scored.sort(key=lambda each: -each[0])
    single = [Chosen(series, invented) for _, series in scored[:ANCHORS]]
    several = Chosen({key: there[key].series[:SEVERAL] for key in order}, invented)
    return [*single, several]


def _spread(series: Sequence[Labels]) -> Sequence[Labels]:
    """Return a few of many series, from all over them."""
    return series[:: max(1, len(series) // 24)]


def _from(
    anchor: Labels, order: Sequence[str], there: Mapping[str, Found], joins: Joins
) -> tuple[float, dict[str, Sequence[Labels]]]:
    """Return the series that fit one best, and how well they do."""
    taken = {order[0]: anchor}
    total = 0.0
    left = list(order[1:])
    while left:
        # What is joined by labels with something that is there already comes first.
        key = max(left, key=lambda each: sum(bool(joins.get(frozenset({each, other}))) for other in taken))
        left.remove(key)
        score, best = max(
            ((_fits(key, each, taken, joins), number) for number, each in enumerate(there[key].series)),
            key=lambda each: (each[0], -each[1]),
        )
        total += score
        taken[key] = there[key].series[best]
    return total, {key: _whole(taken[key], there[key].series) for key in order}


def _whole(labels: Labels, series: Sequence[Labels]) -> Sequence[Labels]:
    """Return a series, and with it the other buckets of a histogram."""
    if "le" not in labels:
        return [labels]
    mine = {k: v for k, v in labels.items() if k != "le"}
    return [each for each in series if {k: v for k, v in each.items() if k != "le"} == mine]


def _fits(key: str, labels: Labels, taken: Mapping[str, Labels], joins: Joins) -> float:
    """Return how well a series goes with those that are taken."""
    score = 0.0
    for other, theirs in taken.items():
        if dict(theirs) == dict(labels):
            # One series cannot do two things at once.
            score -= 5
        wanted = joins.get(frozenset({key, other}), frozenset())
        for name in (labels.keys() | theirs.keys()) - {NAME}:
            equal = labels.get(name, "") == theirs.get(name, "")
            weight = JOINED if name in wanted else OF_JOINED if wanted else 1.0
            score += weight if equal else -weight / 2
    return score


def by_series(
    chosen: Chosen, selectors: Mapping[str, Selector], wanted: Callable[[str], bool]
) -> Iterator[tuple[Labels, str]]:
    """Yield each series with the selector that decides what it does: the most particular one that has it.

    Args:
        chosen: the series.
        selectors: by name.
        wanted: whether a selector's series are in the case.
    """
    decided: dict[tuple[tuple[str, str], ...], tuple[Labels, str]] = {}
    for key in sorted(filter(wanted, chosen.series), key=lambda key: len(selectors[key].matchers)):
        for labels in chosen.series[key]:
            decided[tuple(sorted(labels.items()))] = labels, key
    yield from decided.values()
