"""LoadBalancer addresses come from the pool that Git states, a node announces them, and they answer from outside."""

from __future__ import annotations

import pytest

from e2e.conftest import Prerequisites
from platform_e2e.testing import Cluster, Kube, Layer, Platform, Promises, consistently, eventually, own, require
from platform_e2e.testing.checks import (
    TESTS,
    explain,
    ingress,
    loadbalancer,
    negative_fixtures,
    node,
    served_class,
    unsynced,
)

pytestmark = pytest.mark.promise("loadbalancer")

ANNOUNCE_SECONDS = 30.0
"""For an address that is there to be announced and answered; the speaker needs about a second."""

PENDING_SECONDS = 5.0
"""How long a Service without room must stay pending; MetalLB assigns within a second (scenario L6)."""

RELEASED_SECONDS = 60.0
"""For an address that was freed to be given to who waits for it (scenario L7)."""


@pytest.mark.scenario("L1", "L2", "L3", "L4", "E1")
@pytest.mark.smoke
def test_service_answers_at_an_address_of_its_pool(
    wanted: loadbalancer.WantedService,
    outside: loadbalancer.Outside,
    prerequisites: Prerequisites,
    kube: Kube,
    promises: Promises,
) -> None:
    """It has an address that the rules allow, alone, announced by one node, and answers there as the layer says."""
    seen, findings = loadbalancer.watch(wanted, kube, outside, timeout=prerequisites.at_most(ANNOUNCE_SECONDS))
    require(prerequisites.unmade(findings))
    promises.report(own(findings, prerequisites), figures=loadbalancer.figures(seen))


@pytest.mark.smoke
def test_service_that_says_it_has_an_address_is_of_type_loadbalancer(layer: Layer, promises: Promises) -> None:
    """A Service whose type was changed no longer has a case above; its annotations still say what it promised."""
    promises.report([finding for rendered in layer.of_kind("v1/Service") for finding in loadbalancer.typed(rendered)])


@pytest.mark.judges_all
def test_no_service_outside_of_git_takes_an_address(platform: Platform, kube: Kube, promises: Promises) -> None:
    """Every other LoadBalancer Service of the cluster would take addresses that were not planned."""
    every = platform.layer.load_balancers(every=True)
    known = {(str(balancer.service.namespace), balancer.service.name) for balancer in every}
    findings = loadbalancer.unplanned(kube, known, TESTS, platform.layer.aside)
    require(unsynced.unpruned(findings, platform.lacking(), kube))
    promises.report(findings)


@pytest.mark.scenario("L4")
@pytest.mark.smoke
@pytest.mark.needs("nodes")
def test_node_knows_the_address_only_as_a_rule(
    wanted: loadbalancer.WantedService,
    outside: loadbalancer.Outside,
    prerequisites: Prerequisites,
    cluster: Cluster,
    promises: Promises,
) -> None:
    """The address sits on no interface of the announcing node, and kube-proxy's rules take in what is sent to it."""
    seen, findings = loadbalancer.watch(
        wanted, prerequisites.kube, outside, timeout=prerequisites.at_most(ANNOUNCE_SECONDS)
    )
    require(prerequisites.unmade(findings) or findings)
    host = cluster.node(seen.nodes[0]).host
    promises.report(node.check(wanted.service, ingress(seen.service or {}), seen.nodes[0], host))


@pytest.mark.scenario("L6", "L7")
@pytest.mark.exclusive("metallb")
def test_control_service_without_room_stays_pending(metallb: str, kube: Kube, namespace: str) -> None:
    """A pool of one address has none for a second Service: it stays pending, the cause is named, and it is the only one."""
    served = served_class(kube)
    with negative_fixtures.pool_of_one(kube, namespace, metallb) as pool:
        first = kube.create(negative_fixtures.service("first", namespace, pool, served))
        eventually(
            kube.one("v1/Service", "first", namespace),
            loadbalancer.has_address,
            timeout=ANNOUNCE_SECONDS,
            what="first has it",
        )
        # Only now: where MetalLB learns of the pool after both are there, it gives the address to either.
        second = kube.create(negative_fixtures.service("second", namespace, pool, served))
        waiting = kube.one("v1/Service", "second", namespace)
        consistently(waiting, loadbalancer.is_pending, for_=PENDING_SECONDS, what="second stays pending")
        cause = explain(second, kube)
        assert cause is not None
        assert cause.id == "loadbalancer-pool-full"
        assert f"service/first -n {namespace}" in cause.sentence
        kube.delete("v1/Service", first["metadata"]["name"], namespace)
        eventually(
            waiting,
            loadbalancer.has_address,
            timeout=RELEASED_SECONDS,
            what="second gets the address that first gave back",
        )
