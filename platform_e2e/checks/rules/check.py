"""Every rule is selected, loaded, evaluated without an error, and reads series that there are; no alert fires for nothing.

A rule has at most one finding: that of the first link of the chain which is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from platform_e2e.checks.expressions import FLAWS, Flaw, ReadExpression
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.series import Lack, delivered, for_certain, usual_interval
from platform_e2e.checks.polling import seen_until_no_findings
from platform_e2e.checks.rules.observe import ObservedRule, observe
from platform_e2e.checks.rules.wanted import WantedRule, of_layer
from platform_e2e.diagnosis.causes import OBJECT_MISSING
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.renderer import Reason
from platform_e2e.promql import PromQLError, parse
from platform_e2e.toolbox.promtool import Promtool

HELD_SECONDS = 60.0
"""For which the condition of a pending alert must have been met: what a change of the layer brings about is over by then."""

RULE_FIELDS = frozenset({"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"})
"""Fields of a rule in a file of rules (Prometheus 3, docs/configuration)."""

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
    problem = twice or broken(wanted, seen)
    if problem is None:
        return []
    expected, observed, cause = problem
    located = layer.located(cause, wanted.rendered)
    return [Finding(str(wanted.rendered), Promise.RULES, expected, observed, located, {"rule": wanted.name})]


def broken(wanted: WantedRule, seen: ObservedRule) -> Problem:
    """Return the first link that is broken; None where all hold.

    Args:
        wanted: the rule.
        seen: what was seen of it.
    """
    return next(filter(None, (link(wanted, seen) for link in LINKS)), None)


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
    certain, usual = delivered(layer), usual_interval(layer)
    return seen_until_no_findings(
        lambda: judged_by_promtool(
            wanted, observe(wanted, view, prometheus, alerts, certain=certain, usual=usual), Promtool.built
        ),
        lambda seen: check(wanted, seen, layer),
        timeout=timeout,
        what=f"{wanted} is evaluated",
    )


def judged_by_promtool(wanted: WantedRule, seen: ObservedRule, promtool: Callable[[], Promtool]) -> ObservedRule:
    """Return what was seen of a rule, of one that cannot be parsed here and is not loaded with what promtool says of it.

    Args:
        wanted: the rule.
        seen: what was seen of it.
        promtool: returns that of the pinned Prometheus.
    """
    if not seen.unread or seen.loaded is not None:
        return seen
    entry = {key: value for key, value in wanted.entry.items() if key in RULE_FIELDS}
    rules = {"groups": [{"name": wanted.group or "rules", "rules": [entry]}]}
    return replace(seen, refused=promtool().refusal(rules))


def unknown(wanted: WantedRule, seen: ObservedRule) -> NotJudged | None:
    """Return what of a rule without a finding is not proven: an expression that cannot be read, or a value that may yet come."""
    if seen.elsewhere:
        problem = f"{seen.elsewhere} evaluates {wanted}, which is not asked here"
        remedy = "look at the rules of the ThanosRuler, and accept it in platform-e2e.yaml"
    else:
        unseen = next((each for each in seen.read.missing if each.lack is Lack.UNSEEN), None)
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
    expression = seen.read.expression
    if expression is None:
        return {}
    return {"alerts" if wanted.alert else "recorded": 1, "selectors": len(expression.selectors)}


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
    limit, after = layer.limits.critical_seconds, wanted.held
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


def _parses(wanted: WantedRule, seen: ObservedRule) -> Problem:
    """Judge what is no PromQL for promtool either; what only the parser here does not know is not known."""
    if not seen.refused:
        return None
    sentence = f"Prometheus would not load {wanted}: {seen.refused}"
    cause = Cause("rule-not-parsed", sentence, "correct the expression", field=wanted.field("expr"))
    return "an expression that can be parsed", "none", cause


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


def _flawed(judge: Callable[[ReadExpression], Flaw | None], wanted: WantedRule, seen: ObservedRule) -> Problem:
    flaw = judge(seen.read)
    if flaw is None:
        return None
    sentence = f"{wanted} {flaw.sentence}"
    cause = Cause(f"rule-{flaw.kind}", sentence, flaw.remedy, field=wanted.field("expr"))
    return flaw.expected, flaw.observed, cause


def _templates(wanted: WantedRule, seen: ObservedRule) -> Problem:
    if seen.read.expression is None or any(each.lack is Lack.UNSEEN for each in seen.read.missing):
        return None
    for field, name, label in wanted.templated:
        if not seen.read.returns(label):
            cause = Cause(
                "rule-template-label",
                f"the {field[:-1]} {name} of {wanted} names the label {label}, which its expression does not return",
                "keep the label in the expression, or leave it out of the text",
                field=wanted.field(field, name),
            )
            return f"{label} among the labels", "it is not", cause
    return None


def _fires(wanted: WantedRule, seen: ObservedRule) -> Problem:
    """Judge an alert that fires, or is about to: since it asks for what there is not, or was never otherwise."""
    rule, expression = seen.loaded, seen.read.expression
    if rule is None or expression is None or expression.constant or (seen.read.missing and not seen.certain):
        return None
    lack = for_certain(seen.read.missing)
    pending = rule.state == "pending"
    if rule.state != "firing" and not (pending and (lack is not None or _always(seen))):
        return None
    why = f"it reads {lack.selector}, and {lack.sentence}" if lack else "and nothing else of the platform is broken"
    if pending and lack is None:
        why = f"its condition has been met for {seen.held:g} s, ever since there is what it reads, {why}"
    cause = Cause(
        "alert-firing" if lack or not pending else "alert-pending",
        f"{wanted} {'is about to fire' if pending else 'fires'}{':' if lack or pending else ','} {why}",
        "correct its expression or its threshold, or mend what it tells of",
        field=wanted.field("expr"),
    )
    return "it does not fire", f"it is {rule.state}", cause


def _always(seen: ObservedRule) -> bool:
    """Tell whether the condition of a pending alert was never otherwise: longer than its windows remember what was before."""
    expression = seen.read.expression
    windows = [each.window or 0.0 for each in expression.selectors] if expression else []
    return seen.held >= max(HELD_SECONDS, *windows, 0.0) and seen.held >= seen.there - HELD_SECONDS


LINKS: tuple[Callable[[WantedRule, ObservedRule], Problem], ...] = (
    _exists,
    _selected,
    _parses,
    _loaded,
    _healthy,
    _evaluated,
    _fires,
    *(partial(_flawed, judge) for judge in FLAWS),
    _templates,
)
"""What is asked of a rule, the beginning of the chain first."""
