"""The objects that a bare control plane lacks: CoreDNS, the rights of kube-router, and the role and network of each Node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from platform_e2e.cluster.kubernetes.api import Api
from platform_e2e.cluster.kubernetes.credentials import KUBE_ROUTER
from platform_e2e.cluster.network.addressing import Plan

COREDNS_IMAGE = "registry.k8s.io/coredns/coredns:v1.13.1"
"""kubeadm's name of the image; programs/go.mod has the version."""

COREFILE = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 5
    }
    prometheus :9153
    cache 5
    reload
    loadbalance
}
"""
"""kubeadm's Corefile, but answers live 5 s instead of 30, and the closed cluster forwards no query."""

RBAC = "rbac.authorization.k8s.io"

LABELS = {"k8s-app": "kube-dns"}


def objects(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    """Return the first objects of a cluster, each with the path of its collection."""
    return [*_dns(plan), *_enforcement()]


def _enforcement() -> list[tuple[str, dict[str, Any]]]:
    """Return the rights of kube-router's policy controller: what it watches, and the Node that it runs on."""
    reads = [
        ([""], ["namespaces", "nodes", "pods"], ["get", "list", "watch"]),
        (["networking.k8s.io"], ["networkpolicies"], ["list", "watch"]),
    ]
    user = {"apiGroup": RBAC, "kind": "User", "name": KUBE_ROUTER}
    return _role(KUBE_ROUTER, reads, user)


def _role(
    name: str, rules: Sequence[tuple[list[str], list[str], list[str]]], subject: dict[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """Return a ClusterRole of that name and its binding to a subject."""
    path = f"/apis/{RBAC}/v1"
    head = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": name}}
    return [
        (
            f"{path}/clusterroles",
            {
                **head,
                "kind": "ClusterRole",
                "rules": [{"apiGroups": groups, "resources": kinds, "verbs": verbs} for groups, kinds, verbs in rules],
            },
        ),
        (
            f"{path}/clusterrolebindings",
            {
                **head,
                "kind": "ClusterRoleBinding",
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
                "subjects": [subject],
            },
        ),
    ]


def _dns(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects of CoreDNS as kubeadm installs it, with one replica."""
    kube_system = "/api/v1/namespaces/kube-system"
    account = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    reads = [
        ([""], ["endpoints", "services", "pods", "namespaces"], ["list", "watch"]),
        (["discovery.k8s.io"], ["endpointslices"], ["list", "watch"]),
    ]
    return [
        (
            f"{kube_system}/serviceaccounts",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "coredns"}},
        ),
        *_role("system:coredns", reads, account),
        (
            f"{kube_system}/configmaps",
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "coredns"}, "data": {"Corefile": COREFILE}},
        ),
        (f"{kube_system}/services", _service(plan)),
        ("/apis/apps/v1/namespaces/kube-system/deployments", _deployment()),
    ]


def _service(plan: Plan) -> dict[str, Any]:
    labels = {**LABELS, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    ports = [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP")]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "labels": labels,
            "annotations": {"prometheus.io/port": "9153", "prometheus.io/scrape": "true"},
        },
        "spec": {
            "clusterIP": str(plan.dns),
            "selector": LABELS,
            "ports": [{"name": name, "port": port, "protocol": kind, "targetPort": port} for name, port, kind in ports],
        },
    }


def _deployment() -> dict[str, Any]:
    container = {
        "name": "coredns",
        "image": COREDNS_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
        "ports": [
            {"containerPort": 53, "name": "dns", "protocol": "UDP"},
            {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
            {"containerPort": 9153, "name": "metrics", "protocol": "TCP"},
        ],
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 60, "timeoutSeconds": 5},
        # kubeadm probes every 10 s; a test cluster's DNS should be used as soon as it works.
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
        ],
        "containers": [container],
        "volumes": [
            {
                "name": "config-volume",
                "configMap": {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]},
            }
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coredns", "labels": LABELS},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
        },
    }


class NodeInitializer:
    """Completes the cluster's Node objects until they are Ready.

    Args:
        api: the cluster's API server.
        plan: its addresses.
        names: the names of its nodes, in the plan's order.
    """

    def __init__(self, api: Api, plan: Plan, names: Sequence[str]) -> None:
        self._api = api
        self._plan = plan
        self._names = names
        self._settled: set[str] = set()

    def ready(self) -> bool | str:
        """Complete each registered Node, and return True if all can take pods, else which cannot and why."""
        found = {node["metadata"]["name"]: node for node in self._api.nodes()}
        waiting = []
        for number, name in enumerate(self._names):
            node = found.get(name)
            if node is None:
                waiting.append(f"{name} has not registered")
                continue
            if name not in self._settled:
                self._complete(name, number)
            reason = why_not_ready(node)
            if reason:
                waiting.append(f"{name}: {reason}")
        return "; ".join(waiting) or True

    def _complete(self, name: str, number: int) -> None:
        """Write the node's network and role, which a kubelet must not write and a cloud provider, absent here, would."""
        pods = str(self._plan.pods_of(number))
        # kubeadm's label that excludes the server from load balancers is left out, and so is its taint: a load balancer must
        # reach the server too, and it takes pods like every other node.
        labels = {"node-role.kubernetes.io/control-plane": ""} if number == 0 else {}
        self._api.merge(
            f"/api/v1/nodes/{name}", {"metadata": {"labels": labels}, "spec": {"podCIDR": pods, "podCIDRs": [pods]}}
        )
        self._settled.add(name)


def why_not_ready(node: dict[str, Any]) -> str:
    """Return why a Node does not take pods yet, or an empty text."""
    conditions = {each["type"]: each for each in node["status"].get("conditions", [])}
    ready = conditions.get("Ready")
    if ready is None or ready["status"] != "True":
        return str(ready["message"]) if ready else "it has not reported yet"
    taints = [taint["key"] for taint in node["spec"].get("taints", [])]
    return f"it is tainted {', '.join(taints)}" if taints else ""
