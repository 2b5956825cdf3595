"""Run the platform's tests on each broken copy of the layer, on kept clusters, and judge the verdicts."""

from __future__ import annotations

import difflib
import functools
import os
import secrets
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from platform_e2e import paths, shell, terminal
from platform_e2e.breaks.declaration import Break, apply, load_all
from platform_e2e.breaks.judge import Judgement, RunOutcome, judge, judge_sound
from platform_e2e.errors import ExitCode, WrongUsage
from platform_e2e.option_values import Keep
from platform_e2e.processes import RunningProcesses
from platform_e2e.report.console import duration
from platform_e2e.runs.run_json import SavedRun
from platform_e2e.settings import OPTIONS, Settings

LOG_WIDTH = 140
"""Columns of the table where the output is not a terminal."""

LINES_KEPT = 20
"""How many last lines of a run are looked at: a refusal of the layer has two."""

TEARDOWN_SECONDS = 180.0
"""For removing that cluster: a provider's own limits are far below."""

WORKERS = "4"
"""Tests mostly wait, so several workers shorten a run also where there are only two cores."""

CLEAN_SECONDS = 40.0
"""For runs that were interrupted to end by themselves, with what of them is to be kept: with the removal of their clusters that stays
below what nox leaves to a command after SIGTERM (noxfile.py)."""

RUNS = RunningProcesses()
"""The runs of this process, one for each job: an interruption of it reaches none of them by itself."""

MARGIN_SECONDS = 180.0
"""How much longer than its deadline a run may take: grace, teardown and start of the interpreter."""


def main(
    settings: Settings,
    names: Sequence[str],
    *,
    cases: Path | None = None,
    chosen: str = "",
    only_list: bool = False,
    jobs: int = 1,
) -> int:
    """Run breaks and print the table.

    Args:
        settings: of every run; `layer` is the sound one.
        names: of breaks; all when empty.
        cases: directory of the breaks; `breaks/` of this repository by default.
        chosen: only names that contain this text.
        only_list: print the breaks and run nothing.
        jobs: how many clusters share the breaks; each is green with the sound layer before and after its own.

    Returns:
        0 when every break was caught as declared and the sound layer is green before and after, else 1.

    Raises:
        WrongUsage: a name has no file, or a break does not fit the layer.
    """
    faults = select(load_all(cases or paths.project() / "breaks"), names, chosen)
    if only_list:
        for fault in faults:
            sys.stdout.write(f"{fault.name}: {fault.promise} by {fault.cause}\n")
        return ExitCode.HOLDS
    # Each job's cluster is kept between its breaks and removed at the end; two such commands share none.
    clusters = [f"breaks-{secrets.token_hex(4)}" for _ in range(min(max(jobs, 1), len(faults)))]
    with paths.scratch() as scratch:
        copies = {fault.name: broken_copy(fault, settings.layer, scratch / fault.name) for fault in faults}
        share = Share(settings, faults, copies)
        try:
            judgements = _together(share, clusters)
        finally:
            share.over.set()
            for cluster in clusters:
                _remove_cluster(cluster)
    sys.stdout.write(table(judgements))
    return ExitCode.HOLDS if all(judgement.right for judgement in judgements) else ExitCode.BROKEN_PLATFORM


def select(faults: Sequence[Break], names: Sequence[str], chosen: str) -> list[Break]:
    """Return the breaks that were asked for.

    Raises:
        WrongUsage: a name has no file, or nothing is left.
    """
    every = [fault.name for fault in faults]
    if unknown := next((name for name in names if name not in every), ""):
        near = difflib.get_close_matches(unknown, every, n=3) or [name for name in every if unknown in name][:3]
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise WrongUsage(f"NAME must be a break, got `{unknown}`", f"{meant}--list prints all {len(every)}")
    found = [fault for fault in faults if (not names or fault.name in names) and chosen in fault.name]
    if not found:
        raise WrongUsage(f"-k must be in the name of a break, got `{chosen}`", f"--list prints all {len(every)}")
    return found


def broken_copy(fault: Break, layer: Path, target: Path) -> Path:
    """Return a copy of the layer with the fault made; all are made before any cluster exists, so a stale one costs nothing."""
    shutil.copytree(layer, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    apply(fault, target)
    return target


class Share:
    """The breaks that are still to be run, and what every job needs for them.

    Args:
        settings: of every run.
        faults: the breaks.
        copies: the broken copy of the layer for each.
    """

    def __init__(self, settings: Settings, faults: Sequence[Break], copies: Mapping[str, Path]) -> None:
        self.over = threading.Event()
        self._settings = settings
        self._left = deque(faults)
        self._copies = copies

    def work(self, cluster: str) -> list[Judgement]:
        """Run the sound layer, broken ones as long as there are any, and the sound one again, on one cluster.

        A layer that is red when sound ends it at once; the breaks are left to the other jobs.

        Args:
            cluster: name of the job's own.
        """
        settings = replace(self._settings, cluster=cluster)
        run = functools.partial(self._run, settings)
        judgements = [self._say(judge_sound("(sound, before)", run(settings.layer, f"before-{cluster}")))]
        if not judgements[0].right:
            return judgements
        while True:
            try:
                fault = self._left.popleft()
            except IndexError:
                break
            judgements.append(self._say(judge(fault, run(self._copies[fault.name], fault.name))))
        judgements.append(self._say(judge_sound("(sound, after)", run(settings.layer, f"after-{cluster}"))))
        return judgements

    def _run(self, settings: Settings, layer: Path, name: str) -> RunOutcome:
        """Run the tests once; a run that an interruption has ended, or come before, has no verdict.

        Raises:
            CancelledError: this command was interrupted.
        """
        if self.over.is_set():
            raise CancelledError
        done = _run(settings, layer, name)
        if self.over.is_set():
            raise CancelledError
        return done

    def unrun(self) -> list[Judgement]:
        """Return a judgement that is not right for each break that was not run."""
        return [Judgement(fault.name, fault.promise, fault.cause, False, "not run", 0.0) for fault in self._left]

    def _say(self, judgement: Judgement) -> Judgement:
        """Print one line as soon as it is known."""
        verdict = "as declared" if judgement.right else f"WRONG: {judgement.reason}"
        # In one piece: several jobs print.
        sys.stdout.write(f"{judgement.name:<40} {verdict} ({duration(judgement.seconds)})\n")
        sys.stdout.flush()
        return judgement


def _together(share: Share, clusters: Sequence[str]) -> list[Judgement]:
    """Let each cluster's job take breaks until none is left; an interruption ends the runs before their clusters are removed."""
    pool = ThreadPoolExecutor(len(clusters))
    jobs = [pool.submit(share.work, cluster) for cluster in clusters]
    try:
        return [judgement for job in jobs for judgement in job.result()] + share.unrun()
    except BaseException:
        share.over.set()
        try:
            _end(jobs)
        finally:
            # Also where a second interruption has no patience with that.
            RUNS.kill()
        raise
    finally:
        pool.shutdown()


def _end(jobs: Sequence[Future[list[Judgement]]]) -> None:
    """Pass an interruption on to the runs of all jobs, and wait as long as their clean-up may take."""
    until = time.monotonic() + CLEAN_SECONDS
    while wait(jobs, timeout=0).not_done and time.monotonic() < until:
        # Again and again, for a job may just begin one.
        RUNS.ask_to_end()
        wait(jobs, timeout=0.2)


def _run(settings: Settings, layer: Path, name: str) -> RunOutcome:
    """Run the platform's tests as a person would, and return how the run ended."""
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
        paths.project() / "e2e",
    ]
    done = shell.run(
        [*command, *options_of(settings, layer)],
        timeout=settings.deadline + MARGIN_SECONDS,
        ok=range(-64, 256),
        cwd=paths.project(),
        among=RUNS,
        env={
            # Its own, emptied above: a broken layer is nothing that a later run may be compared with.
            "PLATFORM_E2E_ARTIFACTS": str(artifacts),
            # A broken copy is in no checkout; its branches and tags are those of the sound one.
            "PLATFORM_E2E_REPOSITORY": ",".join(
                [str(settings.checkout or settings.layer), *(f"{url}={place}" for url, place in settings.repositories)]
            ),
            # The page of the job is not for runs that are red on purpose.
            "GITHUB_STEP_SUMMARY": "",
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "160",
        },
    )
    artifacts.mkdir(parents=True, exist_ok=True)
    (artifacts / "output.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    run, _ = SavedRun.load(artifacts / "latest")
    lines = (done.stdout + done.stderr).strip().splitlines()
    last, said = next(iter(reversed(lines)), ""), "\n".join(lines[-LINES_KEPT:])
    return RunOutcome(done.returncode, done.seconds, run.verdict, last, said, str(artifacts))


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
        [sys.executable, "-m", "platform_e2e", "cluster", "down", "--force", name],
        timeout=TEARDOWN_SECONDS,
        ok=range(-64, 256),
        cwd=paths.project(),
        env={**os.environ},
    )


def table(judgements: Sequence[Judgement]) -> str:
    """Return the table of all breaks."""
    rows = [
        (
            judgement.name,
            judgement.promise,
            judgement.cause,
            ("as declared", "green") if judgement.right else (judgement.reason, "bold red"),
            duration(judgement.seconds),
        )
        for judgement in judgements
    ]
    width, colour = terminal.size(LOG_WIDTH)
    columns = ("break", "promise", "cause", "verdict", "time")
    return terminal.table(columns, rows, width=width, colour=colour, title="breaks", lines=False)
