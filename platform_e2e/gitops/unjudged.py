"""Applications that wait for one which is not judged: neither that one nor those can be waited for.

Argo CD waits for the health of an Application only where it was told to judge it (`resource.customizations.health` in argocd-cm): then
the sync of a parent holds its next wave until a child is healthy, and the parent is no healthier than its children. A child that cannot
be rendered here may never be healthy here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.gitops.convergence import at, operates_on
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Layer, NotJudged

WAITS_FOR = "application-waits-for-unjudged"
"""Cause of an Application that waits for one that is not judged: it is no fault, and its test is unknown."""

HELD = re.compile(r"waiting for (?:healthy state|completion of hook)")
"""Message of an operation without an end of its own (gitops-engine, pkg/sync/sync_context.go); that of an older commit is not needed."""


def waits_for(app: Object, not_judged: Sequence[NotJudged], sha: str) -> NotJudged | None:
    """Return what is not judged and alone keeps an Application from converging, or None.

    Args:
        app: as the cluster has it.
        not_judged: objects of the layer that are not judged.
        sha: the commit that is served: what waits at an older one is stopped.
    """
    if not not_judged:
        return None
    operation = argocd.operation(app)
    if operation.running:
        if not operates_on(app, sha) or not HELD.search(operation.message):
            return None
        return next((each for each in not_judged if _names(operation.message, each)), None)
    if argocd.sync_status(app) != "Synced" or not at(app, sha):
        return None
    ill = [resource for resource in argocd.resources(app) if resource.health not in ("Healthy", "")]
    named = {each.identity: each for each in not_judged}
    places = [(each.kind.lower(), each.namespace or argocd.NAMESPACE, each.name) for each in ill]
    below = [named[place] for place in places if place in named]
    return below[0] if below and len(below) == len(ill) else None


def needs_a_device(
    app: Object,
    devices: Sequence[NotJudged],
    sha: str,
    cause_of: Callable[[Object], tuple[Cause, float | None] | None],
) -> NotJudged | None:
    """Return the object of an Application that its cause leads to, where it needs a block device that is not there.

    Argo CD keeps the health of single objects out of the Application, so that it does not say itself which one it waits for.

    Args:
        app: as the cluster has it.
        devices: objects that need a block device.
        sha: the commit that is served.
        cause_of: tells the cause of an Application, as `GiveUp.cause` does; asked only where there are such objects.
    """
    if not devices or argocd.sync_status(app) != "Synced" or not at(app, sha):
        return None
    found, _ = cause_of(app) or (None, None)
    return next((each for each in devices if found and each.object == found.through), None)


def _names(message: str, unjudged: NotJudged) -> bool:
    kind, _, name = unjudged.identity
    return re.search(rf"\b{re.escape(kind)}/{re.escape(name)}(?![\w.-])", message, re.IGNORECASE) is not None


def cause(app: Object, unjudged: NotJudged) -> Cause:
    """Return why an Application cannot converge here."""
    name, namespace = app["metadata"]["name"], app["metadata"]["namespace"]
    return Cause(
        WAITS_FOR,
        f"application/{name} -n {namespace} waits for {unjudged.object}, which is not judged: {unjudged.problem}",
        unjudged.remedy,
        through=unjudged.object,
    )


def makers(layer: Layer) -> Mapping[tuple[str, str, str], str]:
    """Return which Application makes each Application and ApplicationSet, by kind, namespace and name; the roots have none."""
    return {
        (rendered.kind, rendered.namespace or argocd.NAMESPACE, rendered.name): rendered.application
        for rendered in layer.rendered
        if rendered.api in (argocd.APPLICATION, argocd.APPLICATIONSET)
    }
