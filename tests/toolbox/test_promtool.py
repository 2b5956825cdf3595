"""promtool: what it says of rules and tests, and the bounds of a run."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from platform_e2e.toolbox.promtool import Promtool, PromtoolError

RESULTS = (
    '<testsuites><testsuite name="/s/a.test.yaml"><testcase name="one"><failure>no &lt;b&gt;</failure></testcase>'
    '<testcase name="two"></testcase></testsuite>'
    '<testsuite name="b.test.yaml"><testcase name="unknown"><error>not YAML</error></testcase></testsuite></testsuites>'
)


def program(tmp_path: Path, script: str) -> Promtool:
    path = tmp_path / "promtool"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Promtool(path)


def test_failures_are_read_by_file_and_group(tmp_path: Path) -> None:
    found = program(tmp_path, f"printf '%s' '{RESULTS}' > results.xml; exit 3").test({"a.test.yaml": "x"})
    assert found.groups == {("a.test.yaml", "one"): ["no <b>"]}
    assert found.files == {"b.test.yaml": "not YAML"}


def test_a_run_without_results_or_end_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PromtoolError, match="promtool must write its results, got 0 bytes: oh"):
        program(tmp_path, "echo oh >&2").test({"a.test.yaml": "x"})
    with pytest.raises(PromtoolError, match=r"did not end within 0\.2 s"):
        program(tmp_path, "exec sleep 30").test({"a.test.yaml": "x"}, timeout=0.2)


def test_nothing_is_run_without_tests(tmp_path: Path) -> None:
    assert program(tmp_path, "exit 9").test({"rules.yaml": "x"}).groups == {}


def test_a_rule_that_prometheus_would_not_load_is_told_why(tmp_path: Path) -> None:
    said = "echo Checking rules.yaml; echo '  FAILED:'; echo 'rules.yaml: 5:13: parse error' >&2; exit 1"
    assert program(tmp_path, said).refusal({"groups": []}) == "5:13: parse error"
    assert program(tmp_path, "exit 0").refusal({"groups": []}) == ""


def test_no_variable_of_this_process_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s")
    script = f"test -z \"$SECRET\" && printf '%s' '{RESULTS}' > results.xml"
    assert program(tmp_path, script).test({"a.test.yaml": "x"}).files
