"""The sources of the upstream charts' images and archives, so that exactly these are checked before a run.

Taken from the charts that platform/foundations/foundations.yaml pins, with every part enabled, and from the `urls` in their
repositories' indexes. For other charts the repository and the layer's values are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Upstream:
    """The sources of a chart's parts.

    Attributes:
        registries: the registries of the images that it names.
        downloads: the host of its archive, if its repository's index names another one.
    """

    registries: tuple[str, ...]
    downloads: tuple[str, ...] = ()


CHARTS: Mapping[str, Upstream] = {
    "argo-cd": Upstream(("ecr-public.aws.com", "quay.io"), ("https://github.com",)),
    "kube-prometheus-stack": Upstream(("docker.io", "ghcr.io", "quay.io", "registry.k8s.io"), ("https://github.com",)),
    "metallb": Upstream(("quay.io",)),
    "sealed-secrets": Upstream(("docker.io",), ("https://github.com",)),
}
"""The sources, by the name of the upstream chart."""
