"""The table of alerts in the report: one line for each alert, whatever tests the run had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from platform_e2e.report.html import alerts, writing
from platform_e2e.runs.run_json import SavedRun
from tests.fakes.made_run import Made

CASE = "monitoring/shop-g-Down"


def result(
    name: str, outcome: str = "passed", *, promise: str = "alerts", case: str = CASE, **more: Any
) -> dict[str, Any]:
    """Return the end of a test about an alert."""
    return {"test": f"e2e/test_x.py::{name}[{case}]", "outcome": outcome, "promise": promise, **more}


def failed(cause: str) -> dict[str, Any]:
    """Return the finding of a test that failed."""
    told = {"id": cause, "sentence": "s", "remedy": "r"}
    return {"object": "o", "promise": "alerts", "expected": "e", "observed": "o", "cause": told, "details": {}}


def row(*results: dict[str, Any]) -> dict[str, Any]:
    """Return the line of the one alert of a run."""
    run, odd = SavedRun.from_json({"verdict": {"tests": results}})
    assert odd == []
    (found,) = alerts.rows(run)
    return found


def test_alert_that_took_the_whole_way_has_every_step() -> None:
    figures = {"pending_seconds": 5.2, "firing_seconds": 66.0, "received_seconds": 68.1, "cleared_seconds": 9.5}
    found = row(
        result(alerts.RULE, promise="rules"),
        result(alerts.ROUTED, figures={"receivers": "on-call"}),
        result(alerts.DERIVED),
        result("test_kept_case_holds", case="shop/kept.yaml"),
        result(alerts.REAL, figures={**figures, "receiver": "on-call"}),
    )
    assert found == {
        "alert": "Down",
        "where": CASE,
        "parsed": "yes",
        "series": "yes",
        "synthetic": "yes",
        "real": "yes",
        "receiver": "on-call",
        "steps": [
            ("pending", "5.2 s"),
            ("firing", "1 min 06 s"),
            ("missed", ""),
            ("received", "1 min 08 s"),
            ("cleared", "9.5 s"),
        ],
    }


@pytest.mark.parametrize(
    ("outcome", "causes", "parsed", "series"),
    [
        ("failed", ["rule-failing"], "no", "not known"),
        ("failed", ["rule-metric-missing"], "yes", "rule-metric-missing"),
        ("unknown", [], "yes", "not known"),
        ("blocked", [], "yes", "not known"),
    ],
)
def test_expression_and_series_are_told_apart(outcome: str, causes: list[str], parsed: str, series: str) -> None:
    told = result(alerts.RULE, outcome, promise="rules", findings=[failed(cause) for cause in causes])
    found = row(told, result(alerts.ROUTED))
    assert (found["parsed"], found["series"]) == (parsed, series)


def test_test_that_a_run_did_not_have_leaves_its_field_empty() -> None:
    found = row(result(alerts.REAL, "failed", findings=[failed("alert-not-fired")]))
    assert (found["parsed"], found["synthetic"], found["real"], found["receiver"]) == ("", "", "alert-not-fired", "")


def test_rule_that_records_a_series_is_no_alert() -> None:
    run, _ = SavedRun.from_json({"verdict": {"tests": [result(alerts.RULE, promise="rules")]}})
    assert alerts.rows(run) == []


def test_page_has_the_table(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.test(
        1.0, 2.0, f"alerts/test_alerts.py::{alerts.REAL}[{CASE}]", promise="alerts", figures={"receiver": "on-call"}
    )
    page = writing.write(made.write()).read_text(encoding="utf-8")
    assert 'id="alerts-title"' in page
    assert "<code>Down</code>" in page
    assert 'data-label="Receiver">on-call<' in page
