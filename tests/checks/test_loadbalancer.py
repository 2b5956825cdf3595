from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ruamel.yaml import YAML

from platform_e2e import paths
from platform_e2e.breaks.declaration import load
from platform_e2e.checks import arp, external_client, loadbalancer
from platform_e2e.checks.loadbalancer import ObservedService, Outside, WantedService, figures
from platform_e2e.checks.loadbalancer.check import SERVED_BY_OTHERS, check
from platform_e2e.checks.loadbalancer.observe import moved, observe
from platform_e2e.diagnosis.explain.metallb_pools import pool
from platform_e2e.finding import Cause, Finding
from platform_e2e.kube.expect import Met
from platform_e2e.layer import Layer, Probe, Rendered
from tests.fakes import layers, loadbalancers
from tests.fakes.loadbalancers import MAC, service, without
from tests.fakes.recorded_view import RecordedView, made

PLACE = "manifests/chat/base/service.yaml:3"
ANSWER = external_client.ProbeResult("HTTP", "http://10.89.0.201:80/", "", True, 0.02)
WANTED = WantedService(
    service(address=""), (pool(loadbalancers.pool()),), Probe(80), lambda cause: cause.located(PLACE)
)
SOUND = ObservedService(
    service(),
    nodes=("node-1",),
    sharers={"10.89.0.201": []},
    events=frozenset({"IPAllocated", "nodeAssigned"}),
    macs={"10.89.0.201": MAC},
    node_mac=MAC,
    answer=ANSWER,
    arp_seconds=0.001,
)


def found(seen: ObservedService, wanted: WantedService = WANTED) -> Finding:
    (finding,) = check(wanted, seen)
    assert finding.object == "service/chat -n chat-dev"
    assert finding.promise == "loadbalancer"
    assert finding.cause.remedy.endswith(f"({PLACE})")
    return finding


def assert_break(name: str, cause: Cause) -> None:
    declared = load(paths.ROOT / "breaks" / f"{name}.yaml")
    assert cause.id == declared.cause
    assert re.search(declared.sentence, cause.sentence), cause.sentence


def test_nothing_is_wrong_with_a_sound_service() -> None:
    assert check(WANTED, SOUND) == []
    assert figures(SOUND) == {
        "address": ["10.89.0.201"],
        "pool": "platform",
        "node": ["node-1"],
        "arp_seconds": 0.001,
        "answer_seconds": 0.02,
        "answered": "HTTP",
    }


class Asker:
    """A client that remembers what it asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    def fetch(self, address: str, probe: Probe) -> external_client.ProbeResult:
        self.asked.append((address, probe))
        return ANSWER

    def connect(self, address: str, port: int) -> external_client.ProbeResult:
        self.asked.append((address, port))
        return ANSWER


def test_a_service_is_asked_again_and_again_as_the_layer_says() -> None:
    asker = Asker()
    host = cast("Outside", SimpleNamespace(asker=asker))
    for wanted in (WANTED, replace(WANTED, probe=None)):
        ask = loadbalancer.asking(wanted, RecordedView(service()), host)
        assert ask is not None
        assert ask() is ask() is ANSWER
    assert asker.asked == [("10.89.0.201", Probe(80))] * 2 + [("10.89.0.201", 80)] * 2
    assert loadbalancer.asking(WANTED, RecordedView(service(address="")), host) is None
    assert loadbalancer.asking(WANTED, RecordedView(), host) is None


def test_a_service_that_is_not_there() -> None:
    finding = found(ObservedService(None))
    assert finding.cause.id == "object-missing"
    assert finding.details == {}


def test_a_pending_service_has_the_cause_that_was_worked_out() -> None:
    cause = Cause("loadbalancer-pool-full", "all taken", "widen it")
    finding = found(replace(SOUND, service=service(address=""), cause=cause))
    assert finding.cause.id == "loadbalancer-pool-full"
    assert finding.observed == "it has no address"


def test_an_address_of_a_node_is_not_one_of_the_pool() -> None:
    finding = found(replace(SOUND, service=service(address="10.89.0.2")))
    assert finding.cause.id == "loadbalancer-wrong-pool"
    assert "10.89.0.200-10.89.0.220" in finding.expected
    assert "10.89.0.2 from platform" in finding.observed


def test_an_address_in_a_pool_that_is_not_in_git() -> None:
    live = service(address="10.89.0.230", annotations={"metallb.io/ip-allocated-from-pool": "handmade"})
    assert found(replace(SOUND, service=live)).cause.id == "loadbalancer-wrong-pool"


@pytest.mark.parametrize("said", ["", "gold"])
def test_metallb_must_agree_with_git(said: str) -> None:
    live = service(annotations={"metallb.io/ip-allocated-from-pool": said})
    finding = found(replace(SOUND, service=live))
    assert finding.cause.id == "loadbalancer-wrong-pool"
    assert f"came from the pool {said or '(none)'}, in Git it lies in platform" in finding.cause.sentence


def test_an_address_of_a_pool_that_the_rules_do_not_allow() -> None:
    gold = pool(loadbalancers.pool("gold", "10.89.0.240/32", autoAssign=False))
    live = service(address="10.89.0.240", annotations={"metallb.io/ip-allocated-from-pool": "gold"})
    wanted = replace(WANTED, pools=(*WANTED.pools, gold))
    assert found(replace(SOUND, service=live), wanted).cause.id == "loadbalancer-wrong-pool"
    asking = replace(wanted, service=service(address="", annotations={"metallb.io/address-pool": "gold"}))
    assert check(asking, replace(SOUND, service=live, macs={"10.89.0.240": MAC})) == []


def test_an_address_that_would_not_be_given_again() -> None:
    closed = replace(WANTED, pools=(pool(loadbalancers.pool(autoAssign=False)),))
    live = service()
    live["metadata"]["namespace"] = "chat-prod"
    assert_break("pool-closed-later", found(replace(SOUND, service=live), closed).cause)


def test_what_else_gives_the_address_is_named() -> None:
    cause = Cause("loadbalancer-other-controller", "k3s' servicelb serves it", "start k3s without")
    finding = found(replace(SOUND, service=service(address="10.89.0.2"), cause=cause))
    assert finding.cause.id == "loadbalancer-other-controller"


def test_the_address_that_was_asked_for() -> None:
    wanted = replace(WANTED, service=service(address="", annotations={"metallb.io/loadBalancerIPs": "10.89.0.202"}))
    finding = found(SOUND, wanted)
    assert finding.cause.id == "loadbalancer-wrong-address"
    assert finding.expected == "the address 10.89.0.202"


ASKED = {"metallb.io/loadBalancerIPs": "10.89.0.201"}


@pytest.mark.parametrize(
    ("asks", "says"),
    [
        (service(address="", annotations=ASKED, loadBalancerIP="10.89.0.201"), "service can not have both"),
        (service(address="", annotations={"metallb.universe.tf/loadBalancerIPs": "10.89.0.201, x"}), "invalid .*, x'$"),
    ],
)
def test_an_address_that_metallb_left_a_service_whose_request_it_refuses(asks: dict[str, Any], says: str) -> None:
    finding = found(SOUND, replace(WANTED, service=asks))
    assert finding.cause.id == "loadbalancer-refused"
    assert re.search(f"no address once it is created again: {says}", finding.cause.sentence)


def test_two_services_with_one_address() -> None:
    finding = found(replace(SOUND, sharers={"10.89.0.201": [("service/other -n chat-dev", "")]}))
    assert finding.cause.id == "loadbalancer-shared-address"
    assert "service/other -n chat-dev" in finding.observed


def test_services_that_agreed_may_share() -> None:
    wanted = replace(WANTED, service=service(address="", annotations={"metallb.io/allow-shared-ip": "web"}))
    shared = replace(SOUND, sharers={"10.89.0.201": [("service/other -n chat-dev", "web")]})
    assert check(wanted, shared) == []
    stranger = replace(shared, sharers={"10.89.0.201": [("x", "dns")]})
    assert found(stranger, wanted).cause.id == "loadbalancer-shared-address"


@pytest.mark.parametrize(("nodes", "observed"), [((), "no node does"), (("a", "b"), "2 nodes do")])
def test_exactly_one_node_announces(nodes: tuple[str, ...], observed: str) -> None:
    assert found(replace(SOUND, nodes=nodes)).observed == observed


def test_the_events_are_demanded_only_while_they_can_exist() -> None:
    assert found(replace(SOUND, events=frozenset({"IPAllocated"}))).cause.id == "loadbalancer-not-recorded"
    assert check(WANTED, replace(SOUND, events=None)) == []


def test_nobody_answers_for_the_address() -> None:
    finding = found(replace(SOUND, macs={"10.89.0.201": None}))
    assert finding.cause.id == "loadbalancer-arp-silent"
    assert "node-1" in finding.expected


@pytest.mark.parametrize("node_mac", ["02:00:00:00:00:99", None])
def test_another_machine_answers_for_the_address(node_mac: str | None) -> None:
    assert found(replace(SOUND, node_mac=node_mac)).cause.id == "loadbalancer-arp-other-node"


def test_a_host_that_is_not_on_the_segment_asks_no_arp() -> None:
    assert check(WANTED, replace(SOUND, macs={}, node_mac=None)) == []


def test_the_wrong_application_answers() -> None:
    finding = found(replace(SOUND, answer=replace(ANSWER, problem="environment is 'production' instead of 'prod'")))
    assert finding.cause.id == "loadbalancer-wrong-answer"
    assert "production" in finding.observed


GREETING = Probe(80, json={"app": "chat", "greeting": "Welcome to the lobby"})


@pytest.mark.parametrize(
    ("body", "itself"),
    [
        ('{"app": "chat", "greeting": "Welcome to the loby", "more": 1}', True),
        ('{"app": "worker", "greeting": "Welcome to the loby", "more": 1}', False),
        ("worker", False),
    ],
)
def test_a_wrong_answer_names_the_field_and_whether_the_right_application_answers(body: str, itself: bool) -> None:
    answer = external_client.judge("http://10.89.0.201:80/", GREETING, 200, body, 0.01)
    finding = found(replace(SOUND, answer=answer), replace(WANTED, probe=GREETING))
    assert '"greeting": "Welcome to the lobby"' in finding.expected
    assert body in finding.observed
    assert body not in finding.cause.sentence
    assert ("it is the right application that answers (app is 'chat')" in finding.cause.remedy) is itself
    assert ("look whether the Service's selector" in finding.cause.remedy) is not itself
    assert finding.cause.field == ("metadata", "annotations", "platform-e2e/probe")


def test_nobody_answers_from_outside() -> None:
    silent = replace(ANSWER, problem="ConnectionRefusedError: refused", connected=False)
    assert found(replace(SOUND, answer=silent)).cause.id == "loadbalancer-unreachable"
    cause = Cause("loadbalancer-target-port", "no such port", "name it")
    assert found(replace(SOUND, answer=silent, cause=cause)).cause.id == "loadbalancer-target-port"


def test_who_is_left_out_gets_no_answer() -> None:
    late = replace(ANSWER, where="http://10.89.0.201:80/", problem="no answer within 5 s", connected=False)
    live = service(loadBalancerSourceRanges=["192.0.2.0/24"])
    live["metadata"]["namespace"] = "chat-prod"
    seen = replace(SOUND, service=live, answer=late, asked_from="10.89.0.1")
    assert_break("service-source-ranges", found(seen).cause)
    live["spec"]["loadBalancerSourceRanges"] = ["192.0.2.0/24", "10.89.0.0/24"]
    assert found(seen).cause.id == "loadbalancer-unreachable"
    assert found(replace(seen, asked_from="")).cause.id == "loadbalancer-unreachable"


def test_policies_that_keep_the_client_out_are_the_cause_of_silence_and_of_nothing_else() -> None:
    kept_out = Cause("network-policy", "networkpolicy/deny -n chat-dev allows nothing", "allow it")
    refused = replace(ANSWER, problem="[Errno 111] Connection refused", connected=False)
    finding = found(replace(SOUND, answer=refused, kept_out=kept_out))
    assert finding.cause.id == "network-policy"
    assert finding.cause.sentence == (
        "http://10.89.0.201:80/ is announced and does not answer ([Errno 111] Connection refused): "
        "networkpolicy/deny -n chat-dev allows nothing"
    )
    assert check(WANTED, replace(SOUND, kept_out=kept_out)) == []
    port = Cause("loadbalancer-target-port", "no such port", "name it")
    assert found(replace(SOUND, answer=refused, kept_out=kept_out, cause=port)).cause == port.located(PLACE)


@pytest.mark.usefixtures("segment")
@pytest.mark.parametrize(("problem", "closed"), [("[Errno 111] Connection refused", True), ("", False)])
def test_policies_are_read_where_an_address_is_silent(
    problem: str, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = replace(ANSWER, problem=problem, connected=not problem)
    monkeypatch.setattr(external_client, "fetch", lambda *_: answer)
    deny = made("networking.k8s.io/v1/NetworkPolicy", "deny", "chat-dev", spec={"podSelector": {}})
    seen = observe(WANTED, RecordedView(service(), deny, *loadbalancers.platform()), replace(HOST, address="10.89.0.1"))
    assert (seen.kept_out is not None) == closed
    without_policy = RecordedView(service(), *loadbalancers.platform())
    assert observe(WANTED, without_policy, replace(HOST, address="10.89.0.1")).kept_out is None


def test_the_declared_port_break_is_said_so() -> None:
    refused = replace(ANSWER, problem="NewConnectionError: [Errno 111] Connection refused", connected=False)
    live = service(ports=[{"port": 80, "targetPort": 8081}])
    assert_break("target-port-number", found(replace(SOUND, service=live, answer=refused)).cause)


@pytest.fixture
def segment(monkeypatch: pytest.MonkeyPatch) -> dict[str, arp.Reply | None]:
    """Answer ARP requests from a table, and every HTTP request as asked for."""
    table: dict[str, arp.Reply | None] = {"10.89.0.201": arp.Reply(MAC, 0.001), "10.89.0.2": arp.Reply(MAC, 0.001)}

    def who_has(interface: str, source: str, wanted: str, *, timeout: float) -> arp.Reply | None:
        assert (interface, source) == ("seg0", "10.89.0.1")
        return table[wanted]

    monkeypatch.setattr(arp, "who_has", who_has)
    monkeypatch.setattr(external_client, "fetch", lambda *_: ANSWER)
    monkeypatch.setattr(
        external_client,
        "connect",
        lambda address, port: replace(ANSWER, how="TCP", where=f"{address}:{port}"),
    )
    return table


HOST = Outside("seg0", "10.89.0.1", {"node-1": "10.89.0.2"})


def young(**fields: Any) -> dict[str, Any]:
    live = service(**fields)
    live["metadata"]["creationTimestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return live


def about(uid: str, *reasons: str) -> list[dict[str, Any]]:
    return [{"reason": reason, "involvedObject": {"uid": uid}} for reason in reasons]


@pytest.mark.usefixtures("segment")
def test_a_sound_service_is_seen_as_such() -> None:
    events = {
        "chat-dev/chat": [*about("uid-chat", "IPAllocated", "nodeAssigned"), *about("another", "AllocationFailed")]
    }
    seen = observe(WANTED, RecordedView(young(), *loadbalancers.platform(), events=events), HOST)
    assert seen.events == frozenset({"IPAllocated", "nodeAssigned"})
    assert seen.macs == {"10.89.0.201": MAC}
    assert seen.node_mac == MAC
    assert seen.cause is None
    assert check(WANTED, seen) == []


@pytest.mark.usefixtures("segment")
def test_events_of_an_old_service_are_not_looked_for() -> None:
    assert observe(WANTED, RecordedView(service(), *loadbalancers.platform()), HOST).events is None


@pytest.mark.usefixtures("segment")
def test_a_service_without_a_probe_gets_a_connection() -> None:
    seen = observe(replace(WANTED, probe=None), RecordedView(service(), *loadbalancers.platform()), HOST)
    assert seen.answer is not None
    assert (seen.answer.how, seen.answer.where) == ("TCP", "10.89.0.201:80")


def test_a_service_that_nobody_announces_is_not_asked(segment: dict[str, arp.Reply | None]) -> None:
    segment.clear()
    objects = without(without(loadbalancers.platform(), "ServiceL2Status"), "L2Advertisement")
    seen = observe(WANTED, RecordedView(service(), *objects), HOST)
    assert seen.answer is None
    (finding,) = check(WANTED, seen)
    assert finding.cause.id == "loadbalancer-not-announced-no-advertisement"


@pytest.mark.usefixtures("segment")
def test_a_remedy_names_the_file_of_what_it_changes() -> None:
    objects = without(without(loadbalancers.platform(), "ServiceL2Status"), "L2Advertisement")
    (finding,) = check(WANTED, observe(WANTED, RecordedView(service(), *objects), HOST))
    assert finding.cause.about == "ipaddresspool/platform -n metallb-system"
    layer = layers.demo()
    wanted = WantedService.served(layer.load_balancers()[0], layer, {})
    remedy = "add an L2Advertisement for the pool to the layer"
    cause = replace(finding.cause, remedy=remedy)
    assert wanted.located(cause).remedy == f"{remedy} (tests/data/platform/manifests/metallb/address-pool.yaml:2)"
    assert wanted.located(replace(cause, about="ipaddresspool/other -n metallb-system")).remedy == remedy


def test_a_remedy_names_the_line_of_the_field_that_must_change() -> None:
    layer = layers.demo()
    wanted = WantedService.served(
        next(one for one in layer.load_balancers() if one.service.namespace == "chat-dev"), layer, {}
    )
    live = service(ports=[{"name": "http", "port": 80, "targetPort": 8081}])
    refused = replace(ANSWER, problem="[Errno 111] Connection refused", connected=False)
    (finding,) = check(wanted, replace(SOUND, service=live, answer=refused, declared=("http (8080)", "metrics (9090)")))
    assert "correct targetPort of the Service (its pods declare http (8080), metrics (9090))" in finding.cause.remedy
    file, _, line = finding.cause.remedy.rpartition("(")[2].rstrip(")").partition(":")
    assert "targetPort" in (paths.ROOT / file).read_text().splitlines()[int(line) - 1]


def test_an_address_that_is_not_of_git_is_explained_and_not_asked(segment: dict[str, arp.Reply | None]) -> None:
    segment.clear()
    labels = {"svccontroller.k3s.cattle.io/svcname": "chat", "svccontroller.k3s.cattle.io/svcnamespace": "chat-dev"}
    daemonset = made("apps/v1/DaemonSet", "svclb-chat-1", "kube-system", labels)
    seen = observe(WANTED, RecordedView(service(address="10.89.0.2"), daemonset, *loadbalancers.platform()), HOST)
    assert found(seen).cause.id == "loadbalancer-other-controller"


def test_a_silent_segment_is_seen(segment: dict[str, arp.Reply | None]) -> None:
    segment["10.89.0.201"] = None
    seen = observe(WANTED, RecordedView(service(), *loadbalancers.platform()), HOST)
    (finding,) = check(WANTED, seen)
    assert finding.cause.id == "loadbalancer-arp-silent"


@pytest.mark.usefixtures("segment")
def test_sharers_are_found_in_every_namespace() -> None:
    other = service("other")
    other["metadata"]["namespace"] = "chat-prod"
    seen = observe(WANTED, RecordedView(service(), other, *loadbalancers.platform()), HOST)
    assert seen.sharers == {"10.89.0.201": [("service/other -n chat-prod", "")]}


def test_services_of_tests_are_none_of_the_platforms() -> None:
    mine = made("v1/Namespace", "e2e-1", labels={"platform-e2e/run": "x"})
    control = service("control")
    control["metadata"]["namespace"] = "e2e-1"
    view = RecordedView(mine, control, service(), service("extra"), service("inner", type="ClusterIP"))
    (finding,) = loadbalancer.unplanned(view, {("chat-dev", "chat")}, "platform-e2e/run")
    assert (finding.object, finding.cause.id) == ("service/extra -n chat-dev", "loadbalancer-unplanned")
    brought = service("sealed-secrets")
    brought["metadata"]["namespace"] = "kube-system"
    (finding,) = loadbalancer.unplanned(RecordedView(brought), set(), "platform-e2e/run")
    assert_break("release-takes-address", finding.cause)


def rendered(is_a: str | None, *annotations: str) -> Rendered:
    written = service(address="", annotations=dict.fromkeys(annotations, "x"))
    written["spec"].pop("type")
    if is_a:
        written["spec"]["type"] = is_a
    return Rendered(written, "chat-dev", "manifests/chat/base/service.yaml", 3)


@pytest.mark.parametrize("is_a", ["ClusterIP", "NodePort", None])
@pytest.mark.parametrize(
    "annotation",
    [
        "platform-e2e/probe",
        "metallb.io/loadBalancerIPs",
        "metallb.universe.tf/loadBalancerIPs",
        "metallb.io/address-pool",
        "metallb.universe.tf/address-pool",
    ],
)
def test_a_service_that_says_it_has_an_address_and_is_of_another_type(is_a: str | None, annotation: str) -> None:
    (finding,) = loadbalancer.typed(rendered(is_a, annotation))
    assert finding.object == "service/chat -n chat-dev"
    assert (finding.promise, finding.cause.id) == ("loadbalancer", "service-not-loadbalancer")
    assert f"is annotated with {annotation} and is of type {is_a or 'ClusterIP'}" in finding.cause.sentence
    assert "platform-e2e/exempt-loadbalancer" in finding.cause.remedy
    assert finding.cause.remedy.endswith("(manifests/chat/base/service.yaml:3)")


def test_several_annotations_are_one_finding() -> None:
    (finding,) = loadbalancer.typed(rendered(None, "platform-e2e/probe", "metallb.io/loadBalancerIPs"))
    assert "platform-e2e/probe, metallb.io/loadBalancerIPs and is" in finding.cause.sentence


def test_a_service_that_says_nothing_of_an_address_or_is_exempt_or_of_the_type() -> None:
    assert loadbalancer.typed(rendered("ClusterIP", "example.com/other")) == []
    assert loadbalancer.typed(rendered("ClusterIP", "platform-e2e/probe", "platform-e2e/exempt-loadbalancer")) == []
    assert loadbalancer.typed(rendered("LoadBalancer", "platform-e2e/probe")) == []
    services = layers.demo().of_kind("v1/Service")
    assert len(services) > 5
    assert [finding for one in services for finding in loadbalancer.typed(one)] == []


def test_git_is_read_with_the_ranges_that_the_cluster_uses() -> None:
    ranges = {"10.89.0.200-10.89.0.220": "10.91.0.200-10.91.0.220"}
    assert moved(loadbalancers.pool(), ranges)["spec"]["addresses"] == ["10.91.0.200-10.91.0.220"]
    asking = service(annotations={"metallb.io/loadBalancerIPs": "10.89.0.203"})
    assert moved(asking, ranges)["metadata"]["annotations"]["metallb.io/loadBalancerIPs"] == "10.91.0.203"
    assert moved(service(loadBalancerIP="10.89.0.203"), ranges)["spec"]["loadBalancerIP"] == "10.91.0.203"
    assert asking["metadata"]["annotations"]["metallb.io/loadBalancerIPs"] == "10.89.0.203"


GIT = "10.89.0.200-10.89.0.220"
HERE = "10.89.2.200-10.89.2.220"
PREFIXES = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
ASKS = [*({"annotations": {prefix: "{}"}} for prefix in PREFIXES), {"spec": {"loadBalancerIP": "{}"}}]


def asking_layer(directory: Path, asks: dict[str, Any], address: str, *pools: str) -> Layer:
    """Return a layer with a Service that asks for an address, and with pools."""
    yaml = YAML()
    metadata: dict[str, Any] = {"name": "chat", "namespace": "chat-dev"}
    spec: dict[str, Any] = {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]}
    one = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    for where, fields in asks.items():
        values = {name: text.format(address) for name, text in fields.items()}
        if where == "spec":
            spec |= values
        else:
            metadata[where] = values
    documents = [one, *(loadbalancers.pool(f"p{n}", *text.split(",")) for n, text in enumerate(pools))]
    out = StringIO()
    yaml.dump_all(documents, out)
    return layers.load(layers.write(directory, {"manifests/one/configmap.yaml": out.getvalue()}))


def judged(found: Layer, pool_map: dict[str, str], address: str) -> list[Finding]:
    """Return the findings of a Service that the cluster gave an address, or none."""
    (balancer,) = found.load_balancers()
    wanted = replace(WantedService.served(balancer, found, pool_map), probe=None)
    live = service(address=address, annotations={"metallb.io/ip-allocated-from-pool": "p0"})
    seen = replace(SOUND, service=live, macs={address: MAC}, sharers={address: []})
    return check(wanted, seen)


@pytest.mark.parametrize("asks", ASKS, ids=["annotation", "older-prefix", "field"])
@pytest.mark.parametrize("pool_map", [{}, {GIT: HERE}], ids=["as-in-git", "moved"])
def test_an_address_in_no_pool_of_git_is_red_also_where_the_cluster_has_a_pool_with_it(
    tmp_path: Path, asks: dict[str, Any], pool_map: dict[str, str]
) -> None:
    found = asking_layer(tmp_path, asks, "10.89.2.210", GIT)
    (finding,) = judged(found, pool_map, "10.89.2.210")
    assert finding.cause.id == "loadbalancer-address-outside-pools"
    has = f"{GIT} in Git ({HERE} on this cluster)" if pool_map else GIT
    assert finding.cause.sentence == (
        f"service/chat -n chat-dev asks for 10.89.2.210, which lies in no pool; p0 has {has}"
    )
    assert re.fullmatch(
        rf"correct \S.* to an address of {GIT}, or widen the pool \(manifests/one/configmap\.yaml:\d+\)",
        finding.cause.remedy,
    )
    assert finding.observed == "it asks for 10.89.2.210, and has 10.89.2.210 here"
    (pending,) = judged(found, pool_map, "")
    assert (pending.observed, pending.cause.id) == ("it has no address", "loadbalancer-address-outside-pools")


@pytest.mark.parametrize("asks", ASKS, ids=["annotation", "older-prefix", "field"])
@pytest.mark.parametrize("pool", [GIT, "10.89.0.192/27", "10.89.0.200/32, 10.89.0.203/32"])
def test_an_address_of_git_s_pool_is_green_where_the_pool_is_moved(
    tmp_path: Path, asks: dict[str, Any], pool: str
) -> None:
    found = asking_layer(tmp_path, asks, "10.89.0.203", pool.replace(" ", ""))
    moves = {str(block): str(block).replace("10.89.0.", "10.89.2.") for block in found.pool_ranges()}
    assert judged(found, moves, "10.89.2.203") == []
    assert judged(found, {}, "10.89.0.203") == []


def test_each_address_that_a_service_asks_for_lies_in_a_pool_of_git(tmp_path: Path) -> None:
    found = asking_layer(tmp_path, ASKS[0], "10.89.0.203,10.89.2.210", GIT)
    (finding,) = judged(found, {GIT: HERE}, "10.89.2.203")
    assert "asks for 10.89.2.210, which lies in no pool" in finding.cause.sentence


def test_an_address_of_another_pool_of_git_is_not_one_of_the_pool_that_is_asked_for(tmp_path: Path) -> None:
    asks = {"annotations": {PREFIXES[0]: "{}", "metallb.io/address-pool": "p1"}}
    found = asking_layer(tmp_path, asks, "10.89.0.203", GIT, "10.89.3.0/28")
    (finding,) = judged(found, {GIT: HERE}, "10.89.2.203")
    assert finding.cause.sentence.endswith("lies outside of the pool p1 that it asks for; p1 has 10.89.3.0/28")
    assert "asks for 10.89.0.203," in finding.cause.sentence, "as Git has it"


@pytest.mark.parametrize("cause", sorted(SERVED_BY_OTHERS))
def test_of_a_service_that_metallb_does_not_serve_the_pools_do_not_matter(tmp_path: Path, cause: str) -> None:
    found = asking_layer(tmp_path, ASKS[0], "10.89.2.210", GIT)
    (balancer,) = found.load_balancers()
    seen = replace(SOUND, service=service(address=""), cause=Cause(cause, "another serves it", "correct it"))
    (finding,) = check(WantedService.served(balancer, found, {}), seen)
    assert finding.cause.id == cause


@pytest.mark.parametrize("pools", [(), (GIT,)])
def test_a_pool_that_is_missing_is_told_by_the_cluster(tmp_path: Path, pools: tuple[str, ...]) -> None:
    asks = {"annotations": {PREFIXES[0]: "{}", "metallb.io/address-pool": "gold"}}
    found = asking_layer(tmp_path, asks, "10.89.2.210", *pools)
    (balancer,) = found.load_balancers()
    assert WantedService.served(balancer, found, {}).outside is None


def test_a_service_is_pending_or_has_an_address() -> None:
    assert loadbalancer.has_address(service()) == Met(["10.89.0.201"])
    assert not isinstance(loadbalancer.has_address(None), Met)
    assert isinstance(loadbalancer.is_pending(service(address="")), Met)
    assert not isinstance(loadbalancer.is_pending(service()), Met)
    assert not isinstance(loadbalancer.is_pending(None), Met)


@pytest.mark.point("service-takes-others")
def test_a_service_that_takes_in_the_pods_of_another() -> None:
    url = "http://10.89.0.201:80/"
    refused = external_client.ProbeResult(
        "HTTP", url, "NewConnectionError: [Errno 111] Connection refused", False, 0.01, 24, 13
    )
    live = service(selector={"environment": "dev"})
    others = ("deployment/chat -n chat-dev", "deployment/worker -n chat-dev")
    finding = found(replace(SOUND, service=live, answer=refused, others=others))
    assert_break("service-takes-others", finding.cause)
    assert finding.observed.startswith("11 of 24 requests are not answered so: ")
    assert finding.cause.remedy.startswith("let spec.selector of the Service choose the pods of one of them only")
    wrong = replace(refused, connected=True, problem="app is 'worker' instead of 'chat'")
    finding = found(replace(SOUND, service=live, answer=wrong, others=others))
    assert finding.cause.id == "loadbalancer-wrong-answer"
    assert "reaches pods of deployment/chat -n chat-dev and of deployment/worker" in finding.cause.sentence


@pytest.mark.point("service-takes-others")
def test_where_no_request_is_answered_it_is_not_for_the_others() -> None:
    refused = external_client.ProbeResult("HTTP", "http://10.89.0.201:80/", "refused", False, 0.01, 24, 0)
    finding = found(
        replace(SOUND, answer=refused, others=("deployment/chat -n chat-dev", "deployment/canary -n chat-dev"))
    )
    assert "reaches pods" not in finding.cause.sentence
    assert finding.observed == "refused"


@pytest.mark.point("service-takes-others")
@pytest.mark.parametrize(("ready", "asked"), [(1, 1), (2, 24), (3, 36), (50, 240)])
@pytest.mark.usefixtures("segment")
def test_every_endpoint_is_asked_several_times(ready: int, asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []

    def fetch(*_: object) -> external_client.ProbeResult:
        times.append(1)
        return ANSWER

    monkeypatch.setattr(external_client, "fetch", fetch)
    objects = without(loadbalancers.platform(), "EndpointSlice")
    piece = loadbalancers.endpoint_slice()
    piece["endpoints"] = [{"addresses": [f"10.0.0.{number}"]} for number in range(ready)]
    piece["endpoints"].append({"addresses": ["10.0.1.1"], "conditions": {"ready": False}})
    seen = observe(WANTED, RecordedView(service(), *objects, piece), HOST)
    assert len(times) == asked
    assert check(WANTED, seen) == []


@pytest.mark.point("shared-address")
@pytest.mark.usefixtures("segment")
def test_services_agree_to_share_under_either_prefix() -> None:
    old = {"metallb.universe.tf/allow-shared-ip": "web"}
    other = service("other", annotations={"metallb.io/allow-shared-ip": "web"})
    seen = observe(WANTED, RecordedView(service(annotations=old), other, *loadbalancers.platform()), HOST)
    assert seen.sharers == {"10.89.0.201": [("service/other -n chat-dev", "web")]}
    assert check(replace(WANTED, service=service(address="", annotations=old)), seen) == []
    (finding,) = check(WANTED, seen)
    assert finding.cause.sentence.endswith("of metallb.io/allow-shared-ip service/other -n chat-dev says web")
