"""What a run found out: one row for each promise, from the results of its tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from statistics import median
from typing import Any

from platform_e2e.errors import BrokenPlatform, ExitCode
from platform_e2e.finding import Finding, Promise
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.runs.coverage import Coverage

FIGURES_SHOWN = 4
"""How many values of one figure the table shows; run.json has all of them."""

BY_PROMISE = "blocked by promise "
"""How the reason of a test begins that another broken promise blocks, and no failed phase (diagnosis/attribution.py)."""

OF_RELEASE = "release/"
"""How the object of a test begins that is about a foundation: that it runs promises nothing by itself."""

NOTHING_OF_IT = "got empty parameter set"
"""How pytest's reason begins for a test that has one case per object of the layer, where the layer has no such object."""


class Outcome(StrEnum):
    """How one test ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


BAD = frozenset({Outcome.FAILED, Outcome.ERROR})
"""How a test ends that did not pass and was not kept from being judged."""


class PromiseBroken(BrokenPlatform):
    """One or more findings; its text is theirs, so a test that reports them fails with them."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n\n".join(finding.render() for finding in findings))
        self.findings = tuple(findings)


class Unproven(BrokenPlatform):
    """Nothing is broken, and something is not proven; the test that says so is unknown."""

    def __init__(self, unknown: NotJudged) -> None:
        super().__init__(str(unknown))
        self.unknown = unknown


@dataclass(frozen=True)
class Result:
    """One test's end.

    Attributes:
        test: its id.
        outcome: how it ended.
        promise: which promise it proves, or an empty string.
        seconds: how long it took, setup included.
        figures: what it measured: addresses, targets, seconds.
        findings: broken promises.
        reason: why it was skipped, or what blocked it, or the first line of its error.
        exit_code: tells who is at fault: the platform, the harness, or the caller.
        object: what its case is about, as findings name it; empty where it is about all of the layer.
        proves: what must be true, in one sentence.
        text: what pytest says of a failure that no finding explains.
        evidence: directory of what was kept of a failure, relative to the run's.
        blocking: what another promise's test should report, where it blocks this one.
        unknown: what is not judged, where this test cannot be judged because of it.
    """

    test: str
    outcome: Outcome
    promise: str = ""
    seconds: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    exit_code: int = 0
    object: str = ""
    proves: str = ""
    text: str = ""
    evidence: str = ""
    blocking: tuple[Finding, ...] = ()
    unknown: NotJudged | None = None

    @property
    def causes(self) -> tuple[str, ...]:
        """Return the ids of the causes of its findings, each once."""
        return tuple(dict.fromkeys(finding.cause.id for finding in self.findings))


@dataclass(frozen=True)
class Row:
    """One line of the verdict's table; `lacking` is of how many objects of the layer the promise is not judged."""

    promise: str
    verdict: str
    tests: str
    figures: str
    holds: bool
    lacking: str = ""


@dataclass(frozen=True)
class Verdict:
    """All that a run found out, as run.json has it; `verdict_on` makes it.

    Attributes:
        exit_code: the run's exit status as far as its tests decide it.
        broken_phase: the phase that failed and blocked the rest, or an empty string.
        complete: whether every test that was asked for came to an end.
        promises: one row per promise; tests that prove none are summed up in a last row.
        counts: how many tests ended how.
        tests: the result of every test, in the order in which they ended.
        coverage: what of the layer is judged.
    """

    exit_code: int = ExitCode.BROKEN_HARNESS
    broken_phase: str = ""
    complete: bool = True
    promises: tuple[Row, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    tests: tuple[Result, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)

    @property
    def unknown(self) -> tuple[NotJudged, ...]:
        """Return everything that is not judged, what the team does not accept first."""
        return tuple(sorted(_unknown(self.tests, self.coverage), key=self.coverage.accepts))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data for run.json, each finding in its own form."""
        data = asdict(self)
        for stored, result in zip(data["tests"], self.tests, strict=True):
            stored["findings"] = [finding.as_json() for finding in result.findings]
        return data


def verdict_on(
    tests: Sequence[Result],
    broken_phase: str = "",
    *,
    complete: bool = True,
    left_out: Mapping[str, int] | None = None,
    not_run: Mapping[str, int] | None = None,
    coverage: Coverage | None = None,
) -> Verdict:
    """Return the verdict on a run.

    Args:
        tests: the results, in the order in which they ended.
        broken_phase: the phase that failed and blocked the rest, or an empty string.
        complete: whether every test that was asked for came to an end.
        left_out: for each promise how many of its tests -k, -m or --deselect left out.
        not_run: for each promise how many of its tests a run that was ended early did not come to.
        coverage: what of the layer is judged; by default all.
    """
    covered = coverage or Coverage()
    lacking = covered.lacking
    rows = _rows(tests, complete=complete, left_out=left_out or {}, not_run=not_run or {}, lacking=lacking)
    counts = {outcome.value: sum(result.outcome is outcome for result in tests) for outcome in Outcome}
    return Verdict(_exit_code(tests, covered), broken_phase, complete, tuple(rows), counts, tuple(tests), covered)


def _unknown(tests: Iterable[Result], coverage: Coverage) -> tuple[NotJudged, ...]:
    """Return everything that is not judged: objects of the layer, and what tests could not judge."""
    return tuple(dict.fromkeys([*coverage.not_judged, *(test.unknown for test in tests if test.unknown is not None)]))


def _rows(
    tests: Sequence[Result], *, complete: bool, left_out: Mapping[str, int], not_run: Mapping[str, int], lacking: str
) -> Iterator[Row]:
    found = {result.promise for result in tests} | {name for name in (*left_out, *not_run) if name}
    known = [promise.value for promise in Promise]
    # Workers end in any order; the table does not.
    results = sorted(tests, key=lambda result: result.test)
    for name in (*(name for name in known if name in found), *sorted(found - {*known, ""}), *sorted(found & {""})):
        own = [result for result in results if result.promise == name]
        # What is not judged may promise anything; of tests without a promise nobody knows what they stand on.
        of_layer = lacking if name else ""
        yield _row(
            name, own, complete=complete, left_out=left_out.get(name, 0), not_run=not_run.get(name, 0), lacking=of_layer
        )


def _exit_code(tests: Sequence[Result], coverage: Coverage) -> int:
    """Return the run's exit status as far as its tests decide it.

    A platform proven broken outranks a harness that broke beside it: the proof stands. What a broken promise blocks is
    such a proof too, since -k or -m may have left that promise's own tests out.
    """
    codes = {result.exit_code for result in tests if result.outcome in BAD}
    blocked = [result for result in tests if result.outcome is Outcome.BLOCKED]
    if any(result.reason.startswith(BY_PROMISE) for result in blocked):
        codes.add(ExitCode.BROKEN_PLATFORM)
    for code in (ExitCode.BROKEN_PLATFORM, ExitCode.BROKEN_HARNESS, ExitCode.WRONG_USAGE):
        if code in codes:
            return code
    if blocked:
        return ExitCode.BROKEN_HARNESS
    accepted = all(coverage.accepts(unknown) for unknown in _unknown(tests, coverage))
    return ExitCode.HOLDS if accepted else ExitCode.UNKNOWN


def told(results: Sequence[Result]) -> tuple[Result, ...]:
    """Return the results with every cause that blocks told by a failure.

    A test is blocked by another promise because that one's own test reports the cause. Where none of its tests has failed - they
    were not chosen, or looked at another moment - the first test that the cause blocks is its failure, and blocks the others.

    Args:
        results: of every test of a run that has ended.
    """
    failed = {result.promise for result in results if result.outcome is Outcome.FAILED}
    shown: dict[str, str] = {}
    whole = {result.test: result for result in results}
    for result in sorted(results, key=lambda result: result.test):
        promise, _, cause = result.reason.removeprefix(BY_PROMISE).partition(": ")
        if result.outcome is not Outcome.BLOCKED or not result.reason.startswith(BY_PROMISE) or promise in failed:
            continue
        if cause in shown:
            whole[result.test] = replace(result, reason=f"{BY_PROMISE}{shown[cause]}: {cause}")
        elif result.blocking:
            shown[cause] = result.promise
            first = result.blocking[0].headline
            whole[result.test] = replace(
                result,
                outcome=Outcome.FAILED,
                findings=result.blocking,
                blocking=(),
                reason=first,
                exit_code=ExitCode.BROKEN_PLATFORM,
            )
    return tuple(whole.values())


def _row(promise: str, results: Sequence[Result], *, complete: bool, left_out: int, not_run: int, lacking: str) -> Row:
    """Sum up the tests of one promise; it holds only where all of them were run, one at least for something of the layer."""
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    bad = counts[Outcome.FAILED] + counts[Outcome.ERROR]
    judged = counts[Outcome.PASSED] + bad
    if counts[Outcome.FAILED]:
        verdict = "BROKEN"
    elif counts[Outcome.ERROR]:
        verdict = "not judged: error"
    elif counts[Outcome.BLOCKED]:
        verdict = in_short(next(result.reason for result in results if result.outcome is Outcome.BLOCKED))
    elif counts[Outcome.UNKNOWN]:
        verdict = next(result.reason for result in results if result.outcome is Outcome.UNKNOWN)
    elif judged and _of_nothing(results):
        verdict = "not judged: the layer has nothing that promises it"
    elif judged:
        verdict = _holding(complete=complete, left_out=left_out, lacking=lacking)
    elif not_run and not results:
        verdict = "not judged: the run ended before its tests"
    else:
        reason = next((result.reason for result in results if result.reason), "")
        verdict = "not judged: " + (reason or ("skipped" if results else "none of its tests was chosen"))
    said = [f"{number} {outcome}" for outcome, number in counts.items() if number]
    others = {"not run": not_run, "not chosen": left_out}
    tests = ", ".join([*said, *(f"{number} {why}" for why, number in others.items() if number)])
    figures = summarise(result.figures for result in results)
    return Row(promise or "(other tests)", verdict, tests, figures, verdict == "holds", lacking)


def in_short(reason: str) -> str:
    """Return what blocks a promise without the cause's sentence, which stands in the row of the promise that it breaks."""
    return re.sub(r"^(blocked by [^:]+): .*(\[[\w-]+\])$", r"\1 \2", reason, flags=re.DOTALL)


def _of_nothing(results: Sequence[Result]) -> bool:
    """Tell whether only tests were judged that need nothing of the layer, such as controls, and the others had no case."""
    empty = any(result.outcome is Outcome.SKIPPED and result.reason.startswith(NOTHING_OF_IT) for result in results)
    cases = [result for result in results if "[" in result.test and not result.object.startswith(OF_RELEASE)]
    return empty and not any(result.outcome is Outcome.PASSED for result in cases)


def _holding(*, complete: bool, left_out: int, lacking: str) -> str:
    """Return the verdict on a promise that no test has found broken."""
    if not complete:
        return "not finished: holds so far"
    if left_out:
        return "not all chosen: holds so far"
    return "not judged in full: the rest holds" if lacking else "holds"


def summarise(figures: Iterable[Mapping[str, Any]]) -> str:
    """Return the figures of several tests in one line: texts listed, integers summed, floats as a range; None is what was not measured.

    A name that ends in `_seconds` is shown with the unit.
    """
    merged: dict[str, list[Any]] = {}
    for mapping in figures:
        for name, value in mapping.items():
            several = value if isinstance(value, list | tuple) else [value]
            merged.setdefault(name, []).extend(each for each in several if each is not None)
    return "; ".join(_figure(name, values) for name, values in merged.items() if values)


def _figure(name: str, values: Sequence[Any]) -> str:
    """Return one figure's values as words."""
    if all(isinstance(value, bool) for value in values):
        return f"{name} {sum(values)} of {len(values)}"
    if all(isinstance(value, int) for value in values):
        return f"{name} {sum(values)}"
    if all(isinstance(value, int | float) for value in values):
        seconds = name.endswith("_seconds")
        label = name.removesuffix("_seconds").replace("_", " ")
        # What is far below a second is told in milliseconds.
        scale, digits, unit = (1000, 0, " ms") if seconds and max(values) < 1 else (1, 2, " s" if seconds else "")
        low, middle, high = (f"{value * scale:.{digits}f}" for value in (min(values), median(values), max(values)))
        return f"{label} {low}{unit}" if low == high else f"{label} {low} to {high}{unit}, median {middle}{unit}"
    texts = list(dict.fromkeys(str(value) for value in values))
    more = f" and {len(texts) - FIGURES_SHOWN} more" if len(texts) > FIGURES_SHOWN else ""
    return f"{name} {', '.join(texts[:FIGURES_SHOWN])}{more}"
