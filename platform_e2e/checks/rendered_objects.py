"""Argo CD applies the objects that were rendered before there was a cluster: every other check believes in these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from platform_e2e.checks.applications import compared_anew
from platform_e2e.checks.git_differences import filled
from platform_e2e.checks.polling import until_no_findings
from platform_e2e.diagnosis.objects import listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.gitops.comparisons import FAILED
from platform_e2e.gitops.convergence import of_each_source
from platform_e2e.kube.client import Kube
from platform_e2e.kube.objects import Object
from platform_e2e.layer import Application
from platform_e2e.layer.objects import described
from platform_e2e.layer.renderer import Engine

REMEDY = "the fault is the harness's and not the layer's: report it with the files that the Application reads"

_Identity: TypeAlias = tuple[str, str, str | None, str]
"""Group, kind, namespace and name."""


def check(
    application: Application, sha: str, kube: Kube, *, engine: Engine | None, timeout: float
) -> tuple[int, list[Finding]]:
    """Return how many objects of an Application were compared, and the finding that Argo CD applies others.

    None is compared where Argo CD has not rendered this commit: that it has not is a finding of another check.

    Args:
        application: as it was rendered.
        sha: the commit that is served.
        kube: the cluster.
        engine: what rendered it.
        timeout: seconds for a difference to go: Argo CD may have rendered it before the CRDs were there that its charts ask for.
    """

    def look(live: Object | None) -> list[Finding]:
        if live is None or not compared(application, live, sha):
            return []
        return rendered_otherwise(application, live, engine.argocd if engine else "")

    live = kube.get(argocd.APPLICATION, application.name, application.namespace)
    if not compared(application, live, sha):
        return 0, []
    findings = look(live)
    if findings:
        findings = until_no_findings(
            lambda: look(compared_anew(application.name, application.namespace, kube)),
            timeout=timeout,
            what=f"Argo CD applies of {application} what was rendered",
        )
    return len(application.objects), findings


def compared(application: Application, live: Object | None, sha: str) -> bool:
    """Tell whether Argo CD has compared an Application, as it is now, with a commit: then it knows what it is to apply.

    Args:
        application: as it was rendered.
        live: the Application as the cluster has it, or None.
        sha: the commit.
    """
    if live is None or argocd.refresh_asked(live) or any(kind == FAILED for kind, _ in argocd.conditions(live)):
        return False
    now, of = live.get("spec") or {}, (argocd.status(live).get("sync") or {}).get("comparedTo") or {}
    # Argo CD writes out what is empty, and the source beside several.
    if any(filled(of.get(field)) != filled(now.get(field)) for field in ("source", "sources")):
        return False
    # That of a chart is its version, and other repositories have their own.
    found, wanted = argocd.revisions(live), of_each_source(live, sha)
    each = [wanted] * len(found) if isinstance(wanted, str) else wanted
    pairs = zip(found, each, application.sources, strict=False)
    return bool(found) and all(revision == commit for revision, commit, source in pairs if not source.chart)


def rendered_otherwise(application: Application, live: Object, argo_cd: str) -> list[Finding]:
    """Return the finding that Argo CD applies other objects for an Application than were rendered here.

    Hooks and objects without a name of their own are made anew by every sync and are not compared, nor is what Argo CD leaves out
    on purpose or has yet to prune, or what another Application has as well.

    Args:
        application: as it was rendered.
        live: as the cluster has it, compared with the same commit.
        argo_cd: the version that rendered it here.
    """
    ours = {each.identity for each in application.objects if each.kept and each.object["metadata"].get("name")}
    there = argocd.resources(live)
    theirs = {_identity(each) for each in there}
    # Without a status it is a hook, or bears the mark of this Application and is not its own.
    applied = {_identity(each) for each in there if each.status and not each.requires_pruning and not each.hook}
    excluded = [message for kind, message in argocd.conditions(live) if kind == argocd.EXCLUDED]
    lacking = sorted(each for each in ours - theirs if not _is_excluded(each, excluded))
    beyond = sorted(applied - {each.identity for each in application.objects}, key=str)
    if not lacking and not beyond:
        return []
    differences = [
        *([f"Argo CD does not apply {_named(lacking)}"] if lacking else []),
        *([f"Argo CD applies {_named(beyond)}, which was not rendered here"] if beyond else []),
    ]
    cause = Cause(
        "rendered-otherwise",
        f"{application} was rendered here by Argo CD {argo_cd} to other objects than in the cluster: {' and '.join(differences)}",
        REMEDY,
    )
    return [
        Finding(
            str(application),
            Promise.APPLICATIONS,
            f"Argo CD applies the {len(ours)} objects that were rendered here",
            "; ".join(differences),
            cause,
        )
    ]


def _identity(resource: argocd.ResourceStatus) -> _Identity:
    return resource.group, resource.kind, resource.namespace or None, resource.name


def _is_excluded(identity: _Identity, messages: Sequence[str]) -> bool:
    group, kind, _, name = identity
    return any(f"{group}/{kind} {name} " in message for message in messages)


def _named(identities: Sequence[_Identity]) -> str:
    return listed([described(kind, name, namespace) for _, kind, namespace, name in identities])
