"""A small platform with one LoadBalancer Service, for tests that take something away from it."""

from __future__ import annotations

from typing import Any

from platform_e2e.kube.objects import Object
from tests.fakes.recorded_view import made

LABELS = {"app": "chat"}
MAC = "02:00:00:00:00:02"


def pool(name: str = "platform", *addresses: str, **spec: Any) -> Object:
    written = list(addresses or ("10.89.0.200-10.89.0.220",))
    return made("metallb.io/v1beta1/IPAddressPool", name, "metallb-system", spec={"addresses": written, **spec})


def service(
    name: str = "chat", address: str = "10.89.0.201", *, annotations: dict[str, str] | None = None, **spec: Any
) -> Object:
    """Return a Service as the cluster has it; an empty address is a pending one."""
    written = {"metallb.io/ip-allocated-from-pool": "platform"} if address else {}
    return made(
        "v1/Service",
        name,
        "chat-dev",
        metadata={"annotations": {**written, **(annotations or {})}},
        spec={
            "type": "LoadBalancer",
            "selector": LABELS,
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            **spec,
        },
        status={"loadBalancer": {"ingress": [{"ip": address}]} if address else {}},
    )


def advertisement(*pools: str, **spec: Any) -> Object:
    written = {"ipAddressPools": list(pools)} if pools else {}
    return made("metallb.io/v1beta1/L2Advertisement", "platform", "metallb-system", spec={**written, **spec})


def status(node: str = "node-1") -> Object:
    labels = {"metallb.io/service-name": "chat", "metallb.io/service-namespace": "chat-dev"}
    return made("metallb.io/v1beta1/ServiceL2Status", "l2-x", "metallb-system", labels, status={"node": node})


def pod(*, ready: bool = True, labels: dict[str, str] | None = None, **status_fields: Any) -> Object:
    return made(
        "v1/Pod",
        "chat-0",
        "chat-dev",
        labels or LABELS,
        spec={"containers": [{"name": "chat", "ports": [{"name": "http", "containerPort": 8080}]}]},
        status={
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "chat", "ready": ready, "state": {"running": {}}}],
            **status_fields,
        },
    )


def endpoint_slice(*, ready: bool = True) -> Object:
    return made(
        "discovery.k8s.io/v1/EndpointSlice",
        "chat-x",
        "chat-dev",
        {"kubernetes.io/service-name": "chat"},
        endpoints=[{"addresses": ["10.244.0.5"], "conditions": {"ready": ready}}],
    )


def node(name: str = "node-1", labels: dict[str, str] | None = None) -> Object:
    return made("v1/Node", name, labels=labels)


def speaker(node: str = "node-1", *, ready: bool = True) -> Object:
    return made(
        "v1/Pod",
        f"speaker-{node}",
        "metallb-system",
        {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"},
        spec={"nodeName": node},
        status={"containerStatuses": [{"name": "speaker", "ready": ready}]},
    )


def controller(*arguments: str) -> Object:
    """Return MetalLB's controller with the arguments that its chart gives it."""
    labels = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller"}
    template = {"spec": {"containers": [{"name": "controller", "args": list(arguments)}]}}
    return made("apps/v1/Deployment", "metallb-controller", "metallb-system", labels, spec={"template": template})


def platform() -> list[Object]:
    """Return everything that a Service needs besides itself."""
    return [pool(), advertisement("platform"), status(), pod(), endpoint_slice(), node(), speaker()]


def without(objects: list[Object], kind: str) -> list[Object]:
    """Return the objects without those of a kind."""
    return [one for one in objects if one["kind"] != kind]
