"""A run as Markdown: `summary.md` in its directory, and the page of a job where the CI system has one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_e2e import redact
from platform_e2e.errors import ExitCode
from platform_e2e.finding import Finding
from platform_e2e.report.console import duration
from platform_e2e.runs.history.record import OF_HISTORY
from platform_e2e.runs.history.regression import day
from platform_e2e.runs.verdict import Outcome

STEP_BYTES = 1024 * 1024
"""What GitHub shows of one step's summary; of a longer one it shows nothing."""

CUT = "\n\n**Cut here:** a job page takes 1 MiB. All of it is in `summary.md` among the run's results.\n"
"""What stands where a summary is cut."""

CELL_CHARACTERS = 400
"""How much of one value is shown; run.json has all of it."""

SHOWN = 50
"""How many failures and how many changes are shown, before a sentence says how many more there are."""

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
"""What Markdown, tables and formulas take for markup."""

VERDICTS = {
    ExitCode.HOLDS: "every promise holds",
    ExitCode.BROKEN_PLATFORM: "the platform is broken",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.BROKEN_HARNESS: "the harness or the machine is broken; the platform was not judged",
    ExitCode.WRONG_USAGE: "wrong usage",
}
"""What each exit status says, as README.md has it."""


def markdown(run: Mapping[str, Any], *, name: str, headline: str, where: Sequence[str] = ()) -> str:
    """Return the summary of one run.

    Args:
        run: what run.json has.
        name: of the run.
        headline: what was judged, where.
        where: sentences that say where to look further.
    """
    safe: Mapping[str, Any] = redact.plain(dict(run))
    status = safe.get("exit_code", ExitCode.BROKEN_HARNESS)
    parts = [
        f"# {'✅' if status == ExitCode.HOLDS else '❌'} {cell(VERDICTS.get(status, f'status {status}'))}",
        f"{cell(redact.text(headline))}; {duration(float(safe.get('seconds', 0)))}; run {cell(name)}",
        _promises(safe),
        _failures(safe),
        _changes(safe.get("history") or {}),
        _flakes(safe.get("history") or {}),
        "\n".join(f"- {cell(redact.text(line))}" for line in where),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


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


def _promises(run: Mapping[str, Any]) -> str:
    rows = run.get("verdict", {}).get("promises", ())
    if not rows:
        return "No promise was judged."
    names = ("promise", "verdict", "tests", "figures")
    return _table(names, ([row.get(name, "") for name in names] for row in rows))


def _failures(run: Mapping[str, Any]) -> str:
    tests = [
        one for one in run.get("verdict", {}).get("tests", ()) if one["outcome"] in {Outcome.FAILED, Outcome.ERROR}
    ]
    if not tests:
        return ""
    shown = "\n\n".join(part for test in tests[:SHOWN] for part in _failure(test))
    return f"## Failures\n\n{shown}{_more(len(tests))}"


def _failure(test: Mapping[str, Any]) -> Iterator[str]:
    """Return one failed test: each of its findings, or the first line of its error."""
    whose = "" if str(test["test"]).startswith(OF_HISTORY) else f" ({cell(test['test'])})"
    if not test["findings"]:
        yield f"**{cell(test['test'])}**\n- {cell(test['reason'])}"
    for finding in test["findings"]:
        yield Finding.from_json(finding).markdown(cell, whose)


def _changes(history: Mapping[str, Any]) -> str:
    previous, changes = history.get("previous_green"), history.get("changes", ())
    said = [f"- {cell(one)}" for one in history.get("notes", ())]
    said += [f"- accepted as the new measure: {cell(one)}" for one in history.get("accepted", ())]
    if previous:
        head = f"## Since the last green run, {cell(previous['id'])} of {day(previous['started'])}"
        said += [f"- {cell(one['text'])}" for one in changes[:SHOWN]] or ["- nothing has changed"]
    else:
        head = "## Since the last green run"
    return f"{head}\n\n" + "\n".join(said) + _more(len(changes)) if said else ""


def _flakes(history: Mapping[str, Any]) -> str:
    found = history.get("flakes", ())
    if not found:
        return ""
    rows = [(one["test"], ", ".join(one["verdicts"]), one["text"]) for one in found[:SHOWN]]
    return f"## Flaky tests\n\n{_table(('test', 'verdicts', ''), rows)}{_more(len(found))}"


def _more(number: int) -> str:
    return f"\n\nand {number - SHOWN} more, in run.json" if number > SHOWN else ""
