"""Causes of a Service of type LoadBalancer without an address.

The order follows MetalLB 0.15.3: internal/k8s/controllers/service_controller.go (filterByLoadBalancerClass),
controller/service.go (convergeBalancer, allocateIPs) and internal/allocator/allocator.go. What keeps an address that is
there from being announced or from answering is in `announcing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from platform_e2e.diagnosis.explain import metallb_pools
from platform_e2e.diagnosis.explain.metallb_pools import (
    POOL_KIND,
    AddressPool,
    allowed_pools,
    asks_at,
    asks_in,
    requested_addresses,
    requested_pool,
    written_at,
)
from platform_e2e.diagnosis.explain.metallb_sharing import refusal
from platform_e2e.diagnosis.objects import at, includes, labels_of, listed, name_of, of_now, one_line, since
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

STATUS_KIND = "metallb.io/v1beta1/ServiceL2Status"
SERVICE_LABEL, NAMESPACE_LABEL = "metallb.io/service-name", "metallb.io/service-namespace"
"""Labels of a ServiceL2Status (MetalLB 0.15.3, internal/k8s/controllers/values.go)."""

CONTROLLER = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller"}
"""Labels of MetalLB's controller in its chart, charts/metallb/templates/_helpers.tpl."""

CLASS_ARGUMENT = "--lb-class="
"""With it MetalLB serves the Services of one class only (controller/main.go); the chart's value is loadBalancerClass."""

COMPONENT = "metallb"
"""How the components that leave events on Services are called: metallb-controller, metallb-speaker (internal/k8s/k8s.go)."""

NO_REFUSAL = frozenset({"deprecatedAnnotation"})
"""Reasons of MetalLB's warnings that refuse nothing (controller/main.go)."""

K3S_LABEL = "svccontroller.k3s.cattle.io/"
"""Of the DaemonSets that k3s' servicelb makes: this and `svcname`, `svcnamespace` (k3s 1.34, pkg/cloudprovider/servicelb.go)."""


def ingress(service: Object) -> list[str]:
    """Return the addresses that a Service has."""
    return [str(entry["ip"]) for entry in at(service, "status", "loadBalancer", "ingress") or () if entry.get("ip")]


def statuses_of(view: ReadApi, service: Object) -> list[Object]:
    """Return the ServiceL2Status objects that speakers keep for a Service."""
    namespace, name = key(service)
    return list(view.list(STATUS_KIND, labels={SERVICE_LABEL: name, NAMESPACE_LABEL: namespace}))


def is_load_balancer(service: Object) -> bool:
    """Tell whether a Service is of the type that gets an address."""
    return bool(at(service, "spec", "type") == "LoadBalancer")


def _other_services(view: ReadApi, service: Object) -> list[Object]:
    return [other for other in view.list("v1/Service") if is_load_balancer(other) and key(other) != key(service)]


@explains("v1/Service")
def other_controller(service: Object, view: ReadApi) -> Cause | None:
    """K3s' own servicelb gives the address of a node."""
    if not is_load_balancer(service):
        return None
    namespace, name = key(service)
    labels = {f"{K3S_LABEL}svcname": name, f"{K3S_LABEL}svcnamespace": namespace}
    made = [
        name_of(daemonset) for daemonset in view.list("apps/v1/DaemonSet") if includes(labels, labels_of(daemonset))
    ]
    if not made:
        return None
    return Cause(
        "loadbalancer-other-controller",
        f"k3s' servicelb serves {name_of(service)} through {listed(made)}, at the nodes' own addresses",
        "start k3s with --disable=servicelb; the DaemonSet goes with it, or delete it where it was only copied",
    )


@explains("v1/Service")
def other_class(service: Object, view: ReadApi) -> Cause | None:
    """The Service asks for another controller than MetalLB, or MetalLB serves a class that the Service does not have."""
    if not is_load_balancer(service) or (ingress(service) and statuses_of(view, service)):
        return None
    asked, served = str(at(service, "spec", "loadBalancerClass") or ""), served_class(view)
    if asked == served:
        return None
    if asked:
        return Cause(
            "loadbalancer-other-class",
            f"{name_of(service)} asks for the loadBalancerClass {asked}, and MetalLB serves "
            f"{f'the class {served} only' if served else 'Services without a class only'}",
            "remove spec.loadBalancerClass; it cannot be changed in place, so the Service has to be deleted and made anew",
            field=("spec", "loadBalancerClass"),
        )
    return Cause(
        "loadbalancer-class-missing",
        f"{name_of(service)} has no loadBalancerClass, and MetalLB serves the class {served} only",
        "remove loadBalancerClass from the values of MetalLB's release, or write that class into the Service, which has to "
        "be deleted and made anew for it",
    )


def served_class(view: ReadApi) -> str:
    """Return the class whose Services MetalLB serves; empty where it serves those without one."""
    for deployment in view.list("apps/v1/Deployment", labels=CONTROLLER):
        for container in at(deployment, "spec", "template", "spec", "containers") or ():
            for word in container.get("args") or ():
                if str(word).startswith(CLASS_ARGUMENT):
                    return str(word).removeprefix(CLASS_ARGUMENT)
    return ""


@explains("v1/Service")
def no_pool(service: Object, view: ReadApi) -> Cause | None:
    """There is no pool at all."""
    if not is_load_balancer(service) or ingress(service) or view.list(POOL_KIND):
        return None
    return without_pool(f"{name_of(service)} gets no address")


def without_pool(effect: str) -> Cause:
    """Return the cause that there is no IPAddressPool.

    Args:
        effect: what comes of it, as a main clause.
    """
    return Cause(
        "loadbalancer-no-pool",
        f"{effect}: the cluster has no IPAddressPool",
        "add an IPAddressPool to the layer, and see that its Application has applied it",
    )


@explains("v1/Service")
def no_address(service: Object, view: ReadApi) -> Cause | None:
    """No pool has an address for it: the pool it names, the address it names, or any."""
    if not is_load_balancer(service) or ingress(service):
        return None
    pools = [metallb_pools.pool(obj) for obj in view.list(POOL_KIND)]
    others = _other_services(view, service)
    name = requested_pool(service)
    named = [pool for pool in pools if pool.name == name]
    if name and not named:
        return Cause(
            "loadbalancer-pool-unknown",
            f"{name_of(service)} asks for the pool {name}, and there is none of that name; there is "
            f"{listed([pool.name for pool in pools])}",
            f"correct the annotation {written_at(service, 'address-pool')}, or add the pool",
            field=("metadata", "annotations", written_at(service, "address-pool")),
        )
    allowed = allowed_pools(service, _namespace_labels(view, service), pools)
    if requested_addresses(service):
        return _requested_address(service, named or pools, allowed, others)
    if not allowed:
        return _not_allowed(f"no pool may be given to {name_of(service)}", named or pools, asked=bool(named))
    return _full(service, allowed, others)


def outside_pools(service: Object, pools: Sequence[AddressPool]) -> Cause | None:
    """Return the cause that a Service asks for an address that no pool has; None where it asks for no such address.

    Args:
        service: with its request.
        pools: all there are, or the one that it names.
    """
    asked = requested_addresses(service)
    address = next((each for each in asked if not any(ip_address(each) in pool for pool in pools)), "")
    if not address:
        return None
    name = requested_pool(service)
    stated = ", ".join(pool.stated for pool in pools if pool.stated)
    return Cause(
        "loadbalancer-address-outside-pools",
        f"{name_of(service)} asks for {address}, which lies "
        f"{f'outside of the pool {name} that it asks for' if name else 'in no pool'}; "
        f"{'; '.join(f'{pool.name} has {pool.in_words}' for pool in pools)}",
        f"correct {asks_in(service)}{f' to an address of {stated}' if stated else ''}, or widen the pool",
        field=asks_at(service),
    )


def _requested_address(
    service: Object, pools: Sequence[AddressPool], allowed: Sequence[AddressPool], others: Sequence[Object]
) -> Cause | None:
    """Explain why an address that a Service asks for cannot be given to it."""
    outside = outside_pools(service, pools)
    for address in requested_addresses(service):
        asks = f"{name_of(service)} asks for {address}"
        holding = [pool for pool in pools if ip_address(address) in pool]
        if not holding:
            return outside
        if not any(pool in allowed for pool in holding):
            return _not_allowed(f"{asks}, which it may not be given", holding, asked=True)
        refused = [
            (name_of(other), why)
            for other in others
            if address in ingress(other) and (why := refusal(service, other)) is not None
        ]
        if refused:
            first = refused[0][1]
            because = f"; {first.why}" if first.why else ""
            return Cause(
                "loadbalancer-address-taken",
                f"{asks}, which {listed([name for name, _ in refused])} has{because}",
                f"give the Service another address, or {first.remedy}",
                field=asks_at(service),
            )
    return None


@explains("v1/Service")
def refused_by_metallb(service: Object, view: ReadApi) -> Cause | None:
    """None of the rules above explains it, and MetalLB itself says why."""
    if not is_load_balancer(service) or ingress(service):
        return None
    namespace, name = key(service)
    told = [
        one_line(event)
        for event in since(of_now(view.events("v1/Service", name, namespace), service), *view.list(POOL_KIND), service)
        if event.get("type") == "Warning" and str(at(event, "source", "component")).startswith(COMPONENT)
        if event.get("reason") not in NO_REFUSAL
    ]
    if not told:
        return None
    return Cause(
        "loadbalancer-refused",
        f"MetalLB gives {name_of(service)} no address: {told[-1]}",
        "correct what the message names: annotations, loadBalancerIP or IP families of the Service, or the pool",
    )


def _not_allowed(effect: str, pools: Sequence[AddressPool], *, asked: bool) -> Cause:
    return Cause(
        "loadbalancer-pool-not-allowed",
        f"{effect}: {'; '.join(pool.closed(asked=asked) for pool in pools)}",
        "let spec.serviceAllocation of the pool include the Service"
        if asked
        else "let spec.autoAssign and spec.serviceAllocation of a pool include the Service; a pool that is not given "
        "automatically can be named in the Service's annotation metallb.io/address-pool",
        about=pools[0].about if len(pools) == 1 else "",
        field=("spec", "serviceAllocation" if asked or pools[0].auto_assign else "autoAssign")
        if len(pools) == 1
        else (),
    )


def _full(service: Object, pools: Sequence[AddressPool], others: Sequence[Object]) -> Cause | None:
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
        about=pools[0].about if len(pools) == 1 else "",
        field=("spec", "addresses") if len(pools) == 1 else (),
    )


def _namespace_labels(view: ReadApi, service: Object) -> dict[str, str]:
    namespace = view.get("v1/Namespace", key(service)[0])
    return dict(labels_of(namespace)) if namespace else {}
