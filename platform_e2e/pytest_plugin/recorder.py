"""Recorder of the tests' results, places and deselections, in the controlling process."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from platform_e2e import redact
from platform_e2e.errors import ExitCode
from platform_e2e.finding import Finding
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.pytest_plugin.each import AT_FAULT
from platform_e2e.runs.coverage import Coverage
from platform_e2e.runs.directory import Run
from platform_e2e.runs.verdict import Outcome, Result, Verdict, told, verdict_on
from platform_e2e.untrusted import typed

TEXT_CHARACTERS = 20_000
"""How much of pytest's own account of a failure run.json keeps: about 250 lines."""

LEFT_OUT = "platform_e2e_left_out"
"""Key under which a worker tells its controller how many tests of each promise -k, -m or --deselect left out."""


class Recorder:
    """Collect what each test's reports say, in the controlling process.

    Args:
        run: the results are those of its tests.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.results: dict[str, Result] = {}
        self.seconds: dict[str, float] = {}
        self.complete = False
        self.status = ExitCode.HOLDS
        self.broken_collection = ExitCode.HOLDS
        self.left_out: dict[str, int] = {}
        self.collected: dict[str, list[str]] = {}
        self.started = time.time()
        self.places: dict[str, tuple[str, int | None]] = {}
        self.report = ""
        self.coverage = Coverage()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take over one report; the first of setup, call and teardown that did not pass is the test's outcome.

        A setup that passed decides nothing: the test may be interrupted before it is called.
        """
        self.places[report.nodeid] = place(report)
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        before, now = self.results.get(report.nodeid), result_of(report)
        if before is None and report.when == "setup" and now.outcome is Outcome.PASSED:
            return
        if before is None or (before.outcome is Outcome.PASSED and now.outcome is not Outcome.PASSED):
            before = now
        figures = {**before.figures, **now.figures}
        self.results[report.nodeid] = replace(before, seconds=self.seconds[report.nodeid], figures=figures)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that a file of tests cannot be read, and who is at fault, the harness before the caller: nothing was judged."""
        if report.failed:
            status = int(getattr(report, AT_FAULT, ExitCode.BROKEN_HARNESS))
            self.broken_collection = min(self.broken_collection or status, status)

    def verdict(self) -> Verdict:
        """Return the verdict so far."""
        broken = [event for event in self.run.events() if event["kind"] == "phase-end" and event.get("error")]
        phase = str(broken[0]["name"]) if broken else ""
        not_run = Counter(promise for test, of in self.collected.items() for promise in of if test not in self.results)
        results = told(list(self.results.values()))
        return verdict_on(
            results,
            phase,
            complete=self.complete,
            left_out=self.left_out,
            not_run=not_run,
            coverage=self.coverage,
        )

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is to be run, so that a run which is ended early names what it did not come to; workers run it unseen."""
        self.collected = {item.nodeid: promises_of(item) for item in session.items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker left out: with workers the controlling process collects nothing itself."""
        self.left_out = self.left_out or getattr(node, "workeroutput", {}).get(LEFT_OUT, {})


RECORDER = pytest.StashKey[Recorder]()


def promises_of(item: pytest.Item) -> list[str]:
    """Return the promises that a test proves; one empty name where it proves none."""
    return [str(marker.args[0]) for marker in item.iter_markers("promise")] or [""]


def result_of(report: pytest.TestReport) -> Result:
    """Return what one report says about its test."""
    properties: dict[str, Any] = dict(report.user_properties)
    blocked = properties.get("blocked_by") if report.skipped else None
    unknown = properties.get("unknown") if report.skipped else None
    reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
    if blocked:
        outcome = Outcome.BLOCKED
    elif unknown:
        outcome = Outcome.UNKNOWN
    elif report.failed:
        outcome = Outcome.FAILED if report.when == "call" else Outcome.ERROR
        crash = getattr(report.longrepr, "reprcrash", None)
        reason = next(iter((crash.message if crash else str(report.longrepr)).splitlines()), "")
    else:
        outcome = Outcome.SKIPPED if report.skipped else Outcome.PASSED
    findings = Finding.several(properties.get("findings", "")) if report.failed else ()
    return Result(
        test=report.nodeid,
        outcome=outcome,
        promise=properties.get("promise", ""),
        seconds=report.duration,
        figures=json.loads(properties.get("figures", "{}")),
        findings=findings,
        reason=reason.removeprefix("Skipped: "),
        # A crashed worker's report has no property: it is the harness that broke.
        exit_code=int(properties.get("exit_code", ExitCode.BROKEN_HARNESS)) if report.failed else ExitCode.HOLDS,
        object=properties.get("object", ""),
        proves=properties.get("proves", ""),
        text=shortened(redact.text(str(report.longrepr))) if report.failed and not findings else "",
        evidence=properties.get("evidence", ""),
        blocking=Finding.several(properties.get("blocking", "")) if blocked else (),
        unknown=typed.strict_json(unknown.encode(), NotJudged) if unknown else None,
    )


def shortened(text: str) -> str:
    """Return a text; where it is longer than a report can use, its middle is left out, which is said in its place."""
    left = len(text) - TEXT_CHARACTERS
    half = TEXT_CHARACTERS // 2
    return text if left <= 0 else f"{text[:half]}\n... {left} characters left out ...\n{text[-half:]}"


def place(report: pytest.TestReport) -> tuple[str, int | None]:
    """Return file and line of a test, counted from 1 as viewers do."""
    path, line, _ = report.location
    return path, None if line is None else line + 1
