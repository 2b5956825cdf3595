"""Each alert can fire, also for as long as its `for`, stays silent otherwise, and says what it is about when it is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from platform_e2e.checks.alerts.derive import Derived
from platform_e2e.checks.rules.wanted import RULE, WantedRule, of_object
from platform_e2e.checks.rules.wanted import of_layer as rules_of_layer
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.renderer import Reason

FAILED_TEMPLATE = re.compile(r"<error expanding template: (.*)>", re.DOTALL)
"""What Prometheus sends in the place of a text that it cannot render (rules/alerting.go)."""

NO_VALUE = "<no value>"
"""What a template renders for what is not there (text/template)."""


def of_layer(layer: Layer) -> Iterator[WantedRule]:
    """Yield every alert of a layer whose PrometheusRule is exempt neither from this promise nor from `rules`."""
    return (rule for rule in rules_of_layer(layer) if rule.alert and not rule.rendered.exempt(Promise.ALERTS))


def rules_of(layer: Layer) -> list[WantedRule]:
    """Return all rules of a layer, also of PrometheusRules that are exempt: others may read what they record."""
    return [rule for rendered in layer.of_kind(RULE) for rule in of_object(rendered)]


def check(wanted: WantedRule, derived: Derived, layer: Layer) -> list[Finding]:
    """Return what is wrong with an alert, at most one finding.

    Args:
        wanted: the alert.
        derived: its cases.
        layer: that has it.
    """
    told = _cannot_fire(wanted, derived) or _texts(wanted, derived)
    if told is None:
        return []
    expected, observed, cause = told
    located = layer.located(cause, wanted.rendered)
    return [Finding(str(wanted.rendered), Promise.ALERTS, expected, observed, located, {"alert": wanted.name})]


def _cannot_fire(wanted: WantedRule, derived: Derived) -> tuple[str, str, Cause] | None:
    if derived.fires is not None or derived.missing:
        return None
    if derived.lasts:
        cause = Cause(
            "alert-for-unreachable",
            f"the condition of {wanted} is met only for a time, and never for as long as its `for`, {derived.rule.held:g} s",
            "shorten its `for`, or let the expression look back further",
            field=wanted.field("for"),
        )
        return "a case in which it fires", "its condition ends before `for` has passed", cause
    if derived.never:
        cause = Cause(
            "alert-never-fires",
            f"no values of the series that {wanted} reads let it fire: neither those around each number of its expression, "
            "nor series that are not there",
            "correct its conditions, which exclude each other or cannot be met",
            field=wanted.field("expr"),
        )
        return "a case in which it fires", "there is none", cause
    return None


def _texts(wanted: WantedRule, derived: Derived) -> tuple[str, str, Cause] | None:
    """Judge what is sent: a text that cannot be rendered says nothing to a reader."""
    for sent in derived.alerts:
        for field, texts in (("annotations", sent.annotations), ("labels", sent.labels)):
            for name, text in texts.items():
                failed = FAILED_TEMPLATE.search(text)
                if failed is None and NO_VALUE not in text:
                    continue
                why = f"cannot be rendered: {failed[1]}" if failed else f"is rendered to: {text}"
                cause = Cause(
                    "alert-text-fails",
                    f"the {field[:-1]} {name} of {wanted} {why}",
                    "correct the template",
                    field=wanted.field(field, name),
                )
                return "texts that are rendered", f"{name} is not", cause
    return None


def unknown(wanted: WantedRule, derived: Derived) -> NotJudged | None:
    """Return why no case of an alert without a finding could be derived, or only one."""
    if not derived.why:
        return None
    what = "in which it does not" if derived.fires else "in which it fires"
    problem = f"{wanted} has no case {what}: {derived.why}"
    remedy = "keep a case of your own (alertCases in platform-e2e.yaml), and accept it there"
    where: Rendered = wanted.rendered
    return NotJudged(str(where), Reason.CASE, problem, remedy, where.file, where.line, ())


def figures(derived: Derived) -> dict[str, Any]:
    """Return what the verdict's table shows of an alert."""
    return {"cases that fire": int(derived.fires is not None), "cases that do not": int(derived.silent is not None)}
