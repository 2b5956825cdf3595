"""Decide whether a run on a broken layer said what it must: this promise, this cause, this sentence, nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from platform_e2e.breaks.declaration import LEGITIMATE, UNKNOWN, Break
from platform_e2e.errors import ExitCode
from platform_e2e.runs.verdict import BAD, Outcome, Result, Verdict

REFUSALS: Mapping[str, str] = {"application-shared-resource": "is there a second time"}
"""Causes that the reader of a layer sees where two files make one object, and what it says then (layer/load.py)."""


@dataclass(frozen=True)
class RunOutcome:
    """A run on one layer, as its process ended.

    Attributes:
        status: of the process.
        seconds: how long it took.
        found: the verdict in its run.json; an empty one where it left none.
        last_line: that it printed.
        said: the last lines.
        artifacts: the directory of its results.
    """

    status: int
    seconds: float
    found: Verdict
    last_line: str = ""
    said: str = ""
    artifacts: str = ""


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


def judge(fault: Break, run: RunOutcome) -> Judgement:
    """Judge a run on a changed layer: red or unknown as declared, or green where the change is legitimate.

    Args:
        fault: what was broken and must be found.
        run: on the layer with it.
    """
    if fault.cause == LEGITIMATE:
        reason = _not_green("the layer", run)
    else:
        reason = _not_unknown(fault, run) if fault.cause == UNKNOWN else _wrong(fault, run)
    return Judgement(fault.name, fault.promise, fault.cause, not reason, reason, run.seconds)


def judge_sound(name: str, run: RunOutcome) -> Judgement:
    """Judge a run on the sound layer: it must be green, and must have judged something."""
    reason = _not_green("the sound layer", run)
    return Judgement(name, "", "", not reason, reason, run.seconds)


def _not_green(layer: str, run: RunOutcome) -> str:
    """Return why a run is not green, or judged nothing; an empty string where it is."""
    if run.status != ExitCode.HOLDS:
        return f"{layer} is not green: status {run.status}; {_first_bad(run)}"
    if not any(test.outcome is Outcome.PASSED for test in run.found.tests):
        return f"the run on {layer} judged nothing"
    return ""


def _not_unknown(fault: Break, run: RunOutcome) -> str:
    """Return why a run does not say just what is not judged; an empty string where it does."""
    if run.status == ExitCode.HOLDS:
        return "missed: the run is green"
    if run.status != ExitCode.UNKNOWN:
        return f"not unknown: status {run.status}; {_first_bad(run)}"
    left = (each for each in run.found.unknown if not run.found.coverage.accepts(each))
    told = [f"{each.object} ({each.reason}): {each.problem}" for each in left]
    other = next((each for each in told if not re.search(fault.sentence, each)), "")
    if other or not told:
        return f"miscalled: what is not judged is said to be `{other}`" if other else "missed: nothing is not judged"
    return ""


def _wrong(fault: Break, run: RunOutcome) -> str:
    """Return what is wrong with the verdict, or an empty string."""
    if run.status == ExitCode.HOLDS:
        return "missed: the run is green"
    if run.status == ExitCode.WRONG_USAGE and _refused(fault, run.said):
        return ""
    if run.status != ExitCode.BROKEN_PLATFORM:
        return f"not judged: status {run.status}; {_first_bad(run)}"
    # What is not judged beside it does not count as a fault.
    good = {Outcome.PASSED, Outcome.SKIPPED, Outcome.UNKNOWN}
    bad = [test for test in run.found.tests if test.outcome not in good and not _waits_for(fault, test)]
    if not bad:
        return "missed: no test is red"
    return next(filter(None, (_misplaced(fault, test) or _miscalled(fault, test) for test in bad)), "")


def _refused(fault: Break, said: str) -> bool:
    """Tell whether the reader of the layer names the fault before anything is started: by its words and by a changed file."""
    words = REFUSALS.get(fault.cause)
    return bool(words) and str(words) in said and any(change.file in said for change in fault.changes)


def _waits_for(fault: Break, test: Result) -> bool:
    """Tell whether a test is only blocked by the declared promise, for the declared cause: that is not another fault."""
    blocked = test.outcome is Outcome.BLOCKED and test.reason.startswith(f"blocked by promise {fault.promise}:")
    return blocked and test.reason.endswith(f"[{fault.cause}]")


def _misplaced(fault: Break, test: Result) -> str:
    """Return what is wrong with this test being red at all."""
    if test.promise != fault.promise:
        return f"something else is red: {test.test}: {test.reason}"
    return "" if test.findings else f"red without a finding: {test.test}: {test.reason}"


def _miscalled(fault: Break, test: Result) -> str:
    """Return what is wrong with what this test found."""
    for finding in test.findings:
        name, cause = finding.object, finding.cause
        if finding.promise != fault.promise:
            return f"miscalled: {name} is said to break `{finding.promise}`"
        if cause.id != fault.cause:
            return f"miscalled: the cause of {name} is said to be `{cause.id}`: {cause.sentence}"
        if not re.search(fault.sentence, cause.sentence):
            return f"miscalled: the sentence is `{cause.sentence}`"
    return ""


def _first_bad(run: RunOutcome) -> str:
    """Return the first thing that went wrong, in few words, and where the rest is."""
    words = next((f"{test.test}: {test.reason}" for test in run.found.tests if test.outcome in BAD), run.last_line)
    return f"{words} (see {run.artifacts})"
