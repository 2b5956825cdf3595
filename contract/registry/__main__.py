"""Fill a registry on this machine and prove the platform through it; the words after `--` are pytest's.

With `--serve` it only runs the registry and prints the command that uses it: for runs by hand, as another user for example.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from contract.registry import crane, standin, stock
from platform_e2e import layer as layers
from platform_e2e import paths
from platform_e2e.cluster import naming
from platform_e2e.cluster.k3d import daemon, versions
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.errors import BrokenHarness, HarnessError, WrongUsage
from platform_e2e.incident.output import PrintedTimeline, say
from platform_e2e.shell import stream
from platform_e2e.toolbox import cache, hostpackages, layer_renderer, programs

CLUSTER = "registry"
"""The name of the cluster for which the node image is made."""

RUN_SECONDS = 3 * 3600.0
"""Timeout of the run, whose own deadline passes earlier."""


def main(argv: Sequence[str] | None = None) -> int:
    """Fill the registry, and run.

    Args:
        argv: the words after the program's name.

    Returns:
        The run's exit status; 3 if no run was possible.
    """
    parser = argparse.ArgumentParser(prog="registry", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="run nothing: print the command, and serve until Ctrl-C")
    parser.add_argument("--port", type=int, default=0, help="of the registry; a free one by default")
    parser.add_argument(
        "--directory", type=Path, help="for the registry's files, which then stay; the cache by default"
    )
    known, rest = parser.parse_known_args(argv)
    timeline = PrintedTimeline()
    try:
        if (paths.clusters() / CLUSTER).exists():
            raise WrongUsage(f"there is a cluster {CLUSTER} already", f"remove it: nox -s cluster -- down {CLUSTER}")
        docker = Docker.of_environment()
        found = daemon.ask(docker)
        if isinstance(found, daemon.Silence):
            raise BrokenHarness(f"this needs Docker: {found.reason}", found.remedy)
        hostpackages.install_or_explain(timeline)
        with cache.scratch("registry") as scratch:
            directory = known.directory.absolute() if known.directory else scratch / "registry"
            with crane.serving(directory, timeline, known.port) as registry:
                try:
                    _forget(docker, registry)  # what an earlier one served at that port is another node's
                    words = _filled(registry, docker, directory, scratch, timeline)
                    return _serve(words) if known.serve else _run([*words, *rest])
                finally:
                    _forget(docker, registry)
    except HarnessError as error:
        say(str(error))
        return error.exit_code


def _filled(
    registry: crane.Registry, docker: Docker, directory: Path, scratch: Path, timeline: PrintedTimeline
) -> list[str | Path]:
    """Push every image, prepare layer and charts, and return the command that uses them."""
    with timeline.phase("registry", f"a registry at {registry.url} is filled"):
        stock.push_images(registry, scratch, timeline)
        layer, charts = directory / "layer", directory / "charts"
        stock.layer(paths.ROOT / "platform", layer, charts, timeline)
        built = programs.ensure(timeline)
        pools = tuple(layers.load(layer, layer_renderer.renderer(lambda: built)).pool_ranges())
        timeline.progress(
            "registry", f"pushes {versions.K3S_IMAGE}: a built node that takes every image from the mirror"
        )
        addresses = standin.plan(docker, pools, scratch)
        standin.write(
            scratch / "node.tar",
            versions.K3S_IMAGE,
            naming.on_host(CLUSTER),
            addresses,
            scratch=scratch,
            timeline=timeline,
        )
        registry.push(scratch / "node.tar", versions.K3S_IMAGE)
        (scratch / "node.tar").unlink()
    return [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "e2e", "--provider", "k3d"),
        *("--registry-mirror", registry.url, "--cluster", CLUSTER, "--charts-dir", charts, "--layer", layer),
    ]


def _forget(docker: Docker, registry: crane.Registry) -> None:
    """Remove from Docker what it has pulled from the registry."""
    host = registry.url.partition("//")[2]
    listed = docker.run("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    ours = [name for name in listed if name.startswith(f"{host}/")]
    if ours:
        docker.run("image", "rm", "--force", *ours)


def _run(words: Sequence[str | Path]) -> int:
    say(f"runs: {shlex.join(map(str, words))}")
    done = stream(
        words, timeout=RUN_SECONDS, on_line=say, ok=range(256), cwd=paths.ROOT, env={"PYTHONUNBUFFERED": "1"}, tied=True
    )
    return done.returncode


def _serve(words: Sequence[str | Path]) -> int:
    say(f"serves until Ctrl-C; in {Path.cwd()}:\n  {shlex.join(map(str, words))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("the registry ends")
    return 0


if __name__ == "__main__":
    sys.exit(main())
