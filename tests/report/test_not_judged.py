"""What is not judged, wherever a person or a program reads of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from platform_e2e.layer.not_judged import Accepted
from platform_e2e.report import html, junit, not_judged
from platform_e2e.report.console import verdict_table
from platform_e2e.report.summary import markdown
from platform_e2e.runs.coverage import Coverage
from platform_e2e.runs.run_json import SavedRun
from platform_e2e.runs.verdict import Outcome, Result, Verdict, verdict_on
from tests.fakes.unjudged import unjudged

PASSED = Result("test-a", Outcome.PASSED, "monitoring", figures={"targets": 2})
CERTS, VAULT = unjudged("cert-manager"), unjudged("vault", "plugin", line=None)
COVERED = Coverage(
    3, (CERTS, VAULT), (Accepted(VAULT.object, "plugin"), Accepted("application/old -n argocd", "chart"))
)
WIDE: dict[str, Any] = {"width": 200, "colour": False}


def verdict(**fields: Any) -> Verdict:
    return verdict_on((PASSED,), coverage=replace(COVERED, **fields))


def test_the_console_has_object_place_reason_problem_and_remedy() -> None:
    shown = not_judged.table(verdict(), **WIDE)
    head, _, first, *_rest = shown.splitlines()
    assert [cell.strip() for cell in head.split("┃")] == list(not_judged.COLUMNS)
    assert first.startswith("application/cert-manager -n argocd"), "what is not accepted comes first"
    flat = " ".join(shown.split())
    for words in ("apps/cert-manager.yaml:4", "chart: its chart is not in the", "platform-e2e fetch", "(accepted)"):
        assert words in flat
    assert not not_judged.table(verdict_on((PASSED,)), **WIDE)


def test_the_console_has_the_first_few_and_says_where_the_rest_is() -> None:
    many = tuple(unjudged(f"app-{number}") for number in range(not_judged.SHOWN + 11))
    shown = not_judged.table(verdict(not_judged=many), **WIDE)
    assert "app-4" in shown
    assert "app-5" not in shown
    assert shown.endswith("and 11 more, in summary.md and report.html\n")


def test_the_table_of_promises_has_a_column_of_what_is_not_judged_where_something_is_not() -> None:
    shown = verdict_table(verdict(), "layer", **WIDE)
    assert [cell.strip() for cell in shown.splitlines()[1].split("┃")] == [
        "promise", "verdict", "not judged", "tests", "figures",
    ]  # fmt: skip
    assert [cell.strip() for cell in shown.splitlines()[3].split("│")][:3] == [
        "monitoring", "not judged in full: the rest holds", "2 Applications",
    ]  # fmt: skip
    assert "not judged" not in verdict_table(verdict_on((PASSED,)), "layer", **WIDE)


def test_remarks_count_what_is_not_accepted_and_name_what_is_accepted_in_vain() -> None:
    assert list(not_judged.remarks(verdict())) == [
        "1 of 2 not accepted: mend them, or accept each by object and reason in platform-e2e.yaml",
        "warning: platform-e2e.yaml accepts application/old -n argocd for reason chart, which is judged now: remove the line",
    ]
    assert next(not_judged.remarks(verdict(require_all=True))) == (
        "--require-all accepts nothing that is not judged: 2 left"
    )
    assert list(not_judged.remarks(verdict_on((PASSED,)))) == []


def saved(found: Verdict, exit_code: int = 5) -> SavedRun:
    run, odd = SavedRun.from_json(json.loads(json.dumps({"exit_code": exit_code, "verdict": found.as_json()})))
    assert odd == []
    return run


def test_the_summary_has_all_of_it() -> None:
    many = tuple(unjudged(f"app-{number}") for number in range(60))
    text = markdown(saved(verdict(not_judged=many)), name="x", headline="layer")
    assert text.startswith("# ❔ nothing is broken, and not everything is judged\n")
    assert "## Not judged\n\n3 of 63 Applications judged; 60 not: 60 chart" in text
    assert "| object | place | reason | problem | remedy |" in text
    assert text.count("| application/app") == 60
    assert "chart: its chart is not in the store" in text
    assert "| promise | verdict | not judged | tests | figures |" in text
    assert "## Not judged" not in markdown(saved(verdict_on((PASSED,)), 0), name="x", headline="layer")


def test_status_0_does_not_say_that_every_promise_holds_where_the_rest_is_only_accepted() -> None:
    covered = replace(COVERED, not_judged=(VAULT,))
    text = markdown(saved(verdict_on((PASSED,), coverage=covered), 0), name="x", headline="layer")
    assert text.startswith("# ✅ what is judged holds\n")


def test_the_report_has_all_of_it(tmp_path: Path) -> None:
    run = {"exit_code": 5, "verdict": verdict().as_json(), "options": {}, "phases": [], "facts": []}
    (tmp_path / "run.json").write_text(json.dumps(run))
    page = html.write(tmp_path).read_text()
    assert "Nothing is broken, and not everything is judged" in page
    assert "3 of 5 Applications judged; 2 not: 1 chart, 1 plugin" in page
    assert 'id="not-judged"' in page
    for words in (
        CERTS.object,
        VAULT.object,
        CERTS.remedy,
        "apps/cert-manager.yaml:4",
        "its chart is not in the store",
    ):
        assert words in page
    assert '<th scope="col">Not judged</th>' in page


def test_the_report_of_a_run_that_judged_all_has_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"exit_code": 0, "verdict": verdict_on((PASSED,)).as_json()}))
    page = html.write(tmp_path).read_text()
    assert "ot judged" not in page
    assert "Every promise holds" in page


def test_junit_has_a_skipped_case_of_each(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(
        '<testsuites><testsuite name="pytest"><testcase classname="a" name="test-a" time="1"/></testsuite></testsuites>'
    )
    twice = replace(CERTS, reason="render")
    junit.rewrite(path, junit.Suite((), unknown=(CERTS, VAULT, twice)))
    suite = ET.parse(path).getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("skipped"), suite.get("failures"), suite.get("errors")) == (
        "4",
        "3",
        "0",
        "0",
    )
    found = {case.get("name"): case for case in suite.iter("testcase")}
    case = found["application/cert-manager -n argocd (chart)"]
    assert (case.get("classname"), case.get("file"), case.get("line")) == ("not_judged", "apps/cert-manager.yaml", "4")
    skipped = case.find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "not judged: chart: its chart is not in the store"
    assert "remedy: fetch it" in (skipped.text or "")
    assert "line" not in found["application/vault -n argocd (plugin)"].attrib
