"""Objects that must turn a check red: a pool without room, a Service that asks it for an address, a monitor that selects nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from platform_e2e import timeline
from platform_e2e.checks.applications import TESTS
from platform_e2e.diagnosis.explain.metallb_pools import POOL_KIND
from platform_e2e.kube.objects import Object

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube

LONE_ADDRESS = "192.0.2.1"
"""An address that no network uses (RFC 5737, TEST-NET-1), so a pool of it clashes with no other."""


@contextlib.contextmanager
def pool_of_one(kube: Kube, name: str, namespace: str) -> Iterator[str]:
    """Make an IPAddressPool of one address that is given only to Services which name it, and yield its name.

    Args:
        kube: the cluster.
        name: of the pool.
        namespace: of MetalLB.
    """
    metadata = {"name": name, "namespace": namespace, "labels": {TESTS: name}}
    spec = {"addresses": [f"{LONE_ADDRESS}/32"], "autoAssign": False}
    kube.create({"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": metadata, "spec": spec})
    shown = f"ipaddresspool/{name} -n {namespace}"
    timeline.current().event("disturbance-start", shown, change="pool-of-one")
    try:
        yield name
    finally:
        kube.delete(POOL_KIND, name, namespace)
        timeline.current().event("disturbance-end", shown)


@contextlib.contextmanager
def webhook_down(kube: Kube, namespace: str) -> Iterator[str]:
    """Have a webhook that does not answer asked for each ConfigMap of a namespace that is made or changed, and yield its name.

    Args:
        kube: the cluster.
        namespace: of a test; nothing outside of it is asked for.
    """
    webhook = {
        "name": "down.platform-e2e.invalid",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 1,
        "clientConfig": {"service": {"name": "down", "namespace": namespace, "path": "/"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}],
    }  # fmt: skip
    kind = "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration"
    metadata = {"name": namespace, "labels": {TESTS: namespace}}
    kube.create(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": metadata,
            "webhooks": [webhook],
        }
    )
    shown = f"validatingwebhookconfiguration/{namespace}"
    timeline.current().event("disturbance-start", shown, change="webhook-down")
    try:
        yield namespace
    finally:
        kube.delete(kind, namespace)
        timeline.current().event("disturbance-end", shown)


def service(name: str, namespace: str, pool: str, load_balancer_class: str = "") -> Object:
    """Return a LoadBalancer Service that asks for an address of a pool, with nothing behind it.

    Args:
        name: of the Service.
        namespace: of the Service.
        pool: that it asks for.
        load_balancer_class: the one that MetalLB serves; empty where it serves Services without one.
    """
    spec: Object = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]}
    if load_balancer_class:
        spec["loadBalancerClass"] = load_balancer_class
    annotations = {"metallb.io/address-pool": pool}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": spec,
    }


def monitor(name: str, namespace: str, labels: dict[str, str]) -> Object:
    """Return a ServiceMonitor that selects nothing in particular."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"selector": {"matchLabels": {"app": name}}, "endpoints": [{"port": "metrics"}]},
    }
