"""The versions that the embedded cluster runs; go.mod is the only other file that states them.

tests/foundations/test_embedded.py compares the two. The verdict reports a foundations.yaml that pins another version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.errors import WrongUsage


@dataclass(frozen=True)
class ImageReference:
    """A container image, as a chart splits its name."""

    registry: str
    repository: str
    tag: str

    def __str__(self) -> str:
        """Return its name as in a pod."""
        return f"{self.registry}/{self.repository}:{self.tag}"


@dataclass(frozen=True)
class Embedded:
    """A chart of the embedded cluster.

    Attributes:
        module: the Go module with the chart, or with its parts.
        module_version: the version of that module, as in go.mod.
        app_version: the product's version, as the upstream chart writes it.
        assembled: whether the chart is assembled from install manifests; else it comes with the module.
        images: the images of its pods, by their role in the assembler.
        absent: parts of the upstream chart that are missing: their values are accepted without effect.
        off: values that switch off programs without an image here, which the chart starts by default.
    """

    module: str
    module_version: str
    app_version: str
    assembled: bool
    images: Mapping[str, ImageReference]
    absent: tuple[str, ...] = ()
    off: Mapping[str, Any] = field(default_factory=dict)


KUBE_STATE_METRICS_MODULE = "k8s.io/kube-state-metrics/v2"

CHARTS: Mapping[str, Embedded] = {
    "argo-cd": Embedded(
        module="github.com/argoproj/argo-cd/v3",
        module_version="v3.2.11",
        app_version="v3.2.11",
        assembled=True,
        images={
            "argocd": ImageReference("quay.io", "argoproj/argocd", "v3.2.11"),
            # The upstream chart's name; Debian's redis is in it.
            "redis": ImageReference("ecr-public.aws.com", "docker/library/redis", "8.2.2-alpine"),
        },
    ),
    "kube-prometheus-stack": Embedded(
        module="github.com/prometheus-operator/prometheus-operator",
        module_version="v0.88.0",
        app_version="v0.88.0",
        assembled=True,
        images={
            "operator": ImageReference("quay.io", "prometheus-operator/prometheus-operator", "v0.88.0"),
            "reloader": ImageReference("quay.io", "prometheus-operator/prometheus-config-reloader", "v0.88.0"),
            # Prometheus 3.9.1 is the Go module github.com/prometheus/prometheus v0.309.1.
            "prometheus": ImageReference("quay.io", "prometheus/prometheus", "v3.9.1"),
            "alertmanager": ImageReference("quay.io", "prometheus/alertmanager", "v0.28.1"),  # Debian's package
            "kube-state-metrics": ImageReference("registry.k8s.io", "kube-state-metrics/kube-state-metrics", "v2.18.0"),
        },
        absent=("grafana",),
    ),
    "metallb": Embedded(
        module="go.universe.tf/metallb",
        module_version="v0.15.3",
        app_version="v0.15.3",
        assembled=False,
        images={
            "controller": ImageReference("quay.io", "metallb/controller", "v0.15.3"),
            "speaker": ImageReference("quay.io", "metallb/speaker", "v0.15.3"),
        },
        # FRR speaks BGP, to routers that are not here; addresses are announced by ARP without it.
        off={"speaker": {"frr": {"enabled": False}}, "frrk8s": {"enabled": False}},
    ),
    "sealed-secrets": Embedded(
        module="github.com/bitnami-labs/sealed-secrets",
        module_version="v0.32.0",
        app_version="0.32.0",
        assembled=False,
        # The chart in the module is released after the product and has the tag before; the program in it is 0.32.0.
        images={"controller": ImageReference("docker.io", "bitnami/sealed-secrets-controller", "0.31.0")},
    ),
}
"""The charts, by the name of the upstream chart."""


def of(chart: str) -> Embedded:
    """Return the embedded cluster's chart of that name.

    Raises:
        WrongUsage: the embedded cluster lacks that chart.
    """
    try:
        return CHARTS[chart]
    except KeyError:
        raise WrongUsage(
            f"a chart in foundations.yaml must be one of the embedded cluster's, got `{chart}`.",
            f"Use one of {', '.join(sorted(CHARTS))}, give others with --charts-dir, or use another provider.",
        ) from None
