"""The benchmark of alerts: what it counts, and where its rules and series come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.alerts import counted, measured, rules_in
from benchmarks.recorded_series import RecordedSeries
from platform_e2e.errors import WrongUsage
from platform_e2e.promql import parse
from platform_e2e.toolbox.promtool import Promtool
from tests.fakes.promtool import Engine

RULES = """
kind: PrometheusRule
spec:
  groups:
  - name: g
    rules:
    - {alert: High, expr: x > 5}
    - {alert: Never, expr: x > 5 and x < 3}
    - {alert: Missing, expr: y > 5}
---
kind: ConfigMap
"""


def test_alerts_are_counted_and_the_others_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "series.json").write_text(json.dumps({"data": [{"__name__": "x", "job": "j"}]}))
    engine = Engine(lambda v: v.get("x") == 5.25)
    monkeypatch.setattr(Promtool, "built", classmethod(lambda _: engine))
    rules = list(rules_in(tmp_path))
    assert [rule.alert for rule in rules] == ["High", "Never", "Missing"]
    measured(rules, RecordedSeries.read(tmp_path / "series.json"), tmp_path / "cases")
    said = capsys.readouterr().out
    assert "3 alerts: 3 can be parsed, 2 have their series here" in said
    assert "Missing (g): no case that fires: series are missing: no target delivers y" in said
    assert list((tmp_path / "cases").glob("0-High.*"))
    assert counted([], 0).alerts == 0


def test_recorded_series_are_chosen_as_prometheus_does() -> None:
    source = RecordedSeries([{"__name__": "x", "a": "1"}, {"__name__": "x", "a": "22"}, {"__name__": "y"}])
    for text, count in (("x", 2), ('x{a="1"}', 1), ('x{a!="1"}', 1), ('x{a=~"2"}', 0), ('{__name__=~"x|y", a=""}', 1)):
        assert len(source.series(parse(text).selectors[0], 10)) == count


def test_files_without_rules_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="must have rules, got none"):
        list(rules_in(tmp_path))
