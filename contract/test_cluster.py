"""Make, attach to and remove clusters: a cluster has exactly what was requested."""

from __future__ import annotations

import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from contract.conftest import POOL, Standing, named
from platform_e2e import paths
from platform_e2e.addresses import AddressRange
from platform_e2e.checks.loadbalancer import Outside
from platform_e2e.cluster import acquisition
from platform_e2e.cluster.kubernetes.addons import why_not_ready
from platform_e2e.cluster.provider import ClusterFacts, ClusterSpec, Provider
from platform_e2e.errors import WrongUsage
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import consistently
from platform_e2e.kube.objects import Object
from platform_e2e.kube.verdict import Failed, Met, Verdict
from platform_e2e.shell import run
from platform_e2e.timeline import Timeline

ATTACH = """
import sys
from platform_e2e.cluster import acquisition, providers
from platform_e2e.cluster.directory import ClusterDirectory, read_spec
from platform_e2e.shell import run
from platform_e2e.timeline import Timeline
spec, provider, _ = read_spec(ClusterDirectory(sys.argv[1]).spec_file)
with acquisition.acquire(spec, providers.choose(provider), keep=lambda: False, timeline=Timeline(None)) as held:
    print(held.created, held.facts.kubeconfig)
"""


@pytest.mark.scenario("C1")
def test_every_node_is_ready_and_there_are_as_many_as_asked(standing: Standing) -> None:
    """In the API server and in the provider's facts, the server first."""
    nodes = {node["metadata"]["name"]: node for node in standing.kube.list("v1/Node")}
    assert set(nodes) == {each.name for each in standing.facts.nodes}
    assert len(nodes) == standing.spec.nodes
    assert {name: why_not_ready(node) for name, node in nodes.items()} == dict.fromkeys(nodes, "")
    for each in standing.facts.nodes:
        stated = {entry["type"]: entry["address"] for entry in nodes[each.name]["status"]["addresses"]}
        assert stated["InternalIP"] == each.address
    roles = nodes[standing.facts.nodes[0].name]["metadata"]["labels"]
    assert "node-role.kubernetes.io/control-plane" in roles


@pytest.mark.scenario("C1")
def test_the_api_server_is_ready_and_of_the_stated_version(standing: Standing) -> None:
    """Every check of /readyz passes."""
    assert "readyz check passed" in standing.kube.raw("GET", "/readyz?verbose")
    assert standing.kube.version() == standing.facts.kubernetes


def test_the_kubeconfig_is_a_file_of_the_cluster_for_its_owner_only(standing: Standing) -> None:
    """It is not merged into the user's own."""
    file = Path(standing.facts.kubeconfig)
    assert Path(standing.facts.directory) in file.parents
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    own = Path.home() / ".kube" / "config"
    assert not own.exists() or standing.spec.name not in own.read_text()


def test_another_process_attaches_and_leaves_it_standing(standing: Standing) -> None:
    """The second process makes nothing, and the cluster lives on after it leaves."""
    done = run([sys.executable, "-c", ATTACH, standing.spec.name], timeout=60, cwd=paths.ROOT)
    assert done.stdout.split() == ["False", standing.facts.kubeconfig]
    assert standing.provider.alive(standing.facts)


def test_a_cluster_of_another_shape_is_refused(standing: Standing, timeline: Timeline) -> None:
    """A run must not test on two nodes what it expects on three."""
    other = replace(standing.spec, nodes=standing.spec.nodes + 1)
    with (
        pytest.raises(WrongUsage, match=f"exists and has {standing.spec.nodes} node"),
        acquisition.acquire(other, standing.provider, keep=lambda: False, timeline=timeline),
    ):
        pass


def used_pool(facts: ClusterFacts) -> AddressRange:
    """Return the range in use for the layer's pool."""
    return AddressRange.parse(facts.pool_map.get(str(POOL), str(POOL)))


@pytest.mark.scenario("C3")
def test_the_pool_is_on_the_segment_and_nobody_has_an_address_of_it(standing: Standing) -> None:
    """Neither this host nor a node has one: both would answer for a Service."""
    facts, pool = standing.facts, used_pool(standing.facts)
    network = IPv4Network(facts.segment)
    assert pool.first in network
    assert pool.last in network
    assert int(pool.last) - int(pool.first) == int(POOL.last) - int(POOL.first)
    for address in (facts.host_address, *(each.address for each in facts.nodes)):
        assert not address or IPv4Address(address) not in pool


@pytest.mark.needs("node_network")
def test_a_client_on_the_segment_is_answered(standing: Standing) -> None:
    """Each node answers by ARP, from its own interface; no address of the pool is answered yet."""
    asker = Outside.of(standing.facts).asker
    found = {each.name: asker.who_has(each.address, timeout=2) for each in standing.facts.nodes}
    assert None not in found.values()
    assert len({reply.mac for reply in found.values() if reply}) == len(found)
    assert asker.who_has(str(used_pool(standing.facts).first), timeout=1) is None


@pytest.mark.scenario("C2")
def test_no_other_load_balancer_is_in_the_way(standing: Standing) -> None:
    """Without MetalLB a LoadBalancer Service has no address: servicelb would give it the nodes' own."""
    kube = standing.kube
    metadata = {"name": "pending", "namespace": "default"}
    spec = {"type": "LoadBalancer", "ports": [{"port": 8123}], "selector": {"app": "nobody"}}
    kube.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    source = kube.one("v1/Service", "pending", "default")

    def pending(service: Object | None) -> Verdict:
        status = (service or {}).get("status")
        return Met(service) if status == {"loadBalancer": {}} else Failed(f"it has {status}")

    consistently(source, pending, for_=3, what="it has no address")
    kube.delete("v1/Service", "pending", "default")
    names = [each["metadata"]["name"] for each in kube.list("apps/v1/DaemonSet")]
    assert not [name for name in names if name.startswith("svclb-")]
    if kube.served("helm.cattle.io/v1/HelmChart"):
        assert not [
            chart for chart in kube.list("helm.cattle.io/v1/HelmChart") if "traefik" in chart["metadata"]["name"]
        ]


@pytest.mark.scenario("C6")
def test_two_at_once_keep_out_of_each_others_way(provider: Provider, small: ClusterSpec, timeline: Timeline) -> None:
    """Clusters made at the same moment have separate segments and pools; each is removed without a trace."""

    def live(spec: ClusterSpec) -> ClusterFacts:
        with acquisition.acquire(spec, provider, keep=lambda: False, timeline=timeline) as held:
            assert Kube.from_kubeconfig(Path(held.facts.kubeconfig)).version() == held.facts.kubernetes
            return held.facts

    specs = [replace(small, name=named("t")) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        one, two = pool.map(live, specs)
    assert not IPv4Network(one.segment).overlaps(IPv4Network(two.segment))
    assert used_pool(one) != used_pool(two)
    for spec in specs:
        assert provider.leftovers(spec.name) == []
        assert not (paths.clusters() / spec.name).exists()
