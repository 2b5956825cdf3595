"""Every LoadBalancer Service has an address of the pool it may have, a node announces it, and it answers from outside.

A Service has at most one finding: that of the first link of the chain which is broken, since all later ones hang on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from platform_e2e.checks.loadbalancer.observe import ObservedService, Outside, WantedService, observe
from platform_e2e.checks.loadbalancer.unanswered import kept_out, unreachable, wrong_answer
from platform_e2e.checks.polling import seen_until_no_findings
from platform_e2e.checks.unjudged import Makers
from platform_e2e.diagnosis.causes import OBJECT_MISSING, unexplained
from platform_e2e.diagnosis.explain.loadbalancer import ingress
from platform_e2e.diagnosis.explain.metallb_pools import (
    allocated_pool,
    allowed_pools,
    asks_at,
    refused_request,
    requested_addresses,
    requested_pool,
)
from platform_e2e.diagnosis.explain.metallb_sharing import SHARING, sharing_key
from platform_e2e.diagnosis.objects import at, labels_of, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.expect import Met, Pending, Verdict
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import EXEMPT, NotJudged, Rendered, asking

EVENTS = ("IPAllocated", "nodeAssigned")
"""Reasons of MetalLB's events (MetalLB 0.15.3, controller/service.go and speaker/main.go)."""

SERVED_BY_OTHERS = frozenset(
    {"loadbalancer-other-controller", "loadbalancer-other-class", "loadbalancer-class-missing"}
)
"""Causes before which it does not matter which addresses MetalLB's pools have."""

NO_ADDRESS = "it has no address"
"""What is observed of a Service that is pending."""


def check(wanted: WantedService, seen: ObservedService) -> list[Finding]:
    """Return the finding of the first link that is broken, or an empty list.

    Args:
        wanted: what must be true.
        seen: what is.
    """
    for link in (
        _exists,
        _in_git,
        _addressed,
        _asked_well,
        _allowed,
        _alone,
        _announced,
        _recorded,
        _answers_arp,
        _answers,
    ):
        problem = link(wanted, seen)
        if problem is not None:
            expected, observed, cause = problem
            found = wanted.located(cause)
            finding = Finding(name_of(wanted.service), Promise.LOADBALANCER, expected, observed, found)
            return [replace(finding, details=figures(seen))]
    return []


def watch(
    wanted: WantedService, view: ReadApi, host: Outside, *, timeout: float
) -> tuple[ObservedService, list[Finding]]:
    """Look at a Service until nothing is wrong with it or waiting no longer helps; return what was seen and found last.

    Args:
        wanted: the Service.
        view: of the cluster.
        host: where the questions are asked from.
        timeout: seconds.
    """
    return seen_until_no_findings(
        lambda: observe(wanted, view, host),
        lambda seen: check(wanted, seen),
        timeout=timeout,
        what=f"{name_of(wanted.service)} answers from outside",
    )


def figures(seen: ObservedService) -> dict[str, Any]:
    """Return what the verdict's table shows of a Service."""
    if seen.service is None or not ingress(seen.service):
        return {}
    found: dict[str, Any] = {
        "address": ingress(seen.service),
        "pool": allocated_pool(seen.service),
        "node": list(seen.nodes),
    }
    if seen.arp_seconds is not None:
        found["arp_seconds"] = seen.arp_seconds
    if seen.answer is not None and not seen.answer.problem:
        found["answer_seconds"] = seen.answer.seconds
        found["answered"] = seen.answer.how
    return found


Problem = tuple[str, str, Cause] | None
"""Expected, observed and cause, or None where the link holds."""


def _exists(_wanted: WantedService, seen: ObservedService) -> Problem:
    if seen.service is not None:
        return None
    cause = Cause(
        OBJECT_MISSING, "the Service is in Git and not in the cluster", "look at the Application that renders it"
    )
    return "the Service exists", "it does not", cause


def _in_git(wanted: WantedService, seen: ObservedService) -> Problem:
    """Judge what the Service asks for against the pools of Git: on this cluster they may have other addresses."""
    if wanted.outside is None or (seen.cause is not None and seen.cause.id in SERVED_BY_OTHERS):
        return None
    got = ingress(seen.service or {})
    asked = listed(requested_addresses(wanted.service))
    if not got:
        return f"the address {asked}", NO_ADDRESS, wanted.outside
    pools = listed([f"{pool.name} ({pool.stated or pool.written})" for pool in wanted.pools])
    return f"a request for an address of {pools}", f"it asks for {asked}, and has {listed(got)} here", wanted.outside


def _addressed(wanted: WantedService, seen: ObservedService) -> Problem:
    if ingress(seen.service or {}):
        return None
    asked = requested_addresses(wanted.service)
    expected = f"the address {listed(asked)}" if asked else "an address from a pool"
    return expected, NO_ADDRESS, seen.cause or unexplained("the Service is pending")


def _asked_well(wanted: WantedService, seen: ObservedService) -> Problem:
    """Judge what the Service asks for, where it has an address from before it asked so."""
    refused = refused_request(wanted.service)
    if not refused:
        return None
    cause = Cause(
        "loadbalancer-refused",
        f"MetalLB gives {name_of(wanted.service)} no address once it is created again: {refused}",
        "correct what the message names: annotations or loadBalancerIP of the Service",
        field=asks_at(wanted.service),
    )
    return "a request that MetalLB accepts", f"it has {listed(ingress(seen.service or {}))} from before", cause


def _allowed(wanted: WantedService, seen: ObservedService) -> Problem:
    """Judge the address against the pools as Git has them, and MetalLB's annotation against both."""
    service = seen.service or {}
    asked, got, said = requested_addresses(wanted.service), ingress(service), allocated_pool(service)
    pools = allowed_pools(wanted.service, seen.namespace_labels, wanted.pools)
    expected = f"an address of {listed([f'{p.name} ({p.written})' for p in pools], 'no pool')}"
    holding = [p.name for p in pools if all(ip_address(address) in p for address in got)]
    observed = f"it has {listed(got)} from {said or 'no pool that MetalLB names'}"
    if not holding:
        return expected, observed, _strange(wanted, seen)
    if said not in holding:
        cause = Cause(
            "loadbalancer-wrong-pool",
            f"MetalLB says that {listed(got)} came from the pool {said or '(none)'}, in Git it lies in {listed(holding)}",
            "look whether MetalLB's controller runs with the configuration of Git",
        )
        return expected, observed, cause
    if asked and sorted(asked) != sorted(got):
        cause = Cause(
            "loadbalancer-wrong-address",
            f"{name_of(service)} asks for {listed(asked)} and was given {listed(got)}",
            "look at the events of the Service",
        )
        return f"the address {listed(asked)}", observed, cause
    return None


def _strange(wanted: WantedService, seen: ObservedService) -> Cause:
    """Explain an address that none of the allowed pools of Git has."""
    service = seen.service or {}
    got = ingress(service)
    has = f"{name_of(service)} has {listed(got)}"
    closed = next((p for p in wanted.pools if all(ip_address(address) in p for address in got)), None)
    if closed is not None:
        asks = bool(requested_addresses(wanted.service) or requested_pool(wanted.service))
        return Cause(
            "loadbalancer-wrong-pool",
            f"{has} and would not be given it again, for {closed.closed(asked=asks)}; MetalLB takes no address back",
            "let spec.autoAssign or spec.serviceAllocation of the pool include the Service, or name the pool in its "
            "annotation metallb.io/address-pool; recreated as it is it would get no address",
        )
    return seen.cause or Cause(
        "loadbalancer-wrong-pool",
        f"{has}, which lies in none of the pools of Git that it may be given an address of",
        "look for an IPAddressPool or another controller that is not in Git",
    )


def _alone(wanted: WantedService, seen: ObservedService) -> Problem:
    mine = sharing_key(wanted.service)
    for address, sharers in seen.sharers.items():
        strangers = [name for name, sharing in sharers if not mine or sharing != mine]
        if strangers:
            said = {name_of(wanted.service): mine, **{name: sharing for name, sharing in sharers if name in strangers}}
            keys = listed([f"{name} says {value}" for name, value in said.items() if value])
            cause = Cause(
                "loadbalancer-shared-address",
                f"{address} belongs to {name_of(wanted.service)} and to {listed(strangers)}, and they did not agree to share "
                f"it: of {SHARING} {keys if any(said.values()) else 'none has a value'}",
                f"give one of them another address, or both the same value of {SHARING}",
                field=("metadata", "annotations", SHARING),
            )
            return f"{address} belongs to it alone", f"{listed(strangers)} has it too", cause
    return None


def _announced(_wanted: WantedService, seen: ObservedService) -> Problem:
    got = listed(ingress(seen.service or {}))
    if len(seen.nodes) == 1 and seen.nodes[0] not in {"", "None"}:
        return None
    if len(seen.nodes) > 1:
        cause = unexplained(f"the nodes {listed(seen.nodes)} all say that they announce it")
        return f"one node announces {got}", f"{len(seen.nodes)} nodes do", cause
    cause = seen.cause or unexplained("no ServiceL2Status exists for the Service")
    return f"one node announces {got}", "no node does", cause


def _recorded(_wanted: WantedService, seen: ObservedService) -> Problem:
    if seen.events is None:
        return None
    missing = [reason for reason in EVENTS if reason not in seen.events]
    if not missing:
        return None
    cause = Cause(
        "loadbalancer-not-recorded",
        f"MetalLB has left no event {listed(missing)} on the Service, although it is younger than events last",
        "look at the log of MetalLB's controller and speaker",
    )
    return f"events {listed(EVENTS)}", f"events {listed(sorted(seen.events))}", cause


def _answers_arp(_wanted: WantedService, seen: ObservedService) -> Problem:
    for address, mac in seen.macs.items():
        expected = f"node {seen.nodes[0]} answers ARP requests for {address}"
        if mac is None:
            cause = seen.cause or Cause(
                "loadbalancer-arp-silent",
                f"no host on the segment answers ARP requests for {address}, which node {seen.nodes[0]} says it announces",
                "look at the speaker's log on that node, and whether its interface is on this segment",
            )
            return expected, "no host does", cause
        if mac != seen.node_mac:
            cause = Cause(
                "loadbalancer-arp-other-node",
                f"{mac} answers ARP requests for {address}, and node {seen.nodes[0]}, which announces it, is {seen.node_mac}",
                "look for another machine with that address, or a second cluster with the same pool on this segment",
            )
            return expected, f"{mac} does, the node is {seen.node_mac}", cause
    return None


def _answers(wanted: WantedService, seen: ObservedService) -> Problem:
    answer = seen.answer
    if answer is None or not answer.problem:
        return None
    what = answer.wanted or (f"status {wanted.probe.status}" if wanted.probe else "a connection")
    expected = f"{answer.where} answers from outside the cluster: {what}"
    problem = f"{answer.problem}; the answer was {answer.said}" if answer.said else answer.problem
    observed = problem
    if answer.good:
        expected += " every time"
        observed = f"{answer.asked - answer.good} of {answer.asked} requests are not answered so: {problem}"
    if answer.connected:
        return expected, observed, wrong_answer(seen, answer)
    return expected, observed, seen.cause or kept_out(seen, answer) or unreachable(seen, answer)


def typed(service: Rendered) -> list[Finding]:
    """Return the finding that a Service says it is reached from outside, and its type says that it is not.

    The expectation is what else its file says of an address, so changing the type cannot remove the promise.

    Args:
        service: as Git has it.
    """
    says = asking(service)
    is_a = str(service.spec.get("type") or "ClusterIP")
    if not says or is_a == "LoadBalancer" or service.exempt(Promise.LOADBALANCER):
        return []
    cause = Cause(
        "service-not-loadbalancer",
        f"{service} is annotated with {listed(says)} and is of type {is_a}, so MetalLB gives it no address",
        f"write spec.type: LoadBalancer, remove the annotation, or give the reason as {EXEMPT}{Promise.LOADBALANCER} "
        f"({service.place('spec', 'type')})",
    )
    return [Finding(str(service), Promise.LOADBALANCER, "spec.type: LoadBalancer", f"spec.type: {is_a}", cause)]


def unplanned(
    view: ReadApi, known: set[tuple[str, str]], ours: str, not_judged: Sequence[NotJudged] = ()
) -> list[Finding]:
    """Return the LoadBalancer Services of the cluster that take an address and are not in Git.

    Args:
        view: of the cluster.
        known: namespace and name of those of the layer.
        ours: label that marks namespaces of tests, whose Services do not belong to the platform.
        not_judged: objects of the layer that are not judged: what they have made is in Git.
    """
    makers = Makers.read(not_judged, view)
    tests = {key(namespace)[1] for namespace in view.list("v1/Namespace") if ours in labels_of(namespace)}
    return [
        Finding(name_of(service), Promise.LOADBALANCER, "it is in Git", "it is not", _unplanned(service))
        for service in view.list("v1/Service")
        if at(service, "spec", "type") == "LoadBalancer"
        and key(service) not in known
        and key(service)[0] not in tests
        and not makers.made(service)
    ]


def _unplanned(service: Object) -> Cause:
    return Cause(
        "loadbalancer-unplanned",
        f"{name_of(service)} asks for an address, and no Application of Git has it",
        "add it to the layer, or delete it; a release of the foundations should use type ClusterIP",
    )


def has_address(service: Object | None) -> Verdict:
    """Expect that a Service has an address; the value is the list of them."""
    found = ingress(service or {})
    return Met(found) if found else Pending(NO_ADDRESS)


def is_pending(service: Object | None) -> Verdict:
    """Expect that a Service exists and has no address."""
    if service is None:
        return Pending("it does not exist")
    found = ingress(service)
    return Pending(f"it has {listed(found)}") if found else Met(service)
