"""Every Application of Git exists, is as Git says, keeps itself so, and has converged; every environment has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from platform_e2e.checks.application_differences import as_in_git
from platform_e2e.checks.polling import until_no_findings
from platform_e2e.checks.unjudged import Makers
from platform_e2e.diagnosis.attribution import APPLIED
from platform_e2e.diagnosis.causes import CAUSES, Symptom, symptom, unexplained
from platform_e2e.diagnosis.explain import explain, unexplained_of
from platform_e2e.diagnosis.explain.sync_windows import holding
from platform_e2e.diagnosis.explain.syncs import unautomated
from platform_e2e.diagnosis.objects import labels_of, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd, argocd_requests
from platform_e2e.gitops.convergence import WORKLOADS, Wanted, converged_on, shortened, synced_on
from platform_e2e.gitops.unjudged import WAITS_FOR
from platform_e2e.kube.errors import NotFound
from platform_e2e.kube.expect import Met, Timeout
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.kube.readiness import rolled_out
from platform_e2e.layer import EXEMPT, Application, Environment, NotJudged, Unread
from platform_e2e.layer.objects import located
from platform_e2e.layer.renderer import Reason

if TYPE_CHECKING:
    from platform_e2e.kube.client import Kube

TESTS = "platform-e2e/run"
"""Label of namespaces and Applications that tests make for themselves."""


def policy(application: Application) -> list[Finding]:
    """Return which of the promises that every Application makes by default it does not make.

    The expectation is the default and not what the Application says, so removing a line cannot remove the promise.

    Args:
        application: as Git has it.
    """
    automation = application.automation
    policy = f"{application.spec_path}.syncPolicy"
    what = f"{policy}.automated"
    keys = ("spec", "syncPolicy")
    if not automation.enabled:
        # What nothing syncs can neither prune, heal nor be tried again: the other lines would not help.
        off = unautomated(
            str(application),
            application.sync_policy.get("automated"),
            what,
            application.place(*keys, "automated", "enabled"),
        )
        return [] if application.exempt(Promise.APPLICATIONS) else [_policy(application, off, f"{what}: {{}}")]
    rules = (
        (automation.prune, "application-not-pruning", "keeps what Git drops", "automated.prune: true"),
        (automation.self_heal, "application-not-selfhealing", "keeps drift", "automated.selfHeal: true"),
        (
            _retries(application),
            "application-not-retrying",
            "gives a failed sync up at once",
            "retry.limit: 5",
        ),
    )
    return [
        _policy(
            application,
            Cause(
                cause_id,
                f"{application} {effect}: Git does not say {policy}.{field}",
                f"write {policy}.{field} in {application.place(*keys, *field.partition(':')[0].split('.'))}",
            ),
            f"{policy}.{field}",
        )
        for holds, cause_id, effect, field in rules
        if not holds and not application.exempt(CAUSES[cause_id].promise)
    ]


def _policy(application: Application, cause: Cause, field: str) -> Finding:
    promise = CAUSES[cause.id].promise
    remedy = f"{cause.remedy}, or the annotation {EXEMPT}{promise} with the reason"
    return Finding(str(application), promise, field, "Git says otherwise", replace(cause, remedy=remedy))


def _retries(application: Application) -> bool:
    """Tell whether a sync that fails is tried again.

    Without a block Argo CD tries an automated sync five times more; with one that gives no limit, not once (3.2.11,
    controller/appcontroller.go, autoSync; RetryStrategy.Limit is 0 where it is left out; below 0 it is unlimited).
    """
    block = application.sync_policy.get("retry")
    return not isinstance(block, Mapping) or bool(block.get("limit"))


def registered(
    expected: Sequence[Application], live: Sequence[Object], not_judged: Sequence[NotJudged] = ()
) -> list[Finding]:
    """Return Applications of Git that the cluster lacks, and those of the cluster that Git does not have.

    Args:
        expected: all of the layer, generated ones included.
        live: all of the cluster.
        not_judged: objects of the layer that are not judged: whether these are in the cluster is not judged either.
    """
    wanted = {(application.namespace, application.name): application for application in expected}
    found = {key(app): app for app in live if TESTS not in labels_of(app)}
    missing = [
        Finding(str(application), Promise.APPLICATIONS, "it exists", "it does not", _missing(application))
        for place, application in wanted.items()
        if place not in found
    ]
    return missing + unknown(expected, live, not_judged)


def unknown(
    expected: Sequence[Application], live: Sequence[Object], not_judged: Sequence[NotJudged] = ()
) -> list[Finding]:
    """Return Applications of the cluster that Git does not have.

    Args:
        expected: all of the layer, generated ones included.
        live: all of the cluster.
        not_judged: objects of the layer that are not judged: Git has them, and what they make.
    """
    theirs = Makers(not_judged, live).applications
    wanted = {(application.namespace, application.name) for application in expected}
    return [
        Finding(name_of(app), Promise.APPLICATIONS, "it comes from a file of Git", "no file says so", _unknown(app))
        for app in live
        if TESTS not in labels_of(app) and key(app) not in wanted and name_of(app) not in theirs
    ]


def _missing(application: Application) -> Cause:
    maker = f"the ApplicationSet {application.generated_by}" if application.generated_by else "no object of the layer"
    return Cause(
        "application-missing",
        f"{application} is in {application.file}, and {maker} has made it in the cluster",
        "look at the conditions of the ApplicationSet" if application.generated_by else f"apply {application.file}",
    )


def _unknown(app: Object) -> Cause:
    return Cause(
        "application-unknown",
        f"{name_of(app)} runs in the cluster and is in no file of Git",
        "add its file, or delete it; what it deployed is found in its status.resources",
    )


def converged(application: Application, sha: str, kube: Kube, known: Cause | None = None) -> list[Finding]:
    """Return what is wrong with an Application of the cluster: it has not converged, is not what its file says, or may not sync.

    Args:
        application: as Git has it.
        sha: the commit that is served.
        kube: the cluster.
        known: why it is not there, where that is known already.
    """
    live = kube.get(argocd.APPLICATION, application.name, application.namespace)
    found = convergence(application, live, sha, kube)
    if live is not None and not found:
        live = compared_anew(application.name, application.namespace, kube) or live
        found = convergence(application, live, sha, kube)
    if live is None:
        return [replace(finding, cause=known) for finding in found] if known else found
    return (
        found
        or as_in_git(application, live, kube)
        or may_sync(application, live, kube)
        or unrolled(application, live, kube)
    )


def compared_anew(name: str, namespace: str, kube: Kube) -> Object | None:
    """Return an Application as a comparison has it that was asked for: any other one may be Argo CD's memory (gitops.comparisons).

    Args:
        name: of the Application.
        namespace: of the Application.
        kube: the cluster.
    """
    try:
        return argocd_requests.refresh(kube, name, namespace=namespace)
    except (Timeout, NotFound):
        # That it is not compared is a finding by itself.
        return kube.get(argocd.APPLICATION, name, namespace)


def may_sync(application: Application, live: Object, view: ReadApi) -> list[Finding]:
    """Return the finding that sync windows keep an Application from syncing now, though it is as in Git at the moment.

    Args:
        application: as Git has it.
        live: as the cluster has it.
        view: of the cluster, for its AppProject.
    """
    cause = holding(live, view) if application.automation.enabled else None
    if cause is None:
        return []
    return [Finding(str(application), Promise.APPLICATIONS, "it is synced by itself", "no sync may begin", cause)]


def unrolled(application: Application, live: Object, view: ReadApi) -> list[Finding]:
    """Return the finding that a workload of an Application does not run what it says; Argo CD may judge by what was before.

    Args:
        application: as Git has it.
        live: as the cluster has it.
        view: of the cluster.
    """
    for resource in argocd.resources(live):
        if resource.api not in WORKLOADS:
            continue
        workload = view.get(resource.api, resource.name, resource.namespace or None)
        verdict = rolled_out(workload)
        if not isinstance(verdict, Met):
            cause = (explain(workload, view) if workload else None) or unexplained(f"{resource}: {verdict.why}")
            own = next((rendered for rendered in application.objects if str(rendered) == str(resource)), None)
            cause = located(cause, application.objects, own)
            return [Finding(str(application), Promise.APPLICATIONS, f"{resource} has rolled out", verdict.why, cause)]
    return []


def wait_converged(
    application: Application, sha: str, kube: Kube, *, timeout: float, known: Cause | None = None
) -> list[Finding]:
    """Return what is still wrong with an Application when waiting no longer helps.

    Args:
        application: as Git has it.
        sha: the commit that is served.
        kube: the cluster.
        timeout: seconds.
        known: what held it when the platform came up. While it is held by the same, it is not waited for once more; what else
            is wrong with it may be the change of another test.
    """

    def look() -> list[Finding]:
        return converged(application, sha, kube, known)

    if known is not None:
        found = look()
        if known.id == WAITS_FOR:
            # What that one lacks is not what is wrong with this one.
            return [replace(finding, cause=known) for finding in found]
        if not found or any(finding.cause.id == known.id for finding in found):
            return found
    return until_no_findings(
        look,
        timeout=timeout,
        what=f"{application} is what commit {sha[:12]} says",
    )


def convergence(application: Application, live: Object | None, sha: Wanted, view: ReadApi) -> list[Finding]:
    """Return the finding that an Application is not what a commit says (scenario A1 in full).

    Args:
        application: as Git has it.
        live: as the cluster has it, or None.
        sha: the commit, or the revision of each source.
        view: of the cluster, for the cause.
    """
    if live is None:
        return [Finding(str(application), Promise.APPLICATIONS, "it exists", "it does not", _missing(application))]
    verdict = converged_on(sha)(live)
    if isinstance(verdict, Met):
        return []
    cause = explain(live, view) or unexplained_of(live, view, verdict.why)
    if symptom(cause) is Symptom.WORKLOAD_NOT_READY or cause.through:
        cause = located(cause, application.objects)
    elif application.allowed_by is not None:
        cause = located(cause, (application.allowed_by,))
    expected = f"synced to commit {shortened(sha)} and healthy"
    sync, health = argocd.sync_status(live) or "not compared", argocd.health(live) or "not known"
    observed = f"sync status {sync}, health {health}: {verdict.why}"
    applied = {APPLIED: "yes"} if synced_on(live, sha) and not argocd.operation(live).running else {}
    return [Finding(str(application), Promise.APPLICATIONS, expected, observed, cause, applied)]


def environment(environment: Environment) -> list[Finding]:
    """Return the finding that a directory of an environment exists and no Application deploys it.

    Args:
        environment: a directory that the ApplicationSet's path could mean.
    """
    if environment.application is not None or environment.exempt:
        return []
    cause = Cause(
        "environment-missing",
        f"the ApplicationSet {environment.applicationset} generates no Application for {environment.path}, which is there",
        f"add {environment.name} to the generator in {environment.place}, delete the directory, or give the reason in the "
        "metadata of its kustomization as platform-e2e/exempt-environments",
    )
    name = f"environment/{environment.name}"
    return [Finding(name, Promise.ENVIRONMENTS, "an Application deploys it", "none does", cause)]


def unread(manifests: Unread, not_judged: Sequence[NotJudged] = ()) -> list[Finding]:
    """Return the finding that no Application reads a directory of manifests, so that nothing in it is promised.

    Args:
        manifests: what the layer has and no Application reads.
        not_judged: objects of the layer that are not judged: one of them may be what reads it.
    """
    if manifests.exempt or may_be_read(manifests, not_judged):
        return []
    cause = Cause(
        "manifests-without-application",
        f"no Application of the layer reads {listed(manifests.directories)}, where there are manifests",
        f"add the Application or ApplicationSet that reads {manifests.path} to argocd/, or it to a kustomization that is read; "
        f"delete the directory; or give the reason as {EXEMPT}{Promise.APPLICATIONS} in the metadata of its kustomization, "
        "of plain manifests in that of every object",
    )
    return [Finding(str(manifests), Promise.APPLICATIONS, "an Application reads it", "none does", cause)]


REFUSED = frozenset({Reason.SHAPE, Reason.LINK, Reason.RENDER})
"""Why Argo CD itself would not render something, on any cluster: then it is broken, and not only unknown."""


def refused(not_judged: NotJudged) -> list[Finding]:
    """Return the finding that Argo CD refuses what a file of the layer says; none where it is only not known here.

    Args:
        not_judged: an object of the layer.
    """
    if not_judged.reason not in REFUSED:
        return []
    cause = Cause(
        "application-not-rendered",
        f"{not_judged.problem} ({not_judged.place})",
        not_judged.remedy or f"correct {not_judged.place}",
    )
    return [Finding(not_judged.object, Promise.APPLICATIONS, "Argo CD renders it", "it refuses", cause)]


def may_be_read(manifests: Unread, not_judged: Sequence[NotJudged]) -> bool:
    """Tell whether what is not judged may read a directory of manifests, so that it cannot be told whether one does.

    Args:
        manifests: what no judged Application reads.
        not_judged: objects of the layer that are not judged.
    """
    return any(each.may_read(directory) for each in not_judged for directory in manifests.directories)
