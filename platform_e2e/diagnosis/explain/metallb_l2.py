"""MetalLB's layer 2: causes of an address that no node announces, or at which no request is answered.

The order follows MetalLB 0.15.3: speaker/layer2_controller.go (ShouldAnnounce, SetBalancer); then what kube-proxy needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

from platform_e2e.diagnosis.explain import metallb_pools
from platform_e2e.diagnosis.explain.loadbalancer import ingress, is_load_balancer, statuses_of
from platform_e2e.diagnosis.explain.metallb_pools import ADVERTISEMENT_KIND, POOL_KIND
from platform_e2e.diagnosis.explain.owners import has_ended, named
from platform_e2e.diagnosis.explain.services import nothing_ready
from platform_e2e.diagnosis.explain.targets import declared_ports, ports_of
from platform_e2e.diagnosis.objects import (
    about,
    at,
    endpoints,
    includes,
    is_ready,
    labels_of,
    listed,
    name_of,
    pods_of,
    selects,
    since,
)
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

BGP_ADVERTISEMENT_KIND = "metallb.io/v1beta1/BGPAdvertisement"
BGP_PEER_KIND = "metallb.io/v1beta2/BGPPeer"
"""Version that MetalLB 0.15.3 stores (api/v1beta2/bgppeer_types.go)."""

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
"""On a node: its speaker announces nothing (internal/k8s/nodes)."""

PROXY_LABEL = "service.kubernetes.io/service-proxy-name"
"""On a Service: kube-proxy leaves it to another proxy (Kubernetes 1.34, pkg/proxy/apis/well_known_labels.go)."""

SPEAKER = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
"""Labels of MetalLB's speaker, its pods and its DaemonSet, in its chart, charts/metallb/templates/_helpers.tpl."""

NO_INTERFACE = "announceFailed"
"""Reason of the event of a speaker whose node has none of the interfaces that it is to announce on (SetBalancer)."""


@explains("v1/Service")
def no_endpoints(service: Object, view: ReadApi) -> Cause | None:
    """Nothing stands behind the Service; MetalLB announces only what has an active endpoint."""
    if not is_load_balancer(service) or not ingress(service) or any(is_ready(e) for e in endpoints(view, service)):
        return None
    return nothing_ready(service, view, "loadbalancer-no-endpoints")


@explains("v1/Service")
def no_advertisement(service: Object, view: ReadApi) -> Cause | None:
    """No node announces the pool's addresses."""
    if not is_load_balancer(service) or not ingress(service) or statuses_of(view, service):
        return None
    pool = next((obj for obj in view.list(POOL_KIND) if _holds(obj, ingress(service))), None)
    name = key(pool)[1] if pool else "unknown"
    advertisements = view.list(ADVERTISEMENT_KIND)
    mine = [adv for adv in advertisements if pool and _advertises(adv, pool)]
    has = f"{name_of(service)} has {listed(ingress(service))} from the pool {name}"
    if not mine and any(
        at(adv, "spec", "ipAddressPools") or at(adv, "spec", "ipAddressPoolSelectors") for adv in advertisements
    ):
        return Cause(
            "loadbalancer-not-announced-selectors",
            f"{has}, and none of the L2Advertisements {listed([key(adv)[1] for adv in advertisements])} selects that pool",
            "add the pool to spec.ipAddressPools of an L2Advertisement",
            about=name_of(advertisements[0]),
            field=("spec", "ipAddressPools"),
        )
    if not mine:
        return Cause(
            "loadbalancer-not-announced-no-advertisement",
            f"{has}, and no L2Advertisement announces that pool{_by_bgp(pool, view)}",
            "add an L2Advertisement for the pool to the layer",
            about=name_of(pool) if pool else "",
        )
    return _no_node(service, mine, view) or _no_interface(service, mine, view)


def _by_bgp(pool: Object | None, view: ReadApi) -> str:
    """Return in words what announces a pool to BGP routers only: the segment hears nothing of it."""
    kinds = [
        advertisement
        for advertisement in view.list(BGP_ADVERTISEMENT_KIND)
        if pool and _advertises(advertisement, pool)
    ]
    if not kinds:
        return ""
    peers = [name_of(peer) for peer in view.list(BGP_PEER_KIND)]
    to = f"to {listed(peers)} only" if peers else "to BGP peers only, and there is no BGPPeer"
    return f"; {listed([name_of(kind) for kind in kinds])} announces it {to}"


def _holds(pool: Object, wanted: Sequence[str]) -> bool:
    parsed = metallb_pools.pool(pool)
    return any(ip_address(address) in parsed for address in wanted)


def _advertises(advertisement: Object, pool: Object) -> bool:
    """Tell whether an L2Advertisement is about a pool; one that names none is about all (l2advertisement_types.go)."""
    names = at(advertisement, "spec", "ipAddressPools") or []
    selectors = at(advertisement, "spec", "ipAddressPoolSelectors") or []
    if not names and not selectors:
        return True
    return key(pool)[1] in names or any(selects(selector, labels_of(pool)) for selector in selectors)


def _no_node(service: Object, advertisements: Sequence[Object], view: ReadApi) -> Cause | None:
    """Explain that no node which may announce has a speaker that can."""
    nodes = view.list("v1/Node")
    selectors = [at(adv, "spec", "nodeSelectors") or [{}] for adv in advertisements]
    chosen = [n for n in nodes if any(selects(s, labels_of(n)) for several in selectors for s in several)]
    if not chosen:
        return Cause(
            "loadbalancer-not-announced-nodes",
            f"no node may announce {listed(ingress(service))} of {name_of(service)}: the nodeSelectors of L2Advertisement "
            f"{listed([key(adv)[1] for adv in advertisements])} select none",
            "correct spec.nodeSelectors of the L2Advertisement; see `kubectl get nodes --show-labels`",
            about=name_of(advertisements[0]),
            field=("spec", "nodeSelectors"),
        )
    unable = f"no speaker can announce {listed(ingress(service))} of {name_of(service)}"
    nowhere = no_speaker(view)
    if nowhere is not None:
        return replace(nowhere, sentence=f"{unable}: {nowhere.sentence}")
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
        f"{unable}: of the nodes {listed([key(n)[1] for n in chosen])} none has a ready speaker and is free of the label "
        f"{EXCLUDE_LABEL}",
        "look at the pods of DaemonSet metallb-speaker, or remove the label from the node",
    )


def no_speaker(view: ReadApi) -> Cause | None:
    """Return why there is no speaker on any node; None where there is one, or should be.

    Args:
        view: of the cluster.
    """
    daemonsets = view.list("apps/v1/DaemonSet", labels=SPEAKER)
    if not daemonsets and not view.list("v1/Pod", labels=SPEAKER):
        return Cause(
            "loadbalancer-not-announced-no-speaker",
            "MetalLB has no speaker, which is its DaemonSet with the labels "
            f"{', '.join(f'{name}={value}' for name, value in SPEAKER.items())}",
            "set speaker.enabled: true in the values of MetalLB's release",
        )
    causes = [speakers_nowhere(daemonset, view) for daemonset in daemonsets]
    return causes[0] if causes and all(causes) else None


@explains("apps/v1/DaemonSet")
def speakers_nowhere(daemonset: Object, _view: ReadApi) -> Cause | None:
    """MetalLB's speakers are to run on no node; what scrapes them misses them, too."""
    status = daemonset.get("status") or {}
    seen = status.get("observedGeneration") == at(daemonset, "metadata", "generation")
    if not includes(SPEAKER, labels_of(daemonset)) or not seen or status.get("desiredNumberScheduled"):
        return None
    selector = at(daemonset, "spec", "template", "spec", "nodeSelector") or {}
    asks = ", ".join(f"{name}={value}" for name, value in selector.items())
    return Cause(
        "loadbalancer-not-announced-no-speaker",
        f"{name_of(daemonset)} runs on no node"
        + (f", for none has all the labels of its nodeSelector: {asks}" if asks else ", for none takes its pods"),
        "correct speaker.nodeSelector or speaker.tolerations in the values of MetalLB's release, or label a node; see "
        "`kubectl get nodes --show-labels`",
    )


def _no_interface(service: Object, advertisements: Sequence[Object], view: ReadApi) -> Cause | None:
    """Explain that the node which should announce has none of the interfaces that it may announce on."""
    names = sorted({str(interface) for adv in advertisements for interface in at(adv, "spec", "interfaces") or ()})
    namespace, name = key(service)
    events = since(about(view.events("v1/Service", name, namespace), service), *advertisements)
    failed = [event for event in events if event.get("reason") == NO_INTERFACE]
    if not names or not failed:
        return None
    return Cause(
        "loadbalancer-not-announced-interfaces",
        f"{listed(ingress(service))} of {name_of(service)} may be announced on the interfaces {listed(names)} only, by "
        f"L2Advertisement {listed([key(adv)[1] for adv in advertisements])}, and the node has none of them: "
        f"{' '.join(str(failed[-1].get('message', '')).split())}",
        "correct spec.interfaces of the L2Advertisement; see `ip link` on the node",
        about=name_of(advertisements[0]),
        field=("spec", "interfaces"),
    )


@explains("v1/Service")
def other_proxy(service: Object, _view: ReadApi) -> Cause | None:
    """Kube-proxy is told to leave the Service alone."""
    proxy = labels_of(service).get(PROXY_LABEL)
    if not is_load_balancer(service) or proxy is None:
        return None
    return Cause(
        "loadbalancer-no-rules",
        f"kube-proxy makes no rules for {name_of(service)}: its label {PROXY_LABEL} leaves it to the proxy `{proxy}`",
        f"remove the label, or see that the proxy {proxy} runs on every node",
        field=("metadata", "labels", PROXY_LABEL),
    )


@explains("v1/Service")
def target_port(service: Object, view: ReadApi) -> Cause | None:
    """A named targetPort that no container declares: the Service has an endpoint without a port."""
    if not is_load_balancer(service):
        return None
    running = [pod for pod in pods_of(view, service) if not has_ended(pod)]
    names = {str(port["name"]) for port in ports_of(running) if port.get("name")}
    declared = declared_ports(running)
    for index, port in enumerate(at(service, "spec", "ports") or ()):
        target = port.get("targetPort")
        if isinstance(target, str) and declared and target not in names:
            return Cause(
                "loadbalancer-target-port",
                f"port {port.get('port')} of {name_of(service)} goes to a container port named {target}, and its pods name "
                f"theirs {listed(sorted(names))}",
                f"correct targetPort of the Service, or the name of the container's port; its pods declare {listed(declared)}",
                field=("spec", "ports", index, "targetPort"),
            )
    return None


def takes_others(service: Object, view: ReadApi) -> list[str]:
    """Return by name what makes the pods that a Service sends requests to, where that is more than one; else nothing."""
    ready = {
        at(endpoint, "targetRef", "name")
        for endpoint in endpoints(view, service)
        if is_ready(endpoint) and at(endpoint, "targetRef", "kind") == "Pod"
    }
    makers = named([pod for pod in pods_of(view, service) if key(pod)[1] in ready], view)
    return makers if len(makers) > 1 else []
