"""Runs that never were, for tests of what compares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from platform_e2e.runs.history.record import RecordedRun, RecordedTest

LAYER = {"commit": "4fc39cf24fe1aaaa", "digest": "1a1e"}
HARNESS = {"commit": "19bde1c8d54caaaa", "digest": "4a44"}


def monitor(name: str, outcome: str = "passed", targets: int = 2) -> tuple[str, RecordedTest]:
    test = RecordedTest(outcome, 1.5, "monitoring", f"servicemonitor/{name} -n {name}", {"targets": targets})
    return f"e2e/test_monitoring.py::test_scraped[{name}]", test


def entry(number: int = 1, tests: Mapping[str, RecordedTest] | None = None, **fields: Any) -> RecordedRun:
    """Return the line of a sound, whole run of three ServiceMonitors."""
    made = RecordedRun(
        id=f"2026-11-{number:02}T02-17-00Z-e2e-x",
        started=1_793_000_000.0 + number * 86_400,
        seconds=118.4,
        exit_code=0,
        complete=True,
        whole=True,
        judged=True,
        chosen="",
        options={"provider": "embedded", "nodes": 1, "layer": "platform"},
        layer=LAYER,
        harness=HARNESS,
        versions={"release argocd": "argocd v3.2.11"},
        tests=dict(map(monitor, ("a", "b", "c"))) if tests is None else tests,
        promises={
            "monitoring": {
                "verdict": "holds",
                "tests": {"passed": 3},
                "figures": {"targets": 6, "heal_seconds": [0.1, 0.4, 1.1]},
            }
        },
        phases={"cluster": 9.4},
        exempt=(),
        accepted=(),
    )
    return replace(made, **fields)
