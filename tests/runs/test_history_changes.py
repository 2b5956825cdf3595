"""A run beside those before it: fewer is a failure, a changed verdict without a change is a flake, and both are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from platform_e2e.runs.history.changes import Comparison, compare
from platform_e2e.runs.history.lost_coverage import fewer
from platform_e2e.runs.history.record import RecordedRun, RecordedTest
from platform_e2e.runs.verdict import Outcome
from tests.fakes.histories import HARNESS, LAYER, entry, monitor

CHANGED = {"commit": "9aaaaaaaaaaabbbb", "digest": "9999"}
ADDRESS = (
    "e2e/test_lb.py::test_answers[x]",
    RecordedTest("passed", 1.0, "loadbalancer", "service/x -n x", {"addresses": 1}),
)


def kinds(comparison: Comparison) -> list[str]:
    return [change.kind for change in comparison.changes]


def finding(comparison: Comparison) -> dict[str, Any]:
    (result,) = comparison.broken
    (one,) = result.findings
    return one.as_json()


def test_the_same_again_is_compared_and_says_nothing() -> None:
    past = compare(entry(2), [entry(1)])
    assert past.previous == entry(1)
    assert (past.changes, past.broken, past.flakes, past.notes) == ((), (), (), ())
    assert past.as_json()["previous_green"] == {
        "id": entry(1).id, "started": entry(1).started, "directory": "",
    }  # fmt: skip


def test_a_test_that_is_gone_with_a_change_of_the_layer_is_a_broken_platform() -> None:
    now = entry(2, dict(map(monitor, ("a", "c"))), layer=CHANGED)
    past = compare(now, [entry(1)])
    (result,) = past.broken
    assert (result.outcome, result.exit_code, result.promise) == (Outcome.FAILED, 1, "monitoring")
    assert finding(past)["object"] == "servicemonitor/b -n b"
    assert (
        finding(past)["expected"] == "3 tests, as in the green run 2026-11-01T02-17-00Z-e2e-x of 2026-10-27 07:33 UTC"
    )
    assert finding(past)["observed"] == "2 tests; gone: e2e/test_monitoring.py::test_scraped[b]"
    cause = finding(past)["cause"]
    assert cause["id"] == "fewer-tests"
    assert cause["sentence"].startswith(
        "the layer's content has changed since, and promises less: 2 tests of the promise"
    )
    assert "git diff 4fc39cf24fe1..9aaaaaaaaaaa -- platform" in cause["remedy"]
    assert "run once with --accept-fewer, and later runs are compared with that one" in cause["remedy"]
    assert kinds(past) == ["fewer-tests", "layer"]


def test_a_test_that_is_gone_from_the_same_layer_is_a_broken_harness() -> None:
    two = dict(map(monitor, ("a", "c")))
    (changed,) = compare(entry(2, two, harness=CHANGED), [entry(1)]).broken
    assert (changed.outcome, changed.exit_code) == (Outcome.ERROR, 3)
    assert "the layer is the same, the harness's code has changed" in changed.findings[0].cause.sentence
    assert "git diff 19bde1c8d54c -- e2e fixtures platform_e2e" in changed.findings[0].cause.remedy
    (same,) = compare(entry(2, two), [entry(1)]).broken
    assert same.exit_code == 3
    assert "neither the layer nor the harness has changed" in same.findings[0].cause.sentence


def test_a_test_that_is_skipped_now_is_gone_too() -> None:
    past = compare(entry(2, dict([monitor("a"), monitor("b"), monitor("c", "skipped")])), [entry(1)])
    assert finding(past)["cause"]["id"] == "fewer-tests"


def test_fewer_targets_of_a_test_that_passes_are_a_finding_of_its_object() -> None:
    past = compare(entry(2, dict([monitor("a"), monitor("b", targets=1), monitor("c")])), [entry(1)])
    assert past.broken[0].exit_code == 1
    assert finding(past)["object"] == "servicemonitor/b -n b"
    assert finding(past)["expected"].startswith("2 targets, as in the green run")
    assert finding(past)["observed"] == "1 target"
    assert finding(past)["cause"]["id"] == "fewer-targets"


def test_other_counts_go_by_their_own_name() -> None:
    before = entry(1, dict([ADDRESS]))
    now = entry(2, {ADDRESS[0]: replace(ADDRESS[1], counts={})}, layer=CHANGED)
    assert finding(compare(now, [before]))["cause"]["id"] == "fewer-addresses"


def test_a_promise_that_is_red_already_gets_no_second_failure_and_the_change_is_told() -> None:
    past = compare(entry(2, dict([monitor("a"), monitor("c", "failed")]), exit_code=1, layer=CHANGED), [entry(1)])
    assert past.broken == ()
    assert "fewer-tests" in kinds(past)


def test_fewer_on_purpose_is_accepted_and_said_and_becomes_the_measure() -> None:
    two = dict(map(monitor, ("a", "c")))
    past = compare(entry(2, two, layer=CHANGED), [entry(1)], accept=True)
    assert past.broken == ()
    assert past.accepted == ("2 tests of the promise monitoring, 3 before",)
    assert compare(entry(3, two, layer=CHANGED), [entry(1), entry(2, two, layer=CHANGED)]).broken == ()


def test_a_renamed_object_or_test_is_no_loss_and_a_loss_beside_a_gain_elsewhere_is_one() -> None:
    renamed = entry(2, dict(map(monitor, ("a", "b", "d"))))
    assert fewer(entry(1), renamed) == []
    function = entry(2, {name.replace("scraped", "is_scraped"): one for name, one in entry(1).tests.items()})
    assert fewer(entry(1), function) == []
    elsewhere = entry(2, dict([*map(monitor, ("a", "b")), ADDRESS]))
    assert [one.what for one in fewer(entry(1), elsewhere)] == ["tests"]
    another_function = {"e2e/test_monitoring.py::test_other": RecordedTest("passed", 1.0, "monitoring")}
    assert [one.what for one in fewer(entry(1), entry(2, {**dict(map(monitor, ("a", "b"))), **another_function}))] == [
        "tests"
    ]


def test_a_test_function_that_is_gone_is_a_loss_where_its_promise_has_fewer_and_where_it_is_only_skipped() -> None:
    control = {"e2e/test_monitoring.py::test_control": RecordedTest("passed", 1.0, "monitoring")}
    before = entry(1, {**entry(1).tests, **control})
    assert [one.gone for one in fewer(before, entry(2))] == [tuple(control)]
    skipped = {"e2e/test_monitoring.py::test_control": RecordedTest("skipped", 0.0, "monitoring")}
    added = dict([monitor("d")])
    assert [one.gone for one in fewer(before, entry(2, {**entry(1).tests, **skipped, **added}))] == [tuple(control)]


def test_an_object_that_the_layer_exempts_with_a_reason_is_no_loss() -> None:
    now = entry(2, dict(map(monitor, ("a", "c"))), exempt=(("monitoring", "servicemonitor/b -n b"),))
    past = compare(now, [entry(1)])
    assert past.broken == ()
    assert kinds(past) == ["exempt"]


@pytest.mark.parametrize(
    "fields",
    [
        {"exit_code": 1},
        {"whole": False},
        {"complete": False, "whole": False},
        {"options": {"provider": "k3d", "nodes": 1, "layer": "platform"}},
        {"options": {"provider": "embedded", "nodes": 1, "layer": "elsewhere"}},
    ],
)
def test_what_is_not_green_whole_and_of_the_same_kind_is_no_measure(fields: dict[str, Any]) -> None:
    past = compare(entry(2, {}), [entry(1, **fields)])
    assert past.previous is None
    assert past.broken == ()
    assert past.notes == (
        "history: no green run of this kind to compare with yet: one of all tests, with provider embedded, nodes 1, layer platform",
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"whole": False, "chosen": "-k chat"}, "not compared in numbers of tests: only -k chat was run"),
        ({"whole": False, "complete": False}, "it did not come to its end"),
    ],
)
def test_a_part_of_a_run_is_not_compared_for_fewer(fields: dict[str, Any], said: str) -> None:
    past = compare(entry(2, dict([monitor("a")]), **fields), [entry(1)])
    assert past.broken == ()
    assert kinds(past) == []
    assert said in past.notes[0]


def test_the_newest_green_one_is_the_measure() -> None:
    more = entry(2, dict(map(monitor, ("a", "b", "c", "d"))))
    red = entry(3, {}, exit_code=1)
    past = compare(entry(4), [entry(1), more, red])
    assert past.previous == more
    assert finding(past)["object"] == "servicemonitor/d -n d"


def test_changes_are_told_by_name() -> None:
    now = entry(
        2, dict([monitor("a", "failed"), *map(monitor, ("b", "c", "d"))]), exit_code=1,
        versions={"release argocd": "argocd v3.3.0"}, harness=CHANGED,
    )  # fmt: skip
    changes = {change.kind: change for change in compare(now, [entry(1)]).changes}
    assert set(changes) == {"version", "harness", "more-tests", "test"}
    assert changes["version"].text == "release argocd: argocd v3.3.0, before argocd v3.2.11"
    assert (changes["more-tests"].before, changes["more-tests"].now) == (3, 4)
    assert changes["test"].text == "e2e/test_monitoring.py::test_scraped[a] failed, passed before"
    assert changes["harness"].before == "19bde1c8d54c (content 4a44)"


def test_what_a_promise_has_looked_at_in_all_is_told_once() -> None:
    def of(targets: int) -> dict[str, Any]:
        return {"monitoring": {"verdict": "holds", "tests": {}, "figures": {"targets": targets}}}

    def told(targets: int, **tests: int) -> list[str]:
        seen = dict(monitor(name, targets=tests.get(name, 2)) for name in "abc")
        return [one.text for one in compare(entry(2, seen, promises=of(targets)), [entry(1, promises=of(6))]).changes]

    assert told(6) == []
    assert told(5) == ["5 targets of the promise monitoring, 6 before"]
    assert told(8) == ["8 targets of the promise monitoring, 6 before"]
    assert told(5, a=1) == ["1 target of servicemonitor/a -n a, 2 before"]


def flaking(*outcomes: str, **last: Any) -> Comparison:
    runs = [
        entry(number, dict([monitor("a", one)]), exit_code=int(one != "passed"))
        for number, one in enumerate(outcomes, 1)
    ]
    return compare(replace(runs[-1], **last), runs[:-1])


def test_a_verdict_that_changes_by_itself_is_a_flake() -> None:
    (flake,) = flaking("passed", "failed").flakes
    assert flake.as_json() == {
        "test": "e2e/test_monitoring.py::test_scraped[a]",
        "verdicts": ("passed", "failed"),
        "runs": (entry(1).id, entry(2).id),
        "text": f"failed now, passed in {entry(1).id}, with the same layer and the same harness",
    }
    assert flake.new
    (known,) = flaking("passed", "failed", "failed").flakes
    assert not known.new, "shown again, and written down once"
    assert known.text == "1 of 3 runs passed, with the same layer and the same harness"
    assert [one.new for one in flaking("failed", "passed").flakes] == [True], "also where it is green now"


@pytest.mark.parametrize(
    "last",
    [
        {"layer": CHANGED},
        {"harness": CHANGED},
        {"layer": {**LAYER, "digest": ""}},
        {"harness": {**HARNESS, "digest": ""}},
        {"options": {}},
        {"judged": False},
    ],
)
def test_a_change_of_anything_makes_a_changed_verdict_no_flake(last: dict[str, Any]) -> None:
    assert flaking("passed", "failed", **last).flakes == ()


def test_what_was_blocked_or_skipped_says_nothing_of_a_test() -> None:
    assert flaking("passed", "blocked", "skipped", "passed").flakes == ()
    assert flaking("failed", "error").flakes == ()


def test_a_run_that_could_not_judge_is_no_witness() -> None:
    broken = entry(1, dict([monitor("a", "error")]), exit_code=3, judged=False)
    assert compare(entry(2, dict([monitor("a")])), [broken]).flakes == ()


def test_flakes_are_seen_in_parts_of_runs_too_and_forgotten_after_a_while() -> None:
    assert len(flaking("passed", "failed", whole=False).flakes) == 1
    assert flaking("failed", *["passed"] * 11).flakes == ()


def test_trends_have_medians_of_comparable_runs_oldest_first_and_say_what_is_far_slower() -> None:
    runs = [entry(number) for number in range(1, 41)]
    slow = {
        "monitoring": {"verdict": "holds", "tests": {}, "figures": {"targets": 6, "heal_seconds": [0.1, 9.5, 11.0]}}
    }
    past = compare(entry(41, promises=slow, seconds=130.0), runs)
    assert past.trends is not None
    heal = past.trends["monitoring heal seconds"]
    assert len(heal) == 30
    assert heal[0] == [runs[11].started, 0.4]
    assert heal[-1] == [entry(41).started, 9.5]
    assert past.trends["phase cluster seconds"][-1][1] == 9.4
    assert [change.text for change in past.changes] == ["monitoring heal took 9.5 s, usually 0.4 s"]


def test_a_run_in_part_has_the_trends_of_the_others() -> None:
    past = compare(entry(3, whole=False, seconds=1.0), [entry(1), entry(2)])
    assert past.trends is not None
    assert [value for _, value in past.trends["run seconds"]] == [118.4, 118.4]
    assert isinstance(past.previous, RecordedRun)


UNJUDGED = (("application/certs -n argocd", "chart"),)


def test_fewer_judged_applications_are_lost_coverage() -> None:
    before = entry(1, applications=5)
    past = compare(entry(2, applications=4, unjudged=UNJUDGED, layer=CHANGED), [before])
    (result,) = past.broken
    assert (result.outcome, result.exit_code, result.promise) == (Outcome.FAILED, 1, "applications")
    assert finding(past)["object"] == "application/certs -n argocd"
    assert finding(past)["expected"].startswith("5 judged Applications, as in the green run")
    assert finding(past)["observed"] == "4 judged Applications; gone: application/certs -n argocd"
    cause = finding(past)["cause"]
    assert cause["id"] == "fewer-judged-applications"
    assert "4 judged Applications, 5 before" in cause["sentence"]
    assert cause["sentence"].endswith("; not judged any more: application/certs -n argocd (chart)")
    assert "run once with --accept-fewer" in cause["remedy"]
    assert kinds(past) == ["fewer-judged-applications", "layer", "not-judged"]


def test_fewer_judged_applications_of_the_same_layer_are_no_fault_of_the_platform() -> None:
    (result,) = compare(entry(2, applications=4, unjudged=UNJUDGED), [entry(1, applications=5)]).broken
    assert (result.outcome, result.exit_code) == (Outcome.ERROR, 3)


def test_fewer_judged_applications_can_be_accepted() -> None:
    now = entry(2, applications=4, unjudged=UNJUDGED)
    past = compare(now, [entry(1, applications=5)], accept=True)
    assert (past.broken, past.accepted) == ((), ("4 judged Applications, 5 before",))


def test_lost_tests_say_what_is_not_judged_any_more() -> None:
    now = entry(2, dict(map(monitor, ("a", "c"))), applications=5, unjudged=UNJUDGED)
    past = compare(now, [entry(1, applications=5)])
    assert finding(past)["cause"]["id"] == "fewer-tests"
    assert "not judged any more: application/certs -n argocd (chart)" in finding(past)["cause"]["sentence"]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"applications": 5, "unjudged": UNJUDGED}, {"applications": 5, "unjudged": UNJUDGED}),
        ({"applications": 5}, {"applications": 5, "unjudged": UNJUDGED}),
        ({"applications": 5}, {"applications": 4}),
        ({}, {"applications": 4, "unjudged": UNJUDGED}),
    ],
    ids=["as-before", "another-took-its-place", "left-the-layer", "earlier-harness"],
)
def test_no_fewer_applications_are_judged(before: dict[str, Any], now: dict[str, Any]) -> None:
    assert compare(entry(2, **now), [entry(1, **before)]).broken == ()


def test_what_is_judged_again_is_told() -> None:
    past = compare(entry(2, applications=5), [entry(1, applications=4, unjudged=UNJUDGED)])
    assert [change.text for change in past.changes] == [
        "application/certs -n argocd is not among what is not judged now"
    ]


def test_a_line_keeps_what_was_not_judged_and_an_older_one_says_nothing_of_it() -> None:
    line = entry(1, applications=4, unjudged=UNJUDGED)
    assert RecordedRun.from_json(line.as_json()) == line
    old = line.as_json()
    del old["applications"], old["unjudged"]
    assert (RecordedRun.from_json(old).applications, RecordedRun.from_json(old).unjudged) == (0, ())


def test_a_test_that_could_not_judge_is_not_judged() -> None:
    past = compare(entry(2, dict([monitor("a"), monitor("b"), monitor("c", "unknown")])), [entry(1)])
    assert finding(past)["cause"]["id"] == "fewer-tests"
