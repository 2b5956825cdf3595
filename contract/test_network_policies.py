"""NetworkPolicies are enforced, case by case as they are documented (networking.k8s.io/v1); each case has what it must not close."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from contract import connections
from contract.conftest import Standing
from contract.connections import Pods
from contract.policy_cases import CASES, CLIENT, CLIENTS, HTTP, NEAR, Case, Try, ingress, peers
from platform_e2e.cluster.provider import Images
from platform_e2e.kube.expect import Met, Pending, Verdict, consistently, poll
from platform_e2e.kube.objects import Object

pytestmark = pytest.mark.needs("network_policies", "nodes", "node_network")

KIND = "networking.k8s.io/v1/NetworkPolicy"

ENFORCED_SECONDS = 20.0
"""Timeout for a changed policy to hold; a quarter of a second is usual."""

QUESTIONS = 12
"""On one connection, while a policy is made: six seconds."""


@pytest.fixture(scope="module")
def found(standing: Standing) -> Iterator[Pods]:
    """Make the pods that the policies are tried on."""
    if standing.spec.source is not Images.BUILT:
        pytest.skip("the tests need the shell of a node that is built here; k3s enforces by the same controller")
    yield from connections.made(standing)


@pytest.fixture(autouse=True)
def _no_policy(standing: Standing) -> Iterator[None]:
    """Remove a test's policies when it ends."""
    yield
    for policy in standing.kube.list(KIND, "near"):
        standing.kube.delete(KIND, policy["metadata"]["name"], "near")


def await_open(found: Pods, tried: Sequence[Try], left: Sequence[Try]) -> None:
    """Wait until only these connections are open of those that are tried."""
    wanted = {each: each in left for each in tried}

    def look() -> Verdict:
        seen = found.open(wanted)
        wrong = [
            f"{each} is {'open' if is_open else 'closed'}" for each, is_open in seen.items() if is_open != wanted[each]
        ]
        return Pending("; ".join(wrong)) if wrong else Met(None)

    poll(look, timeout=ENFORCED_SECONDS, what=f"{len(left)} of {len(wanted)} connections are open")


def policy(found: Pods, number: int, spec: Any) -> Object:
    """Return a policy with the addresses that its spec names in braces."""
    addresses = {name: found.address(name) for name in found.found} | {"host": found.standing.facts.host_address}

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return value.format(**addresses) if isinstance(value, str) else value

    metadata = {"name": f"p{number}", "namespace": "near"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": filled(spec)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_only_what_policies_allow_is_open(standing: Standing, found: Pods, case: Case) -> None:
    """All is open, then what the policies allow, then all again when they are gone."""
    await_open(found, case.tried, case.tried)
    for number, spec in enumerate(case.specs):
        standing.kube.create(policy(found, number, spec))
    await_open(found, case.tried, case.left)
    for number, _ in enumerate(case.specs):
        standing.kube.delete(KIND, f"p{number}", "near")
    await_open(found, case.tried, case.tried)


def test_a_node_reaches_its_own_pods_whatever_is_denied(standing: Standing, found: Pods) -> None:
    """The kubelet's probes go on succeeding; the control is a client that is kept out."""
    standing.kube.create(policy(found, 0, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}))
    await_open(found, CLIENTS, [])

    def is_ready(pod: Object | None) -> Verdict:
        conditions = {each["type"]: each["status"] for each in (pod or {})["status"]["conditions"]}
        return Met(None) if conditions["Ready"] == "True" else Pending("it is not ready")

    consistently(standing.kube.one("v1/Pod", "server", "near"), is_ready, for_=4.0, what="pod server stays ready")


def test_a_policy_holds_for_new_pods_and_changed_labels(standing: Standing, found: Pods) -> None:
    """A pod gets in as soon as it has the label, and is kept out again without it."""
    standing.kube.create(policy(found, 0, ingress(peers({"podSelector": {"matchLabels": {"may": "enter"}}}))))
    await_open(found, CLIENTS, [])
    for value, left in (("enter", [NEAR[1]]), (None, [])):
        standing.kube.patch("v1/Pod", "stranger", {"metadata": {"labels": {"may": value}}}, "near")
        await_open(found, CLIENTS, left)


def test_a_new_policy_ends_the_connections_that_it_does_not_allow(standing: Standing, found: Pods) -> None:
    """Questions on an open connection are answered until the policy is made; on one that it allows they go on."""
    with ThreadPoolExecutor() as pool:
        kept_out = pool.submit(found.hold, "stranger", "server", HTTP, QUESTIONS)
        let_in = pool.submit(found.hold, "client", "server", HTTP, QUESTIONS)
        await_open(found, CLIENTS, CLIENTS)
        standing.kube.create(policy(found, 0, ingress(peers({"podSelector": CLIENT}))))
        before, after = kept_out.result(), let_in.result()
    assert before[0] == "answered"
    assert before[-1] == "silent"
    assert set(after) == {"answered"}
