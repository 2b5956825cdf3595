"""What comes and must stay, and what is told while a wait goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import Failed, Met, Pending, Polled, Refuted, Timeout, Unobserved, Verdict, eventually
from platform_e2e.kube.objects import Object
from tests.fakes.scripted_api import ScriptedApi

KIND = "v1/ConfigMap"


def is_on(obj: Object | None) -> Verdict:
    return Met(obj["data"]["n"]) if obj and obj["data"]["on"] == "yes" else Pending("it is off")


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    yield api
    api.stop()


@pytest.fixture
def kube(api: ScriptedApi) -> Iterator[Kube]:
    with api.client(patience=0) as kube:
        yield kube


def put(api: ScriptedApi, on: str, n: int = 0) -> None:
    api.put("configmaps", "ns", "switch", data={"on": on, "n": n})


@pytest.fixture
def later() -> Iterator[Callable[[float, Callable[[], object]], None]]:
    """Return a function that has something done some seconds from now."""
    timers: list[threading.Timer] = []

    def start(seconds: float, work: Callable[[], object]) -> None:
        timers.append(threading.Timer(seconds, work))
        timers[-1].start()

    yield start
    for timer in timers:
        timer.join()


Later = Callable[[float, Callable[[], object]], None]


def test_it_lasts_from_the_first_state_that_is_as_expected(api: ScriptedApi, kube: Kube, later: Later) -> None:
    put(api, "no")
    start = time.monotonic()
    later(0.2, lambda: put(api, "yes", 1))
    later(0.4, lambda: put(api, "yes", 2))
    assert eventually(kube.one(KIND, "switch", "ns"), is_on, timeout=5, for_=0.5, what="on") == 2
    assert 0.65 <= time.monotonic() - start < 2


def test_a_break_begins_the_while_anew(api: ScriptedApi, kube: Kube, later: Later) -> None:
    put(api, "yes")
    start = time.monotonic()
    later(0.3, lambda: put(api, "no"))
    later(0.35, lambda: put(api, "yes", 7))
    assert eventually(kube.one(KIND, "switch", "ns"), is_on, timeout=5, for_=0.5, what="on") == 7
    assert time.monotonic() - start >= 0.8


def test_a_break_that_two_changes_in_one_go_make_is_seen(api: ScriptedApi, kube: Kube, later: Later) -> None:
    put(api, "yes")

    def flicker() -> None:
        with api.holding():
            put(api, "no")
            put(api, "yes")

    start = time.monotonic()
    later(0.3, flicker)
    eventually(kube.one(KIND, "switch", "ns"), is_on, timeout=5, for_=0.5, what="on")
    assert time.monotonic() - start >= 0.75


def test_what_never_lasts_is_told_as_such(api: ScriptedApi, kube: Kube, later: Later) -> None:
    put(api, "yes")
    for n, on in enumerate(["no", "yes", "no", "yes", "no"]):
        later(0.1 + 0.1 * n, partial(put, api, on))
    with pytest.raises(Timeout) as error:
        eventually(kube.one(KIND, "switch", "ns"), is_on, timeout=0.4, for_=3, what="the switch is on")
    assert str(error.value).startswith("the switch is on: did not stay so for 3 s within 0.4 s\n")
    assert "it is off" in str(error.value)


def test_what_never_comes_is_told_as_without_a_while(api: ScriptedApi, kube: Kube) -> None:
    put(api, "no")
    start = time.monotonic()
    with pytest.raises(Timeout, match=r"on: not within 0\.2 s"):
        eventually(kube.one(KIND, "switch", "ns"), is_on, timeout=0.2, for_=3, what="on")
    assert time.monotonic() - start < 2


def test_what_comes_with_the_deadline_still_must_last() -> None:
    begun = time.monotonic()
    late = Polled(lambda: time.monotonic() - begun > 0.2, "the clock", first=10, most=10)
    start = time.monotonic()
    judged = eventually(late, lambda on: Met("late") if on else Pending("early"), timeout=0.25, for_=0.3, what="late")
    assert judged == "late"
    assert time.monotonic() - start >= 0.5


def test_failed_ends_the_while_at_once(api: ScriptedApi, kube: Kube, later: Later) -> None:
    put(api, "yes")
    later(0.2, lambda: put(api, "broken"))

    def judge(obj: Object | None) -> Verdict:
        return Failed("it is broken") if obj and obj["data"]["on"] == "broken" else Met()

    start = time.monotonic()
    with pytest.raises(Refuted, match="it is broken"):
        eventually(kube.one(KIND, "switch", "ns"), judge, timeout=5, for_=5, what="on")
    assert time.monotonic() - start < 2


def test_a_while_is_not_over_before_its_last_changes_were_seen(
    api: ScriptedApi, kube: Kube, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_e2e.kube.wait.PATIENCE", 0.5)
    monkeypatch.setattr("platform_e2e.kube.watched.EVENTS_PATIENCE", 0)
    put(api, "yes")

    def judge(obj: Object | None) -> Verdict:
        later(0.2, api.stop)
        return is_on(obj)

    with pytest.raises(Unobserved, match=r"could not be read to the end of 0\.4 s"):
        eventually(kube.one(KIND, "switch", "ns"), judge, timeout=5, for_=0.4, what="on")


def test_progress_is_each_state_that_differs_when_it_comes() -> None:
    left = [0, 0, 1, 1, 2]
    told: list[str] = []
    source = Polled(lambda: left.pop(0), "the counter", first=0.001, most=0.001)

    def judge(n: int) -> Verdict:
        return Met() if n == 2 else Pending(f"{n} of 2")

    eventually(source, judge, timeout=5, what="two", progress=told.append)
    assert told == ["0 of 2", "1 of 2", "as expected"]


def test_an_unreadable_api_server_is_told_with_what_to_look_for(
    api: ScriptedApi, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_e2e.kube.wait.LAST_LOOK", 0.1)
    monkeypatch.setattr("platform_e2e.kube.watched.EVENTS_PATIENCE", 0)
    api.stop()
    told: list[str] = []
    with pytest.raises(Unobserved) as error:
        eventually(kube.one(KIND, "switch", "ns"), is_on, timeout=0.3, what="on", progress=told.append)
    assert told[0].startswith("cannot be read: ")
    assert error.value.remedy.startswith("is the cluster running, and is this its kubeconfig?")
