"""Where the upstream charts' images and archives come from, so that these are asked before a run and no others.

Read off the charts that platform/foundations/foundations.yaml pins, with every part switched on, and off the `urls` in their
repositories' indexes. A chart that is not here is known by its repository and by what a layer's values say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Upstream:
    """Where a chart's parts come from.

    Attributes:
        registries: of the images that it names.
        downloads: where its repository's index says that its archive is, if elsewhere.
    """

    registries: tuple[str, ...]
    downloads: tuple[str, ...] = ()


CHARTS: Mapping[str, Upstream] = {
    "argo-cd": Upstream(("ecr-public.aws.com", "quay.io"), ("https://github.com",)),
    "kube-prometheus-stack": Upstream(("docker.io", "ghcr.io", "quay.io", "registry.k8s.io"), ("https://github.com",)),
    "metallb": Upstream(("quay.io",)),
    "sealed-secrets": Upstream(("docker.io",), ("https://github.com",)),
}
"""By name of the upstream chart."""
