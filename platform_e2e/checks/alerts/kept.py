"""Cases that a team keeps beside its layer: unit tests of promtool, run against the rules that the layer renders.

Of a kept file `rule_files` is not read: the rules are those that the layer renders, and no other file is opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.checks.alerts.book import Book
from platform_e2e.checks.alerts.check import of_layer as alerts_of_layer
from platform_e2e.checks.alerts.check import rules_of
from platform_e2e.checks.rules.wanted import WantedRule
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.layer import Layer, LayerError, NotJudged, yamlfile
from platform_e2e.layer.argo_objects import mappings
from platform_e2e.layer.durations import seconds_of
from platform_e2e.layer.renderer import Reason
from platform_e2e.toolbox.promtool import Promtool, PromtoolError

MOST_FILES = 2_000
"""Files of kept cases that are read."""

MOST_SAMPLES = 1_000_000
"""Samples that one file may describe; `0+1x1000000000` would fill the memory."""

MOST_EVALUATIONS = 200_000
"""Evaluations until the last time that one file asks about."""

_TIMES = re.compile(r"x(\d+)")


@dataclass(frozen=True)
class KeptCase:
    """A file of kept cases.

    Attributes:
        path: the file.
        file: its path from the top of the repository that has the layer.
    """

    path: Path
    file: str

    @property
    def id(self) -> str:
        """Return what names it among all."""
        return self.path.name.removesuffix(self.path.suffix).removesuffix(".test")


def of_layer(layer: Layer) -> Iterator[KeptCase]:
    """Yield the files of kept cases of a layer, in the order of their names; none where it keeps none."""
    if not layer.alert_cases:
        return
    root = paths.repository_of(layer.directory)
    directory = (root / layer.alert_cases).resolve()
    if not directory.is_relative_to(root.resolve()) or not directory.is_dir():
        # That it is not there is told by the one test of the directory.
        yield KeptCase(root / layer.alert_cases, layer.alert_cases)
        return
    files = (path for path in sorted(directory.glob("*.y*ml")) if path.is_file() and not path.is_symlink())
    for _, path in zip(range(MOST_FILES), files, strict=False):
        if not path.name.endswith((".rules.yaml", ".rules.yml")):
            yield KeptCase(path, path.relative_to(root.resolve()).as_posix())


def alerts_of(kept: KeptCase, layer: Layer) -> list[WantedRule]:
    """Return the alerts of a layer that a file asks about."""
    try:
        documents = yamlfile.read(layer.directory, kept.path) if kept.path.is_file() else []
    except LayerError:
        return []
    names = {
        str(asked.get("alertname", ""))
        for document in documents
        if isinstance(document.data, dict)
        for test in mappings(document.data.get("tests"))
        for asked in mappings(test.get("alert_rule_test"))
    }
    return [alert for alert in alerts_of_layer(layer) if alert.name in names]


def unknown(kept: KeptCase, layer: Layer) -> NotJudged | None:
    """Return that a file asks about an alert of what is not judged, where the layer has such."""
    if not layer.not_judged or alerts_of(kept, layer):
        return None
    first = layer.not_judged[0]
    problem = f"{kept.file} asks about an alert that no PrometheusRule has which could be rendered: {first.object} is not judged"
    remedy = "mend what is not judged"
    return NotJudged(f"alert case {kept.id}", Reason.CASE, problem, remedy, kept.file, 1, ())


def check(kept: KeptCase, layer: Layer, promtool: Promtool) -> list[Finding]:
    """Run the cases of a file against the rules of a layer, and return what fails.

    Args:
        kept: the file.
        layer: whose rules are tested.
        promtool: that evaluates.
    """
    if not kept.path.is_file():
        return [_invalid(kept, 1, "there is no such directory in the repository of the layer")]
    try:
        documents = yamlfile.read(layer.directory, kept.path)
    except LayerError as error:
        return [_invalid(kept, error.line or 1, error.problem)]
    if len(documents) != 1 or not isinstance(documents[0].data, dict):
        return [_invalid(kept, 1, "it must be one mapping with `tests`")]
    (document,) = documents
    tests = list(mappings(document.data.get("tests")))
    problem = _problem(document.data, tests)
    if problem:
        return [_invalid(kept, document.line_of("tests"), problem)]
    book = Book(rules_of(layer))
    for number, test in enumerate(tests):
        for index, asked in enumerate(mappings(test.get("alert_rule_test"))):
            name = str(asked.get("alertname", ""))
            if not book.named(name):
                # An Application that cannot be rendered may have it.
                return (
                    []
                    if layer.not_judged
                    else [_stranger(kept, document.line_of("tests", number, "alert_rule_test", index), name)]
                )
    return _run(kept, document, tests, book, promtool)


def _run(
    kept: KeptCase, document: yamlfile.Document, tests: list[Mapping[str, Any]], book: Book, promtool: Promtool
) -> list[Finding]:
    names = {str(asked.get("alertname")) for test in tests for asked in mappings(test.get("alert_rule_test"))}
    rules = [rule for rule in book.rules if rule.alert in names] or list(book.rules)
    data = {**document.data, "rule_files": ["rules.yaml"]}
    # Each by its number, so that a failure is found again whatever a group is called.
    data["tests"] = [{**test, "name": str(number)} for number, test in enumerate(tests)]
    files = {"rules.yaml": json.dumps(book.file(rules)), "kept.test.yaml": yamlfile.as_json(data)}
    try:
        failures = promtool.test(files)
    except PromtoolError as error:
        return [_invalid(kept, 1, f"promtool {error.reason}")]
    refused = failures.files.get("kept.test.yaml")
    if refused:
        return [_invalid(kept, 1, refused)]
    found = []
    for number, test in enumerate(tests):
        told = failures.groups.get(("kept.test.yaml", str(number)))
        if told:
            found.append(_fails(kept, document.line_of("tests", number), str(test.get("name") or number), told[0]))
    return found


def _problem(data: Mapping[str, Any], tests: list[Mapping[str, Any]]) -> str:
    """Return why a file is not run; empty where it is."""
    if not tests:
        return "it has no `tests`, so that nothing can fail"
    if not any(test.get("alert_rule_test") or test.get("promql_expr_test") for test in tests):
        return "no test of it asks anything"
    samples = 0
    for test in tests:
        for series in mappings(test.get("input_series")):
            samples += sum(int(found[:12]) for found in _TIMES.findall(str(series.get("values", "")))) + 1
        step = seconds_of(str(data.get("evaluation_interval") or "1m")) or 60.0
        asked = [*mappings(test.get("alert_rule_test")), *mappings(test.get("promql_expr_test"))]
        last = max((seconds_of(str(each.get("eval_time") or "0s")) for each in asked), default=0.0)
        if last / step > MOST_EVALUATIONS:
            return f"it asks for more than {MOST_EVALUATIONS} evaluations"
    return f"it describes more than {MOST_SAMPLES} samples" if samples > MOST_SAMPLES else ""


def _finding(kept: KeptCase, line: int, expected: str, observed: str, cause: Cause) -> Finding:
    return Finding(f"alert case {kept.id}", Promise.ALERTS, expected, observed, cause.located(f"{kept.file}:{line}"))


def _invalid(kept: KeptCase, line: int, problem: str) -> Finding:
    sentence = f"{kept.file} cannot be run: {problem}"
    cause = Cause(
        "alert-case-invalid", sentence, "correct the file, or write it again from a run (platform-e2e alert-cases)"
    )
    return _finding(kept, line, "a unit test of promtool", "none", cause)


def _stranger(kept: KeptCase, line: int, name: str) -> Finding:
    sentence = f"{kept.file} asks about the alert {name}, which no PrometheusRule of the layer has: it would hold whatever happens"
    cause = Cause("alert-case-stale", sentence, "correct the name, or remove the case")
    return _finding(kept, line, f"an alert {name}", "there is none", cause)


def _fails(kept: KeptCase, line: int, name: str, told: str) -> Finding:
    words = " ".join(told.split())
    sentence = f"the kept case `{name}` does not hold against the rules of the layer: {words[:600]}"
    remedy = "correct the rule; or, if it is meant so, write the case again from a run (platform-e2e alert-cases)"
    return _finding(kept, line, "it holds", "it does not", Cause("alert-case-fails", sentence, remedy))
