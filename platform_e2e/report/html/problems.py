"""What went wrong, told once for each cause: its objects, tests, waits and files, however many tests ran into it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from platform_e2e.errors import ExitCode
from platform_e2e.finding import Finding
from platform_e2e.report.html.course import Wait
from platform_e2e.runs.run_json import SavedRun
from platform_e2e.runs.verdict import BAD, Outcome, Result, in_short

OBJECT = re.compile(r"[a-z][\w.-]*/[\w.-]*\w(?: -n [\w.-]*\w)?")
"""How a sentence names an object."""

CAUSE_LINE = re.compile(r"^\s*cause:\s+(?P<words>.+?)(?: \[(?P<id>[\w-]+)\])?$", re.MULTILINE)
REMEDY_LINE = re.compile(r"^\s*remedy:\s+(?P<words>.+)$", re.MULTILINE | re.IGNORECASE)
"""How an error without a finding tells its cause and remedy."""


@dataclass(frozen=True)
class AffectedObject:
    """One object that is not as it must be.

    Attributes:
        object: as findings name it.
        expected: what must be true.
        observed: what was.
        sentence: why, where it is said otherwise than for the problem as a whole.
        remedy: what to do, where it is another one.
        details: figures by name.
    """

    object: str
    expected: str
    observed: str
    sentence: str = ""
    remedy: str = ""
    details: tuple[tuple[str, str], ...] = ()


@dataclass
class ReportedProblem:
    """One cause of one broken promise, or one error.

    Attributes:
        id: of the cause; empty for an error.
        promise: that it breaks; may be empty.
        sentence: the cause.
        remedy: what to do.
        harness: whether the harness or the machine is at fault, so that the platform was not judged.
        cases: the objects.
        tests: results of the tests that it failed.
        text: what pytest says of an error.
        waits: what these tests waited for in vain.
    """

    id: str
    promise: str
    sentence: str
    remedy: str
    harness: bool = False
    cases: list[AffectedObject] = field(default_factory=list)
    tests: list[Result] = field(default_factory=list)
    text: str = ""
    waits: list[Wait] = field(default_factory=list)

    @property
    def objects(self) -> list[str]:
        """Return the objects that its cases and sentences name."""
        words = " ".join([self.sentence, *(f"{case.object} {case.observed} {case.sentence}" for case in self.cases)])
        return list(dict.fromkeys(OBJECT.findall(words)))

    @property
    def names(self) -> set[str]:
        """Return the names of the objects and namespaces that it is about, for looking up what was kept of them."""
        found = (re.split(r"/| -n ", match) for match in self.objects)
        return {part for parts in found for part in parts[1:]}


@dataclass(frozen=True)
class NotRun:
    """Tests that were not judged for one reason.

    Attributes:
        reason: in one sentence.
        outcome: blocked, unknown or skipped.
        tests: their ids.
        cause: id of the cause that blocks them, where the report has it.
    """

    reason: str
    outcome: str
    tests: tuple[str, ...]
    cause: str = ""


def problems(run: SavedRun, waits: Sequence[Wait]) -> list[ReportedProblem]:
    """Return what went wrong, that with a proven cause first, then the errors."""
    proven: dict[tuple[str, str, str], ReportedProblem] = {}
    errors: dict[tuple[str, str], ReportedProblem] = {}
    in_vain: dict[str, list[Wait]] = {}
    for wait in waits:
        if wait.outcome != "met" and wait.test:
            in_vain.setdefault(wait.test, []).append(wait)
    for result in run.verdict.tests:
        if result.outcome not in BAD:
            continue
        for problem in _proven(result.findings, proven) if result.findings else [_error(result, errors)]:
            problem.tests.append(result)
            problem.waits += in_vain.get(result.test, [])
    order = [row.promise for row in run.verdict.promises]
    known = sorted(
        proven.values(), key=lambda problem: order.index(problem.promise) if problem.promise in order else len(order)
    )
    return [*known, *_phase(run, errors), *errors.values()]


def _proven(findings: Iterable[Finding], known: dict[tuple[str, str, str], ReportedProblem]) -> list[ReportedProblem]:
    """Return the problems that a test's findings belong to, each once."""
    touched: list[ReportedProblem] = []
    for finding in findings:
        cause = finding.cause
        # What is mended at one place is one problem, however many objects tell of it, each with its own address.
        key = finding.promise, cause.id, cause.about or OBJECT.sub("…", cause.sentence)
        problem = known.setdefault(key, ReportedProblem(cause.id, finding.promise, cause.sentence, cause.remedy))
        case = AffectedObject(
            finding.object,
            finding.expected,
            finding.observed,
            _unless_alike(finding, problem),
            cause.remedy if cause.remedy != problem.remedy else "",
            tuple(
                (name.replace("_", " "), plainly(it))
                for name, it in finding.details.items()
                if it not in (None, "", [], {})
            ),
        )
        if case not in problem.cases:
            problem.cases.append(case)
        if problem not in touched:
            touched.append(problem)
    return touched


def _unless_alike(finding: Finding, problem: ReportedProblem) -> str:
    """Return a case's sentence, or nothing where it says of its object just what the problem says of its first one."""
    sentence, first = finding.cause.sentence, problem.sentence
    if not problem.cases or sentence == first:
        return ""
    return "" if sentence == first.replace(problem.cases[0].object, finding.object) else sentence


def _error(result: Result, known: dict[tuple[str, str], ReportedProblem]) -> ReportedProblem:
    """Return the problem that an error without a finding is, the same for all tests that say the same."""
    told, reason = result.text, result.reason
    key = result.promise, OBJECT.sub("…", reason)
    if key not in known:
        cause, remedy = CAUSE_LINE.search(told), REMEDY_LINE.search(told)
        known[key] = ReportedProblem(
            (cause["id"] or "") if cause else "",
            result.promise,
            cause["words"] if cause else reason or "the test failed without a word",
            remedy["words"] if remedy else "",
            result.exit_code != ExitCode.BROKEN_PLATFORM,
            text=told if told.strip() != reason.strip() else "",
        )
    return known[key]


def _phase(run: SavedRun, errors: Mapping[tuple[str, str], ReportedProblem]) -> list[ReportedProblem]:
    """Return the phase that failed, where no test tells of it."""
    name = run.verdict.broken_phase
    if not name or any(f"phase {name} failed" in problem.text + problem.sentence for problem in errors.values()):
        return []
    error = next((phase.error for phase in run.phases if phase.name == name), "")
    remedy = REMEDY_LINE.search(error)
    first = next(iter(error.splitlines()), "")
    sentence = f"phase {name} failed: {first}" if first else f"phase {name} failed"
    harness = run.exit_code != ExitCode.BROKEN_PLATFORM
    return [ReportedProblem("", "", sentence, remedy["words"] if remedy else "", harness, text=error)]


def not_run(run: SavedRun) -> list[NotRun]:
    """Return what was blocked, unknown or skipped, once for each reason, the most first."""
    groups: dict[tuple[str, str], list[str]] = {}
    causes: dict[tuple[str, str], str] = {}
    for result in run.verdict.tests:
        if result.outcome not in {Outcome.BLOCKED, Outcome.UNKNOWN, Outcome.SKIPPED}:
            continue
        key = result.outcome.value, in_short(result.reason)
        groups.setdefault(key, []).append(result.test)
        cause = re.search(r"\[([\w-]+)\]$", result.reason)
        causes[key] = cause[1] if cause else ""
    made = [NotRun(key[1] or "no reason was given", key[0], tuple(tests), causes[key]) for key, tests in groups.items()]
    return sorted(made, key=lambda group: (group.outcome != Outcome.BLOCKED.value, -len(group.tests)))


def plainly(value: object) -> str:
    """Return a figure as a person reads it."""
    if isinstance(value, list | tuple):
        return ", ".join(plainly(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {plainly(item)}" for name, item in value.items())
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:.3g}" if isinstance(value, float) else str(value)
