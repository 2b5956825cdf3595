"""One line for each alert of the layer: what the tests of this run have shown of it, from its expression to its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from platform_e2e.finding import Promise
from platform_e2e.report.console import duration
from platform_e2e.runs.run_json import SavedRun
from platform_e2e.runs.verdict import BAD, Outcome, Result

RULE, DERIVED, ROUTED, REAL = (
    "test_rule_reads_what_there_is",
    "test_alert_fires_and_stays_silent",
    "test_alert_reaches_a_receiver",
    "test_alert_fires_is_received_and_is_over",
)
"""The tests of single alerts (e2e/, alerts/)."""

STEPS = ("pending", "firing", "missed", "received", "cleared")
"""Seconds that the tests with real faults measure (`platform_e2e.faults`)."""

UNREAD = frozenset({"rule-failing", "rule-not-loaded", "rule-unselected", "rule-namespace-unselected", "rule-rejected"})
"""Causes with which an expression was not evaluated; with any other it was parsed, and its series are the question."""

YES, NO, UNKNOWN = "yes", "no", "not known"


def rows(run: SavedRun) -> list[dict[str, Any]]:
    """Return the alerts of a run, by their names; none where no test was about one.

    Args:
        run: that has ended.
    """
    found: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in run.verdict.tests:
        name, case = _split(result.test)
        if case and name in {RULE, DERIVED, ROUTED, REAL} and result.promise in {Promise.ALERTS, Promise.RULES}:
            found[case][name].append(result)
    # A rule that records a series has a test, too; of an alert there is one of another promise.
    alerts = {case: kinds for case, kinds in found.items() if kinds.keys() - {RULE}}
    return [_row(case, kinds) for case, kinds in sorted(alerts.items(), key=lambda each: _alert(each[0]))]


def _row(case: str, kinds: Mapping[str, Sequence[Result]]) -> dict[str, Any]:
    (parsed, series), routed, real = _read(kinds.get(RULE, ())), kinds.get(ROUTED, ()), kinds.get(REAL, ())
    figures = {name: value for result in (*routed, *real) for name, value in result.figures.items()}
    return {
        "alert": _alert(case),
        "where": case,
        "parsed": parsed,
        "series": series,
        "synthetic": _together(kinds.get(DERIVED, ())),
        "real": _together(real),
        "receiver": str(figures.get("receiver") or figures.get("receivers") or ""),
        "steps": [(step, _took(figures.get(f"{step}_seconds"))) for step in STEPS],
    }


def _read(results: Sequence[Result]) -> tuple[str, str]:
    """Return whether the expression was parsed, and whether its series are there."""
    if not results:
        return "", ""
    causes = {cause for result in results for cause in result.causes}
    if causes & UNREAD or any(result.outcome is Outcome.ERROR for result in results):
        return NO, UNKNOWN
    told = next((cause for cause in sorted(causes) if cause.startswith("rule-")), "")
    return YES, told or (YES if all(result.outcome is Outcome.PASSED for result in results) else UNKNOWN)


def _together(results: Sequence[Result]) -> str:
    """Return what several tests have shown; empty where there are none."""
    if not results:
        return ""
    bad = next((result for result in results if result.outcome in BAD), None)
    if bad is not None:
        return next(iter(bad.causes), NO)
    return YES if all(result.outcome is Outcome.PASSED for result in results) else UNKNOWN


def _split(test: str) -> tuple[str, str]:
    """Return the function and the case of a test's id."""
    head, _, case = test.partition("[")
    return head.rpartition("::")[2], case.removesuffix("]")


def _alert(case: str) -> str:
    """Return the name of the alert that an id ends with (`WantedRule.id`)."""
    return case.rpartition("-")[2]


def _took(seconds: Any) -> str:
    return duration(float(seconds)) if isinstance(seconds, int | float) else ""
