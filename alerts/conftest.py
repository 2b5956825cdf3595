"""The course of all faults, which the first test begins; each test waits for what came of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from platform_e2e.testing import Platform
from platform_e2e.testing.checks import Prometheus, Run, alerts, faults, layer_of, rules

OUTCOMES = pytest.StashKey[list[faults.Outcome]]()

FILE = "alerts.json"
"""In the run's directory: what came of each fault."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each alert of the layer."""
    if "alert" in metafunc.fixturenames:
        found = [pytest.param(alert, id=alert.id) for alert in alerts.of_layer(layer_of(metafunc.config))]
        metafunc.parametrize("alert", found)


@pytest.fixture(scope="session")
def declared(pytestconfig: pytest.Config) -> Sequence[faults.Fault]:
    """Return the faults: those of faults/ beside this directory. Another layer's team overrides this fixture, or the files."""
    return faults.load_all(pytestconfig.rootpath / "faults")


@pytest.fixture(scope="session")
def course(
    platform: Platform,
    prometheus: Prometheus,
    declared: Sequence[faults.Fault],
    platform_e2e_run: Run,
    request: pytest.FixtureRequest,
) -> Iterator[faults.Course]:
    """Begin with the faults of the alerts that are asked for, and undo what is left of them at the end, whatever the end is."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail("the faults of all alerts are made by one process, which makes several at once: leave out -n")
    asked = {alert.alert for item in request.session.items if (alert := _alert_of(item)) is not None}
    chosen = [fault for fault in declared if fault.alert in asked]
    course = faults.Course.of(platform.layer, platform.kube, prometheus, chosen)
    try:
        course.begin()
        yield course
    finally:
        course.end()
        found = request.config.stash[OUTCOMES] = list(course.outcomes.values())
        Path(platform_e2e_run.directory, FILE).write_text(
            json.dumps([each.as_json() for each in found], indent=1), encoding="utf-8"
        )


def _alert_of(item: pytest.Item) -> rules.WantedRule | None:
    """Return the alert that a test is about; None where it is about none."""
    found: rules.WantedRule | None = getattr(item, "callspec", None) and item.callspec.params.get("alert")  # type: ignore[attr-defined]
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of all faults."""
    found = config.stash.get(OUTCOMES, [])
    if found:
        terminalreporter.section("alerts")
        terminalreporter.write_line(faults.table(found))
