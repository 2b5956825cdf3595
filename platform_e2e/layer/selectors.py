"""Label selectors, and which Services a ServiceMonitor selects: the rules of the API, without a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platform_e2e.layer.objects import Rendered


def matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Tell whether labels satisfy a LabelSelector.

    Args:
        selector: with `matchLabels` and `matchExpressions`; an empty one selects everything, None nothing.
        labels: of the object in question.
    """
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _expression(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _expression(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case unknown:
            raise ValueError(f"{unknown} is no operator of a label selector")


def selects(monitor: Rendered, service: Rendered) -> bool:
    """Tell whether a ServiceMonitor's selectors match a Service, whatever its ports."""
    namespaces = monitor.spec.get("namespaceSelector") or {}
    wanted = namespaces.get("matchNames") or [monitor.namespace]
    if not namespaces.get("any") and service.namespace not in wanted:
        return False
    return matches(monitor.spec.get("selector"), service.labels)


def scrapes(monitor: Rendered, service: Rendered, port: Mapping[str, Any]) -> bool:
    """Tell whether a ServiceMonitor scrapes this port of a Service: an endpoint names the port or its target.

    Args:
        monitor: the ServiceMonitor.
        service: the Service.
        port: one entry of the Service's `spec.ports`.
    """
    return selects(monitor, service) and any(
        endpoint.get("port") == port.get("name")
        if endpoint.get("port")
        else endpoint.get("targetPort") in (port.get("targetPort"), port.get("port"))
        for endpoint in monitor.spec.get("endpoints") or ()
    )
