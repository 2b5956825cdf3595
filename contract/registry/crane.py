"""A registry of our own, and what is pushed there: both are the program crane."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.cluster.k3d import binary, image_sources
from platform_e2e.shell import background, run
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.gobuild import BuildTarget
from platform_e2e.toolbox.waiting import wait_until

MODULE = Path(__file__).parent / "crane"
PACKAGE = "github.com/google/go-containerregistry/cmd/crane"

PUSH_SECONDS = 600.0
"""For pushing one image; the largest has half a gigabyte, which is compressed on the way."""

START_SECONDS = 20.0


@dataclass(frozen=True)
class Registry:
    """A registry that listens on every address of this host.

    Attributes:
        crane: the path of crane.
        url: the registry's URL for this host.
    """

    crane: Path
    url: str

    def push(self, archive: Path, image: str) -> None:
        """Push an image under its own name, without its registry, as in a mirror.

        Args:
            archive: an archive in the format of `docker save`.
            image: the full name of the image.
        """
        name = f"{self.url.partition('//')[2]}/{image.partition('/')[2]}"
        run([self.crane, "push", archive, name], timeout=PUSH_SECONDS)

    def has(self, image: str) -> bool:
        """Tell whether the registry has an image."""
        name = f"{self.url.partition('//')[2]}/{image.partition('/')[2]}"
        return not run([self.crane, "digest", name], timeout=PUSH_SECONDS, ok=range(256)).returncode


@contextlib.contextmanager
def serving(directory: Path, timeline: Timeline, port: int = 0) -> Iterator[Registry]:
    """Serve a registry while the block runs.

    Args:
        directory: the directory of its images and its log.
        timeline: shows the progress of the build.
        port: the port to listen on; a free one by default.
    """
    crane = binary.program(MODULE, BuildTarget("crane", PACKAGE), timeline)
    blobs = directory / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    words: list[str | Path] = [crane, "registry", "serve", "--address", f"0.0.0.0:{port}", "--disk", blobs]
    process = background(words, log_file=directory / "registry.log", env=dict(os.environ))
    try:
        url = f"http://localhost:{port}"
        wait_until(
            lambda: image_sources.ask(f"{url}/v2/") or True,
            timeout=START_SECONDS,
            what=f"the registry at {url} answers",
        )
        yield Registry(crane, url)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(START_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
