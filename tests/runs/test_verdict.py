from __future__ import annotations

import json
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import pytest

from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.report.console import Follower, PhasePrinter, duration, verdict_table
from platform_e2e.runs.verdict import Outcome, PromiseBroken, Result, summarise, told, verdict_on
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.waiting import wait_until


def result(outcome: Outcome, promise: str = "monitoring", exit_code: int = 0, reason: str = "") -> Result:
    return Result(f"test-{outcome}", outcome, promise, exit_code=exit_code, reason=reason)


PASSED = result(Outcome.PASSED)
BROKEN = result(Outcome.FAILED, exit_code=1)
HARNESS = result(Outcome.ERROR, exit_code=3)
BLOCKED = result(Outcome.BLOCKED, reason="blocked by foundations")
BY_PROMISE = result(Outcome.BLOCKED, reason="blocked by promise applications: no image [pod-image]")
EMPTY = result(Outcome.SKIPPED, reason="got empty parameter set for (service_monitor)")
SKIPPED = result(Outcome.SKIPPED, reason="the provider kind cannot do: stop_node")


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ((PASSED, PASSED), 0),
        ((PASSED, SKIPPED), 0),
        ((PASSED, BROKEN), 1),
        ((HARNESS, BROKEN), 1),
        ((PASSED, HARNESS), 3),
        ((HARNESS, BLOCKED), 3),
        ((BLOCKED,), 3),
        ((PASSED, BY_PROMISE), 1),
        ((), 0),
    ],
)
def test_exit_code(results: tuple[Result, ...], expected: int) -> None:
    assert verdict_on(results).exit_code == expected


@pytest.mark.parametrize(
    ("results", "expected", "holds"),
    [
        ((PASSED, SKIPPED), "holds", True),
        ((PASSED, BROKEN, BLOCKED), "BROKEN", False),
        ((PASSED, HARNESS), "not judged: error", False),
        ((PASSED, BLOCKED), "blocked by foundations", False),
        ((PASSED, BY_PROMISE), "blocked by promise applications [pod-image]", False),
        ((SKIPPED,), "not judged: the provider kind cannot do: stop_node", False),
        ((PASSED, EMPTY), "not judged: the layer has nothing that promises it", False),
        ((Result("test-scraped[chat]", Outcome.PASSED, "monitoring"), EMPTY), "holds", True),
    ],
)
def test_a_promise_holds_only_if_a_test_judged_it_and_none_disagrees(
    results: tuple[Result, ...], expected: str, holds: bool
) -> None:
    (row,) = verdict_on(results).promises
    assert (row.verdict, row.holds) == (expected, holds)


def test_what_was_not_chosen_is_no_promise_kept() -> None:
    some, none = verdict_on((PASSED,), left_out={"monitoring": 3, "selfheal": 2, "": 5}).promises
    assert (some.promise, some.verdict, some.tests) == (
        "monitoring", "not all chosen: holds so far", "1 passed, 3 not chosen",
    )  # fmt: skip
    assert (none.promise, none.verdict) == ("selfheal", "not judged: none of its tests was chosen")
    assert not some.holds
    assert not none.holds


def test_an_interrupted_run_promises_nothing() -> None:
    (row,) = verdict_on((PASSED,), complete=False).promises
    assert not row.holds
    assert row.verdict == "not finished: holds so far"


def test_what_a_run_that_ended_early_did_not_come_to_has_a_row() -> None:
    begun, not_begun = verdict_on((PASSED,), complete=False, not_run={"monitoring": 2, "selfheal": 3}).promises
    assert (begun.verdict, begun.tests) == ("not finished: holds so far", "1 passed, 2 not run")
    assert (not_begun.verdict, not_begun.tests) == ("not judged: the run ended before its tests", "3 not run")


def test_a_figure_that_could_not_be_measured_is_left_out() -> None:
    assert summarise([{"heal_seconds": [2.0, None]}, {"heal_seconds": None}]) == "heal 2.00 s"


def test_tests_without_a_promise_have_the_last_row() -> None:
    results = (result(Outcome.PASSED, ""), result(Outcome.FAILED, "selfheal", 1), result(Outcome.PASSED, "own"), PASSED)
    for order in (results, results[::-1]):
        rows = verdict_on(order).promises
        assert [row.promise for row in rows] == ["monitoring", "selfheal", "own", "(other tests)"]


def test_the_table_is_the_same_in_whatever_order_workers_end() -> None:
    one, two = (Result(name, Outcome.PASSED, "loadbalancer", figures={"address": name}) for name in ("a", "b"))
    assert verdict_on((one, two)).promises == verdict_on((two, one)).promises


def test_figures_are_listed_summed_and_ranged() -> None:
    figures = [
        {"addresses": "10.89.0.200", "targets": 2, "heal_seconds": 0.5},
        {"addresses": ["10.89.0.201", "10.89.0.200"], "targets": 3, "heal_seconds": 2.25},
    ]
    assert summarise(figures) == "addresses 10.89.0.200, 10.89.0.201; targets 5; heal 0.50 to 2.25 s, median 1.38 s"
    assert summarise([{"heal_seconds": 1.5}]) == "heal 1.50 s"
    assert summarise([{"converged_seconds": 0.01}, {"converged_seconds": 0.0102}]) == "converged 10 ms"
    assert summarise([{"arp_seconds": 0.0004}, {"arp_seconds": 0.02}]) == "arp 0 to 20 ms, median 10 ms"
    assert summarise([{"names": list("abcdef")}]) == "names a, b, c, d and 2 more"
    assert summarise([{"announced": True}, {"announced": False}]) == "announced 1 of 2"
    assert summarise([{}, {"addresses": []}]) == ""


def test_an_error_made_of_findings_says_all_of_them() -> None:
    one = Finding("Service/a -n x", Promise.LOADBALANCER, "e1", "o1", Cause("c-one", "s1", "r1"))
    two = Finding("Service/b -n x", Promise.LOADBALANCER, "e2", "o2", Cause("c-two", "s2", "r2"))
    error = PromiseBroken([one, two])
    assert one.render() in str(error)
    assert two.render() in str(error)
    assert error.exit_code == 1


def test_as_json_is_plain_data() -> None:
    data = json.loads(json.dumps(asdict(verdict_on((PASSED, BROKEN), "git"))))
    assert data["counts"]["passed"] == 1
    assert data["broken_phase"] == "git"
    assert data["tests"][1]["outcome"] == "failed"


def test_the_table_shows_every_promise_with_its_verdict_and_figures() -> None:
    results = (
        Result("t", Outcome.PASSED, "monitoring", figures={"targets": 21}),
        result(Outcome.FAILED, "selfheal", 1),
    )
    shown = verdict_table(verdict_on(results), "layer platform; embedded", width=100, colour=False)
    first, *rest = shown.splitlines()
    assert first == "layer platform; embedded"
    assert any("monitoring" in line and "holds" in line and "targets 21" in line for line in rest)
    assert any("selfheal" in line and "BROKEN" in line for line in rest)
    assert "\x1b" not in shown
    assert "\x1b" in verdict_table(verdict_on(results), "", width=100, colour=True)


def test_a_run_without_results_says_so() -> None:
    assert verdict_table(verdict_on(()), "layer x", width=100, colour=False) == "layer x\nno promise was judged\n"


def test_brackets_in_figures_are_no_markup() -> None:
    results = (Result("t", Outcome.PASSED, "monitoring", figures={"pools": "[red]x[/red] [/]"}),)
    assert "[red]x[/red] [/]" in verdict_table(verdict_on(results), "[bold]", width=100, colour=False)


@pytest.mark.parametrize(("seconds", "text"), [(0.44, "0.4 s"), (12.4, "12 s"), (59.4, "59 s"), (125, "2 min 05 s")])
def test_durations_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def event(kind: str, mono: float, **facts: object) -> dict[str, object]:
    return {"kind": kind, "name": "programs", "mono": mono, **facts}


def test_progress_is_shown_now_and_then_in_a_log() -> None:
    printer = PhasePrinter(progress_seconds=10)
    assert printer.lines(event("phase-start", 0, title="build programs")) == [
        "  programs                       starts: build programs"
    ]
    assert printer.lines(event("phase-progress", 3, text="etcd")) == []
    assert printer.lines(event("phase-progress", 11, text="kubernetes, 200 packages")) == [
        "  programs                       kubernetes, 200 packages"
    ]
    assert printer.lines(event("phase-progress", 12, text="kubernetes, 210 packages")) == []
    assert printer.lines(event("phase-end", 70, seconds=70.0, error=None)) == [
        "  programs                       done (1 min 10 s)"
    ]
    assert printer.lines(event("phase-end", 70, seconds=0.2, error="go: no\nmore")) == [
        "  programs                       FAILED: go: no (0.2 s)"
    ]
    assert printer.lines(event("finding", 71)) == []


def test_progress_that_comes_too_early_is_shown_once_its_time_has_come() -> None:
    # What waits for another run says so once, in its first seconds, and nothing more for minutes.
    printer = PhasePrinter(progress_seconds=10)
    printer.lines(event("phase-start", 0))
    printer.lines(event("phase-progress", 2, text="waits for a"))
    printer.lines(event("phase-progress", 3, text="waits for b"))
    assert printer.due(9) == []
    assert printer.due(10) == ["  programs                       waits for b"]
    assert printer.due(60) == []
    printer.lines(event("phase-progress", 61, text="goes on"))
    printer.lines(event("phase-progress", 62, text="is nearly there"))
    printer.lines(event("phase-end", 63, seconds=63.0, error=None))
    assert printer.due(90) == []


def test_a_follower_shows_what_waits_while_nothing_else_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = tmp_path / "timeline.jsonl", StringIO()
    Timeline(path).event("phase-start", "cluster", title="one node")
    Timeline(path).event("phase-progress", "cluster", text="waits for process 1")
    monkeypatch.setattr("platform_e2e.report.console.FOLLOW_SECONDS", 0.01)
    follower = Follower(path, out, PhasePrinter(progress_seconds=0.05))
    follower.start()
    wait_until(
        lambda: "waits for process 1" in out.getvalue() or "nothing is shown", timeout=1, what="the progress is shown"
    )
    follower.stop()
    assert out.getvalue().count("waits for process 1") == 1


def test_a_follower_shows_what_was_written_last_before_it_stops(tmp_path: Path) -> None:
    path, shown = tmp_path / "timeline.jsonl", tmp_path / "shown"
    with shown.open("w") as out:
        follower = Follower(path, out, column=lambda: 7)
        follower.start()
        with path.open("a") as file:
            file.write(
                json.dumps(event("phase-start", 0)) + "\n" + json.dumps(event("phase-end", 1, seconds=1.0)) + "\n"
            )
            file.write('{"half of a line')
            file.flush()
            follower.stop()
    assert (
        shown.read_text()
        == "\n  programs                       starts\n  programs                       done (1.0 s)\n"
    )


def test_the_middle_of_a_line_is_passed_over(tmp_path: Path) -> None:
    path, out = tmp_path / "timeline.jsonl", StringIO()
    Timeline(path).event("fact", "cluster", text="a secret that was found late")
    follower = Follower(path, out, position=30)
    follower.start()
    Timeline(path).event("phase-start", "foundations", title="foundations")
    follower.stop()
    assert "foundations" in out.getvalue()
    assert "secret" not in out.getvalue()


WHY = "blocked by promise applications: no image [pod-image]"
BLOCKING = (Finding("application/a -n argocd", "applications", "x", "y", Cause("pod-image", "no image", "push it")),)


def blocked(name: str, promise: str = "monitoring") -> Result:
    return Result(name, Outcome.BLOCKED, promise, reason=WHY, blocking=BLOCKING)


@pytest.mark.point("hook-failure-told")
@pytest.mark.point("one-fault-one-failure")
def test_what_blocks_without_a_failure_of_its_own_is_the_failure_of_the_first_that_it_blocks() -> None:
    passed = Result("c", Outcome.PASSED, "applications")
    first, second, ours = told([blocked("b", "selfheal"), blocked("a"), passed])
    assert [one.test for one in (first, second, ours)] == ["b", "a", "c"]
    assert (second.outcome, second.findings, second.exit_code) == (Outcome.FAILED, BLOCKING, 1)
    assert second.reason == "application/a -n argocd breaks the promise 'applications'"
    assert (first.outcome, first.reason) == (Outcome.BLOCKED, "blocked by promise monitoring: no image [pod-image]")
    assert ours == passed
    assert verdict_on(told([blocked("a"), passed])).exit_code == 1


@pytest.mark.point("hook-failure-told")
def test_what_a_failure_of_the_promise_tells_blocks_as_it_did() -> None:
    results = (blocked("a"), Result("b", Outcome.FAILED, "applications", exit_code=1))
    assert told(results) == results
    other = (Result("a", Outcome.BLOCKED, "monitoring", reason="blocked by cluster"),)
    assert told(other) == other


@pytest.mark.point("foundation-by-values")
def test_that_a_foundation_runs_promises_nothing_by_itself() -> None:
    ready = Result(
        "test_release_is_ready[metallb]", Outcome.PASSED, "monitoring", object="release/metallb -n metallb-system"
    )
    (row,) = verdict_on((ready, EMPTY)).promises
    assert row.verdict == "not judged: the layer has nothing that promises it"
