"""The Markdown of a run: what a job's page shows, whatever objects are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_e2e.report import summary
from platform_e2e.report.summary import cell, markdown
from platform_e2e.runs.run_json import SavedRun

FINDING = {
    "object": "service/chat -n chat-dev",
    "promise": "loadbalancer",
    "expected": "an address",
    "observed": "none",
    "cause": {"id": "loadbalancer-pool-full", "sentence": "the pool has no address", "remedy": "Widen the pool."},
}


def a_test(name: str = "e2e/test_it.py::test_it[a|b]", **fields: Any) -> dict[str, Any]:
    return {"test": name, "outcome": "failed", "findings": [FINDING], "reason": "", **fields}


def a_run(*tests: dict[str, Any], **fields: Any) -> dict[str, Any]:
    row = {"promise": "loadbalancer", "verdict": "BROKEN", "tests": "1 failed", "figures": "address 10.89.0.200"}
    return {
        "exit_code": 1,
        "seconds": 118.4,
        "verdict": {"promises": [row], "tests": tests or [a_test()]},
        "history": {"previous_green": None, "changes": [], "flakes": [], "notes": ["no green run yet"]},
        **fields,
    }


def shown(run: dict[str, Any]) -> str:
    known, odd = SavedRun.from_json(run)
    assert odd == []
    return markdown(known, name="2026-x", headline="layer platform", where=["all of it: artifacts/2026-x"])


def test_verdict_promises_failure_cause_and_remedy_are_there() -> None:
    text = shown(a_run())
    assert text.startswith("# ❌ the platform is broken\n\nlayer platform; 1 min 58 s; run 2026\\-x\n")
    assert "| loadbalancer | BROKEN | 1 failed | address 10.89.0.200 |" in text
    for line in (
        "**service/chat \\-n chat\\-dev** breaks the promise loadbalancer (e2e/test\\_it.py::test\\_it\\[a\\|b\\])",
        "- expected: an address",
        "- observed: none",
        "- cause: the pool has no address `loadbalancer-pool-full`",
        "- remedy: Widen the pool.",
        "- no green run yet",
        "- all of it: artifacts/2026\\-x",
    ):
        assert line in text.splitlines()


def test_a_green_one_is_short() -> None:
    text = shown(a_run(a_test(outcome="passed"), exit_code=0))
    assert text.startswith("# ✅ every promise holds")
    assert "Failures" not in text


def test_changes_what_was_accepted_and_flakes_are_shown() -> None:
    history = {
        "previous_green": {"id": "2026-y", "started": 1_793_000_000.0},
        "changes": [{"text": f"change {number}"} for number in range(60)],
        "accepted": ["2 tests, 3 before"],
        "flakes": [{"test": "t", "verdicts": ["passed", "failed"], "text": "failed now"}],
    }
    text = shown(a_run(history=history))
    assert "## Since the last green run, 2026\\-y of 2026-10-26 07:33 UTC" in text
    assert "- change 49\n\nand 10 more, in run.json" in text
    assert "- accepted as the new measure: 2 tests, 3 before" in text
    assert "| t | passed, failed | failed now |" in text


def test_many_failures_are_counted() -> None:
    assert "and 10 more, in run.json" in shown(a_run(*[a_test() for _ in range(60)]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a|b", "a\\|b"),
        ("a\n# b", "a \\# b"),
        ("<img src=x onerror=1>", "&lt;img src=x onerror=1&gt;"),
        ("[x](javascript:y)", "\\[x\\]\\(javascript:y\\)"),
        ("![x](https://evil)", "\\!\\[x\\]\\(https&#58;//evil\\)"),
        ("`rm`", "\\`rm\\`"),
        ("@team", "&#64;team"),
        ("a\x1b[31m\u202eb", "a \\[31m b"),
        ("&lt;", "&amp;lt;"),
        ("x" * 500, "x" * 399 + "…"),
    ],
)
def test_a_hostile_name_is_a_name(name: str, expected: str) -> None:
    assert cell(name) == expected


@settings(max_examples=60)
@given(st.text(alphabet=st.sampled_from("|<>[]()`*_~#!&\\\n\r\x00\x1b@$ab:/ "), max_size=40))
def test_no_name_breaks_a_table_or_becomes_markup(name: str) -> None:
    text = cell(name)
    assert "\n" not in text
    assert "<" not in text
    bare = text.replace("\\\\", "")
    for sign in "|[]`*_":
        assert bare.count(sign) == bare.count(f"\\{sign}")


def test_secrets_are_taken_out() -> None:
    text = shown(a_run(a_test(findings=[{**FINDING, "observed": "password=hunter2-and-more"}])))
    assert "hunter2" not in text


def test_a_page_gets_what_it_takes_and_says_where_it_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "STEP_BYTES", 400)
    page = tmp_path / "page.md"
    page.write_text("before\n")
    summary.add_to_step("# ✅ whole\n", page)
    assert page.read_text() == "before\n\n# ✅ whole\n"
    summary.add_to_step("".join(f"| ✅ {number} |\n" for number in range(100)), page)
    text = page.read_text()
    assert len(text.encode()) <= 400
    assert text.endswith(summary.CUT)
    assert text.removesuffix(summary.CUT).endswith(" |\n"), "no line and no sign is cut in two"
    summary.add_to_step("# ✅ more\n" * 100, page)
    assert len(page.read_text().encode()) <= 400
