"""What a layer leaves to controllers that are not here: addresses that MetalLB does not give, and monitors that are not Prometheus' own.

Where it can be judged by what the harness brings it is; else it is named, with the controller that would do it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from platform_e2e.finding import Promise
from platform_e2e.layer import inventory, yamlfile
from platform_e2e.layer.argo_objects import mapping, sequence, text
from platform_e2e.layer.inventory import Pool
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.releases import Release
from platform_e2e.layer.renderer import Reason
from platform_e2e.layer.selectors import matches

METALLB = "metallb"

USUAL = "10.89.0.200-10.89.0.220"
"""Addresses of the harness's own pool, where no object of the layer says any; others take their place where these are not free."""

POOL = "platform-e2e"

_CILIUM = "CiliumLoadBalancerIPPool"
_OTHER_ADDRESSES: Mapping[str, str] = {
    "lbipam.cilium.io/ips": "Cilium LB-IPAM",
    "io.cilium/lb-ipam-ips": "Cilium LB-IPAM",
    "kube-vip.io/loadbalancerIPs": "kube-vip",
}
"""Annotations with which a Service asks another provider than MetalLB for an address of its own."""

_CLASSES: tuple[tuple[str, str], ...] = (
    ("io.cilium/", "Cilium"),
    ("kube-vip.io/", "kube-vip"),
    ("tailscale", "Tailscale's operator"),
    ("service.k8s.aws/", "the AWS load balancer controller"),
    ("networking.gke.io/", "Google's cloud"),
)

_MONITORS: Mapping[tuple[str, str], str] = {
    **{("monitoring.coreos.com", kind): "Prometheus" for kind in ("Probe", "ScrapeConfig")},
    **{
        ("operator.victoriametrics.com", kind): "VictoriaMetrics' operator"
        for kind in ("VMServiceScrape", "VMPodScrape", "VMNodeScrape", "VMStaticScrape", "VMProbe", "VMScrapeConfig")
    },
    **{("monitoring.googleapis.com", kind): "Google's operator" for kind in ("PodMonitoring", "ClusterPodMonitoring")},
}
"""Kinds by which metrics are asked for, beside ServiceMonitors and PodMonitors, and who reads them."""


@dataclass(frozen=True)
class Brought:
    """The pool that the harness brings to a layer whose addresses come from elsewhere.

    Attributes:
        pools: as Git might have them.
        said: why, and what is not as in production, one sentence each.
    """

    pools: tuple[Pool, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[dict[str, Any], ...]:
        """Return what is applied: the pools, each announced on the segment."""
        announced = [
            {
                "apiVersion": "metallb.io/v1beta1",
                "kind": "L2Advertisement",
                "metadata": {key: pool.rendered.object["metadata"][key] for key in ("name", "namespace")},
                "spec": {"ipAddressPools": [pool.name]},
            }
            for pool in self.pools
        ]
        return (*(pool.rendered.object for pool in self.pools), *announced)


def pools(rendered: Sequence[Rendered], releases: Sequence[Release], not_judged: Sequence[NotJudged]) -> Brought:
    """Return the pools that the harness brings: none where the layer has its own, or should have.

    Args:
        rendered: objects of the layer.
        releases: the foundations, with those that the harness brings.
        not_judged: of the layer: its pools may be among what these would make.
    """
    metallb = next((release for release in releases if release.chart == METALLB), None)
    wanting = [each for each in rendered if _balances(each) and _provider(each, releases) is None]
    if metallb is None or not wanting or any(each.kind == "IPAddressPool" for each in rendered):
        return Brought()
    if not metallb.brought and not (metallb.place and not_judged):
        return Brought()
    cilium = [each for each in rendered if each.kind == _CILIUM]
    found = [pool for each in cilium for pool in _of_cilium(each, metallb.namespace)]
    if found:
        who = f"Cilium's LB-IPAM ({', '.join(each.location for each in cilium)}) is not here: MetalLB gives addresses of its ranges"
    else:
        found = [_pool(POOL, metallb.namespace, [USUAL], {}, wanting[0])]
        who = f"the layer has no pool of addresses: MetalLB gives those of the harness's own, {USUAL}"
    said = [f"{who} in place of what does in production"]
    for each in wanting:
        asked = [f"{name}: {each.annotations[name]}" for name in _OTHER_ADDRESSES if name in each.annotations]
        if asked:
            said.append(f"{each} ({each.location}) is judged at another address than it asks for by {asked[0]}")
    return Brought(tuple(found), tuple(said))


def _of_cilium(rendered: Rendered, namespace: str) -> Iterator[Pool]:
    """Yield a pool of Cilium's as one of MetalLB's; none where it has no address of IPv4."""
    spec = rendered.spec
    blocks = [mapping(each) for key in ("blocks", "cidrs") for each in sequence(spec.get(key))]
    ranges = [
        text(each.get("cidr")) or f"{text(each.get('start'))}-{text(each.get('stop')) or text(each.get('start'))}"
        for each in blocks
    ]
    ranges = [each for each in ranges if each and ":" not in each and _is_range(each)]
    if ranges and spec.get("disabled") is not True:
        selector = mapping(spec.get("serviceSelector"))
        yield _pool(rendered.name, namespace, ranges, selector, rendered)


def _is_range(written: str) -> bool:
    try:
        for part in written.partition("/")[0].split("-"):
            ip_address(part.strip())
    except ValueError:
        return False
    return True


def _pool(name: str, namespace: str, ranges: Sequence[str], selector: Mapping[str, Any], like: Rendered) -> Pool:
    spec: dict[str, Any] = {"addresses": list(ranges)}
    # Cilium's own labels of a Service's namespace and name select what MetalLB cannot.
    if selector and not any(key.startswith("io.kubernetes.service.") for key in mapping(selector.get("matchLabels"))):
        spec["serviceAllocation"] = {"serviceSelectors": [dict(selector)]}
    made = {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    return inventory.pool(Rendered(made, like.application, like.file, like.line))


def not_judged(rendered: Sequence[Rendered], releases: Sequence[Release]) -> Iterator[NotJudged]:
    """Yield the objects of a layer that only a controller which is not here would serve, each with that controller.

    Args:
        rendered: objects of the layer.
        releases: the foundations, with those that the harness brings.
    """
    for each in rendered:
        group, _, _, _ = each.identity
        if _balances(each) and not each.exempt(Promise.LOADBALANCER):
            provider = _provider(each, releases)
            if provider is not None:
                yield _named(
                    each,
                    Reason.ADDRESS,
                    f"its address comes from {provider}, which is not here",
                    ("spec", "loadBalancerClass"),
                )
        reader = _MONITORS.get((group, each.kind))
        if reader is not None and each.kept and not each.exempt(Promise.MONITORING):
            problem = f"what a {each.kind} tells {reader} to ask is not compared with what it asks"
            yield _named(each, Reason.MONITOR, problem, ())


def _named(rendered: Rendered, reason: Reason, problem: str, field: tuple[str, ...]) -> NotJudged:
    file, _, line = rendered.place(*field).rpartition(":")
    remedy = "accept in platform-e2e.yaml that it is not judged"
    return NotJudged(
        str(rendered), reason, problem, remedy, file or rendered.file, int(line) if line.isdigit() else None, ()
    )


def _balances(rendered: Rendered) -> bool:
    return rendered.api == "v1/Service" and rendered.kept and rendered.spec.get("type") == "LoadBalancer"


def _provider(service: Rendered, releases: Sequence[Release]) -> str | None:
    """Return who gives a Service of another class than MetalLB's its address; None where MetalLB does.

    Of a layer that lists its foundations a class that nothing serves is a fault of the layer.
    """
    named = service.spec.get("loadBalancerClass")
    metallb = next((release for release in releases if release.chart == METALLB), None)
    if not isinstance(named, str) or not named or metallb is None or not (metallb.brought or metallb.place):
        return None
    if named == _class_of(metallb):
        return None
    return next((who for start, who in _CLASSES if named.startswith(start)), f"the controller of the class {named}")


def _class_of(metallb: Release) -> str:
    documents = yamlfile.parse(metallb.values.read_text(encoding="utf-8"), metallb.values.name)
    return text(mapping(documents[0].data).get("loadBalancerClass")) if documents else ""


def scrapes(monitor: Rendered, service: Rendered) -> bool:
    """Tell whether a monitor that is not judged takes a Service: then it is for its metrics, and no other need be.

    Args:
        monitor: any object.
        service: with a port that is called metrics.
    """
    if monitor.identity[:2] != ("operator.victoriametrics.com", "VMServiceScrape"):
        return False
    among = mapping(monitor.spec.get("namespaceSelector"))
    names = [text(each) for each in sequence(among.get("matchNames"))] or [str(monitor.namespace)]
    if among.get("any") is not True and str(service.namespace) not in names:
        return False
    try:
        return matches(mapping(monitor.spec.get("selector")), service.labels)
    except (ValueError, KeyError, TypeError):
        return False
