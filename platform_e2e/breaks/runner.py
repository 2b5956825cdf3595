"""Run the platform's tests on each broken copy of the layer, on one kept cluster, and judge the verdicts."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from platform_e2e import paths, shell
from platform_e2e.breaks.declaration import Break, apply, load_all
from platform_e2e.breaks.judge import Judgement, judge, judge_sound
from platform_e2e.errors import WrongUsage
from platform_e2e.report.console import duration
from platform_e2e.report.verdict import ExitCode
from platform_e2e.settings import OPTIONS, Keep, Settings

LOG_WIDTH = 140
"""Columns of the table where the output is no terminal."""

TEARDOWN_SECONDS = 180.0
"""For removing that cluster: a provider's own limits are far below."""

WORKERS = "4"
"""Tests mostly wait, so several workers shorten a run also where there are only two cores."""

MARGIN_SECONDS = 180.0
"""How much longer than its deadline a run may take: grace, teardown and start of the interpreter."""


def main(settings: Settings, names: Sequence[str], *, chosen: str = "", only_list: bool = False) -> int:
    """Run breaks and print the table.

    Args:
        settings: of every run; `layer` is the sound one.
        names: of breaks; all when empty.
        chosen: only names that contain this text.
        only_list: print the breaks and run nothing.

    Returns:
        0 when every break was caught as declared and the sound layer is green before and after, else 1.

    Raises:
        WrongUsage: a name has no file, or a break does not fit the layer.
    """
    faults = select(load_all(paths.ROOT / "breaks"), names, chosen)
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else LOG_WIDTH)
    if only_list:
        for fault in faults:
            console.print(f"{fault.name}: {fault.promise} by {fault.cause}", soft_wrap=True)
        return ExitCode.HOLDS
    # All breaks share one cluster, which is kept between them and removed at the end; two such commands do not share it.
    settings = replace(settings, cluster=f"breaks-{secrets.token_hex(4)}")
    with tempfile.TemporaryDirectory(prefix="platform-e2e-breaks-") as scratch:
        copies = {fault.name: broken_copy(fault, settings.layer, Path(scratch) / fault.name) for fault in faults}
        try:
            judgements = _all(settings, faults, copies, console)
        finally:
            _remove_cluster(settings.cluster)
    console.print(table(judgements))
    return ExitCode.HOLDS if all(judgement.right for judgement in judgements) else ExitCode.BROKEN_PLATFORM


def select(faults: Sequence[Break], names: Sequence[str], chosen: str) -> list[Break]:
    """Return the breaks that were asked for.

    Raises:
        WrongUsage: a name has no file, or nothing is left.
    """
    unknown = set(names) - {fault.name for fault in faults}
    if unknown:
        raise WrongUsage(
            f"no such break: {', '.join(sorted(unknown))}.", f"There are: {', '.join(f.name for f in faults)}."
        )
    found = [fault for fault in faults if (not names or fault.name in names) and chosen in fault.name]
    if not found:
        raise WrongUsage(f"no break has `{chosen}` in its name.", f"There are: {', '.join(f.name for f in faults)}.")
    return found


def broken_copy(fault: Break, layer: Path, target: Path) -> Path:
    """Return a copy of the layer with the fault made; all are made before any cluster exists, so a stale one costs nothing."""
    shutil.copytree(layer, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    apply(fault, target)
    return target


def _all(settings: Settings, faults: Sequence[Break], copies: dict[str, Path], console: Console) -> list[Judgement]:
    """Run the sound layer, each broken one, and the sound one again; a layer that is red when sound ends it at once."""
    judgements = [judge_sound("(sound, before)", _run(settings, settings.layer, "before"))]
    _say(console, judgements[-1])
    if not judgements[0].right:
        return judgements
    for fault in faults:
        judgements.append(judge(fault, _run(settings, copies[fault.name], fault.name)))
        _say(console, judgements[-1])
    judgements.append(judge_sound("(sound, after)", _run(settings, settings.layer, "after")))
    _say(console, judgements[-1])
    return judgements


def _say(console: Console, judgement: Judgement) -> None:
    """Print one line as soon as it is known."""
    verdict = "as declared" if judgement.right else f"WRONG: {judgement.reason}"
    console.print(f"{judgement.name:<40} {verdict} ({duration(judgement.seconds)})", soft_wrap=True, markup=False)


def _run(settings: Settings, layer: Path, name: str) -> dict[str, Any]:
    """Run the platform's tests as a person would, and return run.json; an empty one where the run left none."""
    artifacts = settings.artifacts / "breaks" / name
    shutil.rmtree(artifacts, ignore_errors=True)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-q",
        "-n",
        WORKERS,
        paths.ROOT / "e2e",
    ]
    done = shell.run(
        [*command, *options_of(settings, layer)],
        timeout=settings.deadline + MARGIN_SECONDS,
        ok=range(-64, 256),
        cwd=paths.ROOT,
        env={"PLATFORM_E2E_ARTIFACTS": str(artifacts), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "160"},
    )
    artifacts.mkdir(parents=True, exist_ok=True)
    (artifacts / "output.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    result = artifacts / "latest" / "run.json"
    data: dict[str, Any] = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {}
    last = next(iter(reversed((done.stdout + done.stderr).strip().splitlines())), "")
    return {**data, "status": done.returncode, "seconds": done.seconds, "last_line": last, "artifacts": str(artifacts)}


def options_of(settings: Settings, layer: Path) -> list[str]:
    """Return the options of a run on a layer: all that were chosen, on the cluster that stays between the runs."""
    chosen = replace(settings, layer=layer, keep=Keep.ALWAYS)
    words = []
    for option in (option for option in OPTIONS if option.flag):
        value = getattr(chosen, option.name)
        if option.metavar and value is not None:
            words += [option.option, f"{value:.0f}s" if option.name == "deadline" else str(value)]
        elif value is True:
            words.append(option.option)
    return words


def _remove_cluster(name: str) -> None:
    """Remove the shared cluster, whatever happened."""
    shell.run(
        [sys.executable, "-m", "platform_e2e", "cluster", "down", name],
        timeout=TEARDOWN_SECONDS,
        ok=range(-64, 256),
        cwd=paths.ROOT,
        env={**os.environ},
    )


def table(judgements: Sequence[Judgement]) -> Table:
    """Return the table of all breaks."""
    result = Table(title="breaks", title_justify="left")
    for column in ("break", "promise", "cause", "verdict", "time"):
        result.add_column(column, overflow="fold")
    for judgement in judgements:
        verdict = Text("as declared", "green") if judgement.right else Text(judgement.reason, "bold red")
        result.add_row(judgement.name, judgement.promise, judgement.cause, verdict, duration(judgement.seconds))
    return result
