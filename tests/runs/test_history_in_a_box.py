"""Whole runs over fakes, one after the other: what a run says of those before it, and what it leaves for a job's page."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

from tests.support.box import Box

OF_THE_LAYER = """
from pathlib import Path
NAMES = sorted(path.stem for path in Path(os.environ["PLATFORM_E2E_LAYER"]).iterdir())
@pytest.mark.promise("monitoring")
@pytest.mark.parametrize("name", NAMES)
def test_scraped(cluster, promises, name):
    assert name != os.environ.get("BOX_RED"), "it is down"
    promises.report([], figures={"targets": 2})
"""


def layer(box: Box, *names: str) -> None:
    for path in (box.directory / "layer").iterdir():
        path.unlink()
    for name in names:
        (box.directory / "layer" / f"{name}.yaml").write_text(name)


def lines(box: Box, name: str = "history.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (box.artifacts / name).read_text().splitlines()]


def test_fewer_tests_of_a_changed_layer_are_red_until_they_are_accepted(box: Box) -> None:
    box.tests(OF_THE_LAYER)
    layer(box, "one", "three", "two")
    page = box.directory / "page.md"
    status, out = box.run()
    assert status == 0, out
    assert "history: no green run of this kind to compare with yet" in out
    layer(box, "one", "two")
    status, out = box.run("e2e", "-k", "one")
    assert status == 0, out
    assert "history: not compared in numbers of tests: only -k 'one' was run" in out

    status, out = box.run("e2e", GITHUB_STEP_SUMMARY=str(page))
    assert status == 1, out
    for line in (
        "three breaks the promise 'monitoring'",
        "observed: 2 tests; gone: e2e/test_it.py::test_scraped[three]",
        "remedy:   see what the layer has lost and bring it back; if less is meant, run once with --accept-fewer",
    ):
        assert line in out
    assert "BROKEN" in out
    assert "reproduce:" not in out, "no test failed that could be run again"
    result = box.result
    assert result["failed"] == []
    assert result["exit_code"] == 1
    green = result["history"]["previous_green"]
    assert green["id"] == lines(box)[0]["id"]
    assert green["directory"] == f"../{green['id']}"
    assert [change["kind"] for change in result["history"]["changes"]] == [
        "fewer-tests", "layer", "fewer-targets",
    ]  # fmt: skip
    failures = {
        case.get("classname"): case for case in ET.parse(box.artifacts / "latest" / "junit.xml").iter("testcase")
    }
    assert [child.get("type") for child in failures["history"].iter("failure")] == ["fewer-tests"]
    assert "fewer-tests" in (box.artifacts / "latest" / "summary.md").read_text()
    assert "fewer-tests" in page.read_text()

    status, out = box.run("e2e", "--accept-fewer", "--keep-runs", "1")
    assert status == 0, out
    assert "accepted as the new measure: 2 tests of the promise monitoring, 3 before" in out
    assert "removed the 3 oldest run(s), so that 1 stay (--keep-runs)" in out
    assert [line["exit_code"] for line in lines(box)] == [0, 0, 1, 0]
    assert [line["whole"] for line in lines(box)] == [True, False, True, True]
    assert len(list(box.artifacts.glob("2*"))) == 1


def test_a_verdict_that_changes_by_itself_is_written_down_and_shown(box: Box) -> None:
    box.tests(OF_THE_LAYER)
    layer(box, "a", "b")
    box.run()
    status, out = box.run("e2e", BOX_RED="b")
    assert status == 1, out
    assert "flaky: e2e/test_it.py::test_scraped[b]: failed now, passed in " in out
    assert [flake["verdicts"] for flake in box.result["history"]["flakes"]] == [["passed", "failed"]]
    assert [flake["test"] for flake in lines(box, "flakes.jsonl")] == ["e2e/test_it.py::test_scraped[b]"]
    assert "## Flaky tests" in (box.artifacts / "latest" / "summary.md").read_text()


def test_a_history_that_cannot_be_written_fails_no_run(box: Box) -> None:
    box.tests(OF_THE_LAYER)
    layer(box, "a")
    (box.artifacts / "history.jsonl").mkdir(parents=True)
    status, out = box.run("e2e", GITHUB_STEP_SUMMARY="/nowhere/page.md")
    assert status == 0, out
    assert "history.jsonl cannot be read, so there is nothing to compare with" in out
    assert "history: history.jsonl is not written" in out
    assert "history: summary.md is not written: [Errno 2]" in out


def described(box: Box) -> dict[str, Any]:
    """Return what JUnit XML says of each test but for times."""
    root = ET.parse(box.artifacts / "latest" / "junit.xml").getroot()
    found: dict[str, Any] = {}
    for case in root.iter("testcase"):
        properties = {one.get("name"): one.get("value") for one in case.iter("property")}
        properties = {name: "" if "wait" in str(name) else value for name, value in properties.items()}
        ends = [
            (one.tag, one.get("type"), one.get("message")) for one in case if one.tag in {"failure", "error", "skipped"}
        ]
        found[str(case.get("name"))] = (case.get("classname"), case.get("file"), case.get("line"), properties, ends)
    suite = next(root.iter("testsuite"))
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    names = {one.get("name") for one in suite.findall("properties/property")}
    return {**found, "": (counts, names)}


def test_junit_is_the_same_with_workers(box: Box) -> None:
    box.tests("""
from platform_e2e.kube.expect import poll
from platform_e2e.kube.verdict import Met
@pytest.mark.promise("loadbalancer")
def test_address(cluster, promises):
    '''It answers.'''
    poll(lambda: Met(), timeout=1, what="it answers")
    promises.report([FINDING])
@pytest.mark.promise("selfheal")
def test_heals(cluster, promises):
    promises.report([], figures={"heal_seconds": 0.25})
@pytest.fixture
def breaks_later():
    yield
    assert False, "torn"
def test_teardown(cluster, breaks_later):
    assert False, "first"
@pytest.mark.needs("snapshot")
def test_skipped(cluster): ...
""")
    box.run()
    alone = described(box)
    box.run("e2e", "-n", "2")
    assert described(box) == alone
    assert len(lines(box)) == 2, "workers write none"
    classname, file, line, properties, ends = alone["test_address"]
    assert (classname, file, int(line) > 10) == ("e2e.test_it", "e2e/test_it.py", True)
    assert ends == [
        ("failure", "loadbalancer-pool-full", "Service/chat -n chat-dev: the pool `default` has no free address")
    ]
    assert {"promise", "causes", "object", "proves", "waits", "longest_wait_seconds", "exit_code"} <= set(properties)
    assert alone["test_heals"][3]["heal_seconds"] == "0.250"
    assert [tag for tag, *_ in alone["test_teardown"][4]] == ["error", "failure"]
    counts, names = alone[""]
    assert counts == {"tests": "4", "failures": "2", "errors": "0", "skipped": "1"}
    assert {"run", "layer", "layer_digest", "harness_digest", "provider", "cluster"} <= names
