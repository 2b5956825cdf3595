"""A cause is waited for once in a run, and blocks in the name of the promise whose test reports it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from platform_e2e.checks.polling import until_no_findings
from platform_e2e.diagnosis import known_findings
from platform_e2e.diagnosis.attribution import BlockedByPromise, findings_of_promise
from platform_e2e.diagnosis.known_findings import KnownFindings
from platform_e2e.finding import Cause, Finding, Promise

CRASH = Cause(
    "pod-crash",
    "container chat of pod/chat-1 -n chat-dev has ended 3 times",
    "look",
    through="deployment/chat -n chat-dev",
)


def finding(cause: Cause = CRASH, name: str = "service/chat -n chat-dev") -> Finding:
    return Finding(name, Promise.LOADBALANCER, "an address", "none", cause)


@pytest.mark.point("one-fault-one-failure")
def test_a_cause_that_was_waited_for_ends_the_next_wait_at_once(tmp_path: Path) -> None:
    with known_findings.kept_in(tmp_path / "found"):
        assert until_no_findings(lambda: [finding()], timeout=0.2, what="it answers")
        began = time.monotonic()
        # Another object, met through the same Deployment; its pod has ended once more meanwhile.
        other = finding(
            replace(CRASH, sentence="container chat of pod/chat-1 -n chat-dev has ended 4 times"),
            "configmap/a -n argocd",
        )
        assert until_no_findings(lambda: [other], timeout=30, what="it can heal")
        assert time.monotonic() - began < 5


@pytest.mark.point("one-fault-one-failure")
def test_another_cause_and_another_object_have_their_own_wait(tmp_path: Path) -> None:
    memory = KnownFindings(tmp_path)
    memory.note(finding(), Promise.APPLICATIONS)
    assert memory.promise(finding()) == Promise.APPLICATIONS
    assert memory.promise(finding(replace(CRASH, id="pod-probe"))) is None
    elsewhere = Cause("pod-crash", "another", "look", through="deployment/chat -n chat-prod")
    assert memory.promise(finding(elsewhere, "service/chat -n chat-prod")) is None


@pytest.mark.point("one-fault-one-failure")
def test_a_look_without_a_wait_is_remembered_by_no_other_test(tmp_path: Path) -> None:
    with known_findings.kept_in(tmp_path):
        assert until_no_findings(lambda: [finding()], timeout=0.0, what="it answers")
        assert known_findings.current().promise(finding()) is None
    assert known_findings.current().promise(finding()) is None


@pytest.mark.point("one-fault-one-failure")
def test_a_cause_blocks_in_the_name_of_the_test_that_reports_it(tmp_path: Path) -> None:
    with known_findings.kept_in(tmp_path):
        # A pod of a foundation, reported by the release's own test.
        known_findings.current().note(finding(), Promise.MONITORING)
        with pytest.raises(BlockedByPromise) as raised:
            findings_of_promise([finding()])
    assert raised.value.by.startswith("promise monitoring: container chat")
    assert raised.value.findings == (finding(),)


def test_outside_of_a_run_nothing_is_remembered() -> None:
    known_findings.current().note(finding(), Promise.APPLICATIONS)
    assert known_findings.current().promise(finding()) is None
