"""Alerts of an idle platform: nothing fires but what always does, of whatever source the rule is."""

from __future__ import annotations

from platform_e2e.checks.monitoring.inventory import stacks
from platform_e2e.checks.monitoring.prometheus import LoadedRule, Prometheus
from platform_e2e.checks.rules.check import is_constant
from platform_e2e.checks.rules.wanted import of_layer
from platform_e2e.diagnosis.explain.monitors import RULE_KIND, every
from platform_e2e.diagnosis.objects import at, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer

ALWAYS = frozenset({"Watchdog", "InfoInhibitor"})
"""Alerts of kube-prometheus-stack that fire on a sound platform (kube-prometheus, general.rules): the second while one of severity info does."""


def firing(layer: Layer, prometheus: Prometheus, view: ReadApi) -> list[Finding]:
    """Return the alerts that fire and are not of the layer, each of whose rules has a test of its own.

    Args:
        layer: whose own alerts are left out.
        prometheus: that evaluates them.
        view: of the cluster.
    """
    own = {(rule.rendered.namespace, rule.rendered.name) for rule in of_layer(layer)}
    sources = {
        f"{key(rule)[0]}-{key(rule)[1]}-{at(rule, 'metadata', 'uid')}.yaml": rule for rule in every(RULE_KIND, view)
    }
    findings = []
    for rule in (rule for stack in stacks(view, prometheus) for rule in stack.rules()):
        source = sources.get(rule.file)
        if rule.state != "firing" or rule.name in ALWAYS or is_constant(rule.query):
            continue
        if source is None or key(source) in own:
            # Of one that is gone the rules are gone with the next loading.
            continue
        findings.append(_finding(rule, name_of(source)))
    return findings


def _finding(rule: LoadedRule, source: str) -> Finding:
    cause = Cause(
        "alert-firing",
        f"the alert {rule.name} of {source} fires, and nothing else of the platform is broken",
        "switch off what it watches and is not here, correct its threshold, or mend what it tells of",
    )
    return Finding(source, Promise.RULES, "only the watchdog fires", f"{rule.name} fires", cause)
