"""The registries and chart repositories that a run of a layer needs, found before anything is built or made.

The layer is not rendered, since that needs programs that must be built first: every image in one of its files counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from platform_e2e.cluster.k3d.image_sources import Supplies
from platform_e2e.foundations import upstream
from platform_e2e.foundations.upstream import Upstream
from platform_e2e.layer import releases
from platform_e2e.layer.releases import Release
from platform_e2e.settings import Settings

IMAGE = re.compile(r"^[ \t-]*[\"']?(?:image|newName)[\"']?:[ \t]+[\"']?([\w][\w./:@-]{0,250})", re.MULTILINE)
"""An image in a pod, or in an image transformation of a kustomization."""

REGISTRY = re.compile(
    r"^[ \t-]*[\"']?(?:registry|imageRegistry)[\"']?:[ \t]+[\"']?([\w][\w.-]{0,250}(?::\d{1,5})?)", re.MULTILINE
)
"""A registry in the values of a chart."""

HUB = "docker.io"

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
MOST_FILES = 5000
MOST_BYTES = 1 << 20
"""Bounds of reading a layer, and a file of it."""


def of(settings: Settings) -> Supplies:
    """Return the registries and repositories that a run with these settings needs if it builds nothing itself.

    Raises:
        WrongUsage: the layer's foundations.yaml is invalid.
    """
    found = releases.read(settings.layer) if settings.charts_dir is None else ()
    repositories = {release.repository for release in found}
    downloads = {url for release in found for url in _known(release).downloads}
    ca = str(settings.registry_ca or "")
    return Supplies(registries(settings.layer), tuple(sorted(repositories)), tuple(sorted(downloads)), ca)


def registries(layer: Path) -> tuple[str, ...]:
    """Return the registries of all images of a layer and of the foundations below it.

    Raises:
        WrongUsage: the layer's foundations.yaml is invalid.
    """
    charts = (_known(release).registries for release in releases.read(layer))
    return tuple(sorted({*named(layer), *(registry for each in charts for registry in each)}))


def _known(release: Release) -> Upstream:
    """Return the known sources of a release's chart."""
    return upstream.CHARTS.get(release.chart, Upstream(()))


def named(layer: Path) -> Sequence[str]:
    """Return the registries of the images in a layer's files, except for images that the layer itself builds."""
    own = {file.parent.name for file in layer.glob("apps/*/Containerfile")}
    found: set[str] = set()
    for text in _texts(layer):
        found.update(match[1] for match in REGISTRY.finditer(text) if "." in match[1] or ":" in match[1])
        for match in IMAGE.finditer(text):
            name = match[1].partition("@")[0]
            if name.rpartition("/")[2].partition(":")[0] not in own:
                found.add(registry_of(name))
    return sorted(found)


def registry_of(image: str) -> str:
    """Return the registry in an image's name (distribution/reference, ParseNormalizedNamed)."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else HUB


def _texts(layer: Path) -> Iterator[str]:
    """Yield the texts of a layer's files; links are not followed."""
    files = (path for path in layer.rglob("*") if path.suffix in SUFFIXES and path.is_file() and not path.is_symlink())
    for _, path in zip(range(MOST_FILES), files, strict=False):
        if path.stat().st_size <= MOST_BYTES:
            yield path.read_text(encoding="utf-8", errors="replace")
