"""What a course says of the layer: the finding of an alert that went another way, what no fault shows, and what is left of faults."""

from __future__ import annotations

from platform_e2e.checks import applications
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.rules.check import is_constant
from platform_e2e.checks.rules.wanted import WantedRule
from platform_e2e.faults.actions import FAULT
from platform_e2e.faults.outcome import Outcome
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import key
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.renderer import Reason


def undeclared(alert: WantedRule) -> NotJudged:
    """Return what is not proven of an alert for which no fault is declared.

    Args:
        alert: of the layer.
    """
    where = alert.rendered
    problem = f"no fault is declared that makes {alert} fire"
    remedy = "add one to faults/, or accept it in platform-e2e.yaml"
    return NotJudged(str(where), Reason.ALERT, problem, remedy, where.file, where.line, ())


def findings(alert: WantedRule, outcome: Outcome, layer: Layer) -> list[Finding]:
    """Return the finding of an alert that did not fire, was not received as it must be, or was not over; else an empty list.

    Args:
        alert: of the layer.
        outcome: what came of its fault.
        layer: that has it.
    """
    if outcome.cause is None:
        return []
    reached = ", ".join(f"{step} after {seconds:g} s" for step, seconds in outcome.seconds.items()) or "nothing"
    cause = layer.located(outcome.cause, alert.rendered)
    expected = "it fires, is received, and is over after the repair"
    return [Finding(str(alert.rendered), Promise.ALERTS, expected, reached, cause, {"alert": alert.alert})]


def left(layer: Layer, sha: str, kube: Kube, prometheus: Prometheus) -> list[Finding]:
    """Return what keeps a platform from being quiet: Applications that are not as in Git, alerts, objects of faults.

    Args:
        layer: that is applied.
        sha: the commit that is served.
        kube: the cluster.
        prometheus: that evaluates the alerts.
    """
    found = [
        finding
        for application in layer.applications
        for finding in applications.wait_converged(application, sha, kube, timeout=0)
    ]
    always = {rule.name for rule in prometheus.rules() if rule.state and is_constant(rule.query)}
    for alert in prometheus.alerts():
        if alert.alert not in always:
            words = ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()) if name != "alertname")
            found.append(_left(f"alert/{alert.alert}", f"{alert.alert} is {alert.state} ({words})"))
    for each in kube.list("v1/Namespace", labels=FAULT):
        name = key(each)[1]
        found.append(_left(f"namespace/{name}", f"namespace/{name} of a fault is still there"))
    return found


def _left(name: str, sentence: str) -> Finding:
    cause = Cause("fault-left", f"{sentence}, and no fault is made", "mend what it tells of, and run again")
    return Finding(name, Promise.ALERTS, "nothing is left of a fault", "something is", cause)
