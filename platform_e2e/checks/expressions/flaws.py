"""What cannot be right of an expression, whatever is measured: each is one cause of a rule, and one of a dashboard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from platform_e2e.checks.expressions.read import CLUSTER, DELTAS, RATES, ReadExpression
from platform_e2e.checks.monitoring.series import for_certain
from platform_e2e.diagnosis.objects import listed

SCRAPES = 4
"""Scrapes that a window of a rate must have at least: with two in it, one that fails leaves none (Grafana's $__rate_interval)."""

NEAR = 0.8
"""How alike two names are of which one is a slip: one letter of five."""

HOUR = 3600.0

SEVERAL = RATES | DELTAS | {"changes", "resets"}
"""Functions that compare samples of a window with each other."""

WHOLE = frozenset({"rate", "increase", "delta", "sum_over_time", "count_over_time", "changes", "resets"})
"""Functions whose result is wrong where a part of their window is not kept."""


@dataclass(frozen=True)
class Flaw:
    """One thing that cannot be right.

    Attributes:
        kind: what a cause says after `rule` or `dashboard`, such as `window-short`.
        expected, observed: in a few words.
        sentence: what a cause says after the name of the rule or panel.
        remedy: what to do.
    """

    kind: str
    expected: str
    observed: str
    sentence: str
    remedy: str


def reads(seen: ReadExpression) -> Flaw | None:
    """Judge whether there are series for all that it reads."""
    told = for_certain(seen.missing)
    if told is None:
        return None
    sentence = f"reads {told.selector}: {told.sentence}"
    remedy = "correct the selector, or scrape what delivers it"
    return Flaw(str(told.lack), f"series for {told.selector}", "none", sentence, remedy)


def fails(seen: ReadExpression) -> Flaw | None:
    """Judge whether it can be evaluated also when all of its conditions are met."""
    if not seen.error:
        return None
    sentence = f"cannot be evaluated once its conditions are met: {seen.error}"
    remedy = "let on (...) name labels that are one series each, or add group_left"
    return Flaw("fails-when-met", "a result whatever is measured", "an error", sentence, remedy)


def labels(seen: ReadExpression) -> Flaw | None:
    """Judge whether series have each label that it names to group or to join them."""
    there = seen.labels | seen.made
    if seen.missing or not seen.labels or seen.transient:
        return None
    for each in seen.named:
        if each.label in there or each.label == CLUSTER:
            continue
        near = misspelt(each.label, there)
        if near or not each.condition:
            hint = f"; there is {near}" if near else ""
            sentence = f"names the label {each.label} in {each.place}, which no series has that it reads{hint}"
            remedy = f"write {near}" if near else "name a label that they have, or leave it out"
            return Flaw("label-unknown", f"a label of what it reads: {near or 'any'}", each.label, sentence, remedy)
    return None


def misspelt(label: str, there: frozenset[str]) -> str | None:
    """Return the label that is meant by one that is not there; None where it is like none.

    Args:
        label: that no series has.
        there: labels that series have.
    """
    found = get_close_matches(label, sorted(there | {CLUSTER}), 1, NEAR)
    return found[0] if found else None


def windows(seen: ReadExpression) -> Flaw | None:
    """Judge whether each window has enough scrapes, and is kept."""
    for each in seen.expression.selectors if seen.expression else ():
        interval, window = seen.intervals.get(each.name, 0.0), each.window
        if window is None:
            continue
        if each.function in SEVERAL and window < SCRAPES * interval:
            sentence = (
                f"takes {each.function} of {each.name} over {window:g} s, and it is scraped every {interval:g} s: "
                "one scrape that fails leaves nothing to compare"
            )
            remedy = f"take a window of at least {SCRAPES * interval:g} s"
            return Flaw(
                "window-short",
                f"a window of {SCRAPES} scrapes",
                f"one of {window / interval:.2g}",
                sentence,
                remedy,
            )
        if each.function in WHOLE and 0.0 < seen.kept < window:
            kept = f"{seen.kept / HOUR:g} h"
            sentence = (
                f"takes {each.function} of {each.name} over {window / HOUR:g} h, and Prometheus keeps {kept}: "
                "the result is that of a shorter time"
            )
            remedy = "take a shorter window, or keep more (prometheusSpec.retention)"
            return Flaw("window-unkept", f"a window of at most {kept}", f"one of {window / HOUR:g} h", sentence, remedy)
    return None


def types(seen: ReadExpression) -> Flaw | None:
    """Judge whether functions of counters are taken of counters, and those of gauges of gauges."""
    for each in seen.expression.selectors if seen.expression else ():
        kind = seen.types.get(each.name, "")
        if kind == "gauge" and each.function in RATES:
            instead, flaw = "delta or deriv", "rate-of-gauge"
        elif kind == "counter" and each.function in DELTAS:
            instead, flaw = "rate or increase", "delta-of-counter"
        else:
            continue
        sentence = f"takes {each.function} of {each.name}, which its targets call a {kind}"
        return Flaw(flaw, f"{instead} of a {kind}", each.function, sentence, f"use {instead}, or another metric")
    return None


def joins(seen: ReadExpression) -> Flaw | None:
    """Judge whether the sides of each join have series with equal labels."""
    if not seen.unjoined:
        return None
    join = seen.unjoined[0]
    how = join.matching or "all labels"
    sentence = f"joins {join.left} by {join.operator} with {join.right}: both have series, and none are equal in {how}"
    remedy = "name by on (...) the labels that both have"
    return Flaw("join-unmatched", "series that can be joined", "none", sentence, remedy)


def ambiguous(seen: ReadExpression) -> Flaw | None:
    """Judge whether a join compares all labels by which the side that must be unique is."""
    if not seen.ambiguous:
        return None
    told = seen.ambiguous[0]
    names = listed(sorted(told.labels))
    sentence = (
        f"joins {told.matching} with {told.side}, which has a series for each {names}: "
        "where there are two of them, nothing is evaluated"
    )
    remedy = f"name {names} in {told.matching.partition(' ')[0]} (...), or leave them out of the other side"
    return Flaw("join-ambiguous", "one series for each that is joined", f"one for each {names}", sentence, remedy)


def thresholds(seen: ReadExpression) -> Flaw | None:
    """Judge whether each comparison depends on what is measured."""
    if not seen.idle:
        return None
    told = seen.idle[0]
    comparison = f"{told.operator} {told.value:g}"
    sentence = f"compares {told.side} {comparison}, which is {told.outcome}: it is {told.lies}"
    remedy = "compare with a value that it can have"
    return Flaw("threshold-idle", f"a value that it can have: it is {told.lies}", comparison, sentence, remedy)


FLAWS: tuple[Callable[[ReadExpression], Flaw | None], ...] = (
    reads,
    labels,
    windows,
    types,
    thresholds,
    joins,
    ambiguous,
    fails,
)
"""What is asked of an expression, what explains the others first."""


def first_flaw(seen: ReadExpression) -> Flaw | None:
    """Return the first of what cannot be right."""
    return next(filter(None, (judge(seen) for judge in FLAWS)), None)
