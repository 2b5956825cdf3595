"""Make the five kinds of incident on one cluster, capture, remove it, reproduce on a new one; 0 when all are seen again."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from incidents.five import APPLICATIONSET, KINDS, STACK, Kind, freeze, ignored, needing
from platform_e2e import cli, paths
from platform_e2e import layer as layers
from platform_e2e.bringup import RunningPlatform, bring_up
from platform_e2e.checks.all import CheckContext, run_all
from platform_e2e.cluster.directory import ClusterDirectory
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.commands import arguments
from platform_e2e.errors import ExitCode, HarnessError
from platform_e2e.gitops.deploy import refresh_all
from platform_e2e.incident import archive
from platform_e2e.incident.capture import renderer
from platform_e2e.incident.model import Incident, parse
from platform_e2e.incident.output import PrintedTimeline, say, say_list
from platform_e2e.incident.reproduce import drift_documents
from platform_e2e.kube.expect import Met, Pending, Verdict, poll

BROKEN_SECONDS = 240.0
"""For each to be found: a kubelet's back-off from an image, and the scrapes that Prometheus needs, come last."""

STEADY_SECONDS = 20.0
"""How long the same findings must have been there before they are captured."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run it.

    Args:
        argv: the words after the program's name.

    Returns:
        0 when the five kinds were captured and every finding is seen again on the new cluster, else 1.
    """
    parser = argparse.ArgumentParser(prog="incidents", description=__doc__)
    parser.add_argument("--output", type=Path, help="where to leave the archive; artifacts/incidents by default")
    arguments.add_options(parser)
    known = parser.parse_args(argv)
    stem = f"inc-{secrets.token_hex(3)}"
    first, second = f"{stem}-a", f"{stem}-b"
    output = known.output or paths.artifacts() / "incidents" / f"{stem}.tar.gz"
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        _make(known, first, output)
        incident = _captured(output)
        _down(first)
        options = ["--provider", known.platform_e2e_provider] if known.platform_e2e_provider else []
        reproduced = cli.main(
            ["reproduce", str(output), "--trust", "--no-shell", "--then", "heal", "--cluster", second, *options]
        )
    except HarnessError as error:
        say(str(error))
        return error.exit_code
    finally:
        for name in (first, second):
            _down(name)
    found = {(one.object, one.cause.id) for one in incident.findings}
    say_list(
        "five kinds", (f"{one.name}: {'captured' if (one.object, one.cause) in found else 'MISSING'}" for one in KINDS)
    )
    complete = all((one.object, one.cause) in found for one in KINDS)
    return ExitCode.HOLDS if complete and reproduced == ExitCode.HOLDS else ExitCode.BROKEN_PLATFORM


def _make(known: argparse.Namespace, cluster: str, output: Path) -> None:
    """Bring a sound platform up, break it in five ways, and capture it."""
    known.platform_e2e_cluster = cluster
    settings = arguments.settings_of(known)
    with tempfile.TemporaryDirectory(prefix="platform-e2e-incidents-") as scratch:
        directory = Path(scratch) / "layer"
        shutil.copytree(settings.layer, directory, ignore=shutil.ignore_patterns("__pycache__"))
        for name, change in ((APPLICATIONSET, ignored), (STACK, needing)):
            file = directory / name
            file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
        layer = layers.load(directory, renderer())
        with bring_up(
            settings, layer, nodes=settings.nodes, releases=layer.releases, timeline=PrintedTimeline(), made=_known
        ) as up:
            freeze(up)
            for kind in KINDS:
                say(f"incident: {kind.name}")
                kind.make(up)
                refresh_all(up.kube, layer)
                _until_found(up, [kind])
            _until_found(up, KINDS, steady=STEADY_SECONDS)
        if cli.main(["capture", "--cluster", cluster, "--output", str(output)]):
            raise SystemExit(ExitCode.BROKEN_HARNESS)


def _known(facts: ClusterFacts) -> None:
    """Say nothing of a cluster that goes with this run, whatever becomes of it."""


def _until_found(up: RunningPlatform, kinds: Sequence[Kind], *, steady: float = 0.0) -> None:
    """Wait until some kinds are found, and the findings have been the same for a while.

    Args:
        up: the platform.
        kinds: that must be found.
        steady: seconds.
    """
    wanted = {(one.object, one.cause) for one in kinds}
    last: set[tuple[str, str]] = set()
    since = time.monotonic()

    def look() -> Verdict:
        nonlocal last, since
        context = CheckContext(up.kube, up.layer, up.git.head(), [one.name for one in up.layer.applications])
        now = {(one.object, one.cause.id) for one in run_all(context)}
        if now != last:
            last, since = now, time.monotonic()
        if wanted - now:
            return Pending(f"not found: {sorted(wanted - now)}; found: {sorted(now)}")
        return Met() if time.monotonic() - since >= steady else Pending("they have just changed")

    poll(look, timeout=BROKEN_SECONDS, what=f"found: {', '.join(one.name for one in kinds)}")


def _captured(output: Path) -> Incident:
    files = archive.read(output)
    return parse(files, drift_documents(files))


def _down(cluster: str) -> None:
    """Remove a cluster, if it is still there."""
    if ClusterDirectory(cluster).path.exists():
        cli.main(["cluster", "down", "--force", cluster])


if __name__ == "__main__":
    sys.exit(main())
