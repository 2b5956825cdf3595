"""The content of the registry, and a layer and charts that need exactly that."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from contract.registry.crane import Registry
from platform_e2e.cluster.k3d import appimage, client_container, pulled, versions
from platform_e2e.foundations import build
from platform_e2e.foundations.helm import Helm
from platform_e2e.layer import releases
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import images, programs, rootfs
from platform_e2e.toolbox.image_archive import Config, write_image

PHASE = "registry"


def push_images(registry: Registry, scratch: Path, timeline: Timeline) -> None:
    """Push every image of the embedded cluster's pods, and those that k3d and the harness itself need.

    Each has the requested name; `images` names the substitutes.

    Args:
        registry: the registry to fill.
        scratch: a directory with room for one image.
        timeline: shows the image that is being pushed.
    """
    archive = scratch / "image.tar"
    made = images.ensure(timeline)
    for image in made:
        # Docker builds the layer's own image, which no registry has.
        if "/chat:" not in image.name:
            timeline.progress(PHASE, f"pushes {image.name}: {image.contains}")
            image.write(archive)
            registry.push(archive, image.name)
    pause = next(image for image in made if "/pause:" in image.name)
    pause.write(archive)
    registry.push(archive, f"{pulled.TOOLS}:{versions.pinned().removeprefix('v')}")
    # The probe's Python, and the base of the layer's own image with the packages that its Containerfile would install.
    python = rootfs.get("chat", timeline)
    for name in (client_container.IMAGE, "docker.io/library/debian:trixie-slim"):
        timeline.progress(PHASE, f"pushes {name}: Debian with Python")
        write_image(archive, name, [python.path], Config(("/usr/bin/env",)))
        registry.push(archive, name)
    archive.unlink()


def layer(source: Path, target: Path, charts: Path, timeline: Timeline) -> None:
    """Copy a layer, and build the charts that it pins, in the versions whose images the registry has.

    Args:
        source: the layer.
        target: the copy.
        charts: the directory for --charts-dir.
        timeline: shows the progress.
    """
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    built = programs.ensure(timeline)
    file = target / "foundations" / "foundations.yaml"
    text = file.read_text(encoding="utf-8")
    for release in releases.read(source):
        chart = build.made(
            release.chart,
            helm=Helm(built.path("helm")),
            module_directory=programs.module_directory,
            timeline=timeline,
        )
        shutil.copytree(chart.path, charts / release.chart)
        for definition in chart.crds:
            place = charts / release.chart / "crds" / f"{definition.stem}.yaml"
            place.parent.mkdir(exist_ok=True)
            # As in upstream's files: `helm show crds` puts nothing between the files (helm 3.19.4, pkg/action/show.go).
            place.write_text(f"---\n{definition.read_text(encoding='utf-8')}", encoding="utf-8")
        text = _pinned(text, release.chart, chart.version, chart.app_version)
    file.write_text(text, encoding="utf-8")
    for containerfile in target.glob(f"apps/*/{appimage.CONTAINERFILE}"):
        # The base in the registry has the packages already: a build there fetches nothing.
        words = containerfile.read_text(encoding="utf-8")
        containerfile.write_text(
            re.sub(r"^RUN apt-get(?:.*\\\n)*.*\n", "", words, flags=re.MULTILINE), encoding="utf-8"
        )


def _pinned(text: str, chart: str, version: str, app_version: str) -> str:
    """Return foundations.yaml with another version of a chart."""
    head, found, rest = text.partition(f"chart: {chart}\n")
    entry, separator, after = rest.partition("\n\n")
    entry = re.sub(r"^( +version:) .*$", rf"\1 {version}", entry, flags=re.MULTILINE)
    entry = re.sub(r"^( +appVersion:) .*$", rf"\1 {app_version}", entry, flags=re.MULTILINE)
    return head + found + entry + separator + after
