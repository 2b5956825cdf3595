from __future__ import annotations

import re

import pytest

from platform_e2e import paths
from platform_e2e.breaks.declaration import load
from platform_e2e.explain import explain
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from tests.loadbalancers import (
    advertisement,
    endpoint_slice,
    node,
    platform,
    pod,
    pool,
    service,
    speaker,
    without,
)
from tests.recorded_view import RecordedView, made


def cause_of(target: Object, *objects: Object) -> Cause:
    cause = explain(target, RecordedView(target, *objects))
    assert cause is not None
    return cause


def assert_break(name: str, cause: Cause) -> None:
    declared = load(paths.ROOT / "breaks" / f"{name}.yaml")
    assert cause.id == declared.cause
    assert re.search(declared.sentence, cause.sentence), cause.sentence


def test_a_sound_service_has_no_cause() -> None:
    assert explain(service(), RecordedView(service(), *platform())) is None


def test_a_service_of_another_type_has_no_cause() -> None:
    assert explain(service(address="", type="ClusterIP"), RecordedView()) is None


def test_no_pool() -> None:
    cause = cause_of(service(address=""), *without(platform(), "IPAddressPool"))
    assert cause.id == "loadbalancer-no-pool"
    assert "service/chat -n chat-dev" in cause.sentence


def test_another_class_is_left_alone() -> None:
    cause = cause_of(service(address="", loadBalancerClass="cloud"), *platform())
    assert cause.id == "loadbalancer-other-class"
    assert "cloud" in cause.sentence


def test_servicelb_is_in_the_way() -> None:
    made_by_k3s = made("apps/v1/DaemonSet", "svclb-chat-1a2b3c", "kube-system")
    assert cause_of(service(), made_by_k3s, *platform()).id == "loadbalancer-other-controller"


def test_the_pool_asked_for_does_not_exist() -> None:
    asking = service(address="", annotations={"metallb.io/address-pool": "gold"})
    cause = cause_of(asking, *platform())
    assert cause.id == "loadbalancer-pool-unknown"
    assert "gold" in cause.sentence
    assert "there is platform" in cause.sentence


def test_a_pool_that_is_not_given_automatically() -> None:
    cause = cause_of(service(address=""), pool(autoAssign=False))
    assert cause.id == "loadbalancer-pool-not-allowed"
    assert "platform is not given automatically" in cause.sentence


def test_a_pool_of_other_namespaces() -> None:
    cause = cause_of(service(address=""), pool(serviceAllocation={"namespaces": ["chat-prod"]}))
    assert cause.id == "loadbalancer-pool-not-allowed"
    assert "namespaces chat-prod" in cause.sentence


@pytest.mark.parametrize("address", ["10.89.0.221", "10.89.0.199"])
def test_the_address_asked_for_lies_in_no_pool(address: str) -> None:
    cause = cause_of(service(address="", annotations={"metallb.io/loadBalancerIPs": address}), *platform())
    assert cause.id == "loadbalancer-address-outside-pools"
    assert "10.89.0.200-10.89.0.220" in cause.sentence


def test_the_address_asked_for_is_taken() -> None:
    asking = service(address="", annotations={"metallb.io/loadBalancerIPs": "10.89.0.210"})
    cause = cause_of(asking, service("other", "10.89.0.210"), *platform())
    assert cause.id == "loadbalancer-address-taken"
    assert "service/other -n chat-dev" in cause.sentence


def test_the_pool_is_full() -> None:
    asking = service(address="", annotations={"metallb.io/address-pool": "small"})
    cause = cause_of(asking, pool("small", "192.0.2.1/32", autoAssign=False), service("first", "192.0.2.1"))
    assert cause.id == "loadbalancer-pool-full"
    assert "small (192.0.2.1/32, 1 in all)" in cause.sentence
    assert "service/first -n chat-dev" in cause.sentence


def test_a_pool_with_room_is_not_called_full() -> None:
    asking = service(address="")
    view = RecordedView(asking, pool("small", "192.0.2.0/31"), service("first", "192.0.2.1"))
    assert explain(asking, view) is None


def test_the_selector_selects_nothing() -> None:
    objects = [*without(platform(), "EndpointSlice"), endpoint_slice(ready=False)]
    cause = cause_of(service(selector={"app.kubernetes.io/name": "chatt"}), *objects)
    assert_break("service-selector", cause)


def test_pods_that_are_not_ready_are_the_cause_themselves() -> None:
    waiting = {"name": "chat", "image": "chat:2", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    broken = pod(ready=False, containerStatuses=[waiting])
    objects = [one for one in platform() if one["kind"] not in {"EndpointSlice", "Pod"}]
    cause = cause_of(service(), endpoint_slice(ready=False), broken, speaker(), *objects)
    assert cause.id == "pod-image"
    assert "chat:2" in cause.sentence


def test_no_advertisement() -> None:
    objects = without(without(platform(), "L2Advertisement"), "ServiceL2Status")
    assert_break("l2advertisement-removed", cause_of(service(), *objects))


def test_an_advertisement_of_another_pool() -> None:
    objects = [*without(without(platform(), "L2Advertisement"), "ServiceL2Status"), advertisement("default")]
    assert_break("l2advertisement-of-another-pool", cause_of(service(), *objects))


def test_an_advertisement_without_pools_is_about_all() -> None:
    objects = [*without(without(platform(), "L2Advertisement"), "ServiceL2Status"), advertisement()]
    assert explain(service(), RecordedView(service(), *objects)) is None


def test_an_advertisement_whose_nodes_do_not_exist() -> None:
    elsewhere = advertisement("platform", nodeSelectors=[{"matchLabels": {"zone": "b"}}])
    cause = cause_of(service(), elsewhere, *without(without(platform(), "L2Advertisement"), "ServiceL2Status"))
    assert cause.id == "loadbalancer-not-announced-selectors"
    assert "select no node" in cause.sentence


@pytest.mark.parametrize(
    "objects",
    [
        [node(), speaker(ready=False)],
        [node(labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""}), speaker()],
    ],
    ids=["speaker not ready", "node excluded"],
)
def test_no_speaker_can_announce(objects: list[Object]) -> None:
    cause = cause_of(service(), *objects, pool(), advertisement("platform"), pod(), endpoint_slice())
    assert cause.id == "loadbalancer-not-announced-no-speaker"
    assert "node-1" in cause.sentence


def test_a_target_port_that_no_container_names() -> None:
    two = pod()
    two["spec"]["containers"][0]["ports"].append({"name": "metrics", "containerPort": 9090})
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    cause = cause_of(service(ports=ports), two, *without(platform(), "Pod"), speaker())
    assert_break("target-port", cause)
