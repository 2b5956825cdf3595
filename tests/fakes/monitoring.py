"""A ServiceMonitor and everything that it needs to be scraped."""

from __future__ import annotations

from typing import Any

from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import made

RELEASE = {"release": "kube-prometheus-stack"}


def prometheus(**spec: Any) -> Object:
    written = {"serviceMonitorSelector": {"matchLabels": RELEASE}, "serviceMonitorNamespaceSelector": {}, **spec}
    return made("monitoring.coreos.com/v1/Prometheus", "stack", "monitoring", spec=written)


def monitor(labels: dict[str, str] | None = None, **spec: Any) -> Object:
    return made(
        "monitoring.coreos.com/v1/ServiceMonitor",
        "chat",
        "chat-dev",
        RELEASE if labels is None else labels,
        spec={"selector": {"matchLabels": {"app": "chat"}}, "endpoints": [{"port": "metrics"}], **spec},
    )


def service(name: str = "chat-metrics", labels: dict[str, str] | None = None, port: str = "metrics") -> Object:
    ports = [{"name": port, "port": 9090, "targetPort": 9090}]
    spec = {"selector": {"app": "chat"}, "ports": ports}
    return made("v1/Service", name, "chat-dev", labels or {"app": "chat"}, spec=spec)


def endpoint_slice() -> Object:
    labels = {"kubernetes.io/service-name": "chat-metrics"}
    return made("discovery.k8s.io/v1/EndpointSlice", "x", "chat-dev", labels, endpoints=[{"addresses": ["10.244.0.5"]}])
