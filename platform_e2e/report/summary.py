"""A run as Markdown: `summary.md` in its directory, and the page of a job where the CI system has one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from platform_e2e import redact
from platform_e2e.errors import ExitCode
from platform_e2e.report import not_judged
from platform_e2e.report.console import duration
from platform_e2e.runs.history.lost_coverage import day
from platform_e2e.runs.history.record import OF_HISTORY
from platform_e2e.runs.run_json import History, SavedRun
from platform_e2e.runs.verdict import BAD, Result, Verdict

STEP_BYTES = 1024 * 1024
"""What GitHub shows of one step's summary; of a longer one it shows nothing."""

CUT = "\n\n**Cut here:** a job page takes 1 MiB. All of it is in `summary.md` among the run's results.\n"
"""What stands where a summary is cut."""

CELL_CHARACTERS = 400
"""How much of one value is shown; run.json has all of it."""

SHOWN = 50
"""How many failures and how many changes are shown, before a sentence says how many were left out."""

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
"""What Markdown, tables and formulas take for markup."""

VERDICTS = {
    ExitCode.HOLDS: "every promise holds",
    ExitCode.BROKEN_PLATFORM: "the platform is broken",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.BROKEN_HARNESS: "the harness or the machine is broken; the platform was not judged",
    ExitCode.WRONG_USAGE: "wrong usage",
    ExitCode.UNKNOWN: "nothing is broken, and not everything is judged",
}
"""What each exit status says, as README.md has it."""

IN_PART = "what is judged holds"
"""The same of status 0 where the team accepts that something is not judged."""

MARKS = {ExitCode.HOLDS: "✅", ExitCode.UNKNOWN: "❔"}
"""What a page begins with; with a cross for every other exit status."""


def markdown(run: SavedRun, *, name: str, headline: str, where: Sequence[str] = ()) -> str:
    """Return the summary of one run.

    Args:
        run: what was found out.
        name: of the run.
        headline: what was judged, where.
        where: sentences that say where to look further.
    """
    safe, _ = SavedRun.from_json(redact.plain(asdict(run)))
    status = ExitCode.BROKEN_HARNESS if safe.exit_code is None else safe.exit_code
    history = safe.history or History()
    parts = [
        f"# {MARKS.get(status, '❌')} {cell(_title(status, safe.verdict))}",
        f"{cell(redact.text(headline))}; {duration(safe.seconds)}; run {cell(name)}",
        _promises(safe.verdict),
        _not_judged(safe.verdict),
        _failures(safe.verdict),
        _changes(history),
        _flakes(history),
        "\n".join(f"- {cell(redact.text(line))}" for line in where),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _title(status: int, verdict: Verdict) -> str:
    """Return what an exit status says of this verdict."""
    if status == ExitCode.HOLDS and verdict.unknown:
        return IN_PART
    return VERDICTS.get(status, f"status {status}")


def cell(value: object) -> str:
    """Return a value as one line of text that Markdown and HTML take for nothing else."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split())
    if len(text) > CELL_CHARACTERS:
        text = text[: CELL_CHARACTERS - 1] + "…"
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = SPECIAL.sub(r"\\\1", text)
    # Neither a link nor a mention may come out of a name.
    return text.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def add_to_step(text: str, path: Path) -> None:
    """Append a summary to the file that a CI system shows on the page of its job, as much as it takes.

    Raises:
        OSError: the file cannot be written.
    """
    raw = text.encode(errors="replace")
    room = STEP_BYTES - (path.stat().st_size if path.exists() else 0) - 1
    if len(raw) > room:
        raw = raw[: max(room - len(CUT.encode()), 0)]
        # A line is whole or not there, and so is every character.
        raw = raw[: raw.rfind(b"\n") + 1] + CUT.encode()
    if len(raw) > room:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"\n" + raw)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return "\n".join(lines)


def _promises(verdict: Verdict) -> str:
    if not verdict.promises:
        return "No promise was judged."
    partly = any(row.lacking for row in verdict.promises)
    columns = ("promise", "verdict", *(("not judged",) if partly else ()), "tests", "figures")
    rows = (
        (row.promise, row.verdict, *((row.lacking,) if partly else ()), row.tests, row.figures)
        for row in verdict.promises
    )
    return _table(columns, rows)


def _not_judged(verdict: Verdict) -> str:
    """Return everything that is not judged, all of it: what a reader does not see would be silently less."""
    said = [cell(line) for line in (not_judged.headline(verdict), *not_judged.remarks(verdict)) if line]
    rows = not_judged.rows(verdict)
    table = _table(not_judged.COLUMNS, rows) if rows else ""
    return "\n\n".join(["## Not judged", *said, *([table] if table else [])]) if said else ""


def _failures(verdict: Verdict) -> str:
    tests = [test for test in verdict.tests if test.outcome in BAD]
    if not tests:
        return ""
    shown = "\n\n".join(part for test in tests[:SHOWN] for part in _failure(test))
    return f"## Failures\n\n{shown}{_more(len(tests))}"


def _failure(test: Result) -> Iterator[str]:
    """Return one failed test: each of its findings, or the first line of its error."""
    of_test = "" if test.test.startswith(OF_HISTORY) else f" ({cell(test.test)})"
    if not test.findings:
        yield f"**{cell(test.test)}**\n- {cell(test.reason)}"
    for finding in test.findings:
        yield finding.markdown(cell, of_test)


def _changes(history: History) -> str:
    previous, changes = history.previous_green, history.changes
    said = [f"- {cell(note)}" for note in history.notes]
    said += [f"- accepted as the new measure: {cell(less)}" for less in history.accepted]
    head = "## Since the last green run"
    if previous:
        head += f", {cell(previous.id)} of {day(previous.started)}"
        said += [f"- {cell(change.text)}" for change in changes[:SHOWN]] or ["- nothing has changed"]
    return f"{head}\n\n" + "\n".join(said) + _more(len(changes)) if said else ""


def _flakes(history: History) -> str:
    if not history.flakes:
        return ""
    rows = [(flake.test, ", ".join(flake.verdicts), flake.text) for flake in history.flakes[:SHOWN]]
    return f"## Flaky tests\n\n{_table(('test', 'verdicts', ''), rows)}{_more(len(history.flakes))}"


def _more(number: int) -> str:
    return f"\n\nand {number - SHOWN} more, in run.json" if number > SHOWN else ""
