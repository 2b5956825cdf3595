"""Derive cases for the alerts of rule files from what a live Prometheus has: `nox -s benchmark -- alerts --rules FILE_OR_DIR`.

Prints of all alerts how many can be parsed, have their series here, fire in a case, and stay silent in another one; and each of the
others with the reason. A case that fires or stays silent is run once more as it is written. Ends with 1 where fewer than 80 % of the
alerts whose series exist fire, or where a case of silence is not silent.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.recorded_series import RecordedSeries
from platform_e2e.checks.alerts.book import Book, of_groups, parsed
from platform_e2e.checks.alerts.derive import Derived, derive
from platform_e2e.checks.alerts.live import LiveSeries
from platform_e2e.checks.alerts.populations import Source
from platform_e2e.checks.monitoring.prometheus_replicas import Operated
from platform_e2e.checks.rules.wanted import Rule
from platform_e2e.cluster.connection import connect
from platform_e2e.commands.arguments import Parser
from platform_e2e.errors import ExitCode, WrongUsage
from platform_e2e.toolbox.promtool import Promtool

WANTED = 0.8
"""Of the alerts whose series exist, how many must fire in a case."""


@dataclass(frozen=True)
class Count:
    """The figures of all alerts.

    Attributes:
        alerts: all.
        parsed: whose expression can be parsed.
        there: whose series exist.
        fired: of those, for which there is a case in which they fire.
        silent: of those that fire, for which there is one in which they do not, or that read nothing.
        false_alarms: cases of silence that fire when they are run as they are written, or cases that do not fire.
    """

    alerts: int
    parsed: int
    there: int
    fired: int
    silent: int
    false_alarms: int


def main(argv: Sequence[str]) -> int:
    """Derive the cases and print what came of it."""
    parser = Parser(
        prog="nox -s benchmark -- alerts", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--rules", type=Path, nargs="+", required=True, metavar="PATH", help="files or directories with rules"
    )
    parser.add_argument("--cluster", metavar="NAME", help="a kept cluster whose Prometheus has the series")
    parser.add_argument(
        "--series", type=Path, metavar="FILE", help="series recorded before (an answer of /api/v1/series)"
    )
    parser.add_argument("--namespace", default="monitoring", metavar="NAME", help="of that Prometheus")
    parser.add_argument("--cases", type=Path, metavar="DIR", help="write the cases here")
    known = parser.parse_args(argv)
    if bool(known.cluster) == bool(known.series):
        raise WrongUsage("the series must come from --cluster or --series, got both or neither")
    rules = [rule for path in known.rules for rule in rules_in(path)]
    if known.series:
        return measured(rules, RecordedSeries.read(known.series), known.cases)
    with connect(kubeconfig=None, cluster=known.cluster, context="", patience=5.0).kube as kube:
        return measured(rules, LiveSeries(Operated(kube, known.namespace)), known.cases)


def measured(rules: Sequence[Rule], source: Source, cases: Path | None) -> int:
    """Derive the cases of all alerts, print the figures, and return the status."""
    promtool = Promtool.built()
    start = time.monotonic()
    found = derive(rules, source, promtool)
    seconds = time.monotonic() - start
    wrong = rerun(rules, found, promtool, cases)
    count = counted(found, len(wrong))
    for each in found:
        if each.why:
            what = "no case of silence" if each.fires else "no case that fires"
            print(f"{each.rule.alert} ({each.rule.group}): {what}: {each.why}")
    for text in wrong:
        print(text)
    share = count.fired / count.there if count.there else 0.0
    print(
        f"{count.alerts} alerts: {count.parsed} can be parsed, {count.there} have their series here; of these "
        f"{count.fired} ({share:.0%}) fire in a case and {count.silent} stay silent in another; "
        f"{count.false_alarms} cases are otherwise when they are run again; {seconds:.0f} s"
    )
    return ExitCode.HOLDS if share >= WANTED and not wrong else ExitCode.BROKEN_PLATFORM


def counted(found: Sequence[Derived], wrong: int) -> Count:
    """Count what could be derived."""
    there = [each for each in found if not each.missing and parsed(each.rule.expression) is not None]
    fired = [each for each in there if each.fires]
    return Count(
        alerts=len(found),
        parsed=sum(parsed(each.rule.expression) is not None for each in found),
        there=len(there),
        fired=len(fired),
        silent=sum(each.silent is not None or each.constant for each in fired),
        false_alarms=wrong,
    )


def rerun(rules: Sequence[Rule], found: Sequence[Derived], promtool: Promtool, cases: Path | None) -> list[str]:
    """Run the cases as they are written, and return what is otherwise."""
    book = Book(rules)
    files: dict[str, str] = {}
    for number, each in enumerate(found):
        if each.fires:
            name = f"{number}-{each.rule.alert}"
            files[f"{name}.rules.yaml"] = json.dumps(book.file(book.named(each.rule.alert)))
            files[f"{name}.test.yaml"] = each.text([f"{name}.rules.yaml"])
    if cases:
        cases.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (cases / name).write_text(text, encoding="utf-8")
    failures = promtool.test(files)
    told = [f"{file}, {group}: {' '.join(texts[0].split())[:300]}" for (file, group), texts in failures.groups.items()]
    return [*told, *(f"{file}: {why}" for file, why in failures.files.items())]


def rules_in(path: Path) -> Iterator[Rule]:
    """Yield the rules of a file or of all files of a directory: PrometheusRules, or files of rules.

    Raises:
        WrongUsage: there are none.
    """
    files = sorted(path.rglob("*.y*ml")) if path.is_dir() else [path]
    found = [rule for file in files for document in _documents(file) for rule in of_groups(document)]
    if not found:
        raise WrongUsage(f"{path} must have rules, got none", "name files with PrometheusRules, as helm renders them")
    yield from found


def _documents(file: Path) -> Iterator[Any]:
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        if isinstance(document, dict):
            spec = document.get("spec") if document.get("kind") == "PrometheusRule" else document
            yield spec.get("groups") if isinstance(spec, dict) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
