from __future__ import annotations

import pytest

from platform_e2e.checks.blame import BlockedByPromise, own, require
from platform_e2e.checks.settle import settled
from platform_e2e.finding import Cause, Finding, Promise


def finding(cause: str, promise: Promise = Promise.LOADBALANCER) -> Finding:
    return Finding(
        "service/chat -n chat-dev", promise, "an address", "none", Cause(cause, f"because of {cause}", "mend it")
    )


def test_looking_ends_as_soon_as_nothing_is_wrong() -> None:
    looks = iter([[finding("loadbalancer-no-pool")], [], [finding("loadbalancer-no-pool")]])
    assert settled(lambda: next(looks), timeout=10, what="it has an address") == []
    assert len(list(looks)) == 1


def test_what_was_found_last_is_returned_when_time_is_up() -> None:
    causes = ["loadbalancer-no-pool", "loadbalancer-pool-full"]

    def look() -> list[Finding]:
        return [finding(causes.pop(0) if len(causes) > 1 else causes[0])]

    (last,) = settled(look, timeout=0.2, what="it has an address")
    assert last.cause.id == "loadbalancer-pool-full"


def test_a_cause_that_waiting_cannot_change_ends_it_at_once() -> None:
    looks = []

    def look() -> list[Finding]:
        looks.append(1)
        return [finding("monitor-unselected", Promise.MONITORING)]

    assert settled(look, timeout=60, what="it is scraped")
    assert len(looks) == 1


def test_own_findings_are_reported() -> None:
    mine = finding("loadbalancer-pool-full")
    assert own([mine]) == [mine]
    assert own([]) == []


def test_a_cause_of_another_promise_blocks_this_one() -> None:
    with pytest.raises(BlockedByPromise, match="service/chat -n chat-dev cannot be judged") as raised:
        own([finding("pod-image")])
    assert raised.value.by == "promise applications: because of pod-image [pod-image]"
    assert raised.value.exit_code == 1


def test_findings_of_both_sorts_are_reported_without_the_others() -> None:
    mine = finding("loadbalancer-pool-full")
    assert own([finding("pod-image"), mine]) == [mine]


def test_what_cannot_be_explained_is_reported_by_who_met_it() -> None:
    assert own([finding("unexplained")])


def test_ground_that_does_not_hold_blocks_whatever_its_promise() -> None:
    require([])
    with pytest.raises(BlockedByPromise, match="loadbalancer-pool-full"):
        require([finding("loadbalancer-pool-full")])
