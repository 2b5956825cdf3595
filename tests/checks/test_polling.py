from __future__ import annotations

import time
from dataclasses import replace

import pytest

from platform_e2e.checks import polling
from platform_e2e.checks.polling import until_no_findings
from platform_e2e.diagnosis.attribution import APPLIED, BlockedByPromise, depend_on, findings_of_promise
from platform_e2e.finding import Cause, Finding, Promise


def finding(cause: str, promise: Promise = Promise.LOADBALANCER) -> Finding:
    return Finding(
        "service/chat -n chat-dev", promise, "an address", "none", Cause(cause, f"because of {cause}", "mend it")
    )


def test_looking_ends_as_soon_as_nothing_is_wrong() -> None:
    looks = iter([[finding("loadbalancer-no-pool")], [], [finding("loadbalancer-no-pool")]])
    assert until_no_findings(lambda: next(looks), timeout=10, what="it has an address") == []
    assert len(list(looks)) == 1


def test_what_was_found_last_is_returned_when_time_is_up() -> None:
    causes = ["loadbalancer-no-pool", "loadbalancer-pool-full"]

    def look() -> list[Finding]:
        return [finding(causes.pop(0) if len(causes) > 1 else causes[0])]

    (last,) = until_no_findings(look, timeout=0.2, what="it has an address")
    assert last.cause.id == "loadbalancer-pool-full"


def test_a_cause_that_waiting_cannot_change_ends_it_at_once() -> None:
    looks = []

    def look() -> list[Finding]:
        looks.append(1)
        return [finding("application-not-selfhealing", Promise.SELFHEAL)]

    assert until_no_findings(look, timeout=60, what="it heals")
    assert len(looks) == 1


def test_a_cause_that_another_test_may_undo_is_looked_at_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "patience", lambda _: 0.2)
    looks: list[float] = []

    def look() -> list[Finding]:
        looks.append(time.monotonic())
        return [finding("loadbalancer-no-pool" if len(looks) < 3 else "loadbalancer-pool-full")]

    (last,) = until_no_findings(look, timeout=60, what="it has an address")
    assert last.cause.id == "loadbalancer-pool-full"
    assert 0.2 <= looks[-1] - looks[2] < 10


def test_own_findings_are_reported() -> None:
    mine = finding("loadbalancer-pool-full")
    assert findings_of_promise([mine]) == [mine]
    assert findings_of_promise([]) == []


def test_a_cause_of_another_promise_blocks_this_one() -> None:
    with pytest.raises(BlockedByPromise, match="service/chat -n chat-dev cannot be judged") as raised:
        findings_of_promise([finding("pod-image")])
    assert raised.value.by == "promise applications: because of pod-image [pod-image]"
    assert raised.value.exit_code == 1


def test_findings_of_both_sorts_are_reported_without_the_others() -> None:
    mine = finding("loadbalancer-pool-full")
    assert findings_of_promise([finding("pod-image"), mine]) == [mine]


def test_what_cannot_be_explained_is_reported_by_who_met_it() -> None:
    assert findings_of_promise([finding("unexplained")])


def test_ground_that_does_not_hold_blocks_whatever_its_promise() -> None:
    depend_on([])
    with pytest.raises(BlockedByPromise, match="loadbalancer-pool-full"):
        depend_on([finding("loadbalancer-pool-full")])


def test_a_known_cause_below_is_the_cause() -> None:
    below = finding("pod-image", Promise.APPLICATIONS)
    with pytest.raises(BlockedByPromise, match="pod-image"):
        findings_of_promise([finding("loadbalancer-unreachable")], lambda: [below])


def test_what_objects_say_is_reported_beside_pods_that_do_not_run() -> None:
    port, silent = finding("monitor-port-name", Promise.MONITORING), finding("scrape-error", Promise.MONITORING)
    image = replace(finding("pod-image", Promise.APPLICATIONS), details={APPLIED: "yes"})
    assert findings_of_promise([silent, port], lambda: [image]) == [port]
    with pytest.raises(BlockedByPromise, match="pod-image"):
        findings_of_promise([silent], lambda: [image])
    # The Service of the port may be one of a later sync wave.
    with pytest.raises(BlockedByPromise, match="pod-image"):
        findings_of_promise([port], lambda: [replace(image, details={})])
    with pytest.raises(BlockedByPromise, match="application-sync-failed"):
        findings_of_promise([port], lambda: [finding("application-sync-failed", Promise.APPLICATIONS)])


@pytest.mark.parametrize("cause", ["unexplained", "loadbalancer-pool-full"])
def test_what_is_unknown_below_or_follows_from_this_promise_blocks_nothing(cause: str) -> None:
    mine = finding("loadbalancer-pool-full")
    assert findings_of_promise([mine], lambda: [finding(cause, Promise.APPLICATIONS)]) == [mine]


def test_the_ground_is_not_asked_when_nothing_is_wrong() -> None:
    def ground() -> list[Finding]:
        pytest.fail("nothing is wrong, so nothing below can be")

    assert findings_of_promise([], ground) == []
