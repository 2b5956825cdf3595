"""Whole runs of pytest over fakes: a run that judged a part, or nothing, promises no more than that."""

from __future__ import annotations

import pytest

from tests.support.box import Box

SOME = """
@pytest.mark.promise("loadbalancer")
@pytest.mark.parametrize("number", range(3))
def test_address(cluster, number):
    assert number
@pytest.mark.promise("selfheal")
def test_heals(cluster): ...
"""


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_what_was_not_chosen_is_shown_as_such(box: Box, workers: str) -> None:
    box.tests(SOME)
    status, out = box.run("e2e", "-k", "address and not 0", workers)
    assert status == 0, out
    rows = {row["promise"]: (row["verdict"], row["tests"]) for row in box.result["verdict"]["promises"]}
    assert rows == {
        "loadbalancer": ("not all chosen: holds so far", "2 passed, 1 not chosen"),
        "selfheal": ("not judged: none of its tests was chosen", "1 not chosen"),
    }


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_a_run_that_ends_at_the_first_failure_promises_nothing_else(box: Box, workers: str) -> None:
    box.tests(SOME.replace("range(3)", "[1, 0]") + "@pytest.mark.promise('selfheal')\ndef test_later(cluster): ...\n")
    status, out = box.run("e2e", "-x", "--deselect", "e2e/test_it.py::test_address[1]", workers)
    assert status == 1, out
    assert "holds" not in {row["verdict"] for row in box.result["verdict"]["promises"]}


def test_a_run_that_has_judged_nothing_is_not_green(box: Box) -> None:
    box.tests("@pytest.mark.parametrize('name', [])\ndef test_address(cluster, name): ...\n")
    assert box.run()[0] == 4


def test_what_another_promise_blocks_is_the_platforms_fault_and_keeps_the_cluster(box: Box) -> None:
    box.tests("""
def test_it(cluster):
    error = BrokenPlatform("cannot be judged")
    error.by = "promise applications: no image [pod-image]"
    raise error
""")
    status, out = box.run("e2e", "--keep", "on-failure")
    assert status == 1, out
    assert "kept" in box.notes


def test_a_deadline_between_two_tests_is_no_interruption(box: Box) -> None:
    # The alarm rings while a fixture is torn down, which it lets end.
    box.tests("""
@pytest.fixture
def slow():
    yield
    threading.Event().wait(3)
def test_it(slow): ...
def test_later(cluster): ...
""")
    status, out = box.run("e2e", "--deadline", "2s")
    assert status == 3, out
    assert not box.result["verdict"]["complete"]
