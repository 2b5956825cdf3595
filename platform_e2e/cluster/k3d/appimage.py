"""The images of a layer's own applications, which no registry has yet: built with Docker as their Containerfile says."""

from __future__ import annotations

from pathlib import Path

from platform_e2e.cluster.k3d import failures
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.shell import CommandError

BUILD_SECONDS = 900.0
"""For fetching the base image and the packages on it; a minute is usual."""

SAVE_SECONDS = 300.0

CONTAINERFILE = "Containerfile"

ENVIRONMENT = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
"""With provenance beside it an image is a list, whose parts for no platform k3d cannot import (k3d#1538); the option
--provenance=false says the same, which a Docker without buildx refuses."""


def build(docker: Docker, directory: Path, name: str, archive: Path) -> None:
    """Build an image and write it as an archive.

    Args:
        docker: builds it.
        directory: with the Containerfile and what that copies.
        name: of the image, with its tag.
        archive: the file to write.

    Raises:
        K3dFailed: it does not build; the text has the end of what Docker said.
    """
    try:
        words = ("build", "--file", directory / CONTAINERFILE, "--tag", name, directory)
        Docker({**docker.environment, **ENVIRONMENT}).run(*words, timeout=BUILD_SECONDS)
        docker.run("save", "--output", archive, name, timeout=SAVE_SECONDS)
    except CommandError as error:
        raise failures.explain(f"the image {name} cannot be built from {directory}", error.output) from error
