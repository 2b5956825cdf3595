from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from platform_e2e import checks, paths
from platform_e2e.breaks.declaration import Break, load_all
from platform_e2e.diagnosis import explain as package
from platform_e2e.diagnosis import registry
from platform_e2e.diagnosis.causes import CAUSES, Symptom, patience, promise_of, unexplained
from platform_e2e.finding import PROVEN, Cause, Promise


@functools.cache
def breaks() -> list[Break]:
    """Return the breaks of this repository, read once and not by those who only collect the tests."""
    return load_all(paths.ROOT / "breaks")


def ids_in_sources() -> set[str]:
    """Return the first argument of every Cause(...) of the checks and explanations."""
    found: set[str] = set()
    for module in (package, checks):
        for file in Path(str(module.__file__)).parent.glob("*.py"):
            found |= set(re.findall(r'Cause\(\s*"([a-z0-9-]+)"', file.read_text()))
    return found


def test_every_cause_that_can_be_named_is_in_the_table() -> None:
    named = ids_in_sources()
    assert len(named) > 40
    assert named <= CAUSES.keys()


def test_a_cause_belongs_to_one_promise_whoever_meets_it() -> None:
    cause = Cause("pod-image", "no image", "push it")
    assert promise_of(cause, Promise.LOADBALANCER) == Promise.APPLICATIONS


def test_what_is_unexplained_belongs_to_who_met_it() -> None:
    assert promise_of(unexplained("nothing"), Promise.MONITORING) == Promise.MONITORING
    assert patience(unexplained("nothing")) is None


def test_a_cause_of_a_teams_own_belongs_to_the_promise_that_met_it() -> None:
    assert promise_of(Cause("issuer-missing", "", ""), "certificates") == "certificates"


def test_what_git_says_need_not_be_waited_for() -> None:
    assert patience(Cause("application-not-selfhealing", "", "")) == 0
    assert (patience(Cause("monitor-unselected", "", "")) or 0) > 0
    assert patience(Cause("pod-starting", "", "")) is None


def test_every_explanation_says_in_its_first_line_what_it_is_about() -> None:
    functions = {f for several in registry.registered().values() for f in several}
    assert len(functions) > 20
    assert all((f.__doc__ or "").strip() for f in functions)


def test_each_break_names_a_cause_of_its_promise() -> None:
    found = {one.name: promise_of(Cause(one.cause, "", ""), one.promise) for one in breaks()}
    assert found == {one.name: one.promise for one in breaks()}


def test_no_two_breaks_say_the_same() -> None:
    said = [(fault.cause, fault.sentence) for fault in breaks()]
    assert len(said) == len(set(said))


WITHOUT_BREAK = {
    "loadbalancer-wrong-address": "MetalLB gives no other address than the one that is asked for; another controller might",
    "loadbalancer-shared-address": "MetalLB lets two Services share an address only where both agree",
    "loadbalancer-not-recorded": "a controller that gives addresses and may not write events is none that the chart can make",
    "loadbalancer-arp-silent": "a speaker says that it announces only what it answers for; the segment is not the layer's",
    "loadbalancer-arp-other-node": "it takes another machine on the segment",
    "loadbalancer-on-interface": "it takes the nodes' own addresses, which differ from cluster to cluster",
    "monitor-not-loaded": "it takes a config reloader that is down, or a configuration that the operator passes and Prometheus refuses",
    "monitor-stale-scrape": "it takes a Prometheus that is overloaded or stands still",
}
"""Causes about addresses and targets that no change of the layer produces on every cluster, and why."""


def test_every_cause_about_addresses_and_targets_has_a_break_or_a_reason() -> None:
    about = {one for one in CAUSES if one.startswith(("loadbalancer-", "monitor-"))}
    broken = {fault.cause for fault in breaks()}
    assert about - broken == WITHOUT_BREAK.keys()


def test_what_a_cause_is_seen_from_decides_what_it_hides() -> None:
    assert {cause for cause, known in CAUSES.items() if known.symptom is Symptom.WORKLOAD_NOT_READY} == {
        "pod-configuration", "pod-crash", "pod-image", "pod-probe", "pod-starting", "pod-unschedulable", "sealed-secret-unattended",
        "secret-not-managed", "secret-not-unsealed", "workload-quota", "workload-refused",
    }  # fmt: skip
    # Not monitor-no-endpoints, though selectors say it too: a pod that has no node or volume has no address.
    assert {cause for cause, known in CAUSES.items() if known.symptom is Symptom.CONFIGURATION} == {
        "alertmanager-config-namespace-unselected", "alertmanager-config-rejected", "alertmanager-config-unselected",
        "loadbalancer-address-outside-pools", "loadbalancer-address-taken", "loadbalancer-class-missing",
        "loadbalancer-no-pool", "loadbalancer-other-class", "loadbalancer-pool-full", "loadbalancer-pool-not-allowed",
        "loadbalancer-pool-unknown", "loadbalancer-refused", "loadbalancer-wrong-address", "loadbalancer-wrong-pool",
        "monitor-namespace-unselected", "monitor-pod-unmatched", "monitor-port-name", "monitor-rejected",
        "monitor-service-unmatched", "monitor-target-port", "monitor-unselected", "probe-rejected",
        "rule-namespace-unselected", "rule-rejected", "rule-unselected", "scrape-config-rejected", "scrape-config-targets",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("promise", "checkout", "where"),
    [
        ("", True, "add the cause to platform_e2e/diagnosis/explain"),
        ("monitoring", True, "add the cause to platform_e2e/diagnosis/explain"),
        ("greetings", True, "explain it with @explains in your tests (docs/promises.md)"),
        ("monitoring", False, "explain it with @explains in your tests (docs/promises.md)"),
    ],
)
def test_what_is_unexplained_is_explained_where_its_promise_is(
    promise: str, checkout: bool, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "CHECKOUT", paths.ROOT if checkout else None)
    token = PROVEN.set(promise)
    try:
        assert unexplained("x").remedy == f"look at the events and logs that were kept, then {where}"
    finally:
        PROVEN.reset(token)
