"""The shared stream over random orders of writes, closings, compactions, refusals and outages: no wrong and no missed verdict."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from platform_e2e.kube import watch as watch_module
from platform_e2e.kube.backoff import Backoff
from platform_e2e.kube.errors import Expired, Unavailable
from platform_e2e.kube.expect import Met, Pending, Refuted, Verdict, eventually, never
from platform_e2e.kube.labels import ObjectSelector
from platform_e2e.kube.list_watch import Collection, ListWatch
from platform_e2e.kube.objects import Key, Object
from platform_e2e.kube.watch import Watches
from platform_e2e.kube.watched import One

KEY = ("ns", "a")
State = str | None


class Lines:
    """A watch of the scripted API server, in memory."""

    def __init__(self, api: Memory, position: int) -> None:
        self._api = api
        self._position = position
        self._generation = api.generation
        self._interrupted = False

    def lines(self) -> Iterator[bytes]:
        api = self._api
        while True:
            with api.changed:
                while not self._over() and api.revision <= self._position:
                    api.changed.wait(5)
                if self._over():
                    break
                if self._position < api.compacted:
                    yield b'{"type": "ERROR", "object": {"code": 410, "message": "too old"}}'
                    return
                events = [entry for entry in api.log if entry[0] > self._position]
                self._position = api.revision
            for revision, kind, obj in events:
                yield json.dumps({"type": kind, "object": {**obj, "told": revision}}).encode()
        if api.broken:
            raise Unavailable("watch", 0, "Broken", "connection reset")

    def _over(self) -> bool:
        return self._interrupted or self._generation != self._api.generation

    def interrupt(self) -> None:
        with self._api.changed:
            self._interrupted = True
            self._api.changed.notify_all()

    def close(self) -> None:
        pass


class Memory(ListWatch):
    """An API server that has one object, in memory, and a script of what happens to it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.held = 1 << 30
        self.revision = 10
        self.compacted = 0
        self.generation = 0
        self.refusals = 0
        self.down = False
        self.broken = False
        self.value: State = None
        self.lists = 0
        self.slow = 0.0
        self.gate = threading.Event()
        self.gate.set()
        self.log: list[tuple[int, str, Object]] = []
        self.truth: list[tuple[int, State]] = [(10, None)]
        self.watches = Watches(self)

    def write(self, value: State) -> None:
        with self.changed:
            if value is None and self.value is None:
                return
            kind = "DELETED" if value is None else "ADDED" if self.value is None else "MODIFIED"
            self.revision += 1
            self.log.append((self.revision, kind, self.object(value or self.value)))
            self.value = value
            self.truth.append((self.revision, value))
            self.changed.notify_all()

    def object(self, value: State) -> Object:
        meta = {"namespace": KEY[0], "name": KEY[1], "resourceVersion": str(self.revision)}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "value": value}

    def step(self, action: str, number: int) -> None:
        if action in {"x", "y"}:
            self.write(f"{action}{number}")
        elif action == "delete":
            self.write(None)
        with self.changed:
            match action:
                case "compact":
                    self.compacted = self.revision
                    self.log.clear()
                    self.generation += 1
                case "close":
                    self.generation += 1
                case "break":
                    self.broken = True
                    self.generation += 1
                case "refuse":
                    self.refusals = 3
                    self.generation += 1
                case "stop":
                    self.down = True
                    self.generation += 1
                case "start":
                    self.down = self.broken = False
            self.changed.notify_all()

    # What a stream asks

    def _ask(self) -> None:
        if self.down:
            raise Unavailable("GET", 0, "Refused", "connection refused")
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("GET", 429, "TooManyRequests", "come later")

    def check(self, kind: str, choice: ObjectSelector) -> None:
        pass

    def served(self, kind: str) -> bool:
        with self.changed:
            self._ask()
            return True

    def forget(self, kind: str) -> None:
        pass

    def collect(self, kind: str, namespace: str | None, *, patience: float) -> Collection:
        found = self._collect()
        self.lists += 1
        assert self.gate.wait(10)
        return found

    def _collect(self) -> Collection:
        with self.changed:
            self._ask()
            objects: dict[Key, Object] = {}
            if self.value is not None:
                last = next(revision for revision, value in reversed(self.truth) if value == self.value)
                obj = self.object(self.value)
                obj["metadata"]["resourceVersion"] = str(last)
                objects[KEY] = obj
            return Collection(self.revision, objects)

    def follow(self, kind: str, namespace: str | None, version: int, seconds: int) -> Any:
        time.sleep(self.slow)
        with self.changed:
            self._ask()
            if version < self.compacted and self.revision % 2:  # the API server says it either way
                raise Expired("watch", 410, "Expired", "too old")
            return Lines(self, version)

    # What a source asks

    def events(self, kind: str, name: str, namespace: str | None, *, patience: float | None = None) -> list[Object]:
        return []

    def source(self) -> One:
        return One(self, "v1/ConfigMap", KEY[1], KEY[0])


happenings = st.lists(
    st.sampled_from(["x", "x", "y", "y", "delete", "close", "break", "refuse", "compact", "stop", "start"]), max_size=30
)
breaths = st.lists(st.sampled_from([0, 0, 0, 0.001, 0.004]), min_size=8, max_size=8)


def run(api: Memory, script: list[str], breaths: list[float]) -> None:
    for number, action in enumerate(script):
        api.step(action, number)
        time.sleep(breaths[number % len(breaths)])
    api.step("start", 0)


def quick_backoff() -> Backoff:
    return Backoff(first=0.001, most=0.008)


def value_of(obj: Object | None) -> State:
    return None if obj is None else str(obj["value"])


@given(before=happenings, script=happenings, breaths=breaths)
@settings(max_examples=150, deadline=None, database=None)
def test_no_order_of_events_gives_a_wrong_or_a_missed_verdict(
    before: list[str], script: list[str], breaths: list[float]
) -> None:
    api = Memory()
    run(api, before, [0])
    seen: list[State] = []
    joined = api.revision

    def look(obj: Object | None) -> Verdict:
        seen.append(value_of(obj))
        return Met() if seen[-1] == "end" else Pending("not the end")

    with patch.object(watch_module, "Backoff", quick_backoff), ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(eventually, api.source(), look, timeout=20, what="the end comes")
        other = pool.submit(
            eventually, api.source(), lambda o: Met() if o else Pending("absent"), timeout=20, what="is"
        )
        run(api, script, breaths)
        api.write("end")
        waiting.result(30)
        other.result(30)
        api.watches.close()
    at = joined
    for state in seen:
        moment = next((revision for revision, value in api.truth if revision >= at and value == state), None)
        # The state of the moment at which the wait began was made before it.
        if moment is None and at == joined:
            assert state == [value for revision, value in api.truth if revision <= joined][-1]
            continue
        assert moment is not None, (state, at, api.truth, seen)
        at = moment
    if "compact" not in script:
        written = [value for revision, value in api.truth if revision > joined]
        later = without_repeats(seen[1:])
        # From the first reading on, everything that was written is judged, in its order.
        assert later == without_repeats(written)[len(without_repeats(written)) - len(later) :]


def without_repeats(states: list[State]) -> list[State]:
    return [state for number, state in enumerate(states) if number == 0 or state != states[number - 1]]


FOR = 0.15


@given(
    before=happenings.filter(lambda steps: "compact" not in steps),
    after=happenings.filter(lambda steps: "compact" not in steps),
    breaths=breaths,
)
@settings(max_examples=60, deadline=None, database=None)
def test_a_moment_is_never_missed(before: list[str], after: list[str], breaths: list[float]) -> None:
    api = Memory()
    read: list[float] = []

    def bad(obj: Object | None) -> Verdict:
        read.append(time.monotonic())
        return Met() if value_of(obj) == "bad" else Pending("good")

    with patch.object(watch_module, "Backoff", quick_backoff), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(never, api.source(), bad, for_=FOR, what="it is bad")
        while not read:
            time.sleep(0.001)
        run(api, before, breaths)
        api.write("bad")
        api.write("good")
        happened = time.monotonic() - read[0]
        run(api, after, breaths)
        error = waiting.exception(30)
        api.watches.close()
    assert isinstance(error, Refuted) or happened > FOR, f"bad after {happened:.3f} s of {FOR} s: {error}"


def test_a_list_that_was_asked_for_before_a_wait_began_does_not_answer_it() -> None:
    api = Memory()
    api.write("old")
    seen: list[State] = []

    def look(obj: Object | None) -> Verdict:
        seen.append(value_of(obj))
        return Met()

    with ThreadPoolExecutor(2) as pool:
        api.slow = 0.1  # so that the wait is at rest when the watch opens
        api.gate.clear()  # the answer of the first list is on its way from now on
        first = pool.submit(eventually, api.source(), lambda _: Met(), timeout=10, what="any state")
        while not api.lists:
            time.sleep(0.001)
        api.write("new")
        second = pool.submit(eventually, api.source(), look, timeout=10, what="any state")
        time.sleep(0.05)
        start = time.monotonic()
        api.gate.set()
        first.result(10)
        second.result(10)
        assert time.monotonic() - start < 2, "the wait was not told that it may list"
    api.watches.close()
    assert seen == ["new"]


def test_the_first_list_waits_for_a_crowd_that_still_comes() -> None:
    class Slow(Memory):
        joined = threading.Event()

        def served(self, kind: str) -> bool:
            self.joined.wait(5)  # the second wait joins while the API server tells what it serves
            return super().served(kind)

    api = Slow()
    api.write("x")
    with patch.object(watch_module, "GATHER", 0.6), ThreadPoolExecutor(20) as pool:
        waits = []
        for number in range(20):
            waits.append(pool.submit(eventually, api.source(), lambda _: Met(), timeout=10, what="any state"))
            time.sleep(0.004)
            if number:
                api.joined.set()
        for wait in waits:
            wait.result(10)
    api.watches.close()
    assert api.lists == 1
