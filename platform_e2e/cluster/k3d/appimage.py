"""The images of a layer's own applications, which no registry has: built with Docker from their Containerfile."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_e2e.cluster.k3d import failures, pulled
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline

BUILD_SECONDS = 900.0
"""Timeout for fetching the base image and its packages; a minute is usual."""

SAVE_SECONDS = 300.0

CONTAINERFILE = "Containerfile"

ENVIRONMENT = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
"""Without provenance: with it an image is a list, whose parts without a platform k3d cannot import (k3d#1538); a Docker
without buildx refuses the equal option --provenance=false."""

FROM = re.compile(r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)(?:[ \t]+AS[ \t]+(\S+))?", re.MULTILINE | re.IGNORECASE)


def build(docker: Docker, directory: Path, name: str, archive: Path, mirrors: Mapping[str, str]) -> None:
    """Build an image and write it as an archive.

    Args:
        docker: the Docker that builds it.
        directory: the directory of the Containerfile and of the files that it copies.
        name: the name of the image, with its tag.
        archive: the file to write.
        mirrors: the mirrors of base images, as `sources.parse_mirror` returns them.

    Raises:
        K3dFailed: the build failed; the text has the end of Docker's output.
    """
    for base in bases((directory / CONTAINERFILE).read_text(encoding="utf-8")) if mirrors else ():
        mirrored = pulled.at(base, mirrors)
        if mirrored != base and not docker.has_image(base):
            # Docker's builder knows no mirror, but uses a local image that has the base's name.
            pulled.pull(docker, mirrored, Timeline(None))
            docker.run("tag", mirrored, base)
    try:
        words = ("build", "--file", directory / CONTAINERFILE, "--tag", name, directory)
        Docker({**docker.environment, **ENVIRONMENT}).run(*words, timeout=BUILD_SECONDS)
        docker.run("save", "--output", archive, name, timeout=SAVE_SECONDS)
    except CommandError as error:
        raise failures.explain(f"the image {name} cannot be built from {directory}", error.output) from error


def bases(text: str) -> Sequence[str]:
    """Return the full names of a Containerfile's base images, without its own stages and names in variables."""
    found, stages = [], {"scratch"}
    for image, stage in FROM.findall(text):
        if image not in stages and "$" not in image:
            found.append(pulled.full_name(image))
        stages.add(stage)
    return found
