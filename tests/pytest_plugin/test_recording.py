"""What a run's timeline learns: waits, disturbances, tests, and what happens in the cluster meanwhile."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from platform_e2e import timeline
from platform_e2e.checks.polling import until_no_findings
from platform_e2e.evidence.observer import Applications, Observer, Restarts, Warnings, last_seen, seconds_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.expect import Met, Pending, Polled, Timeout, Verdict, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.timeline import STEP_CHARACTERS, Timeline
from tests.fakes.scripted_api import ScriptedApi

LONG_AGO, LATER = "2026-01-01T12:00:00Z", "2026-01-01T12:10:00Z"
SINCE = seconds_of("2026-01-01T12:05:00Z")
TESTS = "platform-e2e/run"


class Line(Timeline):
    """A timeline in a file that a test can read."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "timeline.jsonl")

    def events(self, kind: str) -> list[dict[str, Any]]:
        path = cast("Path", self.path)
        events = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [event for event in events if event["kind"] == kind]


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def test_outside_of_a_run_nothing_is_kept_and_the_run_before_comes_back(line: Line, tmp_path: Path) -> None:
    assert timeline.current().path is None
    with timeline.kept_in(line):
        with timeline.kept_in(Timeline(tmp_path / "inner")):
            assert timeline.current().path == tmp_path / "inner"
        assert timeline.current() is line
    assert timeline.current().path is None


def test_every_event_says_which_test_it_belongs_to(line: Line) -> None:
    line.event("fact", "before")
    line.test = "e2e/test_it.py::test_a"
    line.event("fact", "meanwhile")
    assert [event.get("test") for event in line.events("fact")] == [None, "e2e/test_it.py::test_a"]


def counting(*verdicts: Verdict) -> Polled[Verdict]:
    left = list(verdicts)
    return Polled(lambda: left.pop(0) if len(left) > 1 else left[0], "the counter", first=0.001)


def judged(state: Verdict) -> Verdict:
    return state


def test_a_wait_is_recorded_with_its_states_and_how_it_ended(line: Line) -> None:
    with timeline.kept_in(line):
        eventually(counting(Pending("one of two"), Met()), judged, timeout=5, what="two are there")
        with pytest.raises(Timeout):
            eventually(counting(Pending("none, password=hunter2-again")), judged, timeout=0.02, what="it answers")
        eventually(counting(Met()), judged, timeout=5, what="it is there at once")
    met, vain, at_once = line.events("wait")
    assert (met["name"], met["outcome"]) == ("two are there", "met")
    assert met["seconds"] > 0
    assert [step.split("  ", 1)[1] for step in met["steps"]] == ["one of two", "as expected"]
    assert vain["outcome"] == "not within 0.02 s"
    assert vain["seconds"] >= 0.02
    assert "hunter2" not in str(vain)
    assert "steps" not in at_once


def test_a_wait_that_something_else_ended_says_what(line: Line) -> None:
    def broken() -> Verdict:
        raise KeyError("a bug")

    with timeline.kept_in(line), pytest.raises(KeyError):
        eventually(Polled(broken, "x"), judged, timeout=5, what="it answers")
    assert line.events("wait")[0]["outcome"] == "ended by KeyError"


def test_a_long_state_is_shortened_visibly(line: Line) -> None:
    line.wait("x", seconds=1, outcome="not within 1 s", steps=["a" * 1000])
    (step,) = line.events("wait")[0]["steps"]
    assert len(step) == STEP_CHARACTERS
    assert step.endswith("…")


def test_looking_again_in_vain_is_no_wait_that_was_met(line: Line) -> None:
    cause = Cause("application-not-selfhealing", "it does not say so", "say so")
    finding = Finding("application/a -n argocd", Promise.SELFHEAL, "selfHeal: true", "it is not there", cause)
    with timeline.kept_in(line):
        assert until_no_findings(lambda: [finding], timeout=60, what="it heals") == [finding]
    (wait,) = line.events("wait")
    assert wait["outcome"].startswith("failed after")
    assert "application/a -n argocd: it is not there" in wait["steps"][-1]


# What happens in the cluster


def app(name: str, sync: str = "Synced", health: str = "Healthy", **more: Any) -> Object:
    status: dict[str, Any] = {"sync": {"status": sync, "revision": "4d0f8b8029f20000"}, "health": {"status": health}}
    return {"metadata": {"name": name, **more.pop("metadata", {})}, "status": {**status, **more}}


def test_an_application_is_recorded_when_its_state_changes(line: Line) -> None:
    apps = Applications(line, TESTS)
    apps.look([app("chat"), app("root", metadata={"labels": {TESTS: "e2e-1"}})])
    apps.look([app("chat"), app("root", metadata={"labels": {TESTS: "e2e-1"}})])
    apps.look([app("chat", "OutOfSync"), app("root", metadata={"labels": {TESTS: "e2e-1"}})])
    apps.look([app("chat", "OutOfSync")])
    states = [(e["name"], e["sync"], e["health"], e["of_tests"], e["why"]) for e in line.events("application")]
    assert states == [
        ("chat", "Synced", "Healthy", False, ""),
        ("root", "Synced", "Healthy", True, ""),
        ("chat", "OutOfSync", "Healthy", False, ""),
        ("root", "", "", True, "it is gone"),
    ]
    assert line.events("application")[0]["revision"] == "4d0f8b8029f2"


def test_why_an_application_is_in_trouble_is_recorded(line: Line) -> None:
    apps = Applications(line, TESTS)
    condition = {"type": "ComparisonError", "message": "no such\n path"}
    failed = {"phase": "Failed", "message": "one object is invalid"}
    apps.look([app("a", conditions=[condition]), app("b", operationState=failed)])
    assert [event["why"] for event in line.events("application")] == [
        "ComparisonError: no such path", "one object is invalid",
    ]  # fmt: skip


def pod(count: int, finished: str = LATER, name: str = "chat-1") -> Object:
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": finished}} if count else {}
    container = {"name": "chat", "restartCount": count, "lastState": ended}
    return {
        "metadata": {"name": name, "namespace": "chat-dev", "uid": f"uid-{name}"},
        "status": {"containerStatuses": [container]},
    }


def test_a_restart_is_recorded_with_its_reason(line: Line) -> None:
    restarts = Restarts(line, SINCE)
    for count in (0, 0, 1, 1, 3):
        restarts.look([pod(count)])
    found = [(e["name"], e["container"], e["count"], e["why"]) for e in line.events("restart")]
    assert found == [
        ("pod/chat-1 -n chat-dev", "chat", 1, "OOMKilled 137"),
        ("pod/chat-1 -n chat-dev", "chat", 3, "OOMKilled 137"),
    ]


def test_restarts_from_before_the_run_are_not_of_it(line: Line) -> None:
    restarts = Restarts(line, SINCE)
    restarts.look([pod(7, LONG_AGO, "old"), pod(1, LATER, "new")])
    assert [event["name"] for event in line.events("restart")] == ["pod/new -n chat-dev"]
    restarts.look([pod(8, LATER, "old"), pod(1, LATER, "new")])
    assert len(line.events("restart")) == 2


def test_a_restart_of_which_the_end_is_not_told_is_recorded_too(line: Line) -> None:
    restarts, untold = Restarts(line, SINCE), pod(1)
    untold["status"]["containerStatuses"][0]["lastState"] = {}
    for one in (pod(0), untold):
        restarts.look([one])
    assert [(event["count"], event["why"]) for event in line.events("restart")] == [(1, "")]


def warning(count: int, seen: str = LATER, kind: str = "Warning") -> Object:
    return {
        "metadata": {"name": "e", "uid": f"uid-{kind}", "creationTimestamp": LONG_AGO},
        "type": kind,
        "reason": "BackOff",
        "message": "Back-off\n restarting",
        "count": count,
        "lastTimestamp": seen,
        "involvedObject": {"kind": "Pod", "name": "chat-1", "namespace": "chat-dev"},
    }


def test_a_warning_is_recorded_anew_when_it_has_come_twice_as_often(line: Line) -> None:
    warnings = Warnings(line, SINCE)
    for count in (1, 2, 3, 4, 5, 9):
        warnings.look([warning(count), warning(count, kind="Normal")])
    assert [event["count"] for event in line.events("warning")] == [1, 2, 4, 9]
    first = line.events("warning")[0]
    assert (first["name"], first["reason"], first["why"]) == (
        "pod/chat-1 -n chat-dev", "BackOff", "Back-off restarting",
    )  # fmt: skip


def test_warnings_from_before_the_run_are_not_of_it(line: Line) -> None:
    warnings = Warnings(line, SINCE)
    warnings.look([warning(5, LONG_AGO)])
    assert line.events("warning") == []
    warnings.look([warning(10)])
    assert [event["count"] for event in line.events("warning")] == [10]


def test_an_event_of_the_newer_form_tells_its_time_elsewhere() -> None:
    series = {"metadata": {"creationTimestamp": LONG_AGO}, "eventTime": LONG_AGO, "series": {"lastObservedTime": LATER}}
    assert last_seen(series) == seconds_of(LATER)
    assert last_seen({"metadata": {}, "eventTime": "2026-01-01T12:10:00.000000Z"}) == seconds_of(LATER)


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    api.serve("argoproj.io/v1alpha1", "applications", "Application")
    yield api
    api.stop()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        threading.Event().wait(0.01)


def observe(api: ScriptedApi, line: Line, directory: Path, *, first: bool = True) -> Observer:
    return Observer(api.client(), line, directory / "observer.lock", lambda: first, TESTS)


def test_the_cluster_is_observed_through_its_watches(api: ScriptedApi, line: Line, tmp_path: Path) -> None:
    api.put("applications", "argocd", "chat", status=app("chat")["status"])
    with observe(api, line, tmp_path):
        until(lambda: line.events("application"))
        api.put("applications", "argocd", "chat", status=app("chat", "OutOfSync")["status"])
        api.put("pods", "chat-dev", "chat-1", status=pod(0)["status"])
        until(lambda: len(line.events("application")) == 2)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        api.put("pods", "chat-dev", "chat-1", status=pod(1, now)["status"])
        api.put("events", "chat-dev", "e", **{k: v for k, v in warning(1, now).items() if k != "metadata"})
        until(lambda: line.events("restart") and line.events("warning"))
    assert line.events("application")[1]["sync"] == "OutOfSync"


def test_only_one_process_observes_and_another_goes_on_after_it(api: ScriptedApi, line: Line, tmp_path: Path) -> None:
    api.put("applications", "argocd", "chat", status=app("chat")["status"])
    with observe(api, line, tmp_path, first=False) as second:
        with observe(api, Line(tmp_path / "other"), tmp_path):
            pass
        until(lambda: line.events("application"))
        assert second is not None
    first, later = Line(tmp_path / "one"), Line(tmp_path / "two")
    with observe(api, first, tmp_path):
        until(lambda: first.events("application"))
        with observe(api, later, tmp_path):
            api.put("applications", "argocd", "chat", status=app("chat", "OutOfSync")["status"])
            until(lambda: len(first.events("application")) == 2)
            assert later.events("application") == []


def test_an_api_server_that_is_away_ends_no_run(api: ScriptedApi, line: Line, tmp_path: Path) -> None:
    api.stop()
    with observe(api, line, tmp_path):
        threading.Event().wait(0.2)
        api.start()
        api.put("applications", "argocd", "chat", status=app("chat")["status"])
        until(lambda: line.events("application"))
    assert [event["sync"] for event in line.events("application")] == ["Synced"]


def test_a_client_that_was_closed_ends_no_run(api: ScriptedApi, line: Line, tmp_path: Path) -> None:
    """Neither the observer's start nor its end raises."""
    client = api.client()
    client.close()
    with Observer(client, line, tmp_path / "observer.lock", lambda: True, TESTS):
        threading.Event().wait(0.1)
    assert line.events("application") == []
