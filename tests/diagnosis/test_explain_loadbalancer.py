from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from platform_e2e import paths
from platform_e2e.breaks.declaration import load
from platform_e2e.diagnosis.explain import explain
from platform_e2e.diagnosis.explain.metallb_pools import ranges_moved
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from tests.fakes.loadbalancers import (
    advertisement,
    controller,
    endpoint_slice,
    node,
    platform,
    pod,
    pool,
    service,
    speaker,
    status,
    without,
)
from tests.fakes.recorded_view import RecordedView, made


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
    assert explain(service(address="", type="ClusterIP"), RecordedView(endpoint_slice())) is None


def test_no_pool() -> None:
    assert_break("pool-removed", cause_of(service(address=""), *without(platform(), "IPAddressPool")))


def test_another_class_is_left_alone() -> None:
    asking = in_prod(service("chat-admin", address="", loadBalancerClass="cloud.example.com/public"))
    assert_break("loadbalancer-class", cause_of(asking, controller(), *platform()))


@pytest.mark.parametrize("address", ["", "10.89.0.201"], ids=["pending", "not announced any more"])
def test_metallb_keeps_to_a_class_that_the_service_does_not_have(address: str) -> None:
    only = controller("--port=7472", "--lb-class=platform.example.com/segment")
    cause = cause_of(service(address=address), only, *without(platform(), "ServiceL2Status"))
    assert_break("loadbalancer-class-of-metallb", cause)


def test_a_service_of_metallbs_own_class_has_no_cause() -> None:
    asking = service(loadBalancerClass="ours")
    assert explain(asking, RecordedView(asking, controller("--lb-class=ours"), *platform())) is None
    other = cause_of(service(address="", loadBalancerClass="theirs"), controller("--lb-class=ours"), *platform())
    assert other.id == "loadbalancer-other-class"
    assert "asks for the loadBalancerClass theirs, and MetalLB serves the class ours only" in other.sentence


def svclb(name: str, service: str, namespace: str) -> Object:
    labels = {"svccontroller.k3s.cattle.io/svcname": service, "svccontroller.k3s.cattle.io/svcnamespace": namespace}
    return made("apps/v1/DaemonSet", name, "metallb-system", labels)


def test_servicelb_is_in_the_way() -> None:
    only = controller("--lb-class=platform.example.com/segment")
    made_by_k3s = [svclb("svclb-chat-1a2b3c02", "chat", "chat-prod"), svclb("svclb-chat-1a2b3c01", "chat", "chat-dev")]
    cause = cause_of(service(), only, *made_by_k3s, *without(platform(), "ServiceL2Status"))
    assert_break("loadbalancer-servicelb", cause)
    assert "daemonset/svclb-chat-1a2b3c01 " in cause.sentence


def test_servicelb_of_another_service_is_not() -> None:
    others = [svclb("svclb-chat-metrics-1", "chat-metrics", "chat-dev"), svclb("svclb-chat-2", "chat", "chat-prod")]
    assert explain(service(), RecordedView(service(), *others, *platform())) is None


def in_prod(obj: Object) -> Object:
    obj["metadata"]["namespace"] = "chat-prod"
    return obj


def test_the_pool_asked_for_does_not_exist() -> None:
    asking = in_prod(service(address="", annotations={"metallb.io/address-pool": "gold"}))
    assert_break("pool-unknown", cause_of(asking, *platform()))
    asking["metadata"]["annotations"]["metallb.io/loadBalancerIPs"] = "10.89.0.203"
    assert_break("pool-unknown", cause_of(asking, *platform()))


def test_a_pool_that_is_not_given_automatically() -> None:
    assert_break("pool-not-automatic", cause_of(in_prod(service(address="")), pool(autoAssign=False)))


def test_an_address_of_a_pool_of_other_namespaces() -> None:
    closed = pool(serviceAllocation={"namespaces": ["chat-dev", "chat-staging"]})
    asking = in_prod(service(address="", annotations={"metallb.io/loadBalancerIPs": "10.89.0.203"}))
    assert_break("pool-of-other-namespaces", cause_of(asking, closed))


@pytest.mark.parametrize(
    ("allocation", "words"),
    [
        ({"namespaces": ["chat-prod"]}, "namespaces chat-prod"),
        ({"namespaceSelectors": [{"matchLabels": {"team": "chat"}}]}, "namespaces with team=chat"),
        (
            {"namespaces": ["a", "b"], "namespaceSelectors": [{"matchLabels": {"x": "1", "y": "2"}}]},
            "namespaces a, b or namespaces with x=1, y=2",
        ),
        (
            {"serviceSelectors": [{"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web"]}]}]},
            "Services with tier In web",
        ),
    ],
)
def test_a_pool_that_is_reserved(allocation: dict[str, object], words: str) -> None:
    cause = cause_of(service(address=""), pool(serviceAllocation=allocation))
    assert cause.id == "loadbalancer-pool-not-allowed"
    assert cause.sentence == f"no pool may be given to service/chat -n chat-dev: platform is for {words} only"


@pytest.mark.parametrize("address", ["10.89.0.221", "10.89.0.199"])
def test_the_address_asked_for_lies_in_no_pool(address: str) -> None:
    cause = cause_of(service(address="", annotations={"metallb.io/loadBalancerIPs": address}), *platform())
    assert cause.id == "loadbalancer-address-outside-pools"
    assert cause.sentence.endswith("which lies in no pool; platform has 10.89.0.200-10.89.0.220")


def test_a_pool_that_was_moved_is_named_as_git_has_it_too() -> None:
    asking = service(address="", annotations={"metallb.io/loadBalancerIPs": "10.89.0.221"})
    here = pool("platform", "10.89.2.200-10.89.2.220", "10.89.4.0/28", "fd00::/120")
    with ranges_moved({"10.89.0.200-10.89.0.223": "10.89.2.200-10.89.2.223"}):
        cause = cause_of(asking, here)
    both = "10.89.0.200-10.89.0.220, 10.89.4.0/28, fd00::/120"
    assert cause.sentence.endswith(
        f"platform has {both} in Git (10.89.2.200-10.89.2.220, 10.89.4.0/28, fd00::/120 on this cluster)"
    )
    assert (
        cause.remedy == f"correct the annotation metallb.io/loadBalancerIPs to an address of {both}, or widen the pool"
    )
    assert cause_of(asking, here).sentence.endswith("platform has 10.89.2.200-10.89.2.220, 10.89.4.0/28, fd00::/120")


def test_the_address_asked_for_lies_in_another_pool_than_the_one_asked_for() -> None:
    asked = {"metallb.io/loadBalancerIPs": "10.89.0.203", "metallb.io/address-pool": "gold"}
    cause = cause_of(service(address="", annotations=asked), pool("gold", "10.89.0.240/32"), *platform())
    assert cause.id == "loadbalancer-address-outside-pools"
    assert "which lies outside of the pool gold that it asks for; gold has 10.89.0.240/32" in cause.sentence


def test_the_address_asked_for_is_taken() -> None:
    asking = in_prod(service(address="", annotations={"metallb.io/loadBalancerIPs": "10.89.0.202"}))
    holder = service(address="10.89.0.202")
    holder["metadata"]["namespace"] = "chat-staging"
    assert_break("address-taken", cause_of(asking, holder, *platform()))


def test_the_pool_is_full() -> None:
    asking = in_prod(service(address=""))
    staging = service(address="10.89.0.202")
    staging["metadata"]["namespace"] = "chat-staging"
    two = pool("platform", "10.89.0.201-10.89.0.202")
    assert_break("pool-full", cause_of(asking, two, staging, service(address="10.89.0.201")))


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
    assert_break("l2advertisement-of-other-nodes", cause)


def told(reason: str, message: str, at: str) -> dict[str, Sequence[Object]]:
    return {"chat-dev/chat": [{"reason": reason, "message": message, "lastTimestamp": at}]}


def test_an_interface_that_the_node_does_not_have() -> None:
    narrow = advertisement("platform", interfaces=["bond0"])
    narrow["metadata"]["managedFields"] = [{"manager": "argocd-controller", "time": "2026-01-01T00:01:00Z"}]
    said = 'the interfaces specified by LB IP "10.89.0.201" doesn\'t exist in assigned node "n1" with protocol "layer2"'
    objects = [service(), narrow, *without(without(platform(), "L2Advertisement"), "ServiceL2Status")]
    cause = explain(service(), RecordedView(*objects, events=told("announceFailed", said, "2026-01-01T00:01:00Z")))
    assert cause is not None
    assert_break("l2advertisement-interface", cause)
    before = RecordedView(*objects, events=told("announceFailed", said, "2026-01-01T00:00:59Z"))
    assert explain(service(), before) is None, "an event from before the last change is of another advertisement"


def test_there_is_no_speaker() -> None:
    objects = [node(), pool(), advertisement("platform"), pod(), endpoint_slice()]
    assert_break("speaker-disabled", cause_of(service(), *objects))


@pytest.mark.parametrize("observed", [1, None], ids=["looked at", "not looked at yet"])
def test_speakers_that_are_to_run_nowhere(observed: int | None) -> None:
    labels = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
    selector = {"kubernetes.io/os": "linux", "platform.example.com/announces": "addresses"}
    speakers = made(
        "apps/v1/DaemonSet",
        "metallb-speaker",
        "metallb-system",
        labels,
        metadata={"generation": 1},
        spec={"template": {"spec": {"nodeSelector": selector}}},
        status={"desiredNumberScheduled": 0, "observedGeneration": observed},
    )
    objects = [speakers, node(), pool(), advertisement("platform"), pod(), endpoint_slice()]
    cause = cause_of(service(), *objects)
    assert cause.id == "loadbalancer-not-announced-no-speaker"
    if observed:
        assert cause.sentence == (
            "no speaker can announce 10.89.0.201 of service/chat -n chat-dev: daemonset/metallb-speaker -n metallb-system "
            "runs on no node, for none has all the labels of its nodeSelector: kubernetes.io/os=linux, "
            "platform.example.com/announces=addresses"
        )
        assert "label a node" in cause.remedy
    else:
        assert "none has a ready speaker" in cause.sentence


def test_a_service_that_is_left_to_another_proxy() -> None:
    left = in_prod(service())
    left["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "mesh"}
    view = [without(platform(), "EndpointSlice"), [endpoint_slice()]]
    sound = [in_prod(one) if one["kind"] in {"Pod", "EndpointSlice"} else one for part in view for one in part]
    announced = status()
    announced["metadata"]["labels"]["metallb.io/service-namespace"] = "chat-prod"
    assert_break("service-proxy-name", cause_of(left, *sound, announced))


@pytest.mark.parametrize(
    "objects",
    [
        [node(), speaker(ready=False)],
        [node(labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""}), speaker()],
    ],
    ids=["speaker not ready", "node excluded"],
)
def test_no_speaker_can_announce(objects: list[Object]) -> None:
    speakers = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
    daemonset = made(
        "apps/v1/DaemonSet", "metallb-speaker", "metallb-system", speakers, status={"desiredNumberScheduled": 1}
    )
    cause = cause_of(service(), daemonset, *objects, pool(), advertisement("platform"), pod(), endpoint_slice())
    assert cause.id == "loadbalancer-not-announced-no-speaker"
    assert "node-1" in cause.sentence


def test_a_target_port_that_no_container_names() -> None:
    two = pod()
    two["spec"]["containers"][0]["ports"].append({"name": "metrics", "containerPort": 9090})
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    cause = cause_of(service(ports=ports), two, *without(platform(), "Pod"), speaker())
    assert_break("target-port", cause)


@pytest.mark.point("remedies-fit")
def test_an_advertisement_by_bgp_is_named() -> None:
    by_bgp = {**advertisement("platform"), "kind": "BGPAdvertisement"}
    objects = without(without(platform(), "ServiceL2Status"), "L2Advertisement")
    cause = cause_of(service(), by_bgp, *objects)
    assert_break("advertisement-by-bgp", cause)
    assert cause.remedy == "add an L2Advertisement for the pool to the layer"
    peer = made("metallb.io/v1beta2/BGPPeer", "router", "metallb-system")
    assert cause_of(service(), by_bgp, peer, *objects).sentence.endswith("to bgppeer/router -n metallb-system only")
    of_another = {**advertisement("gold"), "kind": "BGPAdvertisement"}
    assert cause_of(service(), of_another, *objects).sentence.endswith("no L2Advertisement announces that pool")


def test_a_service_without_a_selector_has_its_addresses_from_slices() -> None:
    bare = service()
    del bare["spec"]["selector"]
    cause = cause_of(bare, *without(without(platform(), "EndpointSlice"), "ServiceL2Status"))
    assert cause.id == "loadbalancer-no-endpoints"
    assert cause.sentence == "service/chat -n chat-dev has no selector, and no EndpointSlice of it has a ready address"
    assert explain(bare, RecordedView(bare, *platform())) is None


def test_a_service_of_pods_that_have_ended() -> None:
    done = pod(phase="Succeeded")
    objects = without(without(platform(), "EndpointSlice"), "Pod")
    cause = cause_of(service(), *objects, speaker(), done)
    assert (
        cause.sentence == "service/chat -n chat-dev has no endpoint: what it selects has ended, pod/chat-0 -n chat-dev"
    )
