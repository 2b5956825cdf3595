"""What was found then and what is found now are paired by one rule, for tests and for findings."""

from __future__ import annotations

import pytest

from platform_e2e import terminal
from platform_e2e.finding import Cause, Finding
from platform_e2e.runs import compare
from platform_e2e.runs.compare import AGAIN, NOT_AGAIN, ONLY_HERE, OTHER_CAUSE, paired
from platform_e2e.runs.run_record import Then


def finding(name: str, cause: str) -> Finding:
    return Finding(name, "selfheal", "", "", Cause(cause, "", ""))


def test_the_same_cause_is_paired_before_another_one_of_the_same_subject() -> None:
    then, now = ["a:1", "a:2", "b:1", "c:1"], ["a:3", "a:2", "b:2", "d:1"]
    pairs = paired(then, now, lambda text: text[0], lambda text: text[2])
    assert pairs == [
        ("a:1", "a:3", False),
        ("a:2", "a:2", True),
        ("b:1", "b:2", False),
        ("c:1", None, False),
        (None, "d:1", False),
    ]


def test_each_finding_has_a_verdict_and_a_reason_where_it_is_not_seen_again() -> None:
    then = [finding("a", "x"), finding("b", "x"), finding("c", "x"), finding("d", "x")]
    now = [finding("a", "x"), finding("b", "y"), finding("e", "x")]
    rows = compare.compare_findings(then, now, {"a": "not shown", "b": "its value is redacted", "c": "it is not here"})
    assert [(row.verdict, row.why) for row in rows] == [
        (AGAIN, ""),
        (OTHER_CAUSE, "its value is redacted"),
        (NOT_AGAIN, "it is not here"),
        (NOT_AGAIN, "here nothing is wrong with it"),
        (ONLY_HERE, ""),
    ]


def test_a_test_without_a_cause_is_compared_by_its_reason_without_what_is_random() -> None:
    then = [Then("t", "failed", reason="pod chat-7f9 waited 61s"), Then("u", "failed", reason="pod waited")]
    now = {"t": Then("t", "failed", reason="pod chat-8a1 waited 60s"), "u": Then("u", "error", reason="pod waited")}
    assert [row.verdict for row in compare.compare(then, now)] == ["same", "different"]


@pytest.mark.parametrize("title", ["", "findings"])
def test_a_table_shows_control_characters_and_has_a_frame_where_it_has_a_title(title: str) -> None:
    made = terminal.table(("a", "b"), [("x\x1b[2J", ("y", "green"))], width=40, colour=False, title=title)
    assert "x\\x1b[2J" in made
    assert "\x1b" not in made
    assert ("└" in made) is bool(title)
