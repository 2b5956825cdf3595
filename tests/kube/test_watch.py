"""Shared watches over real HTTP: how many requests, what happens when the API server misbehaves, and that nothing is stale."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.answers import OURS
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import (
    Expectation,
    Met,
    Pending,
    Refuted,
    Timeout,
    Unobserved,
    Verdict,
    consistently,
    eventually,
    eventually_gone,
    never,
)
from platform_e2e.kube.objects import Object
from tests.fakes.scripted_api import ScriptedApi


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    yield api
    api.stop()


@pytest.fixture
def kube(api: ScriptedApi) -> Iterator[Kube]:
    with api.client() as kube:
        yield kube


def value(wanted: str) -> Expectation[Object | None]:
    def judge(obj: Object | None) -> Verdict:
        if obj is None:
            return Pending("absent")
        found = (obj.get("data") or {}).get("v")
        return Met(obj) if found == wanted else Pending(f"v is {found}")

    return judge


def put(api: ScriptedApi, v: str, name: str = "a") -> Object:
    return api.put("configmaps", "ns", name, data={"v": v})


class Waiting:
    """A wait in a thread of its own."""

    def __init__(self, kube: Kube, wanted: str, *, timeout: float = 10, name: str = "a") -> None:
        source = kube.one("v1/ConfigMap", name, "ns")
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(eventually, source, value(wanted), timeout=timeout, what=f"{name} is {wanted}")

    def result(self) -> Object:
        found: Object = self._future.result(15)
        return found


def test_the_jitter_of_streams_leaves_the_sequence_of_whoever_seeded_random_alone(api: ScriptedApi) -> None:
    before = random.getstate()
    with api.client() as kube, pytest.raises(Timeout):
        eventually(kube.one("v1/ConfigMap", "a", "ns"), value("1"), timeout=0.05, what="a is 1")
    assert api.asked(watch="true") == 1
    assert random.getstate() == before


def test_a_wait_for_what_is_so_already_ends_at_once(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    assert eventually(kube.one("v1/ConfigMap", "a", "ns"), value("1"), timeout=5, what="a is 1")["data"] == {"v": "1"}


def test_a_change_ends_a_wait(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    waiting = Waiting(kube, "2")
    api.until_watched()
    put(api, "2")
    assert waiting.result()["data"] == {"v": "2"}


def test_absent_object_namespace_and_kind_are_pending(api: ScriptedApi, kube: Kube) -> None:
    source = kube.one("example.org/v1/Widget", "w", "ns")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            eventually, source, lambda obj: Met(obj) if obj else Pending("absent"), timeout=10, what="w"
        )
        while not api.asked("GET", "/apis/example.org/v1"):
            time.sleep(0.01)
        api.serve("example.org/v1", "widgets", "Widget")
        api.put("widgets", "ns", "w")
        assert waiting.result(10)["kind"] == "Widget"


def test_many_waits_share_one_watch_and_few_lists(api: ScriptedApi, kube: Kube) -> None:
    names = [f"c{number}" for number in range(100)]
    for name in names:
        put(api, "1", name)
    waits = [Waiting(kube, "2", name=name) for name in names]
    api.until_watched()
    time.sleep(0.3)
    for name in names:
        put(api, "2", name)
    assert [wait.result()["metadata"]["name"] for wait in waits] == names
    assert len(api.requests) <= 8, [(path, query) for _, path, query in api.requests]
    assert api.asked("GET", watch="true") == 1


def test_waits_one_after_the_other_share_the_watch(api: ScriptedApi, kube: Kube) -> None:
    for number in range(10):
        put(api, str(number))
        eventually(kube.one("v1/ConfigMap", "a", "ns"), value(str(number)), timeout=5, what="a")
    assert api.asked("GET", watch="true") == 1


def test_a_wait_in_a_namespace_uses_the_watch_of_all_namespaces(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    eventually(kube.many("v1/ConfigMap"), lambda found: Met() if found else Pending("none"), timeout=5, what="some")
    eventually(kube.one("v1/ConfigMap", "a", "ns"), value("1"), timeout=5, what="a")
    assert api.asked("GET", "/namespaces/ns/configmaps") == 0


@pytest.mark.parametrize("write", ["apply", "patch", "delete"])
def test_after_a_write_by_this_process_a_wait_never_sees_the_older_object(
    api: ScriptedApi, kube: Kube, write: str
) -> None:
    put(api, "old")
    source = kube.one("v1/ConfigMap", "a", "ns")
    eventually(source, value("old"), timeout=5, what="the watch is open and has the old object")
    api.until_watched()
    with api.holding():  # the watch tells nothing of the write
        if write == "apply":
            kube.apply(
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "a", "namespace": "ns"},
                    "data": {"v": "new"},
                }
            )
        elif write == "patch":
            kube.patch("v1/ConfigMap", "a", {"data": {"v": "new"}}, "ns")
        else:
            kube.delete("v1/ConfigMap", "a", "ns")
        seen: list[str | None] = []

        def look(obj: Object | None) -> Verdict:
            seen.append(obj["data"]["v"] if obj else None)
            return Met()

        eventually(source, look, timeout=5, what="any state")
    assert seen == [None if write == "delete" else "new"]


def test_a_wait_that_has_read_a_newer_object_does_not_go_back_when_the_watch_follows(
    api: ScriptedApi, kube: Kube
) -> None:
    put(api, "0")
    source = kube.one("v1/ConfigMap", "a", "ns")
    eventually(source, value("0"), timeout=5, what="the watch is open")
    api.until_watched()
    seen: list[str] = []

    def look(obj: Object | None) -> Verdict:
        assert obj is not None
        seen.append(obj["data"]["v"])
        return Met() if obj["data"]["v"] == "4" else Pending("not yet")

    with ThreadPoolExecutor(1) as pool:
        with api.holding():
            put(api, "1")
            put(api, "2")
            waiting = pool.submit(eventually, source, look, timeout=5, what="4")
            while not seen:
                time.sleep(0.002)
        put(api, "3")
        put(api, "4")
        waiting.result(5)
    assert seen == ["2", "3", "4"]


def test_a_closed_stream_is_a_reconnect_and_no_answer(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    waiting = Waiting(kube, "2")
    for number in range(1, 5):
        api.until_watched(number)
        api.close_streams()
    api.until_watched(5)
    put(api, "2")
    waiting.result()
    lists = api.asked("GET", "configmaps", limit=str(OURS.page))
    assert lists <= 2, "a closed stream was answered by a new list"


def test_a_change_while_the_stream_was_closed_is_not_missed(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    waiting = Waiting(kube, "2")
    api.until_watched()
    with api.changed:  # nobody can reconnect in between
        api.close_streams()
        put(api, "2")
        put(api, "3")
    assert waiting.result()["data"] == {"v": "2"}


@pytest.mark.parametrize("as_event", [True, False])
def test_a_forgotten_version_is_listed_anew(api: ScriptedApi, kube: Kube, *, as_event: bool) -> None:
    put(api, "1")
    waiting = Waiting(kube, "3")
    api.until_watched()
    with api.changed:
        api.close_streams()
        put(api, "2")
        put(api, "3")
        if as_event:
            api.forget()
        else:
            api.fail("GET", "watch=true", 410)
    assert waiting.result()["data"] == {"v": "3"}


def test_a_deletion_during_the_gap_is_seen(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(eventually_gone, kube.one("v1/ConfigMap", "a", "ns"), timeout=10, what="a goes")
        api.until_watched()
        with api.changed:
            api.close_streams()
            api.remove("configmaps", "ns", "a")
            api.forget()
        waiting.result(10)
    assert kube.get("v1/ConfigMap", "a", "ns") is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_api_server_is_asked_again_with_growing_pauses(api: ScriptedApi, kube: Kube, status: int) -> None:
    put(api, "1")
    waiting = Waiting(kube, "2")
    api.until_watched()
    api.fail("GET", "watch=true", status, times=4)
    with api.changed:
        api.close_streams()
        put(api, "2")
    waiting.result()
    assert api.asked("GET", watch="true") == 6


def test_an_api_server_that_is_down_is_not_stormed(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    waiting = Waiting(kube, "2")
    api.until_watched()
    api.fail("GET", "", 503, times=1000)
    api.close_streams()
    before = len(api.requests)
    time.sleep(1.0)
    assert 3 <= len(api.requests) - before <= 9  # 0.01+0.02+0.04+... s, at most doubled each time
    with api.changed:
        api.faults.clear()
    put(api, "2")
    waiting.result()


def test_an_api_server_that_is_stopped_and_started_again_is_survived(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    source = kube.one("v1/ConfigMap", "a", "ns")
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(eventually, source, value("2"), timeout=10, what="a is 2")
        api.until_watched()
        api.stop()
        # A wait that is begun while nobody answers waits for its first reading.
        begun_in_the_dark = pool.submit(eventually, source, value("2"), timeout=10, what="a is 2")
        time.sleep(0.5)
        put(api, "2")
        api.start()
        assert waiting.result(10)["data"] == {"v": "2"}
        assert begun_in_the_dark.result(10)["data"] == {"v": "2"}


def test_a_store_that_was_replaced_by_an_older_one_is_followed(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    waiting = Waiting(kube, "restored")
    api.until_watched()
    put(api, "2")
    time.sleep(0.05)
    api.stop()
    with api.changed:
        api.revision = 50
        api.log.clear()
        api.compacted = 0
        api.objects.clear()
    put(api, "restored")
    api.fail("GET", "watch=true", 410)
    api.start()
    start = time.monotonic()
    assert waiting.result()["metadata"]["resourceVersion"] == "51"
    assert time.monotonic() - start < 5, "only the last look after the deadline found it"


def test_streams_that_end_at_once_are_not_reopened_in_a_storm(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    waiting = Waiting(kube, "2")
    api.until_watched()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        api.close_streams()
        time.sleep(0.001)
    assert 3 <= api.asked("GET", watch="true") <= 10
    put(api, "2")
    waiting.result()


def test_bookmarks_move_the_place_to_go_on_from(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    waiting = Waiting(kube, "2")
    api.until_watched()
    with api.changed:
        api.revision += 1000
        mark = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "", "resourceVersion": str(api.revision)}}
        mark["metadata"]["namespace"] = "ns"  # type: ignore[index]  # so that the scripted server tells it to this watch
        api.log.append((api.revision, "BOOKMARK", "configmaps", mark))
        api.changed.notify_all()
    time.sleep(0.1)
    api.close_streams()
    api.until_watched(2)
    assert int(api.requests[-1][2]["resourceVersion"]) == api.revision
    put(api, "2")
    waiting.result()


def test_a_replaced_object_is_another_one(api: ScriptedApi, kube: Kube) -> None:
    old = put(api, "1")["metadata"]["uid"]

    def replaced(obj: Object | None) -> Verdict:
        if obj is None or obj["metadata"]["uid"] == old:
            return Pending("the old one, or none")
        return Met(obj["metadata"]["uid"])

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            eventually, kube.one("v1/ConfigMap", "a", "ns"), replaced, timeout=5, what="a is replaced"
        )
        api.until_watched()
        api.remove("configmaps", "ns", "a")
        new = put(api, "1")["metadata"]["uid"]
        assert waiting.result(5) == new


def test_never_sees_what_came_and_went_between_two_lists(api: ScriptedApi, kube: Kube) -> None:
    put(api, "good")
    source = kube.one("v1/ConfigMap", "a", "ns")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(never, source, value("bad"), for_=1.0, what="a is bad")
        api.until_watched()
        time.sleep(0.1)
        put(api, "bad")
        put(api, "good")
        with pytest.raises(Refuted, match="must not happen, and did within 1 s"):
            waiting.result(5)


def test_consistently_waits_for_the_watch_to_tell_all_up_to_its_end(api: ScriptedApi, kube: Kube) -> None:
    put(api, "good")
    source = kube.one("v1/ConfigMap", "a", "ns")
    eventually(source, value("good"), timeout=5, what="the watch is open")
    api.until_watched()
    with ThreadPoolExecutor(1) as pool:
        with api.holding():
            waiting = pool.submit(consistently, source, value("good"), for_=0.3, what="a stays good")
            time.sleep(0.1)
            put(api, "bad")
            put(api, "good")
            time.sleep(0.5)
            assert not waiting.done(), "it ended although the watch had not told of the last changes"
        with pytest.raises(Refuted, match=r"did not stay so for 0\.3 s"):
            waiting.result(5)


def test_what_came_with_the_deadline_counts_although_the_watch_was_late(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    source = kube.one("v1/ConfigMap", "a", "ns")
    eventually(source, value("1"), timeout=5, what="the watch is open")
    api.until_watched()
    with api.holding(), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(eventually, source, value("2"), timeout=0.4, what="a is 2")
        time.sleep(0.2)
        put(api, "2")
        assert waiting.result(5)["data"] == {"v": "2"}


def test_a_timeout_without_any_reading_is_not_the_platforms_fault(
    api: ScriptedApi, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_e2e.kube.wait.LAST_LOOK", 0.1)
    monkeypatch.setattr("platform_e2e.kube.watched.EVENTS_PATIENCE", 0.1)
    api.stop()
    with pytest.raises(Unobserved) as error:
        eventually(kube.one("v1/ConfigMap", "a", "ns"), value("1"), timeout=0.3, what="a is 1")
    assert "observed: nothing was read" in str(error.value)
    assert "does not answer (Connection refused)" in str(error.value)
    assert error.value.exit_code == 3


def test_a_timeout_tells_what_moved_and_that_the_watch_was_away(api: ScriptedApi, kube: Kube) -> None:
    put(api, "1")
    with ThreadPoolExecutor(1) as pool:
        source = kube.one("v1/ConfigMap", "a", "ns")
        waiting = pool.submit(eventually, source, value("9"), timeout=1.2, what="a is 9")
        api.until_watched()
        time.sleep(0.1)
        put(api, "2")
        time.sleep(0.1)
        api.stop()
        time.sleep(0.2)
        put(api, "3")
        api.start()
        with pytest.raises(Timeout) as error:
            waiting.result(10)
    text = str(error.value)
    words = ["v is 1", "v is 2", "cannot be read: ", "does not answer", "can be read again", "v is 3"]
    places = [text.index(word, text.index("history:")) for word in words]
    assert places == sorted(places), text
    assert "observed: v is 3" in text


def test_a_wait_keeps_its_timeout_while_another_thread_asks_patiently(
    api: ScriptedApi, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_e2e.kube.wait.LAST_LOOK", 0.1)
    monkeypatch.setattr("platform_e2e.kube.watched.EVENTS_PATIENCE", 0.1)
    monkeypatch.setattr("platform_e2e.kube.discovery.ASKED_BY_ANOTHER", 0.1)
    api.stop()
    with ThreadPoolExecutor(1) as pool:
        patient = pool.submit(kube.get, "v1/ConfigMap", "a", "ns")  # tries for 5 s
        time.sleep(0.1)
        start = time.monotonic()
        with pytest.raises(Unobserved):
            eventually(kube.one("v1/ConfigMap", "a", "ns"), value("1"), timeout=0.2, what="a is 1")
        assert time.monotonic() - start < 3
        api.start()
        assert patient.result(10) is None


def test_what_can_never_be_seen_is_refused_at_once(api: ScriptedApi, kube: Kube) -> None:
    with pytest.raises(WrongUsage, match="ConfigMap a must be requested with a namespace"):
        eventually(kube.one("v1/ConfigMap", "a"), value("1"), timeout=5, what="a")
    with pytest.raises(WrongUsage, match="Namespace must be requested without a namespace, got ns"):
        eventually(kube.one("v1/Namespace", "a", "ns"), value("1"), timeout=5, what="a")
    kube.close()
    with pytest.raises(WrongUsage, match="the client must be open to wait for v1/ConfigMap, got a closed one"):
        eventually(kube.one("v1/ConfigMap", "a", "ns"), value("1"), timeout=5, what="a")


def test_a_stream_ends_when_nobody_has_listened_for_a_while(
    api: ScriptedApi, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_e2e.kube.watch.LINGER", 0.1)
    put(api, "1")
    eventually(kube.one("v1/ConfigMap", "a", "ns"), value("1"), timeout=5, what="a")
    api.until_watched()
    time.sleep(0.2)
    put(api, "2")  # wakes the thread
    end = time.monotonic() + 5
    while any(thread.name.startswith("watch v1/ConfigMap") for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)
    eventually(kube.one("v1/ConfigMap", "a", "ns"), value("2"), timeout=5, what="a")


def test_closing_the_client_ends_its_threads(api: ScriptedApi) -> None:
    with api.client() as kube:
        put(api, "1")
        eventually(kube.one("v1/ConfigMap", "a", "ns"), value("1"), timeout=5, what="a")
        api.until_watched()
    end = time.monotonic() + 5
    while any(
        thread.name.startswith("watch v1/ConfigMap ns") and thread.is_alive() for thread in threading.enumerate()
    ):
        assert time.monotonic() < end
        time.sleep(0.01)
