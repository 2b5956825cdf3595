"""Readiness by kind, in words and as a verdict: the default of `wait` and `explain`."""

from __future__ import annotations

from dataclasses import dataclass

from platform_e2e.diagnosis.explain.monitors import MONITOR_KINDS, rules_of
from platform_e2e.git.repository import COMMIT
from platform_e2e.gitops import argocd
from platform_e2e.gitops.convergence import converged_on
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.kube.readiness import READY, SERVICE, SERVICE_NAME, SLICE, Ready, condition, exists, serving
from platform_e2e.kube.verdict import Verdict

READINESS: dict[str, Ready] = {
    **READY,
    argocd.APPLICATIONSET: Ready("is up to date", condition("ResourcesUpToDate")),
    "bitnami.com/v1alpha1/SealedSecret": Ready("is unsealed", condition("Synced")),
    "monitoring.coreos.com/v1/Prometheus": Ready("is available", condition("Available")),
    "monitoring.coreos.com/v1/Alertmanager": Ready("is available", condition("Available")),
}
"""By kind, of Kubernetes and of the foundations."""


@dataclass(frozen=True)
class Assessment:
    """How an object is.

    Attributes:
        expected: what it should be, in words that follow its name.
        verdict: whether it is.
        final: whether `Met` is conclusive; otherwise a known cause may still affect the object.
    """

    expected: str
    verdict: Verdict
    final: bool = True


def assess(obj: Object, view: ReadApi) -> Assessment:
    """Judge an object by what is expected of its kind.

    Args:
        obj: the live object.
        view: where to look for what belongs to it.
    """
    kind = kind_of(obj)
    if kind == argocd.APPLICATION:
        return _application(obj)
    if kind == SERVICE:
        return _service(obj, view)
    if kind in MONITOR_KINDS:
        selects = "selects pods" if rules_of(obj).chosen == "pod" else "selects Services with endpoints"
        return Assessment(f"is taken by a Prometheus, and {selects}", exists(obj), final=False)
    ready = READINESS.get(kind)
    if ready is None:
        return Assessment("exists", exists(obj), final=False)
    return Assessment(ready.phrase, ready.judge(obj))


def _application(app: Object) -> Assessment:
    """Judge an Application by the commit that it was compared with last (scenario A1)."""
    revisions = argocd.revisions(app)
    # Where the comparison failed the branch stands in the commit's place.
    commits = [revision[:12] for revision in revisions if COMMIT.fullmatch(revision)]
    commit = ", ".join(dict.fromkeys(commits))
    expected = f"is Synced and Healthy on commit {commit}" if commit else "is Synced and Healthy"
    return Assessment(expected, converged_on(revisions)(app))


def _service(service: Object, view: ReadApi) -> Assessment:
    """Judge a Service: an address and a ready endpoint, as far as its type and its selector promise them."""
    namespace, name = key(service)
    spec = service.get("spec") or {}
    parts = ["an address"] if spec.get("type") == "LoadBalancer" else []
    parts += ["a ready endpoint"] if spec.get("selector") and spec.get("type") != "ExternalName" else []
    slices = list(view.list(SLICE, namespace, labels={SERVICE_NAME: name}))
    expected = f"has {' and '.join(parts)}" if parts else "exists"
    return Assessment(expected, serving((service, slices)), final=False)
