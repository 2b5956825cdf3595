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
from platform_e2e.report.console import duration
from platform_e2e.report.html.course import Course
from platform_e2e.report.html.plain import mapping, mappings, number, text, texts
from platform_e2e.report.html.problems import FAILED, NotRun, Problem
from platform_e2e.report.html.source import Source
from platform_e2e.runs.history.comparison import NO_GREEN
from platform_e2e.runs.history.record import OF_HISTORY

OUTCOMES = ("failed", "error", "blocked", "skipped", "passed")
"""In the order in which a person wants to know of them."""

OTHERWISE = {
    ExitCode.INTERRUPTED: "The run was interrupted",
    ExitCode.BROKEN_HARNESS: "Not judged: the harness or the machine broke",
    ExitCode.WRONG_USAGE: "Nothing was judged: an option or a file of the layer is wrong",
}
"""The verdict where the platform was not judged, by exit status."""


def head(source: Source, found: Sequence[Problem], idle: Sequence[NotRun], happened: Course) -> dict[str, Any]:
    """Return the first screen for the template.

    Args:
        source: the run's files.
        found: what went wrong.
        idle: what was not judged.
        happened: the course of the run.
    """
    run, verdict = source.run, mapping(source.run.get("verdict"))
    rows = [_row(row, found, idle) for row in mappings(verdict.get("promises"))]
    look, title = said(run, rows)
    seconds = number(run.get("seconds")) or happened.seconds
    started = number(run.get("started")) or happened.began
    counts = Counter(text(one.get("outcome")) for one in mappings(verdict.get("tests")))
    return {
        "id": source.directory.resolve().name,
        "look": look,
        "title": title,
        "counts": [(counts[outcome], outcome) for outcome in OUTCOMES if counts[outcome]],
        "tests": sum(counts.values()),
        "took": duration(seconds) if seconds else "",
        "started": moment(started),
        "complete": verdict.get("complete") is not False,
        "promises": rows,
        "facts": facts(source, started, seconds),
        "uncommitted": [one[3:] for one in texts(mapping(run.get("layer")).get("uncommitted"))],
        "instead": instead(run),
        "exempt": [
            (name, texts(reasons)) for name, reasons in mapping(run.get("exemptions")).items() if texts(reasons)
        ],
        "history": history(run),
        "replay": replay_line(source.directory) if _has_failed(verdict) else "",
        "debug": any(text(one.get("outcome")) in FAILED for one in mappings(verdict.get("tests"))),
    }


def said(run: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the verdict: how it looks, and one sentence."""
    code = run.get("exit_code")
    if code == ExitCode.HOLDS:
        return "good", "Every promise holds" if rows and all(
            row["look"] == "good" for row in rows
        ) else "What was run holds"
    if code != ExitCode.BROKEN_PLATFORM:
        return "odd", OTHERWISE.get(code, "No verdict was recorded") if isinstance(
            code, int
        ) else "No verdict was recorded"
    broken = sum(row["look"] == "bad" for row in rows)
    phase = text(mapping(run.get("verdict")).get("broken_phase"))
    if broken:
        return "bad", f"{broken} of {_counted(len(rows), 'promise')} {'is' if broken == 1 else 'are'} broken"
    return "bad", f"The platform is broken: phase {phase} failed" if phase else "The platform is broken"


def _counted(number_of: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number_of} {noun}{'' if number_of == 1 else 's'}"


def _row(row: Mapping[str, Any], found: Sequence[Problem], idle: Sequence[NotRun]) -> dict[str, Any]:
    """Return one promise for the template; a cause that blocks it is told where it is the cause."""
    name, verdict = text(row.get("promise")), text(row.get("verdict"))
    places = [place for place, one in enumerate(found, start=1) if one.promise == name]
    if verdict.startswith("blocked"):
        causes = [one.cause for one in idle if one.cause and one.reason == verdict]
        places += [place for place, one in enumerate(found, start=1) if one.id in causes]
        verdict = f"blocked by {_blocker(verdict)}"
    look = "good" if row.get("holds") is True else "bad" if verdict == "BROKEN" else "odd"
    return {
        "promise": name,
        "verdict": verdict.lower() if verdict == "BROKEN" else verdict,
        "look": look,
        "tests": text(row.get("tests")),
        "figures": [one for one in text(row.get("figures")).split("; ") if one],
        "places": places,
    }


def _blocker(verdict: str) -> str:
    """Return what blocks, without the id of the cause."""
    return verdict.removeprefix("blocked by ").partition(" [")[0]


def facts(source: Source, started: float, seconds: float) -> list[tuple[str, str]]:
    """Return what was judged, where and when, as pairs of a name and its value."""
    run = source.run
    known = {text(one.get("name")): text(one.get("text")) for one in mappings(run.get("facts"))}
    if not known:
        known = {text(e.get("name")): text(e.get("text")) for e in source.events if e.get("kind") == "fact"}
    layer, options = mapping(run.get("layer")), mapping(run.get("options"))
    at = text(layer.get("commit"))[:12]
    place = shortly(text(options.get("layer")), text(mapping(run.get("versions")).get("root")))
    cores = text(mapping(run.get("machine")).get("cores"))
    pairs = [
        ("layer", f"{place}{f' at {at}' if at else ''}".strip()),
        ("cluster", known.get("cluster", "") + (stays(source) if known.get("cluster") else "")),
        ("started", moment(started)),
        ("took", duration(seconds) if seconds else ""),
        ("machine", f"{cores} cores" if cores else ""),
        ("harness", text(mapping(run.get("versions")).get("platform-e2e"))),
        ("exit status", text(run.get("exit_code"))),
    ]  # fmt: skip
    return [(name, words) for name, words in pairs if words]


def stays(source: Source) -> str:
    """Return what became of the cluster after the run, as far as it is known: whose it is must not be guessed."""
    if source.run.get("kept"):
        return "; it was kept"
    own = text(mapping(source.run.get("options")).get("cluster"))
    # A cluster without a name of its own is called after the run that makes it.
    made = own and source.directory.resolve().name.endswith(f"-{own}")
    return "; it was made for this run and removed after it" if made and source.run.get("kept") is False else ""


def shortly(path: str, root: str) -> str:
    """Return a path below the checkout as a person would write it."""
    return path.removeprefix(f"{root}/") if root else path


def instead(run: Mapping[str, Any]) -> list[str]:
    """Return what ran in place of the version that the layer pins."""
    versions = dict.fromkeys(text(one.get("version")) for one in mappings(run.get("facts")))
    return [one for one in versions if " in place of " in one or " without " in one]


def history(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what changed since the previous green run, and which tests changed their verdict without a reason."""
    known = mapping(run.get("history"))
    green = mapping(known.get("previous_green"))
    return {
        "known": bool(known),
        "green": text(green.get("id")),
        "when": moment(number(green.get("started"))),
        "changes": [sentence(one) for one in mappings(known.get("changes"))],
        "accepted": texts(known.get("accepted")),
        # That there is none is said where the changes would stand.
        "notes": [one for one in texts(known.get("notes")) if one != NO_GREEN],
        "flakes": [
            {"test": text(one.get("test")), "text": text(one.get("text")), "verdicts": texts(one.get("verdicts"))}
            for one in mappings(known.get("flakes"))
        ],
    }


def sentence(change: Mapping[str, Any]) -> str:
    """Return a change in one sentence."""
    told = text(change.get("text"))
    if told:
        return told
    name = " ".join(one for one in (text(change.get("kind")), text(change.get("name"))) if one)
    return f"{name}: {change.get('now')!r}, was {change.get('before')!r}"


def moment(seconds: float) -> str:
    """Return a time of the wall clock as a person reads it, in UTC; empty where it is unknown."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if 0 < seconds < 1e11 else ""


def _has_failed(verdict: Mapping[str, Any]) -> bool:
    """Tell whether there is a test to run again: what comes of the comparison with earlier runs is none."""
    return any(
        text(one.get("outcome")) in {*FAILED, "blocked"} and not text(one.get("test")).startswith(OF_HISTORY)
        for one in mappings(verdict.get("tests"))
    )


def replay_line(directory: Path) -> str:
    """Return the command that runs again what failed."""
    place = directory.resolve()
    short = Path(place.parent.name, place.name) if place.parent.name == "artifacts" else place
    return f"{command('e2e')} --replay {shlex.quote(str(short))}"
