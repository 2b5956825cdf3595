"""JUnit XML: one test case a test, in the order and with the attributes that Jenkins, GitLab and GitHub read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from platform_e2e.finding import Cause, Finding
from platform_e2e.report import junit
from platform_e2e.report.junit import Suite, Waits, address, rewrite, waits_of
from platform_e2e.runs.verdict import Outcome, Result

SUITE = {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"}
"""Attributes of a testsuite that pytest writes, all of them in Jenkins' junit-10.xsd."""

CASE = {"name", "classname", "time", "file", "line"}
"""Attributes of a testcase in the same schema as of xunit-plugin 1.100."""

CHILDREN = ["properties", "skipped", "error", "failure", "system-out", "system-err"]

FULL = Cause("loadbalancer-pool-full", "the pool `default` has no free address", "Widen it.")
FINDING = Finding("service/chat -n chat-dev", "loadbalancer", "an address", "none", FULL)

PYTESTS = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1"
 failures="1" skipped="1" tests="5" time="3.1" timestamp="2026-11-24T11:56:35+00:00" hostname="h">
<testcase classname="e2e.test_lb" name="test_answers[chat-dev/chat]" time="1.5"><properties><property name="promise" value="loadbalancer"
/><property name="causes" value="loadbalancer-pool-full"/><property name="exit_code" value="1"/><property name="findings" value="[]"
/><property name="causes" value="other"/></properties><failure message="long text">service/chat -n chat-dev breaks</failure></testcase>
<testcase classname="e2e.test_lb" name="test_answers[chat-dev/chat]" time="0.5"><properties><property name="phase" value="x"/></properties>
<error message="failed on teardown">at teardown</error></testcase>
<testcase classname="e2e.test_lb" name="test_heals" time="1.0"><properties/></testcase>
<testcase classname="e2e.test_lb.TestIt" name="test_skipped" time="0.0"><skipped type="pytest.skip" message="no nodes">f:1: no nodes</skipped></testcase>
<testcase classname="" name="e2e.test_broken" time="0.0"><error message="collection failure">no module</error></testcase>
</testsuite></testsuites>"""

BROKEN = Result(
    "e2e/test_lb.py::test_answers[chat-dev/chat]", Outcome.FAILED, "loadbalancer", 1.5, {"targets": 2}, (FINDING, FINDING),
    exit_code=1, object="service/chat -n chat-dev", proves="It answers.", evidence="evidence/test_answers",
)  # fmt: skip
HEALED = Result("e2e/test_lb.py::test_heals", Outcome.PASSED, "selfheal", 1.0, {"heal_seconds": 0.41234})
FEWER = Result("history::monitoring", Outcome.FAILED, "monitoring", 0.0, {}, (replace(FINDING, cause=Cause("fewer-tests", "less", "r")),), exit_code=1)  # fmt: skip


def written(tmp_path: Path, content: str = PYTESTS, **suite: Any) -> ET.Element:
    path = tmp_path / "junit.xml"
    path.write_text(content)
    given = {
        "results": (BROKEN, HEALED, FEWER),
        "places": {BROKEN.test: ("e2e/test_lb.py", 31)},
        "waits": {BROKEN.test: Waits(3, 30.02, "service/chat answers")},
        "properties": {"run": "2026-x", "layer_commit": "4fc39cf", "release argocd": "argocd v3.2.11"},
    }
    rewrite(path, Suite(**{**given, **suite}))
    return ET.parse(path).getroot()


def cases(root: ET.Element) -> dict[str, ET.Element]:
    return {case.get("name", ""): case for case in root.iter("testcase")}


def properties(element: ET.Element) -> dict[str, str]:
    found = [(one.get("name", ""), one.get("value", "")) for one in element.findall("properties/property")]
    assert len(dict(found)) == len(found), "a property stands there once"
    return dict(found)


def check(root: ET.Element) -> None:
    """Check what Jenkins' schema says of a file, but for `properties` in a test case and the name of `error`."""
    assert root.tag == "testsuites"
    assert set(root.attrib) <= {"name", "time", "tests", "failures", "errors"}
    (suite,) = root
    assert {"name", "tests", "failures", "errors"} <= set(suite.attrib) <= SUITE
    assert [child.tag for child in suite if child.tag != "testcase"] == ["properties"]
    for case in suite.iter("testcase"):
        assert {"name", "time", "classname"} <= set(case.attrib) <= CASE
        tags = [child.tag for child in case]
        assert tags == sorted(tags, key=CHILDREN.index)
        assert tags.count("properties") <= 1
        properties(case)
        for child in case:
            if child.tag in {"failure", "error", "skipped"}:
                assert set(child.attrib) == {"message", "type"}
                assert not list(child)
    keys = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
    assert len(set(keys)) == len(keys), "of two with one name GitLab shows the first"


def test_the_structure_is_what_jenkins_reads(tmp_path: Path) -> None:
    root = written(tmp_path)
    check(root)
    (suite,) = root
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "2", "errors": "1", "skipped": "1",
    }  # fmt: skip
    assert properties(suite) == {"run": "2026-x", "layer_commit": "4fc39cf", "release argocd": "argocd v3.2.11"}


def test_a_failure_says_object_and_cause_first_and_its_type_is_the_cause(tmp_path: Path) -> None:
    case = cases(written(tmp_path))["test_answers[chat-dev/chat]"]
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "service/chat -n chat-dev: the pool `default` has no free address (and 1 more)"
    assert failure.get("type") == "loadbalancer-pool-full"
    assert failure.text == "service/chat -n chat-dev breaks"
    assert (case.get("classname"), case.get("file"), case.get("line")) == ("e2e.test_lb", "e2e/test_lb.py", "31")
    assert (case.findtext("system-out") or "").splitlines() == [
        "proves: It answers.",
        "remedy: Widen it.",
        "remedy: Widen it.",
        "waits: 3, the longest 30.0 s: service/chat answers",
        "evidence: evidence/test_answers in the run's directory",
    ]


def test_properties_have_causes_object_waits_and_evidence(tmp_path: Path) -> None:
    found = properties(cases(written(tmp_path))["test_answers[chat-dev/chat]"])
    assert found == {
        "promise": "loadbalancer",
        "causes": "loadbalancer-pool-full",
        "object": "service/chat -n chat-dev",
        "proves": "It answers.",
        "waits": "3",
        "longest_wait_seconds": "30.020",
        "longest_wait": "service/chat answers",
        "evidence": "evidence/test_answers",
        "exit_code": "1",
        "phase": "x",
    }
    assert properties(cases(written(tmp_path))["test_heals"]) == {"promise": "selfheal", "heal_seconds": "0.412"}


def test_what_the_comparison_found_is_a_test_case_too(tmp_path: Path) -> None:
    case = cases(written(tmp_path))["monitoring"]
    failure = case.find("failure")
    assert failure is not None
    assert case.get("classname") == "history"
    assert failure.get("type") == "fewer-tests"
    assert "remedy:   r" in (failure.text or "")


def test_what_pytest_alone_knows_of_stays(tmp_path: Path) -> None:
    found = cases(written(tmp_path))
    assert found["e2e.test_broken"].findtext("error") == "no module"
    assert found["test_skipped"].find("skipped") is not None


def test_a_failure_without_a_finding_says_whose_it_is(tmp_path: Path) -> None:
    bare = Result(BROKEN.test, Outcome.ERROR, exit_code=3, reason="phase cluster failed: the bridge cannot be made")
    error = cases(written(tmp_path, results=(bare,)))["test_answers[chat-dev/chat]"].find("error")
    assert error is not None
    assert error.get("type") == "broken-harness"
    assert error.get("message") == "phase cluster failed: the bridge cannot be made"


def test_what_xml_cannot_have_and_what_nobody_may_see_is_replaced(tmp_path: Path) -> None:
    finding = replace(FINDING, object="service/\x1b[31m\x00\ud800 -n x", observed="password=hunter2-and-more")
    hostile = Result(BROKEN.test, Outcome.FAILED, findings=(finding,), exit_code=1, object="a\x0bb")
    root = written(tmp_path, PYTESTS.replace(">service/chat -n chat-dev breaks<", "><"), results=(hostile,))
    check(root)
    failure = cases(root)["test_answers[chat-dev/chat]"].find("failure")
    assert failure is not None
    assert (failure.get("message") or "").startswith("service/#x1B[31m#x00#xD800 -n x:")
    assert "hunter2" not in (tmp_path / "junit.xml").read_text()
    assert properties(cases(root)["test_answers[chat-dev/chat]"])["object"] == "a#x0Bb"


def test_names_are_those_that_pytest_writes() -> None:
    assert address("e2e/test_lb.py::TestIt::test_it[a::b/c.py]") == ("e2e.test_lb.TestIt", "test_it[a::b/c.py]")
    assert address("e2e/test_lb.py::test_it[\x00]", "nightly") == ("nightly.e2e.test_lb", "test_it[#x00]")


@pytest.mark.parametrize("content", ["", "<testsuites>", "<html/>"])
def test_what_is_no_report_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    with pytest.raises(ValueError, match=r"must be XML|has no testsuite"):
        written(tmp_path, content)
    assert (tmp_path / "junit.xml").read_text() == content


def test_waits_are_counted_by_test() -> None:
    events: list[dict[str, Any]] = [
        {"kind": "wait", "name": "a", "test": "t", "seconds": 1.0},
        {"kind": "wait", "name": "b", "test": "t", "seconds": 3.0},
        {"kind": "wait", "name": "c", "test": "t", "seconds": 2.0},
        {"kind": "wait", "name": "of a phase", "seconds": 9.0},
        {"kind": "fact", "name": "x", "test": "t"},
    ]
    assert waits_of(events) == {"t": junit.Waits(3, 3.0, "b")}


def test_what_is_no_regular_file_is_left_as_it_is(tmp_path: Path) -> None:
    device = tmp_path / "junit.xml"
    device.symlink_to("/dev/null")
    rewrite(device, Suite(()))
    assert device.is_symlink()
