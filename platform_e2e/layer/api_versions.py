"""Which APIs a chart is told that the cluster has (`.Capabilities.APIVersions`), beside those of Kubernetes itself.

Argo CD tells it all that the API server serves once the layer is there: what the foundations bring, and the CRDs that the layer
itself installs (3.2.11, controller/state.go, GetRepoObjs; util/argo, APIResourcesToStrings).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from platform_e2e.layer.argo_objects import mapping, text
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.releases import Release

ARGO_CD: Mapping[str, tuple[str, ...]] = {"argoproj.io/v1alpha1": ("AppProject", "Application", "ApplicationSet")}
"""Kinds of every cluster with Argo CD."""

_FOUNDATIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "kube-prometheus-stack": {
        "monitoring.coreos.com/v1": (
            "Alertmanager",
            "PodMonitor",
            "Probe",
            "Prometheus",
            "PrometheusRule",
            "ServiceMonitor",
            "ThanosRuler",
        ),
        "monitoring.coreos.com/v1alpha1": ("AlertmanagerConfig", "PrometheusAgent", "ScrapeConfig"),
    },
    "metallb": {
        "metallb.io/v1beta1": (
            "BFDProfile",
            "BGPAdvertisement",
            "BGPPeer",
            "Community",
            "ConfigurationState",
            "IPAddressPool",
            "L2Advertisement",
            "ServiceBGPStatus",
            "ServiceL2Status",
        ),
        "metallb.io/v1beta2": ("BGPPeer",),
    },
    "sealed-secrets": {"bitnami.com/v1alpha1": ("SealedSecret",)},
}
"""Kinds of the foundations' CRDs, in the versions of platform_e2e/toolbox/programs/go.mod."""


def of_foundations(releases: Iterable[Release]) -> tuple[str, ...]:
    """Return the APIs of the CRDs that Argo CD and the foundations bring."""
    every = [ARGO_CD, *(_FOUNDATIONS.get(release.chart, {}) for release in releases)]
    return tuple(sorted({name for served in every for version in served for name in _names(version, served[version])}))


def of_layer(rendered: Iterable[Rendered]) -> tuple[str, ...]:
    """Return the APIs of the CRDs among rendered objects; a version that is not served is none."""
    crds = [each.object for each in rendered if each.kind == "CustomResourceDefinition"]
    return tuple(sorted({name for crd in crds for name in _of_crd(mapping(crd.get("spec")))}))


def _of_crd(spec: Mapping[str, Any]) -> Iterable[str]:
    group, kind, versions = spec.get("group"), mapping(spec.get("names")).get("kind"), spec.get("versions")
    for version in versions if isinstance(versions, list) else ():
        if text(mapping(version).get("name")) and mapping(version).get("served") is True:
            yield from _names(f"{group}/{version['name']}", (str(kind),))


def _names(version: str, kinds: Iterable[str]) -> Iterable[str]:
    yield version
    yield from (f"{version}/{kind}" for kind in kinds)
