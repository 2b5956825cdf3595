"""What a validation says: a table for a person, and files for a pipeline."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from platform_e2e import redact, terminal
from platform_e2e.atomic import atomic_write
from platform_e2e.errors import BrokenHarness
from platform_e2e.incident.output import clean, say
from platform_e2e.report.summary import VERDICTS
from platform_e2e.validation import sarif
from platform_e2e.validation.verdict import State, Verdict, exit_code

LOG_WIDTH = 160
"""Columns of a table where standard output is not a terminal."""

SHOWN = 20
"""Findings, and reasons why a promise is unknown, that are told of each promise; the files have all."""

STYLES = {State.HOLDS: "green", State.BROKEN: "bold red", State.UNKNOWN: "yellow"}

METRIC = "platform_e2e_findings"


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


def written(found: Sequence[Verdict], args: argparse.Namespace) -> None:
    """Write the files that the user asks for.

    Args:
        found: the verdict on each cluster.
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


def as_json(found: Sequence[Verdict]) -> str:
    """Return the verdicts as JSON, which `--baseline` and `merge` read."""
    data = {"exit_code": exit_code(found), "clusters": [_cluster(each) for each in found]}
    return json.dumps(redact.plain(data), indent=1) + "\n"


def _cluster(found: Verdict) -> dict[str, Any]:
    return {
        "cluster": found.cluster,
        "exit_code": found.exit_code,
        "promises": {
            judged.promise: {
                "verdict": judged.state.value,
                "unknown": list(judged.unknown),
                "accepted": judged.accepted,
            }
            for judged in found.promises
        },
        "findings": [finding.as_json() for finding in found.findings],
        "excused": [{**finding.as_json(), "why": why} for judged in found.promises for finding, why in judged.excused],
        "notes": list(found.notes),
    }


def junit(found: Sequence[Verdict]) -> str:
    """Return the verdicts as JUnit XML: a suite for each cluster, a test case for each promise; one that is unknown is skipped."""
    suites = ET.Element("testsuites", name="platform-e2e validate")
    for each in found:
        suite = ET.SubElement(suites, "testsuite", name=clean(each.cluster), tests=str(len(each.promises)))
        suite.set("failures", str(sum(judged.state is State.BROKEN for judged in each.promises)))
        suite.set("skipped", str(sum(judged.state is State.UNKNOWN for judged in each.promises)))
        for judged in each.promises:
            case = ET.SubElement(suite, "testcase", classname=clean(each.cluster), name=str(judged.promise))
            if judged.state is State.BROKEN:
                first = judged.findings[0]
                failure = ET.SubElement(case, "failure", type="broken-platform", message=clean(first.cause.sentence))
                failure.text = clean("\n\n".join(finding.render() for finding in judged.findings))
            elif judged.state is State.UNKNOWN:
                ET.SubElement(case, "skipped", message=clean("; ".join(judged.unknown[:SHOWN])))
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def metrics(found: Sequence[Verdict]) -> str:
    """Return the verdicts as Prometheus text: cluster, promise and cause are labels, so that clusters do not overwrite each other."""
    findings = [(each.cluster, finding) for each in found for finding in each.findings]
    promises = [(each.cluster, judged, state) for each in found for judged in each.promises for state in State]
    lines = [
        f"# HELP {METRIC} Findings of the last validation that count.",
        f"# TYPE {METRIC} gauge",
        *(
            f"{METRIC}{_labels(cluster=cluster, promise=each.promise, cause=each.cause.id, object=each.object)} 1"
            for cluster, each in findings
        ),
        "# HELP platform_e2e_promise Whether a promise has this verdict.",
        "# TYPE platform_e2e_promise gauge",
        *(
            f"platform_e2e_promise{_labels(cluster=cluster, promise=judged.promise, verdict=state)} {int(judged.state is state)}"
            for cluster, judged, state in promises
        ),
    ]
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _labels(**labels: str) -> str:
    pairs = (f'{name}="{_escaped(redact.text(str(value)))}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    """Escape a label's value (Prometheus, docs/instrumenting/exposition_formats.md)."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def for_github(found: Sequence[Verdict]) -> str:
    """Return the findings as commands of a GitHub workflow, which shows them beside the lines that they name."""
    lines = []
    for finding in (finding for each in found for finding in each.findings):
        place = sarif.place(finding)
        where = f"file={place[0]},line={place[1]}," if place else ""
        text = redact.text(f"{finding.cause.sentence} Remedy: {finding.cause.remedy}")
        lines.append(f"::error {where}title={_command(finding.headline, title=True)}::{_command(text)}")
    return "".join(f"{line}\n" for line in lines)


def _command(text: str, *, title: bool = False) -> str:
    """Escape a text for a workflow command (actions/toolkit, packages/core/src/command.ts)."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if title else text


FORMS: Mapping[str, Callable[[Sequence[Verdict]], str]] = {
    "json": as_json,
    "junit": junit,
    "sarif": sarif.document,
    "metrics": metrics,
}
"""Options that write a file (`commands.validate`), and what makes its content."""
