"""Decide whether a run on a broken layer said what it must: this promise, this cause, this sentence, nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from platform_e2e.breaks.declaration import LEGITIMATE, Break
from platform_e2e.errors import ExitCode
from platform_e2e.runs.verdict import Outcome

REFUSALS: Mapping[str, str] = {"application-shared-resource": "is there a second time"}
"""Causes that the reader of a layer sees where two files make one object, and what it says then (layer/load.py)."""


@dataclass(frozen=True)
class Judgement:
    """What is to be said about one run.

    Attributes:
        name: of the break.
        promise: that was declared.
        cause: that was declared.
        right: whether the run's verdict is the declared one.
        reason: what is wrong with it, or an empty string.
        seconds: how long the run took.
    """

    name: str
    promise: str
    cause: str
    right: bool
    reason: str
    seconds: float


def judge(fault: Break, run: Mapping[str, Any]) -> Judgement:
    """Judge a run on a changed layer: red as declared, or green where the change is legitimate.

    Args:
        fault: what was broken and must be found.
        run: run.json, with `status`, `seconds`, `last_line` and `said` of the process.
    """
    reason = _not_green("the layer", run) if fault.cause == LEGITIMATE else _wrong(fault, run)
    return Judgement(fault.name, fault.promise, fault.cause, not reason, reason, float(run.get("seconds", 0.0)))


def judge_sound(name: str, run: Mapping[str, Any]) -> Judgement:
    """Judge a run on the sound layer: it must be green, and must have judged something."""
    reason = _not_green("the sound layer", run)
    return Judgement(name, "", "", not reason, reason, float(run.get("seconds", 0.0)))


def _not_green(layer: str, run: Mapping[str, Any]) -> str:
    """Return why a run is not green, or judged nothing; an empty string where it is."""
    if run.get("status") != ExitCode.HOLDS:
        return f"{layer} is not green: status {run.get('status')}; {_first_bad(run)}"
    if not any(test["outcome"] == Outcome.PASSED for test in _tests(run)):
        return f"the run on {layer} judged nothing"
    return ""


def _wrong(fault: Break, run: Mapping[str, Any]) -> str:
    """Return what is wrong with the verdict, or an empty string."""
    status = run.get("status")
    if status == ExitCode.HOLDS:
        return "missed: the run is green"
    if status == ExitCode.WRONG_USAGE and _refused(fault, str(run.get("said", ""))):
        return ""
    if status != ExitCode.BROKEN_PLATFORM:
        return f"not judged: status {status}; {_first_bad(run)}"
    bad = [
        test
        for test in _tests(run)
        if test["outcome"] not in {Outcome.PASSED, Outcome.SKIPPED} and not _waits_for(fault, test)
    ]
    if not bad:
        return "missed: no test is red"
    return next(filter(None, (_misplaced(fault, test) or _miscalled(fault, test) for test in bad)), "")


def _refused(fault: Break, said: str) -> bool:
    """Tell whether the reader of the layer names the fault before anything is started: by its words and by a changed file."""
    words = REFUSALS.get(fault.cause)
    return bool(words) and str(words) in said and any(change.file in said for change in fault.changes)


def _waits_for(fault: Break, test: Mapping[str, Any]) -> bool:
    """Tell whether a test is only blocked by the declared promise, for the declared cause: that is not another fault."""
    reason = str(test["reason"])
    blocked = test["outcome"] == Outcome.BLOCKED and reason.startswith(f"blocked by promise {fault.promise}:")
    return blocked and reason.endswith(f"[{fault.cause}]")


def _misplaced(fault: Break, test: Mapping[str, Any]) -> str:
    """Return what is wrong with this test being red at all."""
    if test["promise"] != fault.promise:
        return f"something else is red: {test['test']}: {test['reason']}"
    if not test["findings"]:
        return f"red without a finding: {test['test']}: {test['reason']}"
    return ""


def _miscalled(fault: Break, test: Mapping[str, Any]) -> str:
    """Return what is wrong with what this test found."""
    for finding in test["findings"]:
        name, cause = finding["object"], finding["cause"]
        if finding["promise"] != fault.promise:
            return f"miscalled: {name} is said to break `{finding['promise']}`"
        if cause["id"] != fault.cause:
            return f"miscalled: the cause of {name} is said to be `{cause['id']}`: {cause['sentence']}"
        if not re.search(fault.sentence, cause["sentence"]):
            return f"miscalled: the sentence is `{cause['sentence']}`"
    return ""


def _tests(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the run's tests."""
    return list(run.get("verdict", {}).get("tests", ()))


def _first_bad(run: Mapping[str, Any]) -> str:
    """Return the first thing that went wrong, in few words, and where the rest is."""
    for test in _tests(run):
        if test["outcome"] in {Outcome.FAILED, Outcome.ERROR}:
            return f"{test['test']}: {test['reason']} (see {run.get('artifacts', '')})"
    return f"{run.get('last_line', '')} (see {run.get('artifacts', '')})"
