from __future__ import annotations

from typing import Any, cast

from platform_e2e.cluster.kubernetes import addons
from platform_e2e.cluster.kubernetes.api import Api
from platform_e2e.cluster.network import addressing

PLAN = addressing.plan([], 2, [])


def a_node(name: str, status: str = "True", taints: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"taints": [{"key": key} for key in taints]},
        "status": {"conditions": [{"type": "Ready", "status": status, "message": "network plugin not ready"}]},
    }


class FakeApi:
    """Answers with what it is given and notes what is merged."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self.merged: list[tuple[str, dict[str, Any]]] = []

    def nodes(self) -> list[dict[str, Any]]:
        return self.found

    def merge(self, path: str, patch: dict[str, Any]) -> None:
        self.merged.append((path, patch))


def test_nodes_are_waited_for_one_by_one_with_the_reason_of_each() -> None:
    api = FakeApi()
    nodes = addons.NodeInitializer(cast("Api", api), PLAN, ["n1", "n2"])
    assert nodes.ready() == "n1 has not registered; n2 has not registered"
    api.found = [a_node("n1", "False")]
    assert nodes.ready() == "n1: network plugin not ready; n2 has not registered"
    api.found = [a_node("n1"), a_node("n2", taints=("node.kubernetes.io/not-ready",))]
    assert nodes.ready() == "n2: it is tainted node.kubernetes.io/not-ready"
    api.found = [a_node("n1"), a_node("n2")]
    assert nodes.ready() is True


def test_each_node_is_told_its_network_once_and_only_the_server_its_role() -> None:
    api = FakeApi()
    api.found = [a_node("n1"), a_node("n2")]
    nodes = addons.NodeInitializer(cast("Api", api), PLAN, ["n1", "n2"])
    nodes.ready()
    nodes.ready()
    assert [path for path, _ in api.merged] == ["/api/v1/nodes/n1", "/api/v1/nodes/n2"]
    (_, server), (_, other) = api.merged
    assert server["spec"] == {"podCIDR": "10.42.0.0/24", "podCIDRs": ["10.42.0.0/24"]}
    assert server["metadata"]["labels"] == {"node-role.kubernetes.io/control-plane": ""}
    assert other["spec"]["podCIDR"] == "10.42.1.0/24"
    assert other["metadata"]["labels"] == {}


def test_the_dns_service_has_the_address_that_kubelets_give_to_pods() -> None:
    (service,) = [obj for _, obj in addons.objects(PLAN) if obj["kind"] == "Service"]
    assert service["spec"]["clusterIP"] == str(PLAN.dns)
    (deployment,) = [obj for _, obj in addons.objects(PLAN) if obj["kind"] == "Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_nothing_is_forwarded_out_of_the_cluster() -> None:
    assert "forward" not in addons.COREFILE


def test_corefile_uses_only_plugins_that_are_built_in() -> None:
    from platform_e2e.toolbox import gomod

    source = (gomod.MODULE / "cmd" / "coredns" / "main.go").read_text()
    lines = [line for line in addons.COREFILE.splitlines() if line.startswith("    ") and not line.startswith("     ")]
    used = {line.split()[0] for line in lines} - {"}"}
    assert used >= {"kubernetes", "cache", "ready"}
    assert not [name for name in used if f'"{name}"' not in source]


def test_the_enforcer_of_network_policies_may_read_what_they_are_about_and_write_nothing() -> None:
    made = {(obj["kind"], obj["metadata"]["name"]): obj for _, obj in addons.objects(PLAN)}
    role = made["ClusterRole", "system:kube-router"]
    readable = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert readable == {"namespaces", "networkpolicies", "nodes", "pods"}
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    binding = made["ClusterRoleBinding", "system:kube-router"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == ["system:kube-router"]
