"""The nodes of a cluster: entered, loaded with images, stopped and started again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from contract import pods
from contract.conftest import Standing
from platform_e2e.checks.loadbalancer.node import addresses_on
from platform_e2e.cluster import nodes
from platform_e2e.cluster.kubernetes import nodefiles
from platform_e2e.cluster.kubernetes.addons import why_not_ready
from platform_e2e.cluster.provider import NodeFacts
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.expect import Met, Pending, Verdict, poll
from platform_e2e.kube.objects import Object
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import images

BACK_SECONDS = 120.0
"""Timeout until restarted nodes are Ready; 15 s were seen."""


@pytest.mark.needs("nodes")
def test_each_node_can_be_looked_into(standing: Standing) -> None:
    """The host of testinfra is the node itself: its name, and its address on an interface."""
    for each in standing.facts.nodes:
        host = nodes.host(each)
        assert host.check_output("hostname") == each.name
        assert each.address in addresses_on(host)


def test_pods_are_reached_on_every_node(standing: Standing) -> None:
    """The API server, on the first node, gets an answer from a pod on each node."""
    for number, each in enumerate(standing.facts.nodes):
        pods.check_health(standing, f"health-{number}", each.name)


@pytest.mark.scenario("C5")
@pytest.mark.needs("load_images")
def test_an_image_is_loaded_into_every_node(standing: Standing, tmp_path: Path) -> None:
    """A pod that must not pull it runs on each node."""
    pause = next(each for each in images.ensure(Timeline(None)) if each.name == nodefiles.PAUSE)
    name = "contract.example/loaded:1"
    dataclasses.replace(pause, name=name).write(tmp_path / "image.tar")
    standing.provider.load_image(standing.facts, tmp_path / "image.tar")
    for number, each in enumerate(standing.facts.nodes):
        pods.run(standing, f"loaded-{number}", each.name, image=name)
        standing.kube.delete("v1/Pod", f"loaded-{number}", "default")


def back(standing: Standing, before: dict[str, str], chosen: Sequence[NodeFacts]) -> None:
    """Wait until every node is Ready, and the kubelets of the stopped ones have reported since."""
    names = {each.name for each in chosen}

    def look() -> Verdict:
        try:
            found = standing.kube.list("v1/Node")
        except ApiError as error:
            return Pending(error.problem)
        waiting = [f"{name_of(node)}: {why_not_ready(node)}" for node in found if why_not_ready(node)]
        waiting += [f"{name} has not reported since" for name in names if reported(found)[name] == before[name]]
        return Pending("; ".join(waiting)) if waiting else Met(None)

    poll(look, timeout=BACK_SECONDS, what="every node is Ready again")


def name_of(node: Object) -> str:
    """Return a Node's name."""
    return str(node["metadata"]["name"])


def reported(found: Sequence[Object]) -> dict[str, str]:
    """Return for each Node when its kubelet last reported."""
    conditions = {name_of(node): {each["type"]: each for each in node["status"]["conditions"]} for node in found}
    return {name: str(each["Ready"]["lastHeartbeatTime"]) for name, each in conditions.items()}


@pytest.mark.needs("stop_node")
def test_a_stopped_node_is_seen_and_comes_back(standing: Standing) -> None:
    """Without it the cluster is not alive; started again it has its address, and runs pods."""
    provider, facts, last = standing.provider, standing.facts, standing.facts.nodes[-1]
    before = reported(standing.kube.list("v1/Node"))
    provider.stop_node(facts, last.name)
    assert not provider.alive(facts)
    provider.start_node(facts, last.name)
    assert provider.alive(facts)
    back(standing, before, [last])
    pods.check_health(standing, "after-start", last.name)


@pytest.mark.scenario("C4")
@pytest.mark.needs("stop_node")
def test_a_cluster_survives_being_stopped_with_the_same_addresses(standing: Standing) -> None:
    """All nodes stopped and started again: the same names and addresses, stored objects still exist, pods run."""
    provider, facts = standing.provider, standing.facts
    standing.kube.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": "default"}}
    )
    before = reported(standing.kube.list("v1/Node"))
    for each in reversed(facts.nodes):
        provider.stop_node(facts, each.name)
    for each in facts.nodes:
        provider.start_node(facts, each.name)
    back(standing, before, facts.nodes)
    assert standing.kube.get("v1/ConfigMap", "kept", "default") is not None
    for each in facts.nodes:
        node = standing.kube.get("v1/Node", each.name) or {}
        assert {"type": "InternalIP", "address": each.address} in node["status"]["addresses"]
        assert each.address in addresses_on(nodes.host(each))
    for number, each in enumerate(facts.nodes):
        pods.check_health(standing, f"after-all-{number}", each.name)
