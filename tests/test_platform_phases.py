from __future__ import annotations

import threading

import pytest

from fixtures.platform import _compared, _side_by_side
from platform_e2e.errors import BrokenHarness, BrokenPlatform


def fail(error: Exception) -> None:
    raise error


def test_both_results_come_back_in_order() -> None:
    met = threading.Barrier(2, timeout=5)

    def work(name: str) -> str:
        met.wait()  # breaks unless both run at once
        return name

    assert _side_by_side(lambda: work("foundations"), lambda: work("applications")) == ("foundations", "applications")


def test_an_error_of_the_first_is_raised_without_waiting_for_the_second() -> None:
    hang = threading.Event()
    try:
        with pytest.raises(BrokenPlatform, match="metallb is not ready"):
            _side_by_side(lambda: fail(BrokenPlatform("metallb is not ready")), hang.wait)
    finally:
        hang.set()


def test_an_error_of_the_second_is_told_only_when_the_first_has_done_its_part() -> None:
    done = []
    with pytest.raises(BrokenHarness, match="git"):
        _side_by_side(lambda: done.append("foundations"), lambda: fail(BrokenHarness("git cannot be started")))
    assert done == ["foundations"]


DEPLOYED = {"sha": "a", "seconds": {"chat-dev": 20.5, "chat-prod": 21.5}, "held": {}}


@pytest.mark.parametrize("action", ["upgraded", "repaired"])
def test_after_a_foundation_has_changed_only_what_still_converges_counts(action: str) -> None:
    releases = [{"action": "unchanged"}, {"action": action}]
    held = {"chat-prod": {"id": "pod-image"}}
    again = {"seconds": {"chat-dev": 0.5, "late": 0.7}, "held": held}
    assert _compared(releases, DEPLOYED, lambda: again) == {"seconds": {"chat-dev": 20.5, "late": 0.7}, "held": held}


@pytest.mark.parametrize("action", ["installed", "unchanged"])
def test_without_a_changed_foundation_nothing_is_compared_again(action: str) -> None:
    assert _compared([{"action": action}], DEPLOYED, lambda: pytest.fail("asked")) == DEPLOYED
