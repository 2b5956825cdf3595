"""Whole runs over fakes: what blocks is told by a failure, once."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.box import Box, unjudge

BROKEN = """
from types import SimpleNamespace
from platform_e2e.pytest_plugin.run import BROKEN, LACKING
from platform_e2e.diagnosis.attribution import BlockedByPromise
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.runs.verdict import PromiseBroken

SPEAKER = Finding(
    "release/metallb -n metallb-system", Promise.LOADBALANCER, "the release is ready", "no node wants a pod of it",
    Cause("loadbalancer-not-announced-no-speaker", "the speaker runs on no node", "correct it (values.yaml:3)"),
    {"release": "metallb"},
)

def found(cause, promise=Promise.LOADBALANCER):
    return Finding("service/chat -n chat-dev", promise, "x", "y", Cause(cause, f"because of {cause}", "mend it"))

@pytest.fixture(autouse=True)
def broken(request):
    request.config.stash[BROKEN] = [(SimpleNamespace(chart="metallb", name="metallb"), SPEAKER)]
"""

RELEASE = """
@pytest.mark.promise("loadbalancer")
def test_release(cluster):
    raise PromiseBroken([SPEAKER])
"""

FOLLOWS = """
@pytest.mark.promise("loadbalancer")
def test_silent(cluster):
    raise PromiseBroken([found("loadbalancer-arp-silent")])

@pytest.mark.promise("loadbalancer")
def test_control(cluster):
    assert False, "it stays pending"

@pytest.mark.promise("loadbalancer")
def test_written(cluster):
    raise PromiseBroken([found("loadbalancer-pool-unknown")])

@pytest.mark.promise("monitoring")
def test_scraped(cluster): ...
"""

NOWHERE = """
from platform_e2e.diagnosis.attribution import BlockedByPromise
from platform_e2e.finding import Cause, Finding, Promise

HOOK = Finding(
    "application/a -n argocd", Promise.APPLICATIONS, "synced", "a hook fails", Cause("pod-crash", "the hook ended with 1", "read its log")
)

@pytest.mark.promise("applications")
def test_converged(cluster): ...

@pytest.mark.promise("selfheal")
@pytest.mark.parametrize("number", range(2))
def test_heals(cluster, number):
    raise BlockedByPromise([HOOK])
"""


def outcomes(box: Box) -> dict[str, str]:
    return {one["test"].rpartition("::")[2]: one["outcome"] for one in box.result["verdict"]["tests"]}


@pytest.mark.point("foundation-by-values")
@pytest.mark.point("one-fault-one-failure")
def test_what_follows_from_a_release_that_is_not_ready_is_blocked_by_its_test(box: Box) -> None:
    box.tests(BROKEN + RELEASE + FOLLOWS)
    status, out = box.run()
    assert status == 1, out
    assert outcomes(box) == {
        "test_release": "failed",
        "test_silent": "blocked",
        "test_control": "blocked",
        "test_written": "failed",
        "test_scraped": "passed",
    }
    reasons = {one["reason"] for one in box.result["verdict"]["tests"] if one["outcome"] == "blocked"}
    assert reasons == {
        "blocked by promise loadbalancer: the speaker runs on no node [loadbalancer-not-announced-no-speaker]"
    }
    assert box.result["verdict"]["broken_phase"] == ""


@pytest.mark.point("hook-failure-told")
def test_what_no_test_of_its_promise_has_told_is_the_failure_of_the_first_that_it_blocks(box: Box) -> None:
    box.tests(NOWHERE)
    status, out = box.run()
    assert status == 1, out
    assert outcomes(box) == {"test_converged": "passed", "test_heals[0]": "failed", "test_heals[1]": "blocked"}
    (first,) = [one for one in box.result["verdict"]["tests"] if one["outcome"] == "failed"]
    assert [one["cause"]["id"] for one in first["findings"]] == ["pod-crash"]
    (second,) = [one for one in box.result["verdict"]["tests"] if one["outcome"] == "blocked"]
    assert second["reason"] == "blocked by promise selfheal: the hook ended with 1 [pod-crash]"
    rows = {row["promise"]: row["verdict"] for row in box.result["verdict"]["promises"]}
    assert rows == {"applications": "holds", "selfheal": "BROKEN"}
    junit = ET.parse(Path(box.artifacts / "latest" / "junit.xml"))
    assert [one.get("type") for one in junit.iter("failure")] == ["pod-crash"]
    assert len(list(junit.iter("skipped"))) == 1


WAITING = """
import json
from platform_e2e.pytest_plugin.run import LACKING
from platform_e2e.diagnosis.attribution import BlockedByPromise
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.runs.verdict import PromiseBroken

def about(cause, through="", name="one"):
    told = Cause(cause, f"because of {cause}", "mend it", through=through)
    return Finding(f"application/{name} -n argocd", Promise.APPLICATIONS, "it converges", "it does not", told)

WAITS = about("application-waits-for-unjudged", "application/certs -n argocd")

@pytest.fixture(autouse=True)
def lacking(request):
    request.config.stash[LACKING] = {"one": WAITS}

@pytest.mark.promise("applications")
def test_converged(cluster):
    raise PromiseBroken([WAITS])

@pytest.mark.promise("loadbalancer")
def test_below(cluster):
    raise BlockedByPromise([WAITS])

@pytest.mark.promise("selfheal")
def test_heals(cluster): ...
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_waits_for_something_unjudged_is_unknown_and_breaks_no_promise(box: Box, workers: str) -> None:
    box.tests(WAITING)
    unjudge(box)
    status, out = box.run("e2e", "-n", workers)
    assert status == 5, out
    assert outcomes(box) == {"test_converged": "unknown", "test_below": "unknown", "test_heals": "passed"}
    assert "2 unknown" in out
    assert "it stands on application/certs -n argocd, which is not judged (chart)" in " ".join(out.split())
    assert {one["promise"]: one["verdict"].partition(":")[0] for one in box.result["verdict"]["promises"]} == {
        "applications": "not judged", "loadbalancer": "not judged", "selfheal": "not judged in full",
    }  # fmt: skip
    assert "breaks the promise" not in out
    skipped = ET.parse(box.artifacts / "latest" / "junit.xml").getroot().find("testsuite")
    assert skipped is not None
    assert (skipped.get("failures"), skipped.get("skipped")) == ("0", "4"), "two tests, and two objects"
    unjudge(box, certs="chart", vault="plugin")
    status, out = box.run("e2e", "-n", workers)
    assert status == 0, out


def test_another_fault_beside_what_waits_is_told(box: Box) -> None:
    red = '\n\n@pytest.mark.promise("applications")\ndef test_policy(cluster):\n    raise PromiseBroken([about("application-not-pruning")])\n'
    box.tests(WAITING + red)
    unjudge(box)
    status, out = box.run()
    assert status == 1, out
    assert outcomes(box)["test_policy"] == "failed"
    assert "[application-not-pruning]" in out


REFUSED = """
from platform_e2e.kube.errors import Forbidden

def refused(why):
    said = f"services is forbidden: ValidatingAdmissionPolicy 'owner' with binding 'all' denied request: {why}"
    return Forbidden("POST Service probe -n platform-e2e-probe", 422, "Invalid", said)

@pytest.mark.promise("loadbalancer")
@pytest.mark.parametrize("number", [1, 2])
def test_probe(cluster, number):
    raise refused("SAYS")
"""


def test_a_rule_that_refuses_what_the_harness_needs_leaves_its_tests_unknown(box: Box) -> None:
    box.tests(REFUSED.replace("SAYS", "it must have an owner"))
    status, out = box.run()
    assert status == 5, out
    assert "2 unknown" in out
    assert "not judged: it stands on validatingadmissionpolicy/owner, which is not judged (admission)" in out


def test_a_rule_that_fails_is_told_once_and_blocks_the_others(box: Box) -> None:
    box.tests(REFUSED.replace("SAYS", "expression 'a' resulted in error: no such key: annotations"))
    status, out = box.run()
    assert status == 1, out
    assert "1 failed" in out
    assert "1 blocked" in out
    assert "[admission-refuses]" in out
