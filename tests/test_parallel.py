"""Foundations and layer come up side by side, each with what the other needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from platform_e2e.errors import BrokenHarness, BrokenPlatform
from platform_e2e.parallel import together

pytestmark = pytest.mark.point("foundation-waits-for-layer")


def fail(error: Exception) -> None:
    raise error


def test_both_results_come_back_in_order() -> None:
    met = threading.Barrier(2, timeout=5)

    def work(name: str) -> str:
        met.wait()  # breaks unless both run at once
        return name

    assert together(lambda: work("foundations"), lambda _: work("layer")) == ("foundations", "layer")


def test_the_layer_is_told_when_the_foundations_are_there() -> None:
    go, done = threading.Event(), threading.Event()

    def layer(founded: Callable[[], bool]) -> tuple[bool, bool]:
        before = founded()
        go.set()
        deadline = time.monotonic() + 5
        while not founded() and time.monotonic() < deadline:
            done.wait(0.001)
        return before, founded()

    assert together(lambda: go.wait(5), layer) == (True, (False, True))


def test_an_error_of_the_first_is_raised_without_waiting_for_the_second() -> None:
    hang = threading.Event()
    try:
        with pytest.raises(BrokenPlatform, match="metallb is not ready"):
            together(lambda: fail(BrokenPlatform("metallb is not ready")), lambda _: hang.wait())
    finally:
        hang.set()


def test_an_error_of_the_second_is_told_only_when_the_first_has_done_its_part() -> None:
    done = []
    with pytest.raises(BrokenHarness, match="git"):
        together(lambda: done.append("foundations"), lambda _: fail(BrokenHarness("git cannot be started")))
    assert done == ["foundations"]
