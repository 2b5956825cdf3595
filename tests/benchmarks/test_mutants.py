"""The mutants of rules and panels: what each operator changes, and that the choice is the seed's alone."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from rich.console import Console

from benchmarks import promql
from benchmarks.mutants import chosen, judge, sources
from benchmarks.mutants.judge import Verdict
from benchmarks.mutants.operators import Known, of_expression
from benchmarks.promql import Outcome
from platform_e2e import shell

EXPRESSION = (
    'sum by (job) (rate(a_total{code="500"}[5m])) / on (job, pod) group_left (node) '
    'sum by (job) (rate(a_errors{code="404"}[$__rate_interval])) > 0.5'
)

RULES = {
    "groups": [
        {
            "name": "g",
            "rules": [
                {"alert": "Slow", "expr": EXPRESSION, "annotations": {"summary": "{{ $labels.job }}"}},
                {"record": "job:up", "expr": "sum by (job) (ups)"},
            ],
        }
    ]
}

BOARD = {
    "title": "Shop",
    "panels": [
        {
            "title": "Up",
            "datasource": {"uid": "prometheus"},
            "targets": [{"expr": "sum by (job) (ups)", "legendFormat": "{{job}}"}, {"expr": "hidden", "hide": True}],
        }
    ],
}


def test_each_operator_changes_what_it_is_called_after() -> None:
    found = list(of_expression(EXPRESSION, Known.of([EXPRESSION]), "1"))
    made: dict[tuple[str, str], list[str]] = {}
    for operator, variant, text in found:
        assert text != EXPRESSION
        made.setdefault((operator, variant), []).append(text)
    assert {pair: len(texts) for pair, texts in made.items()} == {
        ("metric", "misspelt"): 2,
        ("metric", "another of its family"): 2,
        ("label", "misspelt"): 4,
        ("value", "another of its label"): 2,
        ("window", "short"): 2,
        ("window", "long"): 2,
        ("threshold", "turned"): 1,
        ("threshold", "factor"): 1,
        ("join", "turned"): 1,
        ("join", "group dropped"): 1,
        ("join", "label misspelt"): 2,
        ("join", "label dropped"): 2,
    }
    assert made["threshold", "factor"][0].endswith("> 50")
    assert made["threshold", "turned"][0].endswith("< 0.5")
    assert "/ on (job, pod)  sum" in made["join", "group dropped"][0]
    assert "on (pod) group_left (node)" in made["join", "label dropped"][0]
    assert 'a_errors{code="500"}' in made["metric", "another of its family"][0]


def test_the_choice_is_the_seeds_and_takes_each_operator_and_source_in_turn(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES))
    (tmp_path / "board.json").write_text(json.dumps(BOARD))
    source = sources.of_files("mine", tmp_path)
    subjects = list(chosen.subjects(source))
    assert [str(each) for each in subjects] == ["mine Slow", "mine job:up", "mine Shop: Up"]
    names = chosen.known([source])
    every = [mutant for each in subjects for mutant in chosen.mutants(each, names, "1")]
    first = chosen.choose(every, "1", 8)
    assert {each.operator for each in first} == {
        "metric", "label", "value", "window", "threshold", "join", "template", "datasource",
    }  # fmt: skip
    assert first == chosen.choose(list(reversed(every)), "1", 8)
    assert len(chosen.choose(every, "1", 1000)) == len(every)
    panels = [each for each in every if each.changed.dashboard]
    assert {each.operator for each in panels} == {"metric", "label", "template", "datasource"}
    legend = next(each.changed.dashboard for each in panels if each.operator == "template")
    assert legend is not None
    assert [each.expression for each in legend.panels[0].queries] == ["sum by (job) (ups)"]


def test_promtool_is_given_a_panels_queries_as_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board: dict[str, Any] = {**BOARD, "templating": {"list": [{"name": "pod", "type": "query"}]}}
    board["panels"] = [{"title": "Up", "targets": [{"expr": 'rate(ups_total{pod="$pod"}[$__rate_interval])'}]}]
    (tmp_path / "board.json").write_text(json.dumps(board))
    (subject,) = chosen.subjects(sources.of_files("mine", tmp_path))

    def run(argv: list[Any], **_: Any) -> Any:
        (group,) = yaml.safe_load(argv[-1].read_text())["groups"]
        assert group["rules"] == [{"record": "panel:query0", "expr": 'rate(ups_total{pod="x"}[2m])'}]
        return SimpleNamespace(returncode=1, stderr="", stdout="Checking\n  FAILED: no\n")

    monkeypatch.setattr(shell, "run", run)
    assert judge.promtool(Path("promtool"), subject, tmp_path) == "FAILED: no"


def test_a_survivor_is_printed_and_what_a_kept_case_kills_is_none() -> None:
    known = Known.of([EXPRESSION])
    rule = sources.of_objects(
        "mine",
        [
            {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                "metadata": {"name": "r", "namespace": "n"},
                "spec": RULES,
            }
        ],
        "r.yaml",
    )
    first, second, third, *_ = (each for sub in chosen.subjects(rule) for each in chosen.mutants(sub, known, "1"))
    outcomes = [
        Outcome(first, Verdict("rule-metric-missing", "reads"), ""),
        Outcome(second, Verdict(), "", "no alert"),
        Outcome(third, Verdict(unknown="may come"), ""),
    ]
    assert [each.killed for each in outcomes] == [True, True, False]
    console = Console(record=True, width=200, file=io.StringIO())
    promql._report(console, outcomes)
    text = console.export_text()
    assert text.count("SURVIVES") == 1
    assert f"SURVIVES {third.operator}, {third.variant}: mine Slow" in text
    assert "not known: may come" in text
    assert outcomes[1].as_json()["kept case"] == "no alert"
