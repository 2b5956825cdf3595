"""What a validation says: a table for a person, and files for a pipeline."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from platform_e2e import redact, terminal
from platform_e2e.atomic import atomic_write
from platform_e2e.errors import BrokenHarness
from platform_e2e.report.summary import VERDICTS
from platform_e2e.terminal import visible
from platform_e2e.validation import sarif
from platform_e2e.validation.verdict import State, Verdict

LOG_WIDTH = 160
"""Columns of a table where standard output is not a terminal."""

SHOWN = 20
"""Findings, and reasons why a promise is unknown, that are told of each promise; the files have all."""

STYLES = {State.HOLDS: "green", State.BROKEN: "bold red", State.UNKNOWN: "yellow"}

METRIC = "platform_e2e_findings"


def say(words: str) -> None:
    """Print a line without secrets and without what would steer the terminal."""
    sys.stdout.write(f"{visible(redact.text(words))}\n")
    sys.stdout.flush()


def told(found: Verdict) -> None:
    """Print the verdict for a person: the findings, and one row for each promise."""
    for judged in found.promises:
        for finding in judged.findings[:SHOWN]:
            say(f"\n{finding.render()}")
        if len(judged.findings) > SHOWN:
            say(f"\n... and {len(judged.findings) - SHOWN} more of {judged.promise}")
    rows = [
        (
            judged.promise,
            (judged.state.value, STYLES[judged.state]),
            str(len(judged.findings)),
            str(len(judged.excused)),
            redact.text("\n".join((*judged.unknown[:SHOWN], *_accepted(judged.accepted, judged.unknown)))),
        )
        for judged in found.promises
    ]
    width, colour = terminal.size(LOG_WIDTH)
    columns = ("promise", "verdict", "findings", "excused", "not known because")
    sys.stdout.write("\n" + terminal.table(columns, rows, width=width, colour=colour, title=found.cluster))
    for judged in found.promises:
        for finding, why in judged.excused:
            say(f"excused: {finding.object} [{finding.cause.id}]: {why}")
    for note in found.notes:
        say(f"note: {note}")
    say(f"\n{VERDICTS[found.exit_code]}")


def _accepted(why: str, unknown: tuple[str, ...]) -> tuple[str, ...]:
    return (f"accepted by the policy: {why}",) if why and unknown else ()


def written(found: Verdict, args: argparse.Namespace) -> None:
    """Write the files that the user asks for.

    Args:
        found: the verdict.
        args: the parsed arguments: for each of FORMS a path, or None.

    Raises:
        BrokenHarness: a file cannot be written.
    """
    for name, form in FORMS.items():
        path: Path | None = getattr(args, name)
        if path is not None:
            try:
                atomic_write(path, form(found))
            except OSError as error:
                raise BrokenHarness(
                    f"{path} cannot be written: {error.strerror}", f"name another by --{name}"
                ) from error
    if args.github:
        sys.stdout.write(for_github(found))


def as_json(found: Verdict) -> str:
    """Return the verdict as JSON, which `--baseline` reads."""
    data = {
        "cluster": found.cluster,
        "exit_code": found.exit_code,
        "promises": {judged.promise: _promise(judged.state, judged.unknown) for judged in found.promises},
        "findings": [finding.as_json() for finding in found.findings],
        "excused": [{**finding.as_json(), "why": why} for judged in found.promises for finding, why in judged.excused],
        "notes": list(found.notes),
    }
    return json.dumps(redact.plain(data), indent=1) + "\n"


def _promise(state: State, unknown: tuple[str, ...]) -> dict[str, Any]:
    return {"verdict": state.value, "unknown": list(unknown)}


def junit(found: Verdict) -> str:
    """Return the verdict as JUnit XML: a test case for each promise, one that is unknown is skipped."""
    suite = ET.Element("testsuite", name="platform-e2e validate", tests=str(len(found.promises)))
    suite.set("failures", str(sum(judged.state is State.BROKEN for judged in found.promises)))
    suite.set("skipped", str(sum(judged.state is State.UNKNOWN for judged in found.promises)))
    for judged in found.promises:
        case = ET.SubElement(suite, "testcase", classname="validate", name=str(judged.promise))
        if judged.state is State.BROKEN:
            first = judged.findings[0]
            failure = ET.SubElement(case, "failure", type="broken-platform", message=_xml(first.cause.sentence))
            failure.text = _xml("\n\n".join(finding.render() for finding in judged.findings))
        elif judged.state is State.UNKNOWN:
            ET.SubElement(case, "skipped", message=_xml("; ".join(judged.unknown[:SHOWN])))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml(text: str) -> str:
    return visible(redact.text(text))


def metrics(found: Verdict) -> str:
    """Return the verdict as Prometheus text: cluster, promise and cause are labels, so that clusters do not overwrite each other."""
    lines = [
        f"# HELP {METRIC} Findings of the last validation that count.",
        f"# TYPE {METRIC} gauge",
        *(
            f"{METRIC}{_labels(cluster=found.cluster, promise=finding.promise, cause=finding.cause.id, object=finding.object)} 1"
            for finding in found.findings
        ),
        "# HELP platform_e2e_promise Whether a promise has this verdict.",
        "# TYPE platform_e2e_promise gauge",
        *(
            f"platform_e2e_promise{_labels(cluster=found.cluster, promise=judged.promise, verdict=state)} "
            f"{int(judged.state is state)}"
            for judged in found.promises
            for state in State
        ),
    ]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _labels(**labels: str) -> str:
    pairs = (f'{name}="{_escaped(redact.text(str(value)))}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    """Escape a label's value (Prometheus, docs/instrumenting/exposition_formats.md)."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def for_github(found: Verdict) -> str:
    """Return the findings as commands of a GitHub workflow, which shows them beside the lines that they name."""
    lines = []
    for finding in found.findings:
        place = sarif.place(finding)
        where = f"file={place[0]},line={place[1]}," if place else ""
        text = redact.text(f"{finding.cause.sentence} Remedy: {finding.cause.remedy}")
        lines.append(f"::error {where}title={_command(finding.headline, title=True)}::{_command(text)}")
    return "".join(f"{line}\n" for line in lines)


def _command(text: str, *, title: bool = False) -> str:
    """Escape a text for a workflow command (actions/toolkit, packages/core/src/command.ts)."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if title else text


FORMS: Mapping[str, Callable[[Verdict], str]] = {
    "json": as_json,
    "junit": junit,
    "sarif": sarif.document,
    "metrics": metrics,
}
"""Options that write a file (`commands.validate`), and what makes its content."""
