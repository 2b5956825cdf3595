"""Whether Services may share an address: every rule of MetalLB 0.15.3, under both prefixes of its annotations."""

from __future__ import annotations

import re
from typing import Any

import pytest

from platform_e2e import paths
from platform_e2e.breaks.declaration import load
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.metallb_pools import asks_in, requested_addresses
from platform_e2e.diagnosis.explain.metallb_sharing import refusal, sharing_key
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from tests.fakes.loadbalancers import platform, service
from tests.fakes.recorded_view import RecordedView

pytestmark = pytest.mark.point("shared-address")

NEW, OLD = "metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip"


def holder(key: str | None = "front", prefix: str = NEW, **spec: Any) -> Object:
    return service("chat", "10.89.0.203", annotations={prefix: key} if key is not None else {}, **spec)


def newcomer(key: str | None = "front", prefix: str = NEW, **spec: Any) -> Object:
    """Return a pending Service that wants the holder's address, on another port."""
    spec = {"ports": [{"port": 8088, "targetPort": "http"}], **spec}
    asked = {"metallb.universe.tf/loadBalancerIPs": "10.89.0.203", **({prefix: key} if key is not None else {})}
    return service("back-office", "", annotations=asked, **spec)


@pytest.mark.parametrize("mine", [NEW, OLD])
@pytest.mark.parametrize("its", [NEW, OLD])
def test_the_key_counts_under_both_prefixes(mine: str, its: str) -> None:
    assert refusal(newcomer(prefix=mine), holder(prefix=its)) is None


def test_the_newer_prefix_wins_even_where_it_is_empty() -> None:
    both = holder()
    both["metadata"]["annotations"].update({NEW: "", OLD: "front"})
    assert sharing_key(both) == ""
    both["metadata"]["annotations"][NEW] = "back"
    assert sharing_key(both) == "back"


@pytest.mark.parametrize(
    ("service", "holder", "why", "remedy"),
    [
        (newcomer(None), holder(None), "", f"let both share it, with the same value of {NEW}"),
        (
            newcomer(None),
            holder(),
            "only service/chat -n chat-dev agrees",
            "front into service/back-office -n chat-dev too",
        ),
        (
            newcomer(),
            holder(None),
            "only service/back-office -n chat-dev agrees",
            "front into service/chat -n chat-dev too",
        ),
        (newcomer("back"), holder(), "their sharing keys differ: back of", "give both the same value of"),
        (
            newcomer(externalTrafficPolicy="Local"),
            holder(externalTrafficPolicy="Cluster"),
            "externalTrafficPolicy is Local of service/back-office -n chat-dev and Cluster of service/chat -n chat-dev",
            "give both externalTrafficPolicy: Cluster",
        ),
        (
            newcomer(externalTrafficPolicy="Local", selector={"app": "back"}),
            holder(externalTrafficPolicy="Local"),
            "externalTrafficPolicy is Local and their selectors differ: app=back, app=chat",
            "give both the same spec.selector",
        ),
        (newcomer(ports=[{"port": 80, "protocol": "TCP"}]), holder(), "but both have port TCP 80", "another port"),
    ],
)
def test_why_an_address_is_not_shared(service: Object, holder: Object, why: str, remedy: str) -> None:
    found = refusal(service, holder)
    assert found is not None
    assert why in found.why
    assert bool(why) == bool(found.why)
    assert remedy in found.remedy


@pytest.mark.point("remedies-fit")
def test_the_key_is_not_advised_where_both_have_it() -> None:
    found = refusal(newcomer(externalTrafficPolicy="Local"), holder())
    assert found is not None
    assert "allow-shared-ip" not in found.remedy


@pytest.mark.parametrize(
    ("service", "holder"),
    [
        (newcomer(selector={"app": "back"}), holder()),
        (newcomer(externalTrafficPolicy="Local"), holder(externalTrafficPolicy="Local")),
        (newcomer(ports=[{"port": 80, "protocol": "UDP"}]), holder()),
        (newcomer(externalTrafficPolicy="Local", selector={}), holder()),
    ],
    ids=["another selector with Cluster", "the same with Local", "another protocol", "Local without a selector"],
)
def test_what_does_not_keep_services_from_sharing(service: Object, holder: Object) -> None:
    assert refusal(service, holder) is None


def cause_of(target: Object, *objects: Object, events: dict[str, list[Object]] | None = None) -> Cause | None:
    return explain(target, RecordedView(target, *objects, events=events))


def test_the_policy_is_the_cause_and_not_the_key() -> None:
    mine, its = newcomer("chat-front", externalTrafficPolicy="Local"), holder("chat-front", OLD)
    for one in (mine, its):
        one["metadata"]["namespace"] = "chat-prod"
    cause = cause_of(mine, its, *platform())
    assert cause is not None
    declared = load(paths.ROOT / "breaks" / "address-shared-by-other-policy.yaml")
    assert cause.id == declared.cause
    assert re.search(declared.sentence, cause.sentence), cause.sentence


@pytest.mark.point("own-events-quoted")
@pytest.mark.point("events-of-now")
@pytest.mark.parametrize(
    ("event", "counts"),
    [
        ({}, True),
        ({"reason": "deprecatedAnnotation"}, False),
        ({"type": "Normal"}, False),
        ({"source": {"component": "endpoint-slice-controller"}}, False),
        ({"lastTimestamp": "2026-01-01T00:00:59Z"}, False),
        ({"involvedObject": {"kind": "Service", "name": "back-office-2", "uid": "other"}}, False),
        ({"involvedObject": {"kind": "Service", "name": "back-office", "uid": "of one before"}}, False),
    ],
)
def test_what_metallb_says_is_quoted_where_no_rule_explains_it(event: dict[str, Any], counts: bool) -> None:
    waiting = service(
        "chat", "", annotations={"metallb.io/loadBalancerIPs": "10.89.0.203"}, loadBalancerIP="10.89.0.203"
    )
    waiting["metadata"].update(name="chat", namespace="chat-prod", managedFields=[{"time": "2026-01-01T00:01:00Z"}])
    if event.get("involvedObject"):
        waiting["metadata"]["name"] = "back-office"
    message = (
        'Failed to allocate IP for "chat-prod/chat": service can not have both metallb.io/loadBalancerIPs and '
        "svc.Spec.LoadBalancerIP"
    )
    told = {
        "type": "Warning",
        "reason": "AllocationFailed",
        "message": message,
        "source": {"component": "metallb-controller"},
        "lastTimestamp": "2026-01-01T00:02:00Z",
        **event,
    }
    name = waiting["metadata"]["name"]
    cause = cause_of(waiting, *platform(), events={f"chat-prod/{name}": [told]})
    assert (cause is not None) == counts
    if cause is not None:
        declared = load(paths.ROOT / "breaks" / "address-asked-for-twice.yaml")
        assert cause.id == declared.cause
        assert re.search(declared.sentence, cause.sentence), cause.sentence


def test_a_text_that_is_no_address_is_not_one_of_those_asked_for() -> None:
    assert requested_addresses(service(annotations={"metallb.io/loadBalancerIPs": "10.89.0.2O3, 10.89.0.202"})) == [
        "10.89.0.202"
    ]


@pytest.mark.point("remedies-fit")
def test_the_remedy_names_the_place_that_asks() -> None:
    assert asks_in(service(loadBalancerIP="10.89.0.1")) == "spec.loadBalancerIP"
    old = service(annotations={"metallb.universe.tf/loadBalancerIPs": "10.89.0.1"})
    assert asks_in(old) == "the annotation metallb.universe.tf/loadBalancerIPs"
    cause = cause_of(service(address="", loadBalancerIP="10.89.0.1"), *platform())
    assert cause is not None
    assert cause.remedy == "correct spec.loadBalancerIP, or widen the pool"
