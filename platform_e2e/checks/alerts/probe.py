"""An alert of a test's own, which takes the way of all others: rule, Prometheus, Alertmanager, receiver, and back to quiet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platform_e2e.checks.alerts import delivery
from platform_e2e.checks.alerts.alertmanager import answering
from platform_e2e.checks.alerts.check import of_layer
from platform_e2e.checks.alerts.delivery import Expected, Stopwatch
from platform_e2e.checks.alerts.notifications import FIRING, RESOLVED
from platform_e2e.checks.alerts.routing import Routed
from platform_e2e.checks.applications import TESTS
from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.diagnosis.explain.monitors import PROMETHEUS_KIND as PROMETHEUS
from platform_e2e.diagnosis.explain.monitors import RULE_KIND, every, selected_by
from platform_e2e.diagnosis.objects import at
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.foundations.alertmanager_settings import CHART
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Met, Pending, Timeout, Verdict, poll
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.argo_objects import mapping
from platform_e2e.layer.renderer import Reason

ALERT = "PlatformE2eProbe"

LOADED_SECONDS = 90.0
"""For a PrometheusRule to be evaluated: the operator, the kubelet and the reloader hand it on; it takes about five seconds here."""

TEXT = "The probe {{ $labels.probe }} has the value {{ $value }}."


@dataclass(frozen=True)
class Course:
    """How a probe went.

    Attributes:
        seconds: from the rule's creation until each step.
        findings: what did not happen.
        unknown: why there was no probe; None where there was one.
    """

    seconds: Mapping[str, float]
    findings: Sequence[Finding] = ()
    unknown: NotJudged | None = None

    @property
    def figures(self) -> dict[str, float]:
        """Return what the verdict's table shows."""
        return {f"{step}_seconds": seconds for step, seconds in self.seconds.items()}


def prove(layer: Layer, kube: Kube, prometheus: Prometheus, namespace: str) -> Course:
    """Let a probe fire and end in a test's namespace, and return how it went.

    Args:
        layer: with the severities of its alerts.
        kube: the cluster.
        prometheus: that evaluates it.
        namespace: of the test.
    """
    labels = selecting(namespace, kube)
    if labels is None:
        return Course({}, unknown=_unknown(layer, "no Prometheus takes a rule of a test's namespace"))
    routings = [routing for routing, _ in answering(kube)]
    severities = dict.fromkeys(alert.texts("labels").get("severity", "") for alert in of_layer(layer))
    for severity in severities:
        own = {"severity": severity} if severity else {}
        sets = [{**prometheus.external_labels(), **own, "alertname": ALERT, "probe": namespace}]
        receivers = Routed(sets, routings).receivers
        if receivers:
            text = f"The probe {namespace} has the value 1."
            wanted = {**own, "probe": namespace}
            expected = Expected(ALERT, receivers, wanted, {"summary": text}, prometheus.now())
            return _watch(expected, labels, kube, prometheus)
    return Course({}, unknown=_unknown(layer, "no receiver gets an alert of a severity that the layer's alerts have"))


def _unknown(layer: Layer, why: str) -> NotJudged:
    release = next((f"release/{each.name}" for each in layer.releases if each.chart == CHART), "alertmanager")
    problem = f"no alert of a test's own was received: {why}"
    return NotJudged(release, Reason.ALERT, problem, "look at ruleSelector and at the routes", "", None, ())


def rule(namespace: str, labels: Mapping[str, str], severity: Mapping[str, str], *, fires: bool) -> Object:
    """Return the PrometheusRule of a probe.

    Args:
        namespace: of the test, which names the probe too.
        labels: of the PrometheusRule, so that it is selected.
        severity: labels of the alert.
        fires: whether its expression returns something.
    """
    value = f'label_replace(vector(1), "probe", "{namespace}", "", "")'
    alert = {
        "alert": ALERT,
        "expr": value if fires else f"{value} > 1",
        "labels": dict(severity),
        "annotations": {"summary": TEXT},
    }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "probe", "namespace": namespace, "labels": {**labels, TESTS: namespace}},
        "spec": {"groups": [{"name": "probe", "rules": [alert]}]},
    }


def selecting(namespace: str, view: ReadApi) -> Mapping[str, str] | None:
    """Return labels with which a Prometheus takes a rule of a namespace; None where none does.

    Args:
        namespace: of the rule.
        view: of the cluster.
    """
    for prometheus in every(PROMETHEUS, view):
        wanted = mapping(at(prometheus, "spec", "ruleSelector", "matchLabels"))
        labels = {str(name): str(value) for name, value in wanted.items()}
        if selected_by(rule(namespace, labels, {}, fires=True), view):
            return labels
    return None


def _watch(expected: Expected, labels: Mapping[str, str], kube: Kube, prometheus: Prometheus) -> Course:
    namespace = expected.labels["probe"]
    own = {name: value for name, value in expected.labels.items() if name == "severity"}
    clock = Stopwatch()
    try:
        kube.create(rule(namespace, labels, own, fires=True))
        cause = _fires(namespace, prometheus, clock) or _received(expected, kube, clock)
        if cause is None:
            # A rule that is gone resolves nothing: Alertmanager would wait four minutes for its end. One that is false does.
            kube.apply(rule(namespace, labels, own, fires=False))
            cause = _cleared(expected, kube, clock)
    finally:
        kube.delete(RULE_KIND, "probe", namespace)
    found = [] if cause is None else [_finding(namespace, cause)]
    return Course(clock.steps, found)


def _finding(namespace: str, cause: Cause) -> Finding:
    name = f"prometheusrule/probe -n {namespace}"
    return Finding(name, Promise.ALERTS, "its alert is received, and its end", "it is not", cause)


def _fires(namespace: str, prometheus: Prometheus, clock: Stopwatch) -> Cause | None:
    def look() -> Verdict:
        found = [each for each in prometheus.rules() if each.name == ALERT and namespace in each.query]
        if not found:
            return Pending("Prometheus has not loaded it")
        clock("loaded")
        return Met() if found[0].state == "firing" else Pending(f"it is {found[0].state or 'not evaluated'}")

    try:
        poll(look, timeout=LOADED_SECONDS, what=f"the alert of the probe in {namespace} fires")
    except Timeout as error:
        return Cause(
            "probe-alert-not-firing",
            f"an alert that always fires does not within {LOADED_SECONDS:g} s: {error.report.last}",
            "look at the log of the Prometheus operator and of the pod's config-reloader",
        )
    clock("firing")
    return None


def _received(expected: Expected, kube: Kube, clock: Stopwatch) -> Cause | None:
    got = delivery.wait_received(expected, kube, FIRING, timeout=delivery.SEND_SECONDS)
    if got is None:
        return delivery.undelivered(expected, kube, FIRING, delivery.SEND_SECONDS)
    clock("received")
    return delivery.misdelivered(expected, got)


def _cleared(expected: Expected, kube: Kube, clock: Stopwatch) -> Cause | None:
    seconds = LOADED_SECONDS + delivery.CLEAR_SECONDS
    if delivery.wait_received(expected, kube, RESOLVED, timeout=seconds) is None:
        return delivery.undelivered(expected, kube, RESOLVED, seconds)
    clock("cleared")
    return None
