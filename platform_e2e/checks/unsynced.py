"""Objects that a cluster lacks, or still has, because an Application did not sync: the cause is the Application's.

An Application that is held leaves behind what it has not made, what it has not changed and what it has not pruned. Whatever
looks at such an object finds something wrong with it: a Service that is not there, a Service without its pool, a pod without its
Secret. All of that is mended with the Application, and none of it by what its own remedy says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platform_e2e.checks import case_applications, waves
from platform_e2e.checks.foundation_needs import Need, bringing
from platform_e2e.checks.mutations import Mutation
from platform_e2e.diagnosis.causes import OBJECT_MISSING
from platform_e2e.diagnosis.explain.owners import template_labels
from platform_e2e.diagnosis.objects import WORKLOAD_KINDS, at, includes
from platform_e2e.finding import Finding
from platform_e2e.gitops import argocd
from platform_e2e.layer import Application, Layer, LoadBalancer, Rendered

if TYPE_CHECKING:
    from platform_e2e.kube.read_api import ReadApi

FOLLOWS = frozenset(
    {
        OBJECT_MISSING,
        "application-missing",
        "service-no-endpoints",
        "loadbalancer-no-pool",
        "loadbalancer-pool-unknown",
        "loadbalancer-pool-not-allowed",
        "loadbalancer-pool-full",
        "loadbalancer-address-outside-pools",
        "loadbalancer-wrong-pool",
        "loadbalancer-no-endpoints",
        "loadbalancer-not-announced-no-advertisement",
        "loadbalancer-not-announced-selectors",
        "monitor-service-unmatched",
        "monitor-pod-unmatched",
        "monitor-no-endpoints",
        "monitor-target-count",
        "release-not-scraped",
        "release-without-monitor",
    }
)
"""Causes that an object which is not there, or is not what Git says, may have whatever its name is."""

NAMES_IT = frozenset(
    {
        "application-hook-failed",
        "application-hook-running",
        "application-missing-crd",
        "application-retrying",
        "application-sync-failed",
        "pod-configuration",
        "workload-refused",
    }
)
"""Causes whose sentence names the object where it is one that is not there."""

CRD = "CustomResourceDefinition"


@dataclass(frozen=True)
class Needed:
    """An object of the layer without which a case is red.

    Attributes:
        by: what brings it: itself, or what a controller makes it of.
        kind: of it.
        name: of it, as a sentence about its absence has it.
    """

    by: Rendered
    kind: str
    name: str


def holding(
    findings: Sequence[Finding], case: object, layer: Layer, held: Mapping[str, Finding], view: ReadApi
) -> list[Finding]:
    """Return what holds the Applications that should have made what findings lack; nothing where they have another cause.

    Args:
        findings: about a case.
        case: of a test: an Application, a Service with an address, a monitor, a change; None for a test of the whole layer.
        layer: that it comes from.
        held: for each Application that has not converged the finding that says what holds it.
        view: of the cluster.
    """
    # Its own test tells what holds an Application.
    itself = case.name if isinstance(case, Application) else ""
    told: dict[str, Finding] = {}
    for need in _needed(case, layer) if findings and held else ():
        maker = need.by.application
        if maker == itself or maker in told or maker not in held or not _told_by(findings, need):
            continue
        if _is_among(held[maker], findings):
            continue
        if _is_unmade(need, view.get(argocd.APPLICATION, maker, layer.application(maker).namespace), view):
            told[maker] = next(iter(waves.behind(layer.application(maker), layer)), held[maker])
    return list(told.values())


def unpruned(findings: Sequence[Finding], held: Mapping[str, Finding], view: ReadApi) -> list[Finding]:
    """Return what holds the Applications that should have removed what findings are about; nothing where none should.

    Args:
        findings: about objects that Git does not have.
        held: for each Application that has not converged the finding that says what holds it.
        view: of the cluster.
    """
    if not findings or not held:
        return []
    left = {
        str(resource): key
        for app in view.list(argocd.APPLICATION)
        if (key := app["metadata"]["name"]) in held
        for resource in argocd.resources(app)
        if resource.requires_pruning
    }
    makers = [left.get(finding.object, "") for finding in findings]
    return [held[name] for name in dict.fromkeys(makers)] if all(makers) else []


def _is_unmade(need: Needed, app: Mapping[str, object] | None, view: ReadApi) -> bool:
    """Tell whether an Application has not made an object as Git says it, or what a controller makes of it is not there."""
    by = need.by
    if by.kind != need.kind:
        return view.get(f"v1/{need.kind}", need.name, by.namespace) is None
    if not by.kept:
        return view.get(by.api, by.name, by.namespace) is None
    known = {(each.group, each.kind, each.namespace, each.name): each for each in argocd.resources(dict(app or {}))}
    group, kind, namespace, name = by.identity
    entry = known.get((group, kind, namespace or "", name))
    return entry is None or entry.status != "Synced"


def _is_among(known: Finding, findings: Sequence[Finding]) -> bool:
    """Tell whether what holds an Application is what was found: then it is not the effect of another fault."""
    return any(finding.cause.id == known.cause.id or finding.object == known.cause.through for finding in findings)


def _told_by(findings: Sequence[Finding], need: Needed) -> bool:
    """Tell whether findings may be there because an object is not."""
    names = [need.name, str(at(need.by.spec, "names", "kind"))] if need.kind == CRD else [need.name]
    return any(
        finding.cause.id in FOLLOWS
        or (finding.cause.id in NAMES_IT and any(_names(finding.cause.sentence, name) for name in names))
        for finding in findings
    )


def _names(sentence: str, name: str) -> bool:
    """Tell whether a sentence names an object, and none whose name only begins or ends alike."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", sentence) is not None


def _needed(case: object, layer: Layer) -> Iterator[Needed]:
    """Yield what a case is red without, whatever Application makes it."""
    match case:
        case None:
            yield from map(_itself, layer.monitors())
        case Application():
            yield from _of_application(case, layer)
        case Mutation():
            yield from _of_application(layer.application(case.application), layer) if case.application else ()
        case LoadBalancer() | Rendered():
            looked_at = case_applications.objects_of(case, layer)
            yield from map(_itself, looked_at)
            for workload in (each for rendered in looked_at for each in _selected(rendered, layer)):
                yield _itself(workload)
                yield from _of_pods(workload, layer)


def _itself(rendered: Rendered) -> Needed:
    return Needed(rendered, rendered.kind, rendered.name)


def _of_application(application: Application, layer: Layer) -> Iterator[Needed]:
    """Yield what an Application needs to be made, applied and healthy."""
    maker = waves.makers(layer).get(application.name)
    if maker is not None:
        yield _itself(maker)
    for obj in application.objects:
        yield from _of_pods(obj, layer)
    if any(balancer.service.application == application.name for balancer in layer.load_balancers()):
        yield from map(_itself, case_applications.metallb(layer))
    kinds = {(obj.identity[0], obj.kind) for obj in application.objects}
    spaces = {obj.namespace for obj in application.objects}
    for rendered in layer.rendered:
        serves = rendered.kind == CRD and (rendered.spec.get("group"), at(rendered.spec, "names", "kind")) in kinds
        if serves or (rendered.kind == "Namespace" and rendered.name in spaces):
            yield _itself(rendered)


def _of_pods(workload: Rendered, layer: Layer) -> Iterator[Needed]:
    for kind, name in dict.fromkeys(waves.needs(workload)):
        by = bringing(Need(kind, name, workload.namespace or ""), layer.rendered)
        if by is not None:
            yield Needed(by, kind, name)


def _selected(rendered: Rendered, layer: Layer) -> Iterator[Rendered]:
    """Yield the workloads whose pods a Service selects, and a workload itself."""
    selector = rendered.spec.get("selector") if rendered.api == "v1/Service" else None
    for kind in WORKLOAD_KINDS:
        for workload in layer.of_kind(kind):
            behind = selector and includes(selector, template_labels(workload.object))
            if workload is rendered or (behind and workload.namespace == rendered.namespace):
                yield workload
