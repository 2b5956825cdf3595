"""The version of a product that a release runs, read from its objects' images, because values can set any tag; `--strict-versions`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from platform_e2e.errors import WrongUsage
from platform_e2e.foundations.embedded import CHARTS
from platform_e2e.foundations.manifests import Object

MAIN: Mapping[str, str] = {
    "argo-cd": "argocd",
    "kube-prometheus-stack": "operator",
    "metallb": "controller",
    "sealed-secrets": "controller",
}
"""For each chart the image, by its role in `embedded.CHARTS`, with the tag that upstream uses as appVersion."""

DIGEST_LENGTH = 19
"""Length of `sha256:` and twelve digits, the abbreviation of `docker images --digests`."""


class OtherVersions(WrongUsage):
    """--strict-versions was given, and the versions that would run differ from those in foundations.yaml."""


def refuse_others(releases: Mapping[str, tuple[str, str]]) -> None:
    """Refuse releases that would run another version than the layer pins.

    Args:
        releases: for each release by its name the version that it would run, and the pinned one.

    Raises:
        OtherVersions: at least one differs.
    """
    others = [f"{name} {found} in place of {pinned}" for name, (found, pinned) in releases.items() if found != pinned]
    if others:
        raise OtherVersions(
            f"--strict-versions must find the versions that foundations.yaml pins, got {', '.join(others)}.",
            "Leave --strict-versions out, give the pinned charts with --charts-dir, or use a provider with a network.",
        )


def running(chart: str, app_version: str, objects: Sequence[Object], *, built: bool) -> str:
    """Return the version of the product that a release's objects run.

    Args:
        chart: name of the chart.
        app_version: the chart's appVersion, for releases whose images state none.
        objects: the objects of the release.
        built: whether the images contain the embedded programs, whose version may differ from the tag.

    Returns:
        `app_version`, the tag of the product's image if that differs, or its digest if it has no tag.
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
    """Yield every image of an object's containers, for all kinds of pod templates."""
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
    """Return an image's tag, or its digest without a tag."""
    named, _, digest = image.partition("@")
    tag = named.rsplit("/", 1)[-1].partition(":")[2]
    return tag or digest[:DIGEST_LENGTH] or "latest"
