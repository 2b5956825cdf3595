"""How much of a layer is judged, and what that makes of the exit status."""

from __future__ import annotations

import json

import pytest

from platform_e2e.errors import ExitCode
from platform_e2e.layer.not_judged import IN_WORDS, Accepted
from platform_e2e.layer.renderer import Reason
from platform_e2e.pytest_plugin.reporting import INTERNAL_ERROR, NO_TESTS, USAGE_ERROR, exit_status
from platform_e2e.runs.coverage import Coverage
from platform_e2e.runs.run_json import SavedRun
from platform_e2e.runs.verdict import Outcome, Result, verdict_on
from tests.fakes.unjudged import unjudged, unjudged_set

CERTS, VAULT = unjudged("cert-manager"), unjudged("vault", "plugin")
PASSED = Result("test-a", Outcome.PASSED, "monitoring")
BROKEN = Result("test-b", Outcome.FAILED, "monitoring", exit_code=1)
HARNESS = Result("test-c", Outcome.ERROR, "monitoring", exit_code=3)
WAITING = Result("test-d", Outcome.UNKNOWN, "applications", reason="not judged: cert-manager", unknown=CERTS)
SKIPPED = Result("test-e", Outcome.SKIPPED, "monitoring")

ACCEPTS_CERTS = Accepted(CERTS.object, "chart")


def test_the_sentence_counts_what_is_judged_and_what_is_not_by_reason() -> None:
    found = [unjudged(f"c{n}") for n in range(9)] + [unjudged(f"p{n}", "plugin") for n in range(4)]
    found += [unjudged(f"r{n}", "repository") for n in range(3)]
    covered = Coverage(31, tuple(found))
    assert covered.sentence == "31 of 47 Applications judged; 16 not: 9 chart, 4 plugin, 3 repository"
    assert covered.lacking == "16 Applications"


def test_an_applicationset_is_counted_apart_for_nobody_knows_how_many_it_makes() -> None:
    covered = Coverage(2, (CERTS, unjudged_set("addons")))
    assert covered.sentence == "2 of 3 Applications judged; 1 not: 1 chart; 1 ApplicationSet not: 1 generator"
    assert covered.lacking == "1 Application and 1 ApplicationSet"
    assert Coverage(2, (unjudged_set("a"), unjudged_set("b"))).sentence == (
        "2 of 2 Applications judged; 2 ApplicationSets not: 2 generator"
    )
    assert Coverage(1, (unjudged("x", object="service/x -n x"),)).sentence.endswith("; 1 other object not: 1 chart")


def test_where_all_is_judged_nothing_is_said() -> None:
    assert (Coverage(7).sentence, Coverage(7).lacking) == ("", "")
    (row,) = verdict_on((PASSED,), coverage=Coverage(7)).promises
    assert (row.verdict, row.holds, row.lacking) == ("holds", True, "")


def test_every_reason_has_words_of_the_reader() -> None:
    assert set(IN_WORDS) == set(Reason)
    assert IN_WORDS["chart"] == "its chart is not in the store"


@pytest.mark.parametrize(
    ("results", "accepted", "require_all", "expected"),
    [
        ((PASSED,), (), False, 5),
        ((PASSED, SKIPPED), (), False, 5),
        ((PASSED,), (ACCEPTS_CERTS,), False, 5),
        ((PASSED,), (ACCEPTS_CERTS, Accepted(VAULT.object, "plugin")), False, 0),
        ((PASSED,), (ACCEPTS_CERTS, Accepted(VAULT.object, "plugin")), True, 5),
        ((PASSED,), (ACCEPTS_CERTS, Accepted(VAULT.object, "chart")), False, 5),
        ((PASSED,), (ACCEPTS_CERTS, Accepted("application/vau* -n argocd", "plugin")), False, 5),
        ((PASSED, BROKEN), (), False, 1),
        ((PASSED, HARNESS), (), False, 3),
        ((PASSED, WAITING), (ACCEPTS_CERTS, Accepted(VAULT.object, "plugin")), False, 0),
    ],
)
def test_what_is_unknown_and_not_accepted_by_object_and_reason_ends_with_5(
    results: tuple[Result, ...], accepted: tuple[Accepted, ...], require_all: bool, expected: int
) -> None:
    covered = Coverage(3, (CERTS, VAULT), accepted, require_all)
    assert verdict_on(results, coverage=covered).exit_code == expected


def test_a_test_that_could_not_judge_is_unknown_by_itself() -> None:
    assert verdict_on((PASSED, WAITING)).exit_code == ExitCode.UNKNOWN
    applications, monitoring = sorted(verdict_on((PASSED, WAITING)).promises, key=lambda row: row.promise)
    assert (applications.verdict, applications.holds) == ("not judged: cert-manager", False)
    assert applications.tests == "1 unknown"
    assert monitoring.holds
    assert verdict_on((PASSED, WAITING), coverage=Coverage(3, (CERTS,))).unknown == (CERTS,), "told once"


@pytest.mark.parametrize(
    ("pytests", "results", "expected"),
    [
        (0, (PASSED,), 5),
        (0, (WAITING,), 5),
        (1, (PASSED, BROKEN), 1),
        (1, (PASSED,), 3),
        (2, (PASSED,), 2),
        (0, (SKIPPED,), 4),
        (INTERNAL_ERROR, (PASSED,), INTERNAL_ERROR),
        (USAGE_ERROR, (PASSED,), USAGE_ERROR),
        (NO_TESTS, (), 4),
    ],
)
def test_a_run_that_fails_for_another_reason_keeps_its_status(
    pytests: int, results: tuple[Result, ...], expected: int
) -> None:
    assert exit_status(pytests, verdict_on(results, coverage=Coverage(3, (CERTS,)))) == expected


def test_a_promise_is_not_said_to_hold_where_something_is_not_judged() -> None:
    other, own = Result("test-x", Outcome.PASSED), verdict_on((PASSED,), coverage=Coverage(3, (CERTS, VAULT)))
    (row,) = own.promises
    assert (row.verdict, row.holds, row.lacking) == ("not judged in full: the rest holds", False, "2 Applications")
    (row,) = verdict_on((other,), coverage=Coverage(3, (CERTS,))).promises
    assert (row.promise, row.verdict, row.lacking) == ("(other tests)", "holds", "")
    (row,) = verdict_on((BROKEN,), coverage=Coverage(3, (CERTS,))).promises
    assert row.verdict == "BROKEN"


def test_what_is_accepted_in_vain_is_stale() -> None:
    covered = Coverage(3, (CERTS,), (ACCEPTS_CERTS, Accepted(CERTS.object, "plugin"), Accepted(VAULT.object, "plugin")))
    assert covered.stale(covered.not_judged) == covered.accepted[1:]


def test_what_is_not_accepted_comes_first() -> None:
    covered = Coverage(3, (CERTS, VAULT), (ACCEPTS_CERTS,))
    assert verdict_on((PASSED,), coverage=covered).unknown == (VAULT, CERTS)


def test_run_json_keeps_it_typed() -> None:
    covered = Coverage(3, (CERTS, VAULT), (ACCEPTS_CERTS,), require_all=True)
    verdict = verdict_on((PASSED, WAITING), coverage=covered)
    run, odd = SavedRun.from_json(json.loads(json.dumps({"exit_code": 5, "verdict": verdict.as_json()})))
    assert odd == []
    assert run.verdict.coverage == covered
    assert run.verdict.unknown == verdict.unknown
    assert run.verdict.tests[1].unknown == CERTS
    old, odd = SavedRun.from_json({"exit_code": 0, "verdict": {"promises": [], "tests": []}})
    assert (old.verdict.coverage, odd) == (Coverage(), []), "of an earlier harness"
