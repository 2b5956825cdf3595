"""Why a Service of type LoadBalancer has no address, or one that nobody answers for.

The order follows MetalLB 0.15.3: controller/service.go (allocateIPs), internal/allocator/allocator.go, then
speaker/layer2_controller.go (ShouldAnnounce).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from platform_e2e.explain import addresses
from platform_e2e.explain.addresses import (
    ADVERTISEMENT_KIND,
    POOL_KIND,
    Pool,
    allowed_pools,
    requested_addresses,
    requested_pool,
)
from platform_e2e.explain.objects import (
    at,
    container_ports,
    endpoints,
    is_ready,
    labels_of,
    listed,
    name_of,
    pods_of,
    selects,
    workloads_of,
)
from platform_e2e.explain.registry import View, explain, explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key

STATUS_KIND = "metallb.io/v1beta1/ServiceL2Status"
SERVICE_LABEL, NAMESPACE_LABEL = "metallb.io/service-name", "metallb.io/service-namespace"
"""Labels of a ServiceL2Status (MetalLB 0.15.3, internal/k8s/controllers/values.go)."""

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
"""On a node: its speaker announces nothing (internal/k8s/nodes)."""

SPEAKER = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
"""Labels of MetalLB's speaker pods in its chart, charts/metallb/templates/_helpers.tpl."""


def ingress(service: Object) -> list[str]:
    """Return the addresses that a Service has."""
    return [str(entry["ip"]) for entry in at(service, "status", "loadBalancer", "ingress") or () if entry.get("ip")]


def statuses_of(view: View, service: Object) -> list[Object]:
    """Return the ServiceL2Status objects that speakers keep for a Service."""
    namespace, name = key(service)
    return list(view.list(STATUS_KIND, labels={SERVICE_LABEL: name, NAMESPACE_LABEL: namespace}))


def _is_ours(service: Object) -> bool:
    return bool(at(service, "spec", "type") == "LoadBalancer")


def _other_services(view: View, service: Object) -> list[Object]:
    return [other for other in view.list("v1/Service") if _is_ours(other) and key(other) != key(service)]


@explains("v1/Service")
def other_class(service: Object, _view: View) -> Cause | None:
    """Another controller is asked for."""
    name = at(service, "spec", "loadBalancerClass")
    if not _is_ours(service) or not name or ingress(service):
        return None
    return Cause(
        "loadbalancer-other-class",
        f"{name_of(service)} asks for loadBalancerClass {name}, which MetalLB leaves alone",
        "remove spec.loadBalancerClass; it cannot be changed in place, so the Service has to be made anew",
    )


@explains("v1/Service")
def other_controller(service: Object, view: View) -> Cause | None:
    """K3s' own servicelb gives the address of a node."""
    if not _is_ours(service):
        return None
    namespace, name = key(service)
    made = [key(d)[1] for d in view.list("apps/v1/DaemonSet") if key(d)[1].startswith(f"svclb-{name}-")]
    if not made:
        return None
    return Cause(
        "loadbalancer-other-controller",
        f"k3s' servicelb serves Service {name} of {namespace} with DaemonSet {made[0]}, at the nodes' own addresses",
        "start k3s with --disable=servicelb",
    )


@explains("v1/Service")
def no_pool(service: Object, view: View) -> Cause | None:
    """There is no pool at all."""
    if not _is_ours(service) or ingress(service) or view.list(POOL_KIND):
        return None
    return Cause(
        "loadbalancer-no-pool",
        f"there is no IPAddressPool that {name_of(service)} could get an address from",
        "add an IPAddressPool to the layer, and see that its Application has applied it",
    )


@explains("v1/Service")
def no_address(service: Object, view: View) -> Cause | None:
    """No pool has an address for it: the pool it names, the address it names, or any."""
    if not _is_ours(service) or ingress(service):
        return None
    pools = [addresses.pool(obj) for obj in view.list(POOL_KIND)]
    others = _other_services(view, service)
    wanted, name = requested_addresses(service), requested_pool(service)
    if wanted:
        return _requested_address(service, wanted, pools, others)
    named = [pool for pool in pools if pool.name == name]
    if name and not named:
        return Cause(
            "loadbalancer-pool-unknown",
            f"{name_of(service)} asks for the pool {name}, and there is none of that name; there is "
            f"{listed([pool.name for pool in pools])}",
            "correct the annotation metallb.io/address-pool, or add the pool",
        )
    chosen = named or allowed_pools(service, _namespace_labels(view, service), pools)
    if not chosen:
        return Cause(
            "loadbalancer-pool-not-allowed",
            f"no pool may be given to {name_of(service)}: {'; '.join(_closed(pool) for pool in pools)}",
            "let a pool's autoAssign or serviceAllocation include the Service, or name a pool in metallb.io/address-pool",
        )
    return _full(service, chosen, others)


def _requested_address(
    service: Object, wanted: Sequence[str], pools: Sequence[Pool], others: Sequence[Object]
) -> Cause | None:
    """Explain why an address that a Service asks for cannot be given to it."""
    for address in wanted:
        if not any(ip_address(address) in pool for pool in pools):
            return Cause(
                "loadbalancer-address-outside-pools",
                f"{name_of(service)} asks for {address}, which lies in no pool; "
                f"{'; '.join(f'{pool.name} has {pool.written}' for pool in pools)}",
                "correct the annotation metallb.io/loadBalancerIPs, or widen the pool",
            )
        holders = [name_of(other) for other in others if address in ingress(other)]
        if holders:
            return Cause(
                "loadbalancer-address-taken",
                f"{name_of(service)} asks for {address}, which {listed(holders)} has",
                "give the Service another address, or let both share one with metallb.io/allow-shared-ip",
            )
    return None


def _full(service: Object, pools: Sequence[Pool], others: Sequence[Object]) -> Cause | None:
    """Explain that every address of the pools is in use."""
    taken = {address: name_of(other) for other in others for address in ingress(other)}
    for pool in pools:
        used = [address for address in taken if ip_address(address) in pool]
        if len(used) < pool.size:
            return None
    counted = "; ".join(f"{pool.name} ({pool.written}, {pool.size} in all)" for pool in pools)
    holders = sorted(
        {holder for address, holder in taken.items() if any(ip_address(address) in pool for pool in pools)}
    )
    return Cause(
        "loadbalancer-pool-full",
        f"{name_of(service)} waits for an address: every one of {counted} is taken, by {listed(holders)}",
        "widen the pool's addresses, or free one",
    )


def _closed(pool: Pool) -> str:
    return (
        f"{pool.name} is not given automatically" if not pool.auto_assign else f"{pool.name} is for {pool.reserved_for}"
    )


def _namespace_labels(view: View, service: Object) -> dict[str, str]:
    namespace = view.get("v1/Namespace", key(service)[0])
    return dict(labels_of(namespace)) if namespace else {}


@explains("v1/Service")
def no_endpoints(service: Object, view: View) -> Cause | None:
    """Nothing stands behind the Service; MetalLB announces only what has an active endpoint."""
    if not _is_ours(service) or not ingress(service) or any(is_ready(e) for e in endpoints(view, service)):
        return None
    pods = pods_of(view, service)
    for pod in pods:
        cause = explain(pod, view)
        if cause is not None:
            return cause
    for workload in workloads_of(view, service):
        cause = explain(workload, view)
        if cause is not None:
            return cause
    selector = ", ".join(f"{name}={value}" for name, value in (at(service, "spec", "selector") or {}).items())
    if pods:
        return None
    return Cause(
        "loadbalancer-no-endpoints",
        f"the selector of {name_of(service)} ({selector or 'empty'}) selects no pod of its namespace",
        "correct spec.selector of the Service, or the labels of the pods",
    )


@explains("v1/Service")
def no_advertisement(service: Object, view: View) -> Cause | None:
    """The pool's addresses are announced by nobody."""
    if not _is_ours(service) or not ingress(service) or statuses_of(view, service):
        return None
    pool = next((obj for obj in view.list(POOL_KIND) if _holds(obj, ingress(service))), None)
    name = key(pool)[1] if pool else "unknown"
    advertisements = view.list(ADVERTISEMENT_KIND)
    mine = [adv for adv in advertisements if pool and _advertises(adv, pool)]
    if not mine and any(
        at(adv, "spec", "ipAddressPools") or at(adv, "spec", "ipAddressPoolSelectors") for adv in advertisements
    ):
        return Cause(
            "loadbalancer-not-announced-selectors",
            f"{name_of(service)} has {listed(ingress(service))} from the pool {name}, and none of the L2Advertisements "
            f"{listed([key(adv)[1] for adv in advertisements])} selects that pool",
            "add the pool to spec.ipAddressPools of an L2Advertisement",
        )
    if not mine:
        return Cause(
            "loadbalancer-not-announced-no-advertisement",
            f"{name_of(service)} has {listed(ingress(service))} from the pool {name}, and no L2Advertisement announces that pool",
            "add an L2Advertisement for the pool to the layer",
        )
    return _no_speaker(service, mine, view)


def _holds(pool: Object, wanted: Sequence[str]) -> bool:
    parsed = addresses.pool(pool)
    return any(ip_address(address) in parsed for address in wanted)


def _advertises(advertisement: Object, pool: Object) -> bool:
    """Tell whether an L2Advertisement is about a pool; one that names none is about all (l2advertisement_types.go)."""
    names = at(advertisement, "spec", "ipAddressPools") or []
    selectors = at(advertisement, "spec", "ipAddressPoolSelectors") or []
    if not names and not selectors:
        return True
    return key(pool)[1] in names or any(selects(selector, labels_of(pool)) for selector in selectors)


def _no_speaker(service: Object, advertisements: Sequence[Object], view: View) -> Cause | None:
    """Explain that no node which may announce has a speaker that can."""
    nodes = view.list("v1/Node")
    selectors = [at(adv, "spec", "nodeSelectors") or [{}] for adv in advertisements]
    chosen = [n for n in nodes if any(selects(s, labels_of(n)) for several in selectors for s in several)]
    if not chosen:
        return Cause(
            "loadbalancer-not-announced-selectors",
            f"the nodeSelectors of L2Advertisement {listed([key(adv)[1] for adv in advertisements])} select no node",
            "correct spec.nodeSelectors of the L2Advertisement",
        )
    speakers = {
        at(pod, "spec", "nodeName")
        for pod in view.list("v1/Pod", labels=SPEAKER)
        if any(c.get("ready") for c in at(pod, "status", "containerStatuses") or ())
    }
    able = [n for n in chosen if key(n)[1] in speakers and EXCLUDE_LABEL not in labels_of(n)]
    if able:
        return None
    return Cause(
        "loadbalancer-not-announced-no-speaker",
        f"no speaker can announce {listed(ingress(service))} of {name_of(service)}: of the nodes "
        f"{listed([key(n)[1] for n in chosen])} none has a ready speaker and is free of the label {EXCLUDE_LABEL}",
        "look at the pods of DaemonSet metallb-speaker, or remove the label from the node",
    )


@explains("v1/Service")
def target_port(service: Object, view: View) -> Cause | None:
    """A named targetPort that no container declares: the Service has an endpoint without a port."""
    if not _is_ours(service):
        return None
    declared = {port.get("name") for port in container_ports(pods_of(view, service))}
    for port in at(service, "spec", "ports") or ():
        target = port.get("targetPort")
        if isinstance(target, str) and declared and target not in declared:
            return Cause(
                "loadbalancer-target-port",
                f"port {port.get('port')} of {name_of(service)} goes to a container port named {target}, and its pods name "
                f"theirs {listed(sorted(str(name) for name in declared if name))}",
                "correct targetPort of the Service, or the name of the container's port",
            )
    return None
