"""run.json as typed data: of this version, of an older one, cut, damaged, or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from platform_e2e.finding import Cause, Finding
from platform_e2e.report.html import write
from platform_e2e.runs.history.changes import Change
from platform_e2e.runs.run_json import NAME, Phase, SavedRun
from platform_e2e.runs.verdict import Outcome, Result, verdict_on
from tests.fakes.made_run import OUTSIDE, red

FINDING = Finding(
    "service/chat -n a", "loadbalancer", "an address", "none", Cause("pool-full", "it is full", "widen it", "pool")
)
BROKEN = Result("e2e/a.py::a", Outcome.FAILED, "loadbalancer", 1.5, {"targets": 2}, (FINDING,), exit_code=1)


def test_a_verdict_with_its_findings_is_the_same_after_it_was_written_and_read(tmp_path: Path) -> None:
    verdict = verdict_on((BROKEN,), "cluster", not_run={"selfheal": 2})
    assert verdict.as_json()["tests"][0]["findings"] == [FINDING.as_json()]
    (tmp_path / NAME).write_text(json.dumps({"exit_code": 1, "verdict": verdict.as_json()}))
    run, odd = SavedRun.load(tmp_path)
    assert odd == []
    assert run.verdict == verdict
    assert run.verdict.tests[0].causes == ("pool-full",)


def test_a_run_is_read_with_all_that_is_told_of_it(tmp_path: Path) -> None:
    run, odd = SavedRun.load(red(tmp_path / "run"))
    assert odd == []
    assert (run.exit_code, run.kept, run.seconds) == (1, None, 149.6)
    assert run.phases[0] == Phase("cluster", run.phases[0].seconds)
    assert run.history is not None
    assert run.history.changes[1] == Change(
        "foundation", "argocd", "v3.2.9", "v3.2.11", "argocd runs v3.2.11, it was v3.2.9"
    )
    (found,) = [finding for test in run.verdict.tests for finding in test.findings if finding.promise == "loadbalancer"]
    assert found == Finding.from_json(OUTSIDE)


def test_one_bad_field_leaves_the_rest_of_the_run_and_is_said_in_its_report(tmp_path: Path) -> None:
    place = red(tmp_path / "run")
    data = json.loads((place / NAME).read_text())
    data["verdict"]["tests"][0]["seconds"] = "long"
    (place / NAME).write_text(json.dumps(data))
    run, odd = SavedRun.load(place)
    assert odd == ["run.json: `verdict.tests[0].seconds` must be a number, got a text; it is left out."]
    assert len(run.verdict.tests) == len(data["verdict"]["tests"])
    page = write(place).read_text()
    assert "3 of 5 promises are broken" in page
    assert "run.json: `verdict.tests[0].seconds` must be a number, got a text; it is left out." in page


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "run.json is missing: verdict, promises and findings are not shown."),
        ("[" * 500, "run.json is damaged: verdict, promises and findings are not shown."),
        ("[]", "run.json is damaged: verdict, promises and findings are not shown."),
        ('{"exit_code": 1}', "run.json has no verdict: it was written by another version of the harness."),
    ],
)
def test_what_cannot_be_read_is_an_empty_run_and_a_sentence(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / NAME).write_text(content)
    run, odd = SavedRun.load(tmp_path)
    assert odd == [said]
    assert run.verdict.tests == ()


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"exit_code": 0, "verdict": {"broken_phase": "x"}}')
    (tmp_path / NAME).symlink_to(tmp_path / "other.json")
    run, (said,) = SavedRun.load(tmp_path)
    assert run == SavedRun()
    assert said.startswith("run.json cannot be read (")
