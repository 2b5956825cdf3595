"""The chart kube-prometheus-stack, reduced to operator, Prometheus, Alertmanager and kube-state-metrics.

The templates are our own, in charts/kube-prometheus-stack/templates. The CRDs and permissions must fit the running version and
come from the products' modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from platform_e2e.foundations import embedded, manifests
from platform_e2e.foundations.manifests import Object

ROLES = {
    "operator-role.json": ("operator", "example/rbac/prometheus-operator/prometheus-operator-cluster-role.yaml"),
    "prometheus-role.json": ("operator", "example/rbac/prometheus/prometheus-cluster-role.yaml"),
    "kube-state-metrics-role.json": ("kube-state-metrics", "examples/standard/cluster-role.yaml"),
}
"""For each file in the chart its module, and its path there."""


def roles(module_directory: Callable[[str], Path]) -> Iterator[tuple[str, Object]]:
    """Yield the ClusterRoles with the templates' rules: file name in the chart, and object."""
    directories = {
        "operator": module_directory(embedded.of("kube-prometheus-stack").module),
        "kube-state-metrics": module_directory(embedded.KUBE_STATE_METRICS_MODULE),
    }
    for name, (module, path) in ROLES.items():
        yield name, manifests.read(directories[module] / path)


def crds(module: Path) -> list[Path]:
    """Return the files of the CRDs in the operator's module."""
    return sorted((module / "example" / "prometheus-operator-crd").glob("*.yaml"))


def image_values(images: Mapping[str, embedded.ImageReference]) -> Object:
    """Return the images in values.yaml."""

    def image(role: str) -> Object:
        chosen = images[role]
        return {"registry": chosen.registry, "repository": chosen.repository, "tag": chosen.tag}

    return {
        "prometheus": {"prometheusSpec": {"image": image("prometheus")}},
        "alertmanager": {"alertmanagerSpec": {"image": image("alertmanager")}},
        "prometheusOperator": {
            "image": image("operator"),
            "prometheusConfigReloader": {"image": image("reloader")},
        },
        "kube-state-metrics": {"image": image("kube-state-metrics")},
    }
