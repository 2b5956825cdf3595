"""What may wait, until when, and what a baseline excuses."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.validation.gate import Gate

FINDING = Finding(
    "service/chat -n chat-dev",
    Promise.LOADBALANCER,
    "it answers",
    "silence",
    Cause("loadbalancer-pool-full", "it is", "add"),
)
OTHER = replace(FINDING, object="service/web -n web", cause=replace(FINDING.cause, id="loadbalancer-arp-silent"))


def gate(tmp_path: Path, policy: str = "", baseline: object = None, today: str = "2026-11-30") -> Gate:
    """Return a gate of these files."""
    rules, known = tmp_path / "policy.yaml", tmp_path / "baseline.json"
    rules.write_text(policy)
    known.write_text(json.dumps(baseline))
    found = Gate.read(rules if policy else None, known if baseline else None)
    return replace(found, today=date.fromisoformat(today))


def test_without_files_everything_counts(tmp_path: Path) -> None:
    assert gate(tmp_path).sorted([FINDING, OTHER], "prod") == ([FINDING, OTHER], [])


@pytest.mark.parametrize(
    ("today", "waits"), [("2026-11-29", False), ("2026-11-30", True), ("2026-12-31", True), ("2027-01-01", False)]
)
def test_a_rule_counts_from_its_first_day_to_its_last(tmp_path: Path, today: str, *, waits: bool) -> None:
    policy = "rules:\n- {action: wait, cause: loadbalancer-*, since: 2026-11-30, until: 2026-12-31, reason: new pool}\n"
    counted, excused = gate(tmp_path, policy, today=today).sorted([FINDING], "prod")
    assert (counted, excused) == (
        ([], [(FINDING, "the policy lets it wait, until 2026-12-31: new pool")]) if waits else ([FINDING], [])
    )


def test_the_first_rule_that_fits_decides_also_against_the_baseline(tmp_path: Path) -> None:
    policy = 'rules:\n- {action: block, object: "service/chat *"}\n- {action: wait, promise: loadbalancer}\n'
    known = {"clusters": [{"cluster": "prod", "findings": [FINDING.as_json(), OTHER.as_json()]}]}
    counted, excused = gate(tmp_path, policy, known).sorted([FINDING, OTHER], "prod")
    assert counted == [FINDING]
    assert excused == [(OTHER, "the policy lets it wait: no reason given")]


@pytest.mark.parametrize(("expires", "excused"), [("2026-11-30", True), ("2026-11-29", False)])
def test_a_baseline_excuses_what_was_there_until_it_expires(tmp_path: Path, expires: str, *, excused: bool) -> None:
    known = {"clusters": [{"cluster": "prod", "findings": [FINDING.as_json()]}], "expires": expires}
    counted, waiting = gate(tmp_path, baseline=known).sorted([FINDING, OTHER], "prod")
    assert counted == ([OTHER] if excused else [FINDING, OTHER])
    assert waiting == ([(FINDING, "it is in the baseline, until 2026-11-30")] if excused else [])


def test_a_baseline_of_another_cluster_excuses_nothing(tmp_path: Path) -> None:
    known = {"clusters": [{"cluster": "dev", "findings": [FINDING.as_json()]}]}
    assert gate(tmp_path, baseline=known).sorted([FINDING], "prod") == ([FINDING], [])


def test_a_promise_may_be_unknown_where_the_policy_says_so(tmp_path: Path) -> None:
    found = gate(tmp_path, "accept:\n- {promise: environments, reason: one environment}\n")
    assert found.accepted("environments") == "one environment"
    assert found.accepted("monitoring") == ""


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("rules:\n- {action: allow}\n", "action"),
        ("rules:\n- {action: wait, causes: x}\n", "causes"),
        ("rules: 5\n", "rules"),
        ("a: [\n", ""),
    ],
)
def test_a_policy_of_another_form_is_wrong_usage(tmp_path: Path, policy: str, problem: str) -> None:
    with pytest.raises(WrongUsage) as error:
        gate(tmp_path, policy)
    assert str(error.value).startswith(f"--policy {tmp_path}/policy.yaml cannot be used: ")
    assert problem in str(error.value)


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="--baseline must be a file, got"):
        Gate.read(None, tmp_path / "none.json")
