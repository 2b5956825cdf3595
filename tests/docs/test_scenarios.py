"""The page of scenarios names for each row the test that proves it on a real cluster."""

from __future__ import annotations

import pytest

from platform_e2e import paths
from tests.support.scenarios import OPEN, known, marked, page


def test_the_page_is_up_to_date_and_has_each_marked_row() -> None:
    found = marked()
    assert {row for row, _ in found} <= known().keys()
    written = (paths.ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    assert written == page(found), "write docs/scenarios.md again: nox -s assurance"


def test_a_row_that_no_test_proves_says_so() -> None:
    lines = page([("M2", "e2e/test_a.py::test_b")]).splitlines()
    (proven,) = (line for line in lines if line.startswith("| M2 "))
    (unproven,) = (line for line in lines if line.startswith("| M1 "))
    assert "`e2e/test_a.py::test_b`" in proven
    assert unproven.endswith(f"| {OPEN} |")


@pytest.mark.parametrize("row", [row for row in known() if row.startswith("M")] + ["H4", "H9", "A12", "X7"])
def test_every_row_of_monitoring_is_proven(row: str) -> None:
    assert row in {found for found, _ in marked()}
