"""Expectations and what they say, over sources that need no API server."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from queue import Empty
from statistics import median
from typing import Any

import pytest

from platform_e2e.errors import BrokenHarness, BrokenPlatform
from platform_e2e.finding import Cause
from platform_e2e.kube.errors import Unavailable
from platform_e2e.kube.expect import (
    Failed,
    Met,
    Pending,
    Polled,
    Refuted,
    Timeout,
    Unobserved,
    Verdict,
    all_of,
    any_of,
    consistently,
    each_of,
    eventually,
    never,
    pause,
    poll,
)
from platform_e2e.kube.sources import Inbox

NO_VIEW: Any = None
"""Whose message it is does not matter."""

CAUSE = Cause("disk-full", "the disk of node n1 is full", "free some space on n1")


def series(*values: int) -> Callable[[], int]:
    """Return a function that gives the values one after the other, and the last one for ever."""
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def at_least(wanted: int) -> Callable[[int], Verdict]:
    return lambda n: Met(n * 10) if n >= wanted else Pending(f"{n} of {wanted}")


def counter(*values: int) -> Polled[int]:
    return Polled(series(*values), "the counter", first=0.001, most=0.01)


def test_eventually_returns_the_value_of_met() -> None:
    assert eventually(counter(1, 2, 3), at_least(3), timeout=5, what="three") == 30


def test_failed_stops_at_once_and_says_why() -> None:
    start = time.monotonic()
    with pytest.raises(Refuted) as error:
        eventually(counter(1), lambda _: Failed("it is gone for good"), timeout=5, what="the counter is three")
    assert time.monotonic() - start < 1
    assert str(error.value).startswith("the counter is three: failed after 0.0")
    assert "  object:   the counter\n  observed: it is gone for good" in str(error.value)
    assert isinstance(error.value, BrokenPlatform)


def test_a_timeout_says_expected_last_state_history_and_cause() -> None:
    explained: list[int] = []

    def explain(state: int) -> Cause:
        explained.append(state)
        return CAUSE

    with pytest.raises(Timeout) as error:
        eventually(counter(0, 0, 1, 2), at_least(3), timeout=0.1, what="the counter is three", explain=explain)
    lines = str(error.value).splitlines()
    assert lines[:5] == [
        "the counter is three: not within 0.1 s",
        "  object:   the counter",
        "  observed: 2 of 3",
        "  cause:    the disk of node n1 is full [disk-full]",
        "  state:",
    ]
    assert lines[-1] == "  remedy: free some space on n1"
    history = lines[lines.index("  history:") + 1 : -1]
    assert [line.split("s  ", 1)[1].split("  (seen")[0] for line in history] == ["0 of 3", "1 of 3", "2 of 3"]
    assert history[0].endswith("(seen 2 times)")
    assert explained == [2]
    assert error.value.cause == CAUSE


def test_an_explanation_that_breaks_does_not_hide_the_timeout() -> None:
    def explain(_: int) -> Cause:
        raise Unavailable("GET pods", 0, "Refused", "nobody answers")

    with pytest.raises(Timeout, match="could not be worked out: GET pods: 0 Refused: nobody answers"):
        eventually(counter(0), at_least(3), timeout=0.01, what="three", explain=explain)


def test_a_long_history_keeps_its_start_and_its_end() -> None:
    def up_to_49(state: int) -> Verdict:
        # Not by a deadline: a busy machine would come to fewer.
        return (Failed if state == 49 else Pending)(f"{state} of 100")

    with pytest.raises(Refuted) as error:
        eventually(counter(*range(50)), up_to_49, timeout=60, what="a hundred")
    text = str(error.value)
    assert "0 of 100" in text
    assert "49 of 100" in text
    assert "... 34 more steps ..." in text
    assert "20 of 100" not in text


def test_a_last_reading_is_made_after_the_deadline() -> None:
    begun = time.monotonic()
    late = Polled(lambda: int(time.monotonic() - begun > 0.2), "the clock", first=10, most=10)
    assert eventually(late, at_least(1), timeout=0.25, what="late") == 10


def test_consistently_wants_every_state_and_the_whole_while() -> None:
    start = time.monotonic()
    assert consistently(counter(5), at_least(3), for_=0.2, what="stays") == 50
    assert time.monotonic() - start >= 0.2
    with pytest.raises(
        Refuted, match=r"stays three: did not stay so for 5 s\n  object:   the counter\n  observed: 2 of 3"
    ):
        consistently(counter(5, 4, 2, 5), at_least(3), for_=5, what="stays three")


def test_never_wants_no_state_to_be_met() -> None:
    never(counter(1, 2), at_least(3), for_=0.1, what="three")
    with pytest.raises(Refuted) as error:
        never(counter(1, 2, 3, 1), at_least(3), for_=5, what="the counter is three", explain=lambda _: CAUSE)
    text = str(error.value)
    assert text.startswith("the counter is three: must not happen, and did within 5 s\n")
    assert "it has not happened" in text
    assert "observed: it happened" in text
    assert text.endswith("remedy: free some space on n1")


def test_poll_waits_for_a_function_that_says_met() -> None:
    verdicts: list[Verdict] = [Pending("warming up"), Pending("warming up"), Met("hot")]
    assert poll(lambda: verdicts.pop(0), timeout=5, what="hot", first=0.001) == "hot"
    with pytest.raises(Timeout) as error:
        poll(lambda: Pending("cold"), timeout=0.05, what="the oven is hot", first=0.001)
    assert str(error.value).startswith(
        "the oven is hot: not within 0.05 s\n  object:   the oven is hot\n  observed: cold\n"
    )


def test_poll_grows_its_pauses_to_the_most() -> None:
    called: list[float] = []

    def look() -> Verdict:
        called.append(time.monotonic())
        return Pending("not yet")

    with pytest.raises(Timeout):
        poll(look, timeout=1, what="never", first=0.02, most=0.1)
    pauses = [later - earlier for earlier, later in pairwise(called[:-1])]
    assert 0.02 <= pauses[0] < pauses[5]
    assert all(seconds >= 0.1 for seconds in pauses[5:-1]), pauses
    # A busy machine may lengthen one of them, not most.
    assert median(pauses[5:-1]) < 0.16, pauses


def test_poll_takes_an_api_server_that_is_away_for_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform_e2e.kube.wait.LAST_LOOK", 0.1)
    tries: list[Unavailable | Verdict] = [Unavailable("GET", 503, "Busy", "come later"), Met(1)]

    def look() -> Verdict:
        outcome = tries.pop(0)
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome

    assert poll(look, timeout=5, what="up", first=0.001) == 1

    def away() -> Verdict:
        raise Unavailable("GET", 503, "Busy", "come later")

    with pytest.raises(Unobserved, match="nothing was read") as error:
        poll(away, timeout=0.05, what="up", first=0.001)
    assert isinstance(error.value, BrokenHarness)


def test_all_of_sources_is_judged_as_a_tuple() -> None:
    both = all_of(counter(1, 2), counter(3, 4))
    seen: list[tuple[int, ...]] = []

    def judge(state: tuple[int, ...]) -> Verdict:
        seen.append(state)
        return Met() if state == (2, 4) else Pending(str(state))

    eventually(both, judge, timeout=5, what="both")
    assert seen[0] in {(1, 3), (2, 3), (1, 4)}
    assert both.describe() == "the counter, the counter"


def test_each_of_judges_each_source_by_its_own() -> None:
    value = eventually(all_of(counter(1, 2), counter(9)), each_of(at_least(2), at_least(5)), timeout=5, what="both")
    assert value == (20, 90)
    with pytest.raises(Timeout, match="1 of 2; 4 of 5"):
        eventually(all_of(counter(1), counter(4)), each_of(at_least(2), at_least(5)), timeout=0.02, what="both")


@pytest.mark.parametrize(
    ("verdicts", "every", "some"),
    [
        ([Met(1), Met(2)], Met((1, 2)), Met(1)),
        ([Met(1), Pending("b")], Pending("b"), Met(1)),
        ([Pending("a"), Pending("b")], Pending("a; b"), Pending("a; or b")),
        ([Pending("a"), Failed("b")], Failed("b"), Pending("a; or b")),
        ([Failed("a"), Failed("b")], Failed("a; b"), Failed("a; or b")),
        ([Failed("a"), Met(2)], Failed("a"), Met(2)),
    ],
)
def test_all_of_and_any_of_expectations(verdicts: Sequence[Verdict], every: Verdict, some: Verdict) -> None:
    parts = [lambda _, verdict=verdict: verdict for verdict in verdicts]
    assert all_of(*parts)(None) == every
    assert any_of(*parts)(None) == some


def test_pause_of_nothing_is_nothing() -> None:
    start = time.monotonic()
    pause(-1)
    pause(0)
    assert time.monotonic() - start < 0.05
    pause(0.05)
    assert time.monotonic() - start >= 0.05


def test_the_shortest_of_timeouts_end_although_a_message_was_just_taken() -> None:
    inbox: Inbox = Inbox()

    def hurry() -> None:
        for _ in range(15_000):
            inbox.put((NO_VIEW, None))
            inbox.get()
            with contextlib.suppress(Empty):
                inbox.get(timeout=1e-9)

    hurrying = threading.Thread(target=hurry, daemon=True)
    hurrying.start()
    hurrying.join(30)
    assert not hurrying.is_alive(), "a wait of no time never ended"
