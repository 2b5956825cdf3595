"""Every rule is selected, loaded, evaluated without an error, and reads series that there are; no alert fires for nothing.

A rule has at most one finding: that of the first link of the chain which is broken.
"""

from __future__ import annotations

from typing import Any

from platform_e2e.checks import helm_values
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.series import Lack, delivered, for_certain
from platform_e2e.checks.polling import seen_until_no_findings
from platform_e2e.checks.rules.observe import DELTAS, RATES, USUAL, ObservedRule, observe
from platform_e2e.checks.rules.wanted import WantedRule, of_layer
from platform_e2e.diagnosis.causes import OBJECT_MISSING
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.durations import seconds_of
from platform_e2e.layer.renderer import Reason
from platform_e2e.promql import PromQLError, parse

SCRAPES = 4
"""Scrapes that a window of a rate must have at least: with two in it, one that fails leaves none (Grafana's $__rate_interval)."""

Problem = tuple[str, str, Cause] | None
"""Expected, observed and cause, or None where the link holds."""


def check(wanted: WantedRule, seen: ObservedRule, layer: Layer) -> list[Finding]:
    """Return the finding of the first link that is broken, or an empty list.

    Args:
        wanted: the rule.
        seen: what was seen of it.
        layer: that has it.
    """
    if seen.elsewhere:
        return []
    ready = seen.rule is not None and seen.cause is None
    twice = _recorded_twice(wanted, layer) or _too_late(wanted, layer) if ready else None
    problem = twice or next(filter(None, (link(wanted, seen) for link in LINKS)), None)
    if problem is None:
        return []
    expected, observed, cause = problem
    located = layer.located(cause, wanted.rendered)
    return [Finding(str(wanted.rendered), Promise.RULES, expected, observed, located, {"rule": wanted.name})]


def watch(
    wanted: WantedRule, layer: Layer, view: ReadApi, prometheus: Prometheus, *, timeout: float
) -> tuple[ObservedRule, list[Finding]]:
    """Look at a rule until nothing is wrong or waiting no longer helps; return what was seen and found last.

    Args:
        wanted: the rule.
        layer: that has it.
        view: of the cluster.
        prometheus: that evaluates it.
        timeout: seconds.
    """
    alerts = [each.alert for each in of_layer(layer)]
    certain, usual = delivered(layer), _usual_interval(layer)
    return seen_until_no_findings(
        lambda: observe(wanted, view, prometheus, alerts, certain=certain, usual=usual),
        lambda seen: check(wanted, seen, layer),
        timeout=timeout,
        what=f"{wanted} is evaluated",
    )


def _usual_interval(layer: Layer) -> float:
    """Return the seconds between two scrapes that the values of a layer's Prometheus say."""
    said = next(
        helm_values.of_chart(layer, "kube-prometheus-stack", "prometheus", "prometheusSpec", "scrapeInterval"), None
    )
    return seconds_of(str(said)) if said else USUAL


def unknown(wanted: WantedRule, seen: ObservedRule) -> NotJudged | None:
    """Return what of a rule without a finding is not proven: an expression that cannot be read, or a value that may yet come."""
    if seen.elsewhere:
        problem = f"{seen.elsewhere} evaluates {wanted}, which is not asked here"
        remedy = "look at the rules of the ThanosRuler, and accept it in platform-e2e.yaml"
    else:
        unseen = next((each for each in seen.missing if each.lack is Lack.UNSEEN), None)
        if not seen.unread and unseen is None:
            return None
        problem = (
            f"{wanted} reads {unseen.selector}: {unseen.sentence}"
            if unseen
            else f"the expression of {wanted} cannot be read here: {seen.unread}"
        )
        remedy = f"see that it comes with the fault that {wanted} is for, and accept it in platform-e2e.yaml"
    where = wanted.rendered
    return NotJudged(str(where), Reason.SERIES, problem, remedy, where.file, where.line, ())


def figures(wanted: WantedRule, seen: ObservedRule) -> dict[str, Any]:
    """Return what the verdict's table shows of a rule."""
    if seen.expression is None:
        return {}
    return {"alerts" if wanted.alert else "recorded": 1, "selectors": len(seen.expression.selectors)}


def without_watchdog(layer: Layer, prometheus: Prometheus) -> list[Finding]:
    """Return the finding that no alert always fires, which would show its receiver that alerting works.

    Args:
        layer: that may have alerts.
        prometheus: that evaluates them, and those of its release.
    """
    alerts = [rule for rule in of_layer(layer) if rule.alert]
    if not alerts or any(rule.state == "firing" and is_constant(rule.query) for rule in prometheus.rules()):
        return []
    first = alerts[0].rendered
    cause = Cause(
        "alerting-without-watchdog",
        f"none of {len(alerts)} alerts fires always: where alerting itself is broken, nothing tells of it",
        "add an alert with the expression vector(1), and let a receiver miss it",
    )
    expected = "an alert that fires always"
    return [Finding(str(first), Promise.RULES, expected, "there is none", layer.located(cause, first))]


def is_constant(expression: str) -> bool:
    """Tell whether an expression reads no series, so that an alert on it fires always or never."""
    try:
        return parse(expression).constant
    except PromQLError:
        return False


def _recorded_twice(wanted: WantedRule, layer: Layer) -> Problem:
    """Judge a rule that records what an earlier one records with the same labels: samples of one time, of which one is refused."""
    if not wanted.record:
        return None
    mine = (wanted.record, wanted.texts("labels"))
    other = next(each for each in of_layer(layer) if (each.record, each.texts("labels")) == mine)
    if other == wanted:
        return None
    where = other.rendered.place(*other.field("record"))
    cause = Cause(
        "rule-recorded-twice",
        f"{wanted.rendered} records {wanted.record}, which {other.rendered} records too ({where}), with the same labels",
        "record it under another name, or with a label that tells them apart",
        field=wanted.field("record"),
    )
    return f"one rule that records {wanted.record}", "two", cause


def _too_late(wanted: WantedRule, layer: Layer) -> Problem:
    """Judge how long a fault lasts until a critical alert fires: `for` of the alert, against the limit that the team states."""
    limit, after = layer.limits.critical_seconds, seconds_of(str(wanted.entry.get("for") or ""))
    if limit is None or not wanted.alert or wanted.texts("labels").get("severity") != "critical" or after <= limit:
        return None
    cause = Cause(
        "alert-too-late",
        f"{wanted} is critical and fires only after {wanted.entry['for']} of a fault, and the team's limit criticalFor is "
        f"{layer.limits.criticalFor}",
        "lower its `for`, give it another severity, or raise criticalFor in platform-e2e.yaml",
        field=wanted.field("for"),
    )
    return f"it fires within {layer.limits.criticalFor}", f"it waits for {wanted.entry['for']}", cause


def _exists(_wanted: WantedRule, seen: ObservedRule) -> Problem:
    if seen.rule is not None:
        return None
    sentence = "the PrometheusRule is in Git and not in the cluster"
    return "it exists", "it does not", Cause(OBJECT_MISSING, sentence, "look at the Application that renders it")


def _selected(_wanted: WantedRule, seen: ObservedRule) -> Problem:
    return None if seen.cause is None else ("Prometheus takes it", "it does not", seen.cause)


def _loaded(wanted: WantedRule, seen: ObservedRule) -> Problem:
    if seen.loaded is not None:
        return None
    had = (
        "the group is there without it, or with another expression"
        if wanted.group in seen.groups
        else "it has no such group"
    )
    cause = Cause(
        "rule-not-loaded",
        f"Prometheus has not loaded {wanted} of the group {wanted.group}: {had}",
        "look at the log of the Prometheus operator and of the pod's config-reloader",
        field=wanted.field(),
    )
    return f"{wanted} is loaded", "it is not", cause


def _healthy(wanted: WantedRule, seen: ObservedRule) -> Problem:
    rule = seen.loaded
    if rule is None or rule.health != "err":
        return None
    sentence = f"{wanted} cannot be evaluated: {rule.error}"
    remedy = "correct the expression"
    return "it is evaluated", "an error", Cause("rule-failing", sentence, remedy, field=wanted.field("expr"))


def _evaluated(wanted: WantedRule, seen: ObservedRule) -> Problem:
    rule = seen.loaded
    if rule is None or seen.since is None or (rule.evaluated is not None and rule.evaluated > seen.since):
        return None
    last = f"last at {rule.evaluated:%H:%M:%S}, before its last change, or too long ago" if rule.evaluated else "never"
    sentence = f"{wanted} was evaluated {last}"
    remedy = "look whether Prometheus is overloaded, and at the interval of the group"
    cause = Cause("rule-not-evaluated", sentence, remedy, field=("spec", "groups", wanted.at[0], "interval"))
    return f"an evaluation after {seen.since:%H:%M:%S}", "none", cause


def _reads(wanted: WantedRule, seen: ObservedRule) -> Problem:
    told = for_certain(seen.missing)
    if told is None:
        return None
    cause = Cause(
        f"rule-{told.lack}",
        f"{wanted} reads {told.selector}: {told.sentence}",
        "correct the selector, or scrape what delivers it",
        field=wanted.field("expr"),
    )
    return f"series for {told.selector}", "none", cause


def _windows(wanted: WantedRule, seen: ObservedRule) -> Problem:
    for each in seen.expression.selectors if seen.expression else ():
        interval = seen.intervals.get(each.name, 0.0)
        if each.window is None or each.function not in RATES | DELTAS or each.window >= SCRAPES * interval:
            continue
        cause = Cause(
            "rule-window-short",
            f"{wanted} takes {each.function} of {each.name} over {each.window:g} s, and it is scraped every {interval:g} s: "
            "one scrape that fails leaves nothing to compare",
            f"take a window of at least {SCRAPES * interval:g} s",
            field=wanted.field("expr"),
        )
        return f"a window of {SCRAPES} scrapes", f"one of {each.window / interval:.2g}", cause
    return None


def _types(wanted: WantedRule, seen: ObservedRule) -> Problem:
    for each in seen.expression.selectors if seen.expression else ():
        kind = seen.types.get(each.name, "")
        if kind == "gauge" and each.function in RATES:
            instead, cause = "delta or deriv", "rule-rate-of-gauge"
        elif kind == "counter" and each.function in DELTAS:
            instead, cause = "rate or increase", "rule-delta-of-counter"
        else:
            continue
        sentence = f"{wanted} takes {each.function} of {each.name}, which its targets call a {kind}"
        remedy = f"use {instead}, or another metric"
        return f"{instead} of a {kind}", each.function, Cause(cause, sentence, remedy, field=wanted.field("expr"))
    return None


def _joins(wanted: WantedRule, seen: ObservedRule) -> Problem:
    if not seen.unjoined:
        return None
    join = seen.unjoined[0]
    how = join.matching or "all labels"
    cause = Cause(
        "rule-join-unmatched",
        f"{wanted} joins {join.left} by {join.operator} with {join.right}: both have series, and none are equal in {how}",
        "name by on (...) the labels that both have",
        field=wanted.field("expr"),
    )
    return "series that can be joined", "none", cause


def _templates(wanted: WantedRule, seen: ObservedRule) -> Problem:
    if seen.expression is None or any(each.lack is Lack.UNSEEN for each in seen.missing):
        return None
    for field, name, label in wanted.templated:
        if not seen.expression.labels.may_have(label, seen.labels):
            cause = Cause(
                "rule-template-label",
                f"the {field[:-1]} {name} of {wanted} names the label {label}, which its expression does not return",
                "keep the label in the expression, or leave it out of the text",
                field=wanted.field(field, name),
            )
            return f"{label} among the labels", "it is not", cause
    return None


def _fires(wanted: WantedRule, seen: ObservedRule) -> Problem:
    """Judge an alert that fires; one that will, since it asks for what there is not, is judged before its time."""
    rule, expression = seen.loaded, seen.expression
    if rule is None or expression is None or expression.constant or (seen.missing and not seen.certain):
        return None
    lack = for_certain(seen.missing)
    if rule.state != "firing" and (rule.state != "pending" or lack is None):
        return None
    why = f"it reads {lack.selector}, and {lack.sentence}" if lack else "and nothing else of the platform is broken"
    cause = Cause(
        "alert-firing",
        f"{wanted} {'fires' if rule.state == 'firing' else 'is about to fire'}{':' if lack else ','} {why}",
        "correct its expression or its threshold, or mend what it tells of",
        field=wanted.field("expr"),
    )
    return "it does not fire", f"it is {rule.state}", cause


LINKS = (_exists, _selected, _loaded, _healthy, _evaluated, _fires, _reads, _windows, _types, _joins, _templates)
"""What is asked of a rule, the beginning of the chain first."""
