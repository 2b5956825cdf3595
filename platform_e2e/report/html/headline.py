"""The first screen: the verdict in one sentence, its causes, the promises, the facts, and what changed."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platform_e2e.errors import ExitCode
from platform_e2e.paths import command
from platform_e2e.report import not_judged
from platform_e2e.report.console import duration
from platform_e2e.report.html.course import Course
from platform_e2e.report.html.problems import NotRun, ReportedProblem
from platform_e2e.report.html.source import RunFiles
from platform_e2e.runs.history.changes import NO_GREEN, Change
from platform_e2e.runs.history.record import OF_HISTORY
from platform_e2e.runs.provenance import not_as_pinned
from platform_e2e.runs.run_json import Green, History, SavedRun
from platform_e2e.runs.verdict import BAD, Outcome, Row, Verdict

OUTCOMES = ("failed", "error", "blocked", "unknown", "skipped", "passed")
"""In the order in which a person wants to know of them."""

OTHERWISE = {
    ExitCode.INTERRUPTED: "The run was interrupted",
    ExitCode.BROKEN_HARNESS: "Not judged: the harness or the machine broke",
    ExitCode.WRONG_USAGE: "Nothing was judged: an option or a file of the layer is wrong",
    ExitCode.UNKNOWN: "Nothing is broken, and not everything is judged",
}
"""The verdict where the platform was not judged, by exit status."""

NO_VERDICT = "No verdict was recorded"
"""The same where the exit status is not known."""


def head(
    source: RunFiles, found: Sequence[ReportedProblem], idle: Sequence[NotRun], happened: Course
) -> dict[str, Any]:
    """Return the first screen for the template.

    Args:
        source: the run's files.
        found: what went wrong.
        idle: what was not judged.
        happened: the course of the run.
    """
    run = source.run
    rows = [_row(row, found, idle) for row in run.verdict.promises]
    look, title = said(run, rows)
    seconds, started = run.seconds or happened.seconds, run.started or happened.began
    counts = Counter(test.outcome.value for test in run.verdict.tests)
    return {
        "id": source.directory.resolve().name,
        "look": look,
        "title": title,
        "counts": [(counts[outcome], outcome) for outcome in OUTCOMES if counts[outcome]],
        "tests": len(run.verdict.tests),
        "took": duration(seconds) if seconds else "",
        "started": moment(started),
        "complete": run.verdict.complete,
        "promises": rows,
        "partly": any(row["lacking"] for row in rows),
        "coverage": not_judged.headline(run.verdict),
        "remarks": list(not_judged.remarks(run.verdict)),
        "not_judged": not_judged.rows(run.verdict),
        "facts": facts(source, started, seconds),
        "uncommitted": [line[3:] for line in run.layer.get("uncommitted", ())],
        "instead": instead(run),
        "exempt": [(name, reasons) for name, reasons in run.exemptions.items() if reasons],
        "history": history(run.history),
        "replay": replay_line(source.directory) if _has_failed(run.verdict) else "",
        "debug": any(test.outcome in BAD for test in run.verdict.tests),
    }


def said(run: SavedRun, rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the verdict: how it looks, and one sentence."""
    if run.exit_code == ExitCode.HOLDS:
        if run.verdict.unknown:
            return "good", "What is judged holds"
        sound = rows and all(row["look"] == "good" for row in rows)
        return "good", "Every promise holds" if sound else "What was run holds"
    if run.exit_code != ExitCode.BROKEN_PLATFORM:
        return "odd", OTHERWISE.get(run.exit_code, NO_VERDICT) if run.exit_code is not None else NO_VERDICT
    broken, phase = sum(row["look"] == "bad" for row in rows), run.verdict.broken_phase
    if broken:
        return "bad", f"{broken} of {_counted(len(rows), 'promise')} {'is' if broken == 1 else 'are'} broken"
    return "bad", f"The platform is broken: phase {phase} failed" if phase else "The platform is broken"


def _counted(number_of: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number_of} {noun}{'' if number_of == 1 else 's'}"


def _row(row: Row, found: Sequence[ReportedProblem], idle: Sequence[NotRun]) -> dict[str, Any]:
    """Return one promise for the template; a cause that blocks it is told where it is the cause."""
    verdict = row.verdict
    places = [place for place, problem in enumerate(found, start=1) if problem.promise == row.promise]
    if verdict.startswith("blocked"):
        causes = [tests.cause for tests in idle if tests.cause and tests.reason == verdict]
        places += [place for place, problem in enumerate(found, start=1) if problem.id in causes]
        verdict = f"blocked by {_blocker(verdict)}"
    return {
        "promise": row.promise,
        "verdict": verdict.lower() if verdict == "BROKEN" else verdict,
        "look": "good" if row.holds else "bad" if verdict == "BROKEN" else "odd",
        "tests": row.tests,
        "lacking": row.lacking,
        "figures": [figure for figure in row.figures.split("; ") if figure],
        "places": places,
    }


def _blocker(verdict: str) -> str:
    """Return what blocks, without the id of the cause."""
    return verdict.removeprefix("blocked by ").partition(" [")[0]


def facts(source: RunFiles, started: float, seconds: float) -> list[tuple[str, str]]:
    """Return what was judged, where and when, as pairs of a name and its value."""
    run = source.run
    known = {fact.name: fact.text for fact in run.facts}
    known = known or {event.name: event.text for event in source.events if event.kind == "fact"}
    at = run.layer.get("commit", "")[:12]
    place = shortly(str(run.options.get("layer") or ""), run.versions.get("root", ""))
    cores, code = run.machine.cores, run.exit_code
    pairs = [
        ("layer", f"{place}{f' at {at}' if at else ''}".strip()),
        ("cluster", known.get("cluster", "") + (stays(source) if known.get("cluster") else "")),
        ("started", moment(started)),
        ("took", duration(seconds) if seconds else ""),
        ("machine", f"{cores} cores" if cores else ""),
        ("harness", run.versions.get("platform-e2e", "")),
        ("exit status", "" if code is None else str(code)),
    ]  # fmt: skip
    return [(name, words) for name, words in pairs if words]


def stays(source: RunFiles) -> str:
    """Return what became of the cluster after the run, as far as it is known; who owns it must not be guessed."""
    if source.run.kept:
        return "; it was kept"
    own = str(source.run.options.get("cluster") or "")
    # A cluster without a name of its own is called after the run that makes it.
    made = own and source.directory.resolve().name.endswith(f"-{own}")
    return "; it was made for this run and removed after it" if made and source.run.kept is False else ""


def shortly(path: str, root: str) -> str:
    """Return a path below the checkout as a person would write it."""
    return path.removeprefix(f"{root}/") if root else path


def instead(run: SavedRun) -> list[str]:
    """Return what ran in place of the version that the layer pins."""
    versions = dict.fromkeys(fact.version for fact in run.facts)
    return not_as_pinned(versions)


def history(known: History | None) -> dict[str, Any]:
    """Return what changed since the previous green run, and which tests changed their verdict without a reason."""
    past = known or History()
    green = past.previous_green or Green()
    return {
        "known": known is not None,
        "green": green.id,
        "when": moment(green.started),
        "changes": [sentence(change) for change in past.changes],
        "accepted": past.accepted,
        # That there is none is said where the changes would stand.
        "notes": [note for note in past.notes if not note.startswith(NO_GREEN)],
        "flakes": [{"test": flake.test, "text": flake.text, "verdicts": flake.verdicts} for flake in past.flakes],
    }


def sentence(change: Change) -> str:
    """Return a change in one sentence."""
    return change.text or f"{' '.join(filter(None, (change.kind, change.name)))}: {change.now!r}, was {change.before!r}"


def moment(seconds: float) -> str:
    """Return a time of the wall clock as a person reads it, in UTC; empty where it is unknown."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if 0 < seconds < 1e11 else ""


def _has_failed(verdict: Verdict) -> bool:
    """Tell whether there is a test to run again; the results of the comparison with earlier runs belong to none."""
    return any(
        test.outcome in {*BAD, Outcome.BLOCKED} and not test.test.startswith(OF_HISTORY) for test in verdict.tests
    )


def replay_line(directory: Path) -> str:
    """Return the command that runs again what failed."""
    place = directory.resolve()
    short = Path(place.parent.name, place.name) if place.parent.name == "artifacts" else place
    return f"{command('e2e')} --replay {shlex.quote(str(short))}"
