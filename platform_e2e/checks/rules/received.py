"""An alert that fires is received by Alertmanager: without that no rule matters.

The API is that of Alertmanager 0.28 (api/v2/openapi.yaml): /api/v2/alerts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from platform_e2e.checks.monitoring.prometheus import Prometheus
from platform_e2e.checks.monitoring.prometheus_replicas import Asks
from platform_e2e.checks.rules.wanted import of_layer
from platform_e2e.diagnosis.objects import listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import key
from platform_e2e.layer import Layer

PORT = 9093

OPERATED = {"operated-alertmanager": "true"}
"""Label of the Service that the Prometheus operator makes for all Alertmanagers of a namespace (pkg/alertmanager/statefulset.go)."""


def lost(layer: Layer, prometheus: Prometheus, client: Asks) -> list[Finding]:
    """Return the finding that no Alertmanager has an alert that Prometheus fires; none where none fires.

    Args:
        layer: that has alerts.
        prometheus: that fires them.
        client: of the cluster.
    """
    alerts = [rule for rule in of_layer(layer) if rule.alert]
    firing = sorted({rule.name for rule in prometheus.rules() if rule.state == "firing"})
    if not alerts or not firing:
        return []
    received = _received(client)
    if any(name in received for name in firing):
        return []
    if prometheus.alertmanagers():
        cause = "alert-not-received"
        sentence = f"Prometheus fires {listed(firing[:3])}, and no Alertmanager has received any of them"
        remedy = "look at the log of Prometheus (notifier), and at NetworkPolicies between both"
    else:
        cause = "alertmanager-missing"
        sentence = f"Prometheus fires {listed(firing[:3])}, and knows no Alertmanager that is up"
        remedy = "enable alertmanager in the values of its release, or name one in prometheusSpec.alertingEndpoints"
    first = alerts[0].rendered
    told = Cause(cause, sentence, remedy)
    return [
        Finding(str(first), Promise.RULES, "an alert that fires is received", "none is", layer.located(told, first))
    ]


def _received(client: Asks) -> set[str]:
    """Return the names of the alerts that the Alertmanagers of the cluster have."""
    found: set[str] = set()
    for service in client.list("v1/Service", labels=OPERATED):
        namespace, name = key(service)
        try:
            answer: Sequence[Any] = json.loads(client.proxy(namespace, name, PORT, "/api/v2/alerts"))
        except (ApiError, ValueError):
            # One that does not answer has received nothing.
            continue
        found |= {str(each["labels"]["alertname"]) for each in answer}
    return found
