"""Which version of a product a release runs: read from the image in its objects, for values may set any tag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from platform_e2e.foundations.embedded import CHARTS
from platform_e2e.foundations.manifests import Object

MAIN: Mapping[str, str] = {
    "argo-cd": "argocd",
    "kube-prometheus-stack": "operator",
    "metallb": "controller",
    "sealed-secrets": "controller",
}
"""By chart: the image, as `embedded.CHARTS` calls it, whose tag upstream gives the chart as its appVersion."""

DIGEST_LENGTH = 19
"""Of `sha256:` and twelve digits, as `docker images --digests` abbreviates one."""


def running(chart: str, app_version: str, objects: Sequence[Object], *, built: bool) -> str:
    """Return the version of the product that objects of a release run.

    Args:
        chart: name of the chart.
        app_version: as the chart states it: where no image tells another.
        objects: of the release.
        built: whether the cluster has the images that the embedded programs are in, whose tag may be another than their version.

    Returns:
        `app_version`, the tag of the product's image where that differs, or its digest where it has no tag.
    """
    known = CHARTS.get(chart)
    if known is None:
        return app_version
    main = known.images[MAIN[chart]]
    name = main.repository.rsplit("/", 1)[-1]
    images = sorted({image for item in objects for image in images_of(item) if _name(image) == name})
    if not images:
        return app_version
    tag = _tag(images[0])
    if built and tag == main.tag:
        return known.app_version
    return app_version if tag.removeprefix("v") == app_version.removeprefix("v") else tag


def images_of(item: Any) -> Iterator[str]:
    """Yield every image of an object's containers, whatever kind of pod template it has."""
    if isinstance(item, Mapping):
        for key, value in item.items():
            if key in {"containers", "initContainers"} and isinstance(value, list):
                yield from (str(each["image"]) for each in value if isinstance(each, Mapping) and each.get("image"))
            else:
                yield from images_of(value)
    elif isinstance(item, list):
        for each in item:
            yield from images_of(each)


def _name(image: str) -> str:
    """Return the last part of an image's repository."""
    return re.split(r"[:@]", image.rsplit("/", 1)[-1])[0]


def _tag(image: str) -> str:
    """Return an image's tag, or its digest where it has none."""
    named, _, digest = image.partition("@")
    tag = named.rsplit("/", 1)[-1].partition(":")[2]
    return tag or digest[:DIGEST_LENGTH] or "latest"
