"""The mutants of rules and panels: what each operator changes, and that the choice is the seed's alone."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from benchmarks.mutants import chosen, sources
from benchmarks.mutants.operators import Known, of_expression

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
